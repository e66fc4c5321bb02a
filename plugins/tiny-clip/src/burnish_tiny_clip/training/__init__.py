"""How the weights were made: captions, vocabulary, data, teacher, objective and loop of ``python -m burnish_tiny_clip.train``."""
