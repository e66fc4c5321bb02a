"""The scikit-learn face: scikit-learn's own checks, and that it trains what burnish trains."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from burnish.errors import ConfigError, PluginError
from burnish.sklearn import BurnishClassifier

BATCHES = "rows are drawn into batches, so that a row of weight 2 is not seen as two rows of weight 1 are"
TRAINED = {"check_sample_weight_equivalence_on_dense_data": BATCHES}
EXPECTED: dict[str, dict[str, str]] = {"ridge": {}, "linear": TRAINED, "mlp": TRAINED, "nmtune": TRAINED}


def classifiers() -> list[BurnishClassifier]:
    few = {"epochs": 6, "lr": 0.1, "batch": 32}
    return [
        BurnishClassifier("ridge"),
        BurnishClassifier("linear", tuner_options=few),
        BurnishClassifier("mlp", tuner_options=few),
        BurnishClassifier("nmtune", tuner_options=few),
    ]


@parametrize_with_checks(classifiers(), expected_failed_checks=lambda estimator: EXPECTED[estimator.tuner])
def test_scikit_learns_own_checks(estimator: BurnishClassifier, check: Any) -> None:
    check(estimator)


def test_no_tuner_has_more_than_five_expected_failures() -> None:
    assert all(len(failures) <= 5 and all(failures.values()) for failures in EXPECTED.values())


IRIS, SPECIES = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[SPECIES]


def test_ridge_is_scikit_learns_ridge() -> None:
    ours = BurnishClassifier("ridge", tuner_options={"alpha": 2.0}).fit(IRIS, NAMES)
    theirs = RidgeClassifier(alpha=2.0).fit(IRIS.astype(np.float32), NAMES)
    np.testing.assert_allclose(
        ours.decision_function(IRIS), theirs.decision_function(IRIS.astype(np.float32)), atol=1e-4
    )
    assert (ours.predict(IRIS) == theirs.predict(IRIS)).all()
    assert list(ours.classes_) == ["setosa", "versicolor", "virginica"]


EVERY = [
    "nothing",
    "nearest-class-mean",
    "linear:epochs=5,lr=0.1",
    "ridge",
    "mlp:epochs=10,lr=0.03,batch=32",
    "knn:k=3",
    "nmtune:epochs=10,lr=0.03,batch=32",
]


@pytest.mark.parametrize("tuner", EVERY)
def test_every_features_only_tuner_fits_predicts_and_is_pickled(tuner: str) -> None:
    fitted = BurnishClassifier(tuner, random_state=0).fit(IRIS, NAMES)
    probabilities = fitted.predict_proba(IRIS)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (fitted.predict(IRIS) == fitted.classes_[probabilities.argmax(axis=1)]).all()
    if tuner != "nothing":
        assert fitted.score(IRIS, NAMES) > 0.6
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict_proba(IRIS), probabilities)
    np.testing.assert_array_equal(clone(fitted).fit(IRIS, NAMES).predict_proba(IRIS), probabilities)


def test_a_pickle_holds_arrays_and_plain_values_only() -> None:
    fitted = BurnishClassifier("linear:epochs=2").fit(IRIS, NAMES)
    assert all(isinstance(array, np.ndarray) for array in fitted.state_.values())
    assert b"torch" not in pickle.dumps(fitted)


def test_the_random_state_decides_and_none_draws() -> None:
    def fit(random_state: Any) -> np.ndarray:
        return (
            BurnishClassifier("linear:epochs=2", random_state=random_state)
            .fit(IRIS, NAMES)
            .predict_proba(IRIS)
        )

    np.testing.assert_array_equal(fit(3), fit(3))
    assert (fit(3) != fit(4)).any()
    assert (fit(None) != fit(None)).any()


@pytest.mark.parametrize("tuner", ["ridge", "linear:epochs=3", "knn"])
def test_weight_zero_is_absence_to_the_bit(tuner: str) -> None:
    weight = np.where(np.arange(len(IRIS)) % 3 == 0, 0.0, 1.0)
    weighted = BurnishClassifier(tuner, random_state=0).fit(IRIS, NAMES, weight)
    without = BurnishClassifier(tuner, random_state=0).fit(
        IRIS[weight > 0], NAMES[weight > 0], weight[weight > 0]
    )
    np.testing.assert_array_equal(weighted.predict_proba(IRIS), without.predict_proba(IRIS))


def test_all_weights_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"zero|0 for every item"):
        BurnishClassifier("ridge").fit(IRIS, NAMES, np.zeros(len(IRIS)))


def test_options_win_over_the_notation_and_the_loss_matters() -> None:
    plain = BurnishClassifier("linear:epochs=9", tuner_options={"epochs": 3}, random_state=0).fit(IRIS, NAMES)
    assert plain.part_["options"]["epochs"] == 3
    robust = BurnishClassifier("linear:epochs=3", loss="gce", loss_options={"q": 0.5}, random_state=0).fit(
        IRIS, NAMES
    )
    assert (plain.predict_proba(IRIS) != robust.predict_proba(IRIS)).any()


def test_in_a_pipeline_and_a_search() -> None:
    pipe = make_pipeline(StandardScaler(), BurnishClassifier("ridge"))
    assert cross_val_score(pipe, IRIS, NAMES, cv=3).mean() > 0.75
    search = GridSearchCV(
        BurnishClassifier("ridge"), {"tuner": ["ridge", "nearest-class-mean"], "tuner_options": [None]}, cv=3
    ).fit(IRIS, NAMES)
    assert search.best_params_["tuner"] == "nearest-class-mean"


def test_errors_say_what_is_possible() -> None:
    with pytest.raises(PluginError, match="Did you mean 'ridge'"):
        BurnishClassifier("rigde").fit(IRIS, NAMES)
    with pytest.raises(ConfigError, match="several views"):
        BurnishClassifier("nmtune:variant=released").fit(IRIS, NAMES)
    with pytest.raises(ConfigError, match="alpha"):
        BurnishClassifier("ridge", tuner_options={"alpha": -1}).fit(IRIS, NAMES)
    with pytest.raises(ConfigError, match="is no tuner"):
        BurnishClassifier(3).fit(IRIS, NAMES)


@pytest.mark.parametrize("missing", ["sklearn", "torch"])
def test_a_missing_library_names_the_extra(missing: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import burnish.sklearn"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=tmp_path, check=False
    )
    assert "MissingExtraError" in done.stderr
    assert "pip install 'burnish[sklearn]'" in done.stderr
