"""The evaluator `spectrum`.

SVE, LSVR and the normalised singular values of features (NMTune, arXiv:2309.17002, section 3.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from burnish.contracts.evaluator import Curve, Measure, Measures, Outcome
from burnish_nmtune import SpectrumConfig
from burnish_nmtune.spectrum import (
    centered,
    largest_singular_value_ratio,
    shares,
    singular_value_entropy,
    singular_values,
    unit_rows,
)
from burnish_nmtune.symmetric import one_core_if_small

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGITS = 6
"""Significant digits that a curve keeps."""


class Spectrum:
    """Measures the spectra of each split's features.

    Of the backbone's features: ``sve``, ``lsvr`` and the curve ``spectrum``; of what the tuner's last layer
    reads: the same names with ``tuner-`` before them, where the tuner has such a thing. No direction is
        better.

    Args:
        config: options.
    """

    def __init__(self, config: SpectrumConfig) -> None:
        self.config = config

    def measure(self, outcome: Outcome) -> Measures:
        """Return SVE and LSVR in nats, and p_i = sigma_i / sum sigma over i = 1, 2, ..., of every split."""
        found = [
            self._of(prefix, split, features)
            for split in outcome.splits
            for prefix, features in self._features(outcome, split)
        ]
        return Measures(
            scalars=tuple(m for scalars, _ in found for m in scalars),
            curves=tuple(c for _, curves in found for c in curves),
        )

    def _features(self, outcome: Outcome, split: str) -> Iterator[tuple[str, NDArray[Any]]]:
        if self.config.of != "tuner":
            yield "", outcome.features(split)
        if self.config.of != "backbone":
            embeddings = outcome.embeddings(split)
            if embeddings is not None:
                yield "tuner-", embeddings

    def _of(self, prefix: str, split: str, features: NDArray[Any]) -> tuple[list[Measure], list[Curve]]:
        matrix = torch.from_numpy(features.astype("float64"))
        with one_core_if_small(matrix):
            values = singular_values(self._prepared(matrix))
        done = ["rows of length 1"] if self.config.normalise else []
        done += [f"{self.config.center} means subtracted"] if self.config.center != "none" else []
        how = ", ".join(done)
        if not values.any():
            how = "all singular values are 0" + (f" with {how}" if how else "")
        entropy, ratio = singular_value_entropy(values).item(), largest_singular_value_ratio(values).item()
        scalars = [
            Measure(prefix + name, split, value, unit="nats", better="none", n=len(features), how=how)
            for name, value in (("sve", entropy), ("lsvr", ratio))
        ]
        heights = [float(f"{p:.{DIGITS}g}") for p in shares(values).tolist()] if values.any() else []
        return scalars, [
            Curve(prefix + "spectrum", split, x=[float(i) for i in range(1, len(heights) + 1)], y=heights)
        ]

    def _prepared(self, features: Tensor) -> Tensor:
        return centered(unit_rows(features) if self.config.normalise else features, self.config.center)
