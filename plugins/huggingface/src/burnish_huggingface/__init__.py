"""Models of Hugging Face transformers as frozen backbones.

One component a family, so that each says what it can do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import burnish
from burnish.errors import ConfigError, suggestion
from burnish.hub import check_pinned

BURNISH_API = 1

CLIP_TYPES = ("clip", "siglip")
VISION_TYPES = ("vit", "deit", "dinov2", "dinov2_with_registers")
TEXT_TYPES = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "mpnet", "distilbert")
"""Architectures (`model_type` in a config.json) that each backbone reads.

`hf-lm` reads every causal or sequence-to-sequence one.
"""

_WAYS = (
    "weights=DIR; weights=FILE with model or config; hub=ID with revision=COMMIT; random_seed=0 with model or"
    " config"
)


@dataclass(frozen=True)
class ModelConfig:
    """Which weights: a folder, a file, a commit of a hub repository, or random ones."""

    types: ClassVar[tuple[str, ...]] = ()
    """Architectures it reads; empty where transformers decides."""

    weights: Path | None = field(
        default=None, metadata={"help": "folder of a saved model, or a weight file beside model or config"}
    )
    model: str = field(
        default="",
        metadata={
            "help": "architecture in its standard size, such as vit, for a weight file or random weights"
        },
    )
    config: Path | None = field(
        default=None,
        metadata={
            "help": "folder with config.json, preprocessor and tokenizer, for a weight file or random weights"
        },
    )
    hub: str | None = field(
        default=None, metadata={"help": "id of a model on the hub, such as openai/clip-vit-base-patch32"}
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
            raise ConfigError(what, where="huggingface", possible=_WAYS)
        if self.model and self.config is not None:
            raise ConfigError(
                "model and config exclude each other: config.json names the architecture", where="huggingface"
            )
        if self.model and self.types and self.model not in self.types:
            what = f"unknown model {self.model!r}. {suggestion(self.model, self.types)}".strip()
            raise ConfigError(what, where="huggingface", possible=", ".join(self.types))
        if self.random_seed is not None and not self.model and self.config is None:
            raise ConfigError(
                "random weights of what is not said", where="huggingface", todo="Add model=NAME or config=DIR"
            )
        if self.hub is None:
            if self.revision is not None:
                raise ConfigError("revision stands without hub", where="huggingface", possible=_WAYS)
            return
        check_pinned(self.hub, self.revision, "huggingface")
        if self.model or self.config is not None:
            raise ConfigError(
                "model and config do not go with hub: its config.json describes it",
                where="huggingface",
                possible=_WAYS,
            )


@dataclass(frozen=True)
class ClipConfig(ModelConfig):
    """Options of `hf-clip`."""

    types = CLIP_TYPES

    truncate: bool = field(
        default=False,
        metadata={"help": "cut texts that are longer than the context, instead of refusing them"},
    )


@dataclass(frozen=True)
class VisionConfig(ModelConfig):
    """Options of `hf-vision`."""

    types = VISION_TYPES

    pooling: Literal["cls", "mean"] = field(
        default="cls", metadata={"help": "the class token, or the mean of the patches' tokens"}
    )


@dataclass(frozen=True)
class TextConfig(ModelConfig):
    """Options of `hf-text`."""

    types = TEXT_TYPES

    pooling: Literal["cls", "mean", "last"] = field(
        default="cls", metadata={"help": "the first token, the mean of all, or the last one"}
    )
    truncate: bool = field(
        default=False,
        metadata={"help": "cut texts that are longer than the context, instead of refusing them"},
    )


@dataclass(frozen=True)
class LanguageConfig(ModelConfig):
    """Options of `hf-lm`."""

    pooling: Literal["mean", "last"] = field(
        default="mean", metadata={"help": "features: the mean of all tokens, or the last one"}
    )
    truncate: bool = field(
        default=False,
        metadata={
            "help": "for features, cut texts that are longer than the context, instead of refusing them"
        },
    )
    chat: bool = field(
        default=False, metadata={"help": "put each prompt into the model's chat template, as a user's turn"}
    )
    batch: int = field(default=8, metadata={"help": "prompts that are answered at once", "range": (1, 4096)})


_FINGERPRINT = "burnish_huggingface.place:fingerprint"


@burnish.hookimpl
def burnish_backbones() -> list[burnish.Backbone]:
    """Return one backbone a family."""
    return [
        burnish.Backbone(
            name="hf-clip",
            summary="CLIP and SigLIP of transformers: image features and a text tower in one space",
            example="weights=DIR",
            target="burnish_huggingface.clip:Clip",
            config=ClipConfig,
            fingerprint=_FINGERPRINT,
            needs=frozenset({"image"}),
            provides=frozenset({"features", "text-tower", "projects", "module"}),
            views=True,
        ),
        burnish.Backbone(
            name="hf-vision",
            summary="ViT, DeiT and DINOv2 of transformers: image features",
            example="weights=DIR",
            target="burnish_huggingface.vision:Vision",
            config=VisionConfig,
            fingerprint=_FINGERPRINT,
            needs=frozenset({"image"}),
            provides=frozenset({"features", "module"}),
            views=True,
        ),
        burnish.Backbone(
            name="hf-text",
            summary="BERT, RoBERTa and encoders like them of transformers: text features",
            example="weights=DIR",
            target="burnish_huggingface.text:Text",
            config=TextConfig,
            fingerprint=_FINGERPRINT,
            needs=frozenset({"text"}),
            provides=frozenset({"features", "text-tower", "module"}),
        ),
        burnish.Backbone(
            name="hf-lm",
            summary=(
                "Causal and sequence-to-sequence language models of transformers: answers, likelihoods, text"
                " features"
            ),
            example="weights=DIR",
            target="burnish_huggingface.lm:LanguageModel",
            config=LanguageConfig,
            fingerprint=_FINGERPRINT,
            needs=frozenset({"text"}),
            provides=frozenset({"features", "text-tower", "generate", "score-text"}),
        ),
    ]
