"""Answers of language models: asked for once, kept, looked after."""
