"""Instance-dependent noise: how likely an item is mislabelled, and as what, depends on the item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.optimize import brentq
from scipy.special import erfcx, log_ndtr, ndtr, ndtri, ndtri_exp

from burnish.contracts.noise import Corruption, CorruptionInput
from burnish.errors import DataError, ItemError
from burnish_basics._noise import InstanceDependentConfig
from burnish_basics.corruptors.draws import LABEL_ROLES, labels_of, pick, relabelled

if TYPE_CHECKING:
    from numpy.typing import NDArray


class InstanceDependent:
    """Instance-dependent label noise after Xia et al. 2020 (arXiv:2006.07836, algorithm 2).

    Item i flips with its own probability q_i, truncated normal on [0, 1]; it is then taken for class k != y_i
    with probability softmax(x_i W_{y_i})_k, where x_i is the item itself, pixels of the shrunk image or the
    given feature row, never the features of the backbone under study: those would tie the noise to the
    backbone it is compared on.

    Three things differ from the released code. The location of the truncated normal is such that the
    *expected* flip rate is `rate` (there, truncation adds up to 8 points at low rates). q_i is the quantile
    of a uniform number that belongs to the item, so it never falls as the rate rises, and noise is nested.
    x_i is centred and scaled to a root mean square of 1, so that images and features behave alike.
    """

    roles: ClassVar[frozenset[str]] = LABEL_ROLES

    def __init__(self, config: InstanceDependentConfig) -> None:
        self.config = config

    def corrupt(self, clean: CorruptionInput) -> Corruption:
        """Return the flipped labels.

        Raises:
            DataError: the targets are no labels, there is only one class, or the items are neither images nor
                features.
        """
        labels = labels_of(clean, "instance-dependent")
        if len(clean.classes) < 2:
            raise DataError(
                "there is only one class, so no label can be wrong",
                where="noise instance-dependent",
                todo="Use noise: none",
            )
        u = clean.uniforms(3)
        flips = u[:, 0] < flip_probability(u[:, 1], self.config.rate, self.config.spread)
        hit = np.flatnonzero(flips & labels.known[clean.index])
        y = labels.y[clean.index[hit]]
        new = self._confused(_inputs(clean, self.config.side)[hit], y, u[hit, 2], len(clean.classes))
        return relabelled(clean, labels, clean.index[hit], new)

    def _confused(
        self, x: NDArray[np.float64], y: NDArray[np.int64], u: NDArray[np.float64], classes: int
    ) -> NDArray[np.int64]:
        """Return (K,) the class each item is taken for: drawn by u from softmax(x W_y) without y."""
        new = y.copy()
        for c in np.unique(y):
            member = y == c
            # Class by class: the whole projection (C, F, C) would not fit where there are many classes.
            a = x[member] @ _normals([self.config.seed, int(c)], (x.shape[1], classes))
            a[:, c] = -np.inf
            new[member] = pick(np.exp(a - a.max(axis=1, keepdims=True)), u[member])
        return new


def flip_probability(quantile: NDArray[np.float64], rate: float, spread: float) -> NDArray[np.float64]:
    """Return the flip probability of each item (M,).

    A quantile of the normal truncated to [0, 1] whose mean is `rate`.

    It never falls as the rate rises.

    Args:
        quantile: (M,) numbers in [0, 1] that belong to the items.
        rate: mean of the truncated normal.
        spread: its standard deviation before truncation.
    """
    if (
        not 1e-6 <= rate <= 1 - 1e-6
    ):  # Below one in a million the tail of the normal is beyond double precision.
        return np.full(len(quantile), float(rate > 0.5))
    if rate > 0.5:
        return 1 - flip_probability(1 - quantile, 1 - rate, spread)
    low = -1.0
    while _truncated_mean(low, spread) > rate:
        low *= 4
    location = brentq(lambda x: _truncated_mean(x, spread) - rate, low, 1.0, xtol=1e-14)
    # Logarithms of upper tails: at low rates the whole of [0, 1] lies far out in the tail.
    with np.errstate(divide="ignore"):
        tail = np.logaddexp(
            np.log1p(-quantile) + log_ndtr(location / spread),
            np.log(quantile) + log_ndtr((location - 1) / spread),
        )
    return np.asarray(np.clip(location - spread * ndtri_exp(tail), 0, 1))


def _truncated_mean(location: float, spread: float) -> float:
    """Return the mean of a normal with this location and standard deviation, truncated to [0, 1]."""
    a, b = -location / spread, (1 - location) / spread
    if a < 0:
        density = (np.exp(-(a**2) / 2) - np.exp(-(b**2) / 2)) / np.sqrt(2 * np.pi)
        return float(location + spread * density / (ndtr(b) - ndtr(a)))
    # Numerator and denominator over the density at a, which underflows far out.
    ratio = np.exp((a**2 - b**2) / 2)
    return float(
        location
        + spread * np.sqrt(2 / np.pi) * (1 - ratio) / (erfcx(a / np.sqrt(2)) - ratio * erfcx(b / np.sqrt(2)))
    )


def _normals(seed: Sequence[int], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return standard normal numbers.

    Of numpy's generators only the raw numbers stay the same from version to version.
    """
    raw = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(shape[0] * shape[1])
    return np.asarray(ndtri(((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53).reshape(shape))


def _inputs(clean: CorruptionInput, side: int) -> NDArray[np.float64]:
    """Return the items (M, F), each centred and of root mean square 1."""
    try:
        x = clean.rows().astype(np.float64)
    except DataError as error:
        if isinstance(error, ItemError):
            raise
        pixels = clean.pixels(side)
        x = pixels.reshape(len(pixels), -1) / 255
    x = x - x.mean(axis=1, keepdims=True)
    size = np.sqrt((x**2).mean(axis=1, keepdims=True))
    return np.asarray(np.divide(x, size, out=np.zeros_like(x), where=size > 0))
