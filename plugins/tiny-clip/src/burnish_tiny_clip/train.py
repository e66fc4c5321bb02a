"""Make the weights.

    python -m burnish_tiny_clip.train --cifar10 FILE --caption-noise 0.3 --seed 0 --minutes 45 --out DIR

Trains a small CLIP on captions of CIFAR-10's first 25,000 training images and of 25,200 scenes of burnish's
source `scenes`, and writes a folder that open_clip loads (``local-dir:DIR``), with its provenance. A training
that was killed goes on from its last checkpoint when started again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from burnish.errors import BurnishError
from burnish.files import ensure_folder
from burnish_tiny_clip.backbone import open_folder
from burnish_tiny_clip.training import captions, data, vocabulary
from burnish_tiny_clip.training.evaluation import accuracies
from burnish_tiny_clip.training.export import write_model, write_provenance
from burnish_tiny_clip.training.loop import CHECKPOINT, Trainer
from burnish_tiny_clip.training.material import Material
from burnish_tiny_clip.training.settings import THREADS, Settings

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_LIBRARIES = ("torch", "open_clip_torch", "tokenizers", "numpy", "pillow", "scipy", "scikit-learn")

TERMS = {
    "CIFAR-10": (
        "no formal licence, research use; images are not shipped; trained on a lossy JPEG copy of rows"
        " 0-24999 of the training set. Alex Krizhevsky, Learning Multiple Layers of Features from Tiny"
        " Images, 2009"
    ),
    "Sign Language Digits Dataset": (
        "Apache-2.0, Copyright 2017 Arda Mavi; by the students of Turkey Ankara Ayranci Anadolu High School, "
        "project executives Zeynep Dikle and Arda Mavi; training signers of burnish-signs only"
    ),
    "Optical Recognition of Handwritten Digits": (
        "CC BY 4.0, E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning Repository; "
        "rows 0-1197 of scikit-learn's copy"
    ),
}
"""Where the training images are from and what their makers allow."""


REMARK = (
    "float16 weights computed in float32; CIFAR-10's accuracy is of the lossy JPEG copy of its 10,000 test"
    " images; scenes: 90 seen combinations (3,600 images) and 30 unseen ones (1,200), each among its own"
    " kind, *_of_all among all 120; hands and digits of the test scenes are in no training scene"
)
"""What the accuracies are of."""


def main(arguments: list[str] | None = None) -> int:
    """Train, write the folder and print what the model can do."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        _train(options)
    except BurnishError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m burnish_tiny_clip.train",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "--cifar10",
        type=Path,
        required=True,
        help="CIFAR-10 as JPEG in a NumPy archive: train_jpeg, train_off, train_y, test_...",
    )
    parser.add_argument(
        "--caption-noise",
        type=float,
        default=0.0,
        help="fraction of the images that exchange their captions (default 0)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of weights, swaps, order, views and captions (default 0)"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=Settings.minutes,
        help=f"budget by the clock (default {Settings.minutes:g})",
    )
    parser.add_argument("--threads", type=int, default=THREADS, help=f"threads of torch (default {THREADS})")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    return parser


def _train(options: argparse.Namespace) -> None:
    settings = replace(Settings(), minutes=options.minutes)
    ensure_folder(options.out)
    scenes, words = data.read_scenes()
    cifar = data.read_cifar10(options.cifar10, "train", data.CIFAR_ROWS)
    tests = {
        "cifar10": data.read_cifar10(options.cifar10, "test"),
        "test": scenes["test"],
        "test:new": scenes["test:new"],
    }
    tokenizer = learn_vocabulary(words, scenes["train"].values, options.seed)
    source = data.sha256(options.cifar10)
    material = Material(cifar, scenes["train"], words, tokenizer, options.caption_noise, options.seed)
    # Without the budget: a training may be given more time when it is started again.
    dependence = [
        source,
        material.noise,
        material.seed,
        {name: value for name, value in asdict(settings).items() if name != "minutes"},
    ]
    trainer = Trainer(
        material,
        settings,
        hashlib.sha256(json.dumps(dependence).encode()).hexdigest(),
        options.out,
        lambda line: print(line, flush=True),
    )
    model = trainer.run()
    write_model(model, tokenizer, options.out)
    facts = {
        "about": "Weights of burnish-tiny-clip: a small CLIP in open_clip's own architecture and file format",
        "command": (
            f"python -m burnish_tiny_clip.train --cifar10 {options.cifar10.name} --caption-noise"
            f" {options.caption_noise:g} --seed {options.seed} --minutes {options.minutes:g} --threads"
            f" {options.threads} --out DIR"
        ),
        "caption_noise": options.caption_noise,
        "seed": options.seed,
        "steps": trainer.step,
        "minutes": round(trainer.clock.seconds() / 60, 1),
        "sha256_of_npz": source,
        "scenes": data.SCENES,
    }
    write_provenance(options.out, facts | findings(options.out, tests, words, settings))
    (options.out / CHECKPOINT).unlink()


def learn_vocabulary(words: captions.Words, values: Any, seed: int) -> Tokenizer:
    """Return the tokenizer learnt from captions of CIFAR-10's classes and of scenes.

    Args:
        words: of the scenes' attributes.
        values: (N, attributes) of the scenes.
        seed: of the captions.
    """
    rng = np.random.default_rng([seed, 3])
    corpus = [captions.caption(name, rng.random(3)) for name in captions.CIFAR10 for _ in range(300)]
    corpus += [
        captions.caption(words.describe(value, rng.random(len(captions.ATTRIBUTES)) < 0.6), rng.random(3))
        for value in values
    ]
    return vocabulary.learn(corpus)


def findings(
    folder: Path, tests: dict[str, data.Images], words: captions.Words, settings: Settings
) -> dict[str, Any]:
    """Return what holds of a written model.

    Its accuracies as open_clip loads it, its size, and what it was made with.
    """
    model, _, tokenizer = open_folder(folder)
    measured = accuracies(model, tokenizer, tests, words)
    print("\n".join(f"{name}: {value:.1%}" for name, value in measured.items()), flush=True)
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "zero_shot_accuracy": measured,
        "prompts": {
            "templates": list(captions.EVALUATION),
            "ensemble": "mean of the normalised text embeddings, normalised again",
        },
        "remark": REMARK,
        "terms": TERMS,
        "settings": asdict(settings),
        "precision": "bfloat16 autocast, float32 parameters, stored as float16",
        "versions": (
            {"python": ".".join(map(str, sys.version_info[:3]))}
            | {name: version(name) for name in _LIBRARIES}
        ),
    }


if __name__ == "__main__":
    sys.exit(main())
