"""k nearest neighbours: nothing is trained, the training items themselves are the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from burnish.contracts.scores import Scores
from burnish.contracts.tuner import Task
from burnish.data import Labels, MultiLabels
from burnish.errors import DataError, FitError, ModelFileError
from burnish_basics._tuners import KNNConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.data import Classes, Supervision

_WHERE = "tuner knn"
_CHUNK = 256
"""Items a chunk of prediction.

The last one is padded, so that an item's scores do not depend on its companions.
"""


class KNN:
    """Each of the k nearest training items votes for its class with its weight (Cover and Hart 1967).

    For multi-label targets a class's score is the share of votes for it among the neighbours in which it is
    known, 0.5 where it is in none. Every view of a training item is a neighbour of its own.
    """

    def __init__(self, config: KNNConfig) -> None:
        self.config = config

    def fit(self, task: Task) -> KNNPredictor:
        """Remember the labelled training items.

        Raises:
            FitError: no training item has a label and a positive weight, or the supervision is of another
                type.
        """
        index = task.splits["train"].index
        supervision = task.supervision.take(index)
        weights = (
            np.ones(len(index), dtype=np.float32) if supervision.weights is None else supervision.weights
        )
        used = supervision.known & (weights > 0)
        if not used.any():
            raise FitError("no training item has a label and a positive weight", where=_WHERE)
        x = np.asarray(task.features("train"), dtype=np.float32)[used]
        votes = {
            name: np.repeat(array[used], x.shape[1], axis=0)
            for name, array in _votes(supervision, weights).items()
        }
        features = torch.from_numpy(x.reshape(-1, x.shape[2]))
        # Distances between centred features lose fewer digits.
        cosine = self.config.metric == "cosine"
        centre = torch.zeros_like(features[0]) if cosine else features.mean(dim=0)
        placed = normalize(features, dim=1) if cosine else features - centre
        state = {
            "features": placed,
            "centre": centre,
            **{name: torch.from_numpy(array) for name, array in votes.items()},
        }
        task.run.progress(1, 1)
        return KNNPredictor(self.config, state, task.classes, task.run.device)

    def restore(self, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes) -> KNNPredictor:
        """Return the predictor with this state.

        Raises:
            ModelFileError: names, shapes or numbers do not fit.
        """
        n, d, c = info.get("items"), info.get("dim"), len(classes)
        if not (isinstance(n, int) and isinstance(d, int) and n > 0 and d > 0):
            raise ModelFileError(
                "the model does not say how many items of which width it holds", where=_WHERE
            )
        shapes: dict[str, tuple[int, ...]] = {"features": (n, d), "centre": (d,)}
        shapes |= (
            {"hard": (n,), "weights": (n,)} if "hard" in state else {"multi": (n, c), "observed": (n, c)}
        )
        if set(state) != set(shapes):
            raise ModelFileError(
                f"the model holds {', '.join(sorted(state)) or 'nothing'}",
                where=_WHERE,
                possible=", ".join(shapes),
            )
        for name, shape in shapes.items():
            tensor, dtype = state[name], torch.int64 if name == "hard" else torch.float32
            if tuple(tensor.shape) != shape or tensor.dtype != dtype:
                raise ModelFileError(
                    f"{name} is {tuple(tensor.shape)} of {tensor.dtype}",
                    where=_WHERE,
                    possible=f"{shape} of {dtype}",
                )
            if not bool(torch.isfinite(tensor).all()) or (
                name not in ("features", "centre") and bool((tensor < 0).any())
            ):
                raise ModelFileError(f"{name} has a number that cannot be", where=_WHERE)
        if "hard" in state and int(state["hard"].max()) >= c:
            raise ModelFileError(
                f"class {int(state['hard'].max())} is out of range", where=_WHERE, possible=f"0 to {c - 1}"
            )
        return KNNPredictor(self.config, state, classes, "cpu")


class KNNPredictor:
    """The training items, and how they vote.

    Attributes:
        classes: what the columns of its scores stand for.
    """

    def __init__(
        self, config: KNNConfig, state: Mapping[str, Tensor], classes: Classes, device: str = "cpu"
    ) -> None:
        self.classes = classes
        self._config, self._device = config, device
        self._state = {name: tensor.to(device) for name, tensor in state.items()}
        self._squares = self._state["features"].square().sum(dim=1)

    def predict(self, features: NDArray[Any]) -> Scores:
        """Return the shares of votes (M, C) of items with features (M, D) float32, as probabilities.

        Raises:
            DataError: the features have another width.
        """
        dim = self._state["features"].shape[1]
        if features.ndim != 2 or features.shape[1] != dim:
            raise DataError(
                f"features of shape {features.shape}",
                possible=f"(M, {dim})",
                todo="Use the backbone it was trained on",
            )
        out = np.empty((len(features), len(self.classes)), dtype=np.float32)
        for start in range(0, len(features), _CHUNK):
            rows = np.asarray(features[start : start + _CHUNK], dtype=np.float32)
            padded = np.zeros((_CHUNK, dim), dtype=np.float32)
            padded[: len(rows)] = rows
            out[start : start + len(rows)] = (
                self._shares(torch.from_numpy(padded).to(self._device)).cpu().numpy()[: len(rows)]
            )
        return Scores(
            "probabilities", out, self.classes, activation="softmax" if "hard" in self._state else "sigmoid"
        )

    def _shares(self, x: Tensor) -> Tensor:
        """Return the shares of votes (B, C) for features (B, D)."""
        x = normalize(x, dim=1) if self._config.metric == "cosine" else x - self._state["centre"]
        squared = (
            x.square().sum(dim=1, keepdim=True) - 2 * x @ self._state["features"].T + self._squares
        ).clamp(min=0)
        nearest = squared.topk(min(self._config.k, squared.shape[1]), dim=1, largest=False)
        strength = torch.ones_like(nearest.values)
        if self._config.vote == "distance":
            # |a - b|^2 of unit vectors is twice their cosine distance.
            distance = nearest.values / 2 if self._config.metric == "cosine" else nearest.values.sqrt()
            # Bounded: an equal item outvotes the rest and stays finite.
            strength = 1 / distance.clamp(min=1e-6)
        if "hard" in self._state:
            strength = strength * self._state["weights"][nearest.indices]
            votes = strength.new_zeros(len(x), len(self.classes)).scatter_add(
                1, self._state["hard"][nearest.indices], strength
            )
            return votes / strength.sum(dim=1, keepdim=True)
        known = self._state["observed"][nearest.indices] * strength.unsqueeze(-1)
        total = known.sum(dim=1)
        positive = (known * self._state["multi"][nearest.indices]).sum(dim=1)
        return torch.where(total > 0, positive / torch.where(total > 0, total, 1), 0.5)

    def embed(self, features: NDArray[Any]) -> None:
        """Return None: neighbours are compared in the features themselves."""
        return

    def state(self) -> Mapping[str, Tensor]:
        """Return the placed training features (n, D), their centre (D,), and the votes.

        Votes of labels are ``hard`` (n,) int64 and ``weights`` (n,); of multi-labels ``multi`` and, times the
        weights, ``observed`` (n, C).
        """
        return self._state

    def info(self) -> Mapping[str, Any]:
        """Return what `KNN.restore` needs beside the state."""
        n, d = self._state["features"].shape
        return {"items": n, "dim": d}


def _votes(supervision: Supervision, weights: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    if isinstance(supervision, Labels):
        return {"hard": supervision.y, "weights": weights}
    if isinstance(supervision, MultiLabels):
        multi = supervision.positive.toarray().astype(np.float32)
        observed = (
            np.ones_like(multi)
            if supervision.observed is None
            else supervision.observed.toarray().astype(np.float32)
        )
        return {"multi": multi, "observed": observed * weights[:, None]}
    raise FitError(f"{supervision.word} cannot vote", where=_WHERE, possible="labels, multi-labels")
