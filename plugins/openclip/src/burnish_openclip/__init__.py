"""Models of open_clip as frozen backbones: images and texts in one space."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import burnish
from burnish.errors import ConfigError
from burnish.hub import check_pinned

BURNISH_API = 1

_WAYS = "weights=DIR; weights=FILE,model=NAME; hub=OWNER/NAME,revision=COMMIT; random_seed=0,model=NAME"


@dataclass(frozen=True)
class OpenClipConfig:
    """Which model: a folder, a weight file of a named architecture, a commit of a hub, or random weights."""

    model: str = field(
        default="",
        metadata={
            "help": (
                "architecture, such as ViT-B-32; empty where a folder's open_clip_config.json describes it"
            )
        },
    )
    weights: Path | None = field(
        default=None,
        metadata={"help": "folder of a saved model, or a weight file (safetensors, or torch's state dict)"},
    )
    hub: str | None = field(
        default=None,
        metadata={"help": "id of a model on the hub, such as laion/CLIP-ViT-B-32-laion2B-s34B-b79K"},
    )
    revision: str | None = field(
        default=None, metadata={"help": "commit of the hub's model, 40 hexadecimal digits"}
    )
    random_seed: int | None = field(
        default=None,
        metadata={"help": "random weights of this seed, for tests and benchmarks", "range": (0, 2**31)},
    )

    def __post_init__(self) -> None:
        given = [name for name in ("weights", "hub", "random_seed") if getattr(self, name) is not None]
        if len(given) != 1:
            what = f"{' and '.join(given)} exclude each other" if given else "which weights is not said"
            raise ConfigError(what, where="openclip", possible=_WAYS)
        if self.random_seed is not None and not self.model:
            raise ConfigError("random weights of what is not said", where="openclip", todo="Add model=NAME")
        if self.hub is None:
            if self.revision is not None:
                raise ConfigError("revision stands without hub", where="openclip", possible=_WAYS)
            return
        check_pinned(self.hub, self.revision, "openclip")
        if self.model:
            raise ConfigError(
                "model does not go with hub: its open_clip_config.json describes it",
                where="openclip",
                possible=_WAYS,
            )


@burnish.hookimpl
def burnish_backbones() -> list[burnish.Backbone]:
    """Return the one backbone."""
    return [
        burnish.Backbone(
            name="openclip",
            summary=(
                "Any model of open_clip: CLIP, SigLIP, CoCa and the like, from a folder, a file or a pinned"
                " hub id"
            ),
            example="weights=DIR",
            paper="arXiv:2103.00020",
            target="burnish_openclip.loading:load",
            config=OpenClipConfig,
            fingerprint="burnish_openclip.places:fingerprint",
            needs=frozenset({"image"}),
            provides="burnish_openclip.places:provides",
            views=True,
        )
    ]
