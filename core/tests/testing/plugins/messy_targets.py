"""A target."""


class Loss:
    def __init__(self, config):
        self.config = config
