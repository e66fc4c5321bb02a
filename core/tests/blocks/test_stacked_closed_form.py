"""Tuners that compute their state instead of training it."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from burnish.blocks import HeadTuner
from burnish.contracts.tuner import Run
from burnish.errors import FitError
from burnish.heads.head import head_config
from burnish.heads.stacked import fit_heads
from burnish.options import HeadConfig

RUN = Run()


class ClassMeans(HeadTuner[None]):
    uses_loss = False

    def build(self, dim, classes):
        return nn.Linear(dim, classes, bias=False)

    def solve(self, data):
        if data.prior[0] == 0:
            raise FitError("class 0 is empty")
        means = [data.x[data.targets.hard == c].mean((0, 1)) for c in range(len(data.classes))]
        return {"weight": torch.stack(means).nan_to_num(0)}


def test_closed_forms_are_solved(heads):
    jobs = [replace(job, tuner=ClassMeans(None), loss=None) for job in heads.jobs(3)]
    jobs[1] = replace(jobs[1], targets={"hard": np.ones(50, dtype=np.int64)})
    first, second, third = fit_heads(jobs, RUN)
    x, y = jobs[0].features[jobs[0].rows, 0], jobs[0].targets["hard"]
    means = np.stack([x[y == c].mean(0) for c in range(4)])
    assert np.allclose(first.predictor.predict(x).values, x @ means.T, atol=1e-5)
    assert second.error == "class 0 is empty."
    assert third.error == ""


def test_a_closed_form_of_another_shape_is_refused(heads):
    class Wrong(ClassMeans):
        def solve(self, data):
            return {"weight": torch.zeros(2, 2)}

    (result,) = fit_heads([replace(heads.jobs(1)[0], tuner=Wrong(None), loss=None)], RUN)
    assert "Wrong.solve: tensor 'weight' is (2, 2) torch.float32. Possible: (4, 12)" in result.error


def test_config_defaults_hold_where_a_config_is_none(heads):
    assert head_config(ClassMeans(None)) == HeadConfig()
