"""Descriptors of the data sources and of the `features` backbone. Light: no torch, no numpy."""

from __future__ import annotations

import burnish

SOURCES: tuple[burnish.Source, ...] = ()
BACKBONES: tuple[burnish.Backbone, ...] = ()
