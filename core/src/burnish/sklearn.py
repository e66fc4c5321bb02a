"""scikit-learn's face: any tuner that needs only features, as an estimator.

For pipelines, searches and cross-validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from burnish.errors import ConfigError, MissingExtraError

try:
    import numpy as np
    import torch
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as missing:  # also a scikit-learn that is too old
    raise MissingExtraError(
        f"the scikit-learn face needs a library: {missing}",
        where="burnish.sklearn",
        todo="Install it: pip install 'burnish[sklearn]'",
    ) from missing

from burnish.contracts.tuner import FeaturesAlone, Run, Task
from burnish.data import Classes, Labels, Split
from burnish.engine.parts import make
from burnish.manager import get_manager
from burnish.notation.part_text import read_use
from burnish.plan.model import Part
from burnish.plan.parts import ResolvedPart, read_part

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from burnish.contracts.scores import Scores
    from burnish.contracts.tuner import Predictor


class BurnishClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A burnish tuner on given features.

    Features go in as they are: embeddings of a frozen model, or any numbers; scale them where the tuner
    minds. A fitted estimator holds arrays only, so that it can be cloned, copied and pickled; to keep a model
    for others use a study's predictors, which are never unpickled.

    Args:
        tuner: a tuner that needs features alone, such as ``"nmtune"``, ``"mlp"`` or ``"linear:lr=0.01"``.
        loss: a loss, such as ``"ce"`` or ``"gce:q=0.7"``; tuners with a loss of their own ignore it.
        tuner_options: further options of the tuner by name, such as ``{"epochs": 10}``.
        loss_options: further options of the loss.
        random_state: seed of initialisation and batch order: an int for the same result every time, None, or
            a `numpy.random.RandomState`.
        device: where to train: ``"cpu"`` or ``"cuda"``. Predictions are made on the CPU.

    Attributes:
        classes_: (C,) the labels, sorted.
        n_features_in_: D, the width of the features.
        feature_names_in_: (D,) names of the columns, where X has any.
        state_: everything learnt, arrays by name.
        info_: what is needed beside them.

    Examples:
        >>> from burnish.sklearn import BurnishClassifier
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> BurnishClassifier("ridge").fit(X, y).predict(X[:2])
        array([0, 0])
    """

    _predictor: Predictor

    def __init__(
        self,
        tuner: str = "nmtune",
        loss: str = "ce",
        tuner_options: Mapping[str, Any] | None = None,
        loss_options: Mapping[str, Any] | None = None,
        random_state: Any = None,
        device: str = "cpu",
    ) -> None:
        self.tuner = tuner
        self.loss = loss
        self.tuner_options = tuner_options
        self.loss_options = loss_options
        self.random_state = random_state
        self.device = device

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Train on features X (n, D) with labels y (n,).

        Args:
            X: finite numbers; trained on as float32.
            y: labels of any type that can be sorted.
            sample_weight: (n,) at least 0; an item of weight 0 counts as if it were not there.

        Raises:
            ValueError: X, y or the weights are not what scikit-learn takes.
            ConfigError: the tuner needs more than features, or an option is wrong.
            FitError: the loss became NaN or infinite.
        """
        features, labels = validate_data(self, X, y, dtype=np.float32, order="C", ensure_min_samples=2)
        check_classification_targets(labels)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(
                sample_weight, features, dtype=np.float32, ensure_non_negative=True
            )
            if not (weights > 0).any():
                raise ValueError("sample_weight is 0 for every item, so that there is nothing to train on")
            features, labels, weights = (part[weights > 0] for part in (features, labels, weights))
        self.classes_, y_index = np.unique(labels, return_inverse=True)
        tuner, loss = self._parts()
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        manager = get_manager()
        task = _task(
            features,
            y_index,
            weights,
            self._class_object(),
            seed,
            None if loss is None else make(loss.part, manager),
            self.device,
        )
        self._predictor = make(tuner.part, manager).fit(task)
        self.part_ = tuner.part.record() | {"text": tuner.part.text}
        self.state_ = {
            name: tensor.detach().cpu().numpy().copy() for name, tensor in self._predictor.state().items()
        }
        self.info_ = dict(self._predictor.info())
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Return scores (M, C) of features X (M, D), of which `predict` takes the largest.

        For two classes (M,), the second less the first.
        """
        scores = self._scores(X)
        values: NDArray[np.float64] = scores.values.astype(np.float64)
        if scores.meaning == "probabilities":
            values = np.log(np.maximum(values, np.finfo(np.float64).tiny))
        return values[:, 1] - values[:, 0] if len(self.classes_) == 2 else values

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Return probabilities (M, C) of features X (M, D), in the order of `classes_`."""
        return self._scores(X).probabilities()

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Return the most probable label (M,) for each row of features X (M, D)."""
        top = self._scores(X).top()
        labels: NDArray[Any] = self.classes_[top]
        return labels

    def _scores(self, X: ArrayLike) -> Scores:  # noqa: N803
        check_is_fitted(self, "classes_")
        return self._predictor.predict(validate_data(self, X, dtype=np.float32, order="C", reset=False))

    def _class_object(self) -> Classes:
        return Classes(
            tuple(map(str, self.classes_)),
            tuple(map(str, range(len(self.classes_)))),
            np.ones(len(self.classes_), dtype=bool),
        )

    def _parts(self) -> tuple[ResolvedPart, ResolvedPart | None]:
        """Return the tuner, and the loss where the tuner uses one.

        Raises:
            ConfigError: the tuner needs more than features.
        """
        manager = get_manager()
        tuner = _part("tuner", self.tuner, self.tuner_options)
        if tuner.needs - {"features", "labels"}:
            needs = ", ".join(sorted(tuner.needs - {"features", "labels"}))
            able = ", ".join(
                c.name for c in manager.components("tuner") if c.descriptor.needs <= {"features", "labels"}
            )
            raise ConfigError(
                f"{tuner.part.text} needs {needs}, and here are features alone", where="tuner", possible=able
            )
        views = tuner.component.descriptor.views
        if views and manager.call(tuner.component, views, tuner.config) > 1:
            raise ConfigError(
                f"{tuner.part.text} needs several views of each image, and here are features alone",
                where="tuner",
                todo="Choose another variant",
            )
        return tuner, None if "own-loss" in tuner.provides else _part("loss", self.loss, self.loss_options)

    def __getstate__(self) -> dict[str, Any]:
        """Return the parameters and arrays; the predictor is made from them again."""
        state: dict[str, Any] = {**super().__getstate__()}
        state.pop("_predictor", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take parameters and arrays, and make the predictor of them.

        Raises:
            PluginError: the tuner's plugin is not installed.
            ModelFileError: the arrays are not what the tuner makes.
        """
        super().__setstate__(state)
        if "state_" in self.__dict__:
            self._predictor = self._restored()

    def _restored(self) -> Predictor:
        part = Part(**self.part_)
        tensors = {name: torch.from_numpy(array.copy()) for name, array in self.state_.items()}
        restored: Predictor = make(part, get_manager()).restore(tensors, self.info_, self._class_object())
        return restored


def _part(key: str, text: str, options: Mapping[str, Any] | None) -> ResolvedPart:
    """Return a part from its notation and further options, which win."""
    if not isinstance(text, str):
        raise ConfigError(
            f"{text!r} is no {key}",
            where=key,
            possible=", ".join(c.name for c in get_manager().components(key)),
        )
    use = read_use(text, key)
    return read_part(
        key, {"use": use.name, "with": {**use.options, **(options or {})}}, get_manager(), where=key
    )


def _task(
    features: NDArray[np.float32],
    y: NDArray[np.int64],
    weights: NDArray[np.float32] | None,
    classes: Classes,
    seed: int,
    loss: Any,
    device: str,
) -> Task:
    """Return the task of training on all rows."""
    index = np.arange(len(features), dtype=np.int64)
    return Task(
        classes=classes,
        splits={"train": Split("train", index)},
        supervision=Labels(y=y.astype(np.int64), weights=weights),
        assessment=None,
        loss=loss,
        groups={},
        reads=FeaturesAlone(features),
        replicate=seed,
        run=Run(device),
    )
