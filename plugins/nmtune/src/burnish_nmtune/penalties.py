"""NMTune's regularisers as losses for any tuner whose head gives embeddings, such as `mlp`.

One regulariser at a time, for ablations.

With ``base="ce"`` the penalty is added to the cross-entropy of every row, so that the reduced loss is
cross-entropy plus penalty, whatever the weights. With ``base="none"`` it is the penalty alone, which trains
no classifier: for tuners that have a loss of their own.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from burnish.blocks import PerExample, target_log_p
from burnish.contracts.loss import Accepts, LossInput, LossValue
from burnish.errors import FitError
from burnish_nmtune import PenaltyConfig, SpectrumPenaltyConfig
from burnish_nmtune.regularisers import consistency, covariance, spectrum


class Penalty(PerExample):
    """Weight times a regulariser, added to cross-entropy or alone; it remembers nothing.

    Args:
        config: weight and base.
    """

    accepts: ClassVar[frozenset[Accepts]] = frozenset({"hard", "soft"})
    name: ClassVar[str]

    def __init__(self, config: PenaltyConfig) -> None:
        self.weight, self.base = config.weight, config.base

    def __call__(self, x: LossInput, rows: Mapping[str, Tensor]) -> tuple[LossValue, Mapping[str, Tensor]]:
        """Return the values, and the rows as they came."""
        values = self.values(x)
        return LossValue(values, per="example" if values.ndim else "batch"), rows

    def values(self, x: LossInput) -> Tensor:
        """Return (B,) values; of the penalty alone, where it belongs to the batch as a whole, one, 0-d.

        Raises:
            FitError: the tuner gives no embeddings, or not what else the penalty needs.
        """
        if x.embeddings is None:
            raise FitError(
                "the tuner gives no embeddings to penalise",
                where=f"loss {self.name}",
                todo="Use a tuner with a trained body, such as mlp",
            )
        penalty = self.weight * self.penalty(x, x.embeddings)
        return penalty - target_log_p(x) if self.base == "ce" else penalty

    @abstractmethod
    def penalty(self, x: LossInput, z: Tensor) -> Tensor:
        """Return the regulariser of the batch, 0-d, or of each row, (B,)."""


class ConsistencyPenalty(Penalty):
    """L_MSE of each row."""

    name = "consistency"

    def penalty(self, x: LossInput, z: Tensor) -> Tensor:
        """Return || f / ||f|| - z / ||z|| ||^2 of each row, (B,)."""
        if x.features is None or x.features.shape[-1] != z.shape[-1]:
            raise FitError(
                "the tuner's embeddings are not as wide as its features",
                where=f"loss {self.name}",
                todo="Use a tuner that keeps the width, such as mlp",
            )
        return consistency(x.features, z)


class CovariancePenalty(Penalty):
    """L_COV of the batch."""

    name = "covariance"

    def penalty(self, x: LossInput, z: Tensor) -> Tensor:
        """Return sum_{i != j} C_ij^2 / D, 0-d."""
        return covariance(z)


class SpectrumPenalty(Penalty):
    """L_SVD of the batch."""

    name = "spectrum"

    def __init__(self, config: SpectrumPenaltyConfig) -> None:
        super().__init__(config)
        self.top = config.top

    def penalty(self, x: LossInput, z: Tensor) -> Tensor:
        """Return minus the mean of the largest shares sigma_i / sum sigma, 0-d."""
        return spectrum(z, top=self.top)
