"""What a model of an architecture offers, known by its name. Light: no timm.

Every model of timm gives features. Where parts can be put into the module is known for the families
below.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from burnish_timm.files import local_files, read_config

if TYPE_CHECKING:
    from burnish_timm import TimmConfig

_FAMILIES: Final = {
    "transformer": re.compile(
        r"(aimv2|beit|beitv2|beit3|deit|deit3|eva|eva02|flexivit|vit|test_vit\d?)(_.*)?"
    ),
    "resnet": re.compile(
        r"(?!.*(\d(ts|q)(_|$)|_clip|_mlp))((eca|se|wide_)?resne[xt]t?(\d|aa|blur|rs|light).*|senet154|test_resnet)"
    ),
    "convnext": re.compile(r"(test_)?convnext(v2)?\d?(_.*)?"),
    "regnet": re.compile(r"regnet([vxy]_.*|z_\d.*)"),
}

STAGES: Final = {
    "resnet": ("layer1", "layer2", "layer3", "layer4"),
    "regnet": ("s1", "s2", "s3", "s4"),
    "convnext": ("stages.0", "stages.1", "stages.2", "stages.3"),
}
"""Names of the stages of a convolutional family."""


def family(architecture: str) -> str:
    """Return the family of an architecture.

    ``"transformer"``, one of `STAGES`, or the empty string for all others.
    """
    return next((name for name, pattern in _FAMILIES.items() if pattern.fullmatch(architecture)), "")


def architecture(config: TimmConfig) -> str:
    """Return a config's architecture, without a tag, as far as can be known without asking a hub.

    Of a hub it is known by the model's name.

    Raises:
        ConfigError: the path is not there.
        ModelFileError: the folder lacks what makes a model.
    """
    name = config.model
    if not name and config.hub is not None:
        name = config.hub.rpartition("/")[2]
    elif not name:
        file = local_files(config).config
        name = "" if file is None else str(read_config(file)["architecture"])
    return name.partition(".")[0]


def provides(config: TimmConfig) -> frozenset[str]:
    """Return what the model of a config provides.

    Raises:
        ConfigError: the path is not there.
        ModelFileError: the folder lacks what makes a model.
    """
    return frozenset({"features", "module"} if family(architecture(config)) else {"features"})
