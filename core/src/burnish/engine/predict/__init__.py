"""Predictors: saved, loaded again, and what they read of items."""
