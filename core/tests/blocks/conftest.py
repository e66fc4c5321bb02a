"""Small tuners, losses and jobs that the tests of training share."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from burnish.blocks import Batch, Fit, HeadTuner, Outputs, PerExample, Term, target_log_p
from burnish.data import Classes
from burnish.heads.head import HeadJob
from burnish.options import HeadConfig


class CrossEntropy(PerExample):
    def __init__(self, scale=1.0):
        self.scale = scale

    def values(self, x):
        return -self.scale * target_log_p(x)


class Linear(HeadTuner[HeadConfig]):
    def build(self, dim, classes):
        return nn.Linear(dim, classes)


class Net(nn.Module):
    def __init__(self, dim, classes, hidden):
        super().__init__()
        # A bias before batch normalisation has no gradient but rounding, which AdamW scales up to whole
        # steps: no two programs agree on it.
        self.body = nn.Sequential(
            nn.Linear(dim, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, dim)
        )
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        z = self.body(x)
        return Outputs(self.head(z), z)


class MLP(HeadTuner[HeadConfig]):
    def build(self, dim, classes):
        return Net(dim, classes, 2 * dim)


@dataclass(frozen=True)
class SpectralConfig(HeadConfig):
    weight: float = 0.1


class Spectral(MLP):
    """MLP with a penalty on the eigenvalues of the batch's Gram matrix."""

    constants = ("weight",)

    def objective(self, out: Outputs, batch: Batch, fit: Fit):
        values = torch.linalg.eigvalsh(out.embeddings @ out.embeddings.T).clamp_min(1e-12).sqrt()
        return [
            Term("loss", 1.0, fit.loss(out, batch)),
            Term("top", fit.c["weight"], -values[-1] / values.sum()),
        ]


def make_jobs(
    count,
    tuner=Linear,
    *,
    dim=12,
    classes=4,
    n=50,
    total=80,
    views=1,
    loss=None,
    config=HeadConfig,
    arrays=2,
    orders=2,
    configs=None,
    **options,
):
    """Return jobs that differ in features, rows, labels, seeds, batch order and learning rate."""
    g = np.random.default_rng(7)
    features = [g.standard_normal((total, views, dim)).astype(np.float32) for _ in range(arrays)]
    truth = g.standard_normal((dim, classes))
    options = {"batch": 16, "epochs": 2} | options
    jobs = []
    for t in range(count):
        x = features[t % arrays]
        rows = np.sort(g.permutation(total)[:n]).astype(np.int64)
        given = {"lr": (1e-3, 1e-2)[t % 2], **options, **(configs[t] if configs else {})}
        jobs.append(
            HeadJob(
                tuner=tuner(config(**given)),
                loss=loss or CrossEntropy(),
                features=x,
                rows=rows,
                targets={"hard": (x[rows, 0] @ truth).argmax(1).astype(np.int64)},
                weights=np.ones(n, dtype=np.float32),
                classes=Classes.of([f"class {c}" for c in range(classes)]),
                seed=100 + t,
                order=t % orders,
                generator=np.random.default_rng(t),
            )
        )
    return jobs


@pytest.fixture
def heads():
    return SimpleNamespace(
        jobs=make_jobs,
        Linear=Linear,
        MLP=MLP,
        Spectral=Spectral,
        SpectralConfig=SpectralConfig,
        CrossEntropy=CrossEntropy,
    )


@pytest.fixture(autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
