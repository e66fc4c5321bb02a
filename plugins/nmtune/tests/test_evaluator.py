"""The spectrum evaluator.

Golden values, names, what it does without embeddings and with features that say nothing.
"""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from burnish_nmtune import SpectrumConfig
from burnish_nmtune.evaluator import Spectrum


def pattern(n, d, a, b):
    k = np.arange(1, n * d + 1, dtype=np.float64).reshape(n, d)
    return np.sin(0.37 * a * k**2 + b)


F, Z = pattern(6, 4, 1, 0), pattern(6, 4, 0.7, 0.3)


def outcome(features=F, embeddings=Z, splits=("test",)):
    return SimpleNamespace(
        splits=splits,
        features=lambda split: features if split == "test" else 2 * features[:4],
        embeddings=lambda split: embeddings if split == "test" else None,
    )


def measured(given, **options):
    measures = Spectrum(SpectrumConfig(**options)).measure(given)
    return {(m.name, m.split): m for m in measures.scalars}, {(c.name, c.split): c for c in measures.curves}


def test_golden_values_of_backbone_and_tuner():
    scalars, curves = measured(outcome())
    assert {name: m.value for (name, _), m in scalars.items()} == pytest.approx(
        {"sve": 1.22431571, "lsvr": 0.81101637, "tuner-sve": 1.28290329, "tuner-lsvr": 0.86481025}, abs=1e-8
    )
    assert {(m.unit, m.better, m.n, m.how, m.terms) for m in scalars.values()} == {
        ("nats", "none", 6, "", None)
    }
    assert list(curves) == [("spectrum", "test"), ("tuner-spectrum", "test")]
    curve = curves["spectrum", "test"]
    assert curve.x == [1, 2, 3, 4]
    assert curve.y == pytest.approx(
        np.array([2.30451335, 1.57238562, 0.9135119, 0.39519093]) / 5.1856018, rel=1e-5
    )


@pytest.mark.parametrize(
    ("of", "names"),
    [
        ("backbone", {"sve", "lsvr"}),
        ("tuner", {"tuner-sve", "tuner-lsvr"}),
        ("both", {"sve", "lsvr", "tuner-sve", "tuner-lsvr"}),
    ],
)
def test_whose_features(of, names):
    scalars, _ = measured(outcome(), of=of)
    assert {name for name, _ in scalars} == names


def test_every_split_and_a_tuner_without_embeddings():
    scalars, _ = measured(outcome(splits=("test", "test:blur")))
    assert ("tuner-sve", "test:blur") not in scalars
    assert scalars["sve", "test:blur"].n == 4
    scalars, _ = measured(outcome(embeddings=None), of="tuner")
    assert scalars == {}


@pytest.mark.parametrize(("center", "axis"), [("row", 1), ("column", 0)])
def test_centring(center, axis):
    scalars, _ = measured(outcome(), center=center)
    sigma = np.linalg.svd(F - F.mean(axis, keepdims=True), compute_uv=False)
    assert scalars["lsvr", "test"].value == pytest.approx(-math.log(sigma[0] / sigma.sum()), abs=1e-6)
    assert scalars["lsvr", "test"].how == f"{center} means subtracted"


def slowly(matrix, center):
    """Return the shares of the released script's singular values.

    Rows to length 1, then less a mean, one number after the other.
    """
    rows = []
    for row in matrix.tolist():
        length = math.sqrt(sum(value * value for value in row))
        rows.append([value / length if length else value for value in row])
    means = [sum(row) / len(row) for row in rows]
    columns = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    less = {"none": lambda i, j: 0.0, "row": lambda i, j: means[i], "column": lambda i, j: columns[j]}[center]
    moved = np.array([[value - less(i, j) for j, value in enumerate(row)] for i, row in enumerate(rows)])
    sigma = np.linalg.svd(moved, compute_uv=False)
    return sigma / sigma.sum()


@pytest.mark.parametrize("center", ["none", "row", "column"])
def test_rows_of_length_one_before_centring(center):
    features = F * np.array([[3.0], [0.01], [1], [20], [0], [5]])  # rows of unequal length, and one of zeros
    scalars, curves = measured(outcome(features=features), center=center, normalise=True)
    p = slowly(features, center)
    assert scalars["sve", "test"].value == pytest.approx(
        -sum(x * math.log(x) for x in p if x > 1e-12), abs=1e-6
    )
    assert scalars["lsvr", "test"].value == pytest.approx(-math.log(p[0]), abs=1e-6)
    assert curves["spectrum", "test"].y == pytest.approx(p, abs=1e-5)
    assert scalars["lsvr", "test"].how == "rows of length 1" + (
        f", {center} means subtracted" if center != "none" else ""
    )
    plain, _ = measured(outcome(features=features), center=center)
    assert abs(plain["sve", "test"].value - scalars["sve", "test"].value) > 0.01


def test_constant_and_zero_features():
    scalars, _ = measured(outcome(features=np.ones((5, 3), np.float32)), of="backbone")
    assert scalars["sve", "test"].value == pytest.approx(0, abs=1e-6)
    for features, center, how in (
        (np.ones((5, 3), np.float32), "column", "all singular values are 0 with column means subtracted"),
        (np.zeros((5, 3), np.float32), "none", "all singular values are 0"),
    ):
        scalars, curves = measured(outcome(features=features), of="backbone", center=center)
        assert math.isnan(scalars["sve", "test"].value)
        assert math.isnan(scalars["lsvr", "test"].value)
        assert scalars["sve", "test"].how == how
        assert curves["spectrum", "test"].y == []


def test_it_reads_features_that_cannot_be_written():
    features = F.astype(np.float32)
    features.setflags(write=False)
    before = features.copy()
    measured(outcome(features=features))
    assert (features == before).all()


def test_order_of_items_changes_nothing():
    one, _ = measured(outcome())
    two, _ = measured(outcome(features=F[::-1].copy(), embeddings=Z[::-1].copy()))
    for key, measure in one.items():
        assert two[key].value == pytest.approx(measure.value, abs=1e-12)
