"""NMTune (arXiv:2309.17002), section 4.

A small MLP on frozen features, kept close to them, decorrelated, and sharpened.

Notation: f (D) features of the frozen model, z = h(f) (D) what the MLP makes of them, W the linear head, R
    rows in a batch.

    L = CE(W z, y) + lambda (L_MSE + L_COV + L_SVD)

    L_MSE = || f / ||f|| - z / ||z|| ||^2, mean over the rows: keeps what pre-training knew
    L_COV = 1/D sum_{i != j} C(Z)_ij^2,    C the covariance of z:  decorrelates
    L_SVD = - sigma_1(Z) / sum_j sigma_j(Z):                       lets one direction dominate
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, cast

from torch import Tensor

from burnish.blocks import Batch, Fit, HeadTuner, MLPHead, Outputs, Term
from burnish_nmtune import NMTuneConfig, views
from burnish_nmtune.regularisers import consistency, covariance_and_spectrum

WEIGHTS: Final = {
    "paper": {"lam": 0.01, "w_mse": 1.0, "w_cov": 1.0, "w_svd": 1.0},
    "released": {"lam": 1.0, "w_mse": 1.0, "w_cov": 0.04, "w_svd": 0.001},
}
"""The weights of each variant."""

TOP: Final = {"paper": 1, "released": 5}
"""How many of the largest singular values the last term looks at."""


class NMTune(HeadTuner[NMTuneConfig]):
    """The tuner; with ``lam=0`` it is its own control, the MLP.

    The network is `burnish.blocks.MLPHead`, the released code's, in both variants, so that the plain MLP
    differs in the regularisers alone. The regularisers need no label and see every row of a batch alike,
    whatever its weight.

    Args:
        config: options; the variant's weights stand in for those that are None.
    """

    constants = ("lam", "w_mse", "w_cov", "w_svd")

    def __init__(self, config: NMTuneConfig) -> None:
        weights: dict[str, Any] = {
            name: value for name, value in WEIGHTS[config.variant].items() if getattr(config, name) is None
        }
        super().__init__(replace(config, **weights))

    @property
    def views(self) -> int:
        """One view, or the two that the released variant compares."""
        return views(self.config)

    def build(self, dim: int, classes: int) -> MLPHead:
        """Return z = s * mlp(f) + f and its linear head."""
        return MLPHead(dim, classes, ratio=self.config.ratio)

    def objective(self, out: Outputs, batch: Batch, fit: Fit) -> list[Term]:
        """Return the loss and the three regularisers."""
        f, z, c = batch.x, cast("Tensor", out.embeddings), fit.c
        paper = self.config.variant == "paper"
        # As released: across the views, and a mean over the elements instead of their sum.
        l_mse = (
            consistency(f, z).mean()
            if paper
            else consistency(batch.view(f, 0), batch.view(z, 1)).mean() / f.shape[-1]
        )
        l_cov, l_svd = covariance_and_spectrum(z, top=TOP[self.config.variant])
        return [
            Term("loss", 1.0, fit.loss(out, batch)),
            Term("mse", c["lam"] * c["w_mse"], l_mse),
            Term("cov", c["lam"] * c["w_cov"], l_cov),
            Term("svd", c["lam"] * c["w_svd"], l_svd),
        ]
