"""Heads trained on cached features, many at once: the base that authors write on, and its trainer."""
