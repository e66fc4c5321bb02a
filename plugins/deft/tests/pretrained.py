"""A small vision-language model that knows its classes.

The practice backbone, trained for seconds on pictures with clean captions.
"""

import dataclasses
from functools import cache

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from burnish.testing.data import changed, practice_on_pictures
from burnish.testing.evidence import evidence_on_pictures
from burnish.testing.towers import PracticeTowers

CLASSES, SCALE, STEPS = 4, 30.0, 150
WORDS = ("photo of", "my", "a good", "one", "picture:", "x", "this is")


@cache
def pretrained():
    """Return the backbone: nearly every picture is nearest to the caption of its class.

    That holds whatever words stand in front of the caption.
    """
    towers = PracticeTowers()
    towers.logit_scale = SCALE
    task = practice_on_pictures(CLASSES, n=400).task
    items, y = task.inputs("train"), task.supervision.y[task.splits["train"].index]
    rng = np.random.default_rng(0)
    parameters = [p.requires_grad_() for p in towers.module.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=3e-3)
    for _ in range(STEPS):
        rows = rng.choice(len(items), 64, replace=False)
        image = towers.forward(items.prepared(rows))
        ids = towers.tokenise([f"{rng.choice(WORDS)} {name}." for name in task.classes.names])
        text = towers.encode_embedded(towers.embed_tokens(ids), ids)
        optimiser.zero_grad()
        cross_entropy(
            SCALE * normalize(image, dim=1) @ normalize(text, dim=1).T, torch.from_numpy(y[rows])
        ).backward()
        optimiser.step()
    towers.module.requires_grad_(False)
    for parameter in parameters:
        parameter.grad = None
    return towers


def evidence(**options):
    """Return evidence whose backbone is pre-trained, and which labels are wrong."""
    shown, wrong = evidence_on_pictures(CLASSES, **options)
    towers = pretrained()
    items = changed(shown.task.inputs("train"), backbone=towers)

    def embed(templates):
        ids = towers.tokenise(
            [template.replace("{}", name) for template in templates for name in shown.classes.names]
        )
        with torch.no_grad():
            return (
                towers.encode_embedded(towers.embed_tokens(ids), ids)
                .numpy()
                .reshape(len(templates), CLASSES, -1)
            )

    task = changed(shown.task, backbone=lambda: towers, inputs=lambda split: items, class_embeddings=embed)
    with torch.no_grad():
        features = towers.forward(items.prepared(np.arange(len(items)))).numpy()
    return dataclasses.replace(shown, task=task, features=features), wrong
