"""How the weights were made.

Captions, vocabulary, data, teacher, objective and loop of ``python -m burnish_tiny_clip.train``.
"""
