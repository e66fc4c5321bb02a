"""How recipes are written.

YAML with line numbers, ``name:key=value``, and values by the type of their option. Light.
"""
