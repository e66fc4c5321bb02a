"""The assessor `label-match`: an item is clean where the zero-shot prediction is its label."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import normalize

from burnish.blocks import ensemble
from burnish.contracts.noise import Assessment, Evidence
from burnish_deft import LabelMatchConfig
from burnish_deft.items import judged, task_of

_WHERE = "assess label-match"


class LabelMatch:
    """Compares labels with zero-shot predictions (Radford et al. 2021, arXiv:2103.00020).

    Nothing is trained.
    """

    def __init__(self, config: LabelMatchConfig) -> None:
        self.config = config

    def assess(self, evidence: Evidence) -> Assessment:
        """Return the assessment on the labelled training items.

        `clean_probability` is the zero-shot probability of the label.

        Raises:
            burnish.errors.DataError: there is no task, the targets are no labels, the data has one class, or
                the classes have no names.
            burnish.errors.FitError: no label is known, or all are of one class.
            burnish.errors.ConfigError: a template has no place for the name.
        """
        task = task_of(evidence, _WHERE)
        items = judged(task, _WHERE)
        texts = ensemble(task.class_embeddings(self.config.templates))[torch.from_numpy(items.columns)]
        rows = np.searchsorted(evidence.index, items.index)
        image = normalize(torch.from_numpy(np.array(evidence.features[rows], dtype=np.float32)), dim=1)
        p = torch.softmax(self.config.scale * image @ texts.T, dim=1).numpy()
        return Assessment(items.index, p[np.arange(len(p)), items.y], p.argmax(axis=1) == items.y)
