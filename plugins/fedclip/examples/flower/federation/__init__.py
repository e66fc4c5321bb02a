"""FedCLIP between clients that keep their images: the app that ``flwr run`` deploys."""
