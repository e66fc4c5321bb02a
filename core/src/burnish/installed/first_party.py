"""What the project's own plugins offer.

So a name that is not installed can be answered with what to install.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

PACKAGES: Final[dict[str, dict[str, str]]] = {
    "burnish-basics": {
        "source": "folder csv npz digits",
        "backbone": "features",
        "noise": (
            "none symmetric pair asymmetric instance-dependent missing long-tail few-shot new-classes"
            " confident-joint"
        ),
        "loss": "ce label-smoothing gce sce focal bce",
        "tuner": "nothing zero-shot nearest-class-mean linear ridge mlp knn",
        "evaluator": (
            "accuracy balanced-accuracy per-class worst macro-f1 mean-average-precision ece nll groups"
            " detection"
        ),
        "summary": "rank",
    },
    "burnish-candle": {
        "tuner": "candle",
        "evaluator": "base-to-new",
        "recipe": "candle candle-texts candle-full",
    },
    "burnish-cmm": {
        "tuner": "cpe",
        "evaluator": "matching-margin labelled-matching-margin harmonic-mean geometric-mean",
        "recipe": "worst-classes worst-classes-text",
    },
    "burnish-deft": {
        "noise": "deft label-match small-loss",
        "tuner": "full-finetune",
        "recipe": "deft deft-cifar10 deft-cifar10n deft-full",
    },
    "burnish-fedclip": {
        "tuner": "fedclip fedavg-head fedprox-head local-head",
        "recipe": "fedclip fedclip-cifar10 fedclip-full",
    },
    "burnish-tiny": {"backbone": "tiny"},
    "burnish-tiny-clip": {"backbone": "tiny-clip"},
    "burnish-emotionprompt": {
        "tuner": "plain-prompt emotionprompt",
        "evaluator": "answers",
        "recipe": "emotionprompt emotionprompt-full",
    },
    "burnish-huggingface": {"backbone": "hf-clip hf-vision hf-text hf-lm"},
    "burnish-openai-server": {"backbone": "openai-server"},
    "burnish-openclip": {"backbone": "openclip"},
    "burnish-sentence-transformers": {"backbone": "sentence-transformers"},
    "burnish-timm": {"backbone": "timm"},
    "burnish-signs": {"source": "signs scenes"},
    "burnish-lift": {"tuner": "lift", "recipe": "lift lift-cifar10 lift-full"},
    "burnish-nmtune": {
        "tuner": "nmtune",
        "loss": "consistency covariance spectrum",
        "evaluator": "spectrum",
        "recipe": "noisy-pretraining noisy-pretraining-folder",
    },
}
"""Component names, with spaces between, by distribution and kind."""

BACKBONES: Final[dict[str, frozenset[str]]] = {
    "burnish-tiny": frozenset({"image"}),
    "burnish-tiny-clip": frozenset({"image"}),
    "burnish-sentence-transformers": frozenset({"text"}),
    "burnish-huggingface": frozenset({"image", "text"}),
    "burnish-timm": frozenset({"image"}),
    "burnish-openclip": frozenset({"image"}),
}
"""What the backbones of a distribution read, each of them one."""


def backbones_for(provided: Collection[str]) -> list[str]:
    """Return the distributions with a backbone for data that provides these words."""
    return [package for package, reads in BACKBONES.items() if reads & set(provided)]


def package_of(kind: str, name: str) -> str:
    """Return the distribution that offers a component, or the empty string."""
    return next((package for package, kinds in PACKAGES.items() if name in kinds.get(kind, "").split()), "")


def names(kind: str, besides: Collection[str]) -> list[str]:
    """Return the names of all components of a kind in distributions other than those given."""
    return [
        name
        for package, kinds in PACKAGES.items()
        if package not in besides
        for name in kinds.get(kind, "").split()
    ]
