"""Data sources. Modules whose names begin with an underscore are light: no torch, no numpy."""
