"""The version of all packages of this project."""

from typing import Final

__version__: Final = "0.1.0"
