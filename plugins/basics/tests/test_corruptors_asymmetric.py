"""Asymmetric label noise: the forms of its matrix, the draws against plain loops, and what it refuses."""

import json
import math

import numpy as np
import pytest

from burnish.contracts.noise import CorruptionInput
from burnish.data import Classes, Labels, content_id, stack_ids, uniforms
from burnish.errors import ConfigError, DataError
from burnish_basics._noise import AsymmetricConfig
from burnish_basics.corruptors import Asymmetric
from burnish_basics.corruptors.draws import pick

NAMES = ["cat", "dog", "bird", "fish", "frog", "newt", "toad", "swan"]


def make(supervision, classes, index):
    def refuse(*_):
        raise DataError("asymmetric noise looks at no item")

    ids = stack_ids([content_id("text", f"item {i}") for i in range(len(supervision))])
    return CorruptionInput(
        supervision=supervision,
        index=index,
        role="train",
        classes=Classes.of(NAMES[:classes]),
        uniforms=lambda k: uniforms(ids[index], "noise", 0, "x", k=k),
        pixels=refuse,
        rows=refuse,
    )


def labelled(n, classes, seed=0, unknown=0.2):
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=n)
    y[rng.random(n) < unknown] = -1
    return Labels(y=y.astype(np.int64))


def slow_asymmetric(y, index, u, matrix):
    new = list(y)
    for c, row in enumerate(matrix):
        member = [i for i in range(len(index)) if y[index[i]] == c]
        away = sum(p for j, p in enumerate(row) if j != c)
        for i in sorted(member, key=lambda i: (u[i][0], i))[: math.ceil(round(away * len(member), 6))]:
            left = u[i][1] * away
            for j, p in enumerate(row):
                if j != c and p > 0:
                    new[index[i]] = j
                    left -= p
                    if left < 0:
                        break
    return new


MATRIX = [[0.6, 0.3, 0.1], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]]


def test_asymmetric_equals_plain_loops(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in MATRIX))
    labels = labelled(400, 3)
    clean = make(labels, 3, np.arange(0, 400, 2))
    got = Asymmetric(AsymmetricConfig(matrix=path)).corrupt(clean).supervision.y
    assert got.tolist() == slow_asymmetric(
        labels.y.tolist(), clean.index.tolist(), clean.uniforms(2).tolist(), MATRIX
    )
    for c, row in enumerate(MATRIX):
        member = clean.index[labels.y[clean.index] == c]
        assert (got[member] != c).sum() == math.ceil(round((1 - row[c]) * len(member), 6))


def test_every_form_of_the_same_matrix_is_read_alike(tmp_path):
    classes = Classes.of(["cat", "dog", "bird"])
    plain, headed, listed, mapped = (tmp_path / name for name in ("a.csv", "b.csv", "c.json", "d.json"))
    plain.write_text("0.6,0.3,0.1\n0,1,0\n0.25,0.25,0.5\n")
    headed.write_text(",bird,cat,dog\nbird,0.5,0.25,0.25\ncat,0.1,0.6,0.3\ndog,0,0,1\n")
    listed.write_text(json.dumps(MATRIX))
    mapped.write_text(
        json.dumps({"cat": {"dog": 0.3, "bird": 0.1}, "bird": {"cat": 0.25, "dog": 0.25, "bird": 0.5}})
    )
    for path in (plain, headed, listed, mapped):
        assert np.allclose(Asymmetric(AsymmetricConfig(matrix=path)).matrix(classes), MATRIX), path.name
    moves = AsymmetricConfig(("cat > dog = 0.3", "cat>bird=0.1", "bird>cat", "bird>dog"), rate=0.25)
    assert np.allclose(Asymmetric(moves).matrix(classes), MATRIX)


@pytest.mark.parametrize(
    ("transitions", "message"),
    [
        (("cat-dog",), "'cat-dog' is no transition"),
        (("cat>=0.4",), "'cat>=0.4' is no transition"),
        (("cat>dog=1.5",), "'1.5' is no probability"),
        (("cat>dog=nan",), "'nan' is no probability"),
        (("cat>dog=x",), "'x' is no probability"),
        (("cat>dog=0.1", "cat>dog=0.2"), "stands twice"),
        (("cat>dog",), "states no probability"),
        ((), "neither transitions nor matrix is given"),
    ],
)
def test_malformed_transitions_are_found_when_the_recipe_is_read(transitions, message):
    with pytest.raises(ConfigError, match="noise asymmetric") as caught:
        AsymmetricConfig(transitions)
    assert message in str(caught.value)


def test_transitions_and_matrix_are_not_given_together(tmp_path):
    with pytest.raises(ConfigError, match="both given"):
        AsymmetricConfig(("cat>dog=0.1",), matrix=tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("transitions", "message"),
    [
        (("cat>dogg=0.1",), "there is no class 'dogg'. Did you mean 'dog'?"),
        (("cat>dog=0.7", "cat>bird=0.6"), "the probabilities of class 'cat' sum to 1.3"),
        (("cat>dog=0.1", "cat>cat=0.5"), "the probabilities of class 'cat' sum to 0.6"),
    ],
)
def test_transitions_that_do_not_fit_the_classes(transitions, message):
    with pytest.raises(DataError, match="noise asymmetric") as caught:
        Asymmetric(AsymmetricConfig(transitions)).matrix(Classes.of(["cat", "dog", "bird"]))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "1,0\n0,1\n", "row 1 of 2 has 2 entries"),
        ("t.csv", "", "the transition matrix is empty"),
        ("t.csv", "1,0,0\n0,1,0\n0,0.5,0.6\n", "the row of class 'bird' sums to 1.1"),
        ("t.csv", "1,0,0\n0,1,0\n0,-0.5,1.5\n", "class bird: '-0.5' is no probability"),
        ("t.csv", ",cat,cat,dog\ncat,1,0,0\ndog,0,1,0\nbird,0,0,1\n", "stands twice"),
        ("t.json", "{", "this is no JSON"),
        ("t.json", "3", "this is no transition matrix"),
        ("t.json", '{"cat": {"cow": 0.1}}', "there is no class 'cow'"),
        ("missing.csv", None, "cannot be read"),
    ],
)
def test_wrong_matrix_files(tmp_path, name, text, message):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError) as caught:
        Asymmetric(AsymmetricConfig(matrix=path)).matrix(Classes.of(["cat", "dog", "bird"]))
    assert message in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pick_draws_in_proportion_and_never_a_class_of_no_weight():
    weights = np.tile([0.0, 2.0, 0.0, 6.0, 0.0], (5, 1))
    assert pick(weights, np.array([0.0, 0.2499, 0.25, 0.9, np.nextafter(1, 0)])).tolist() == [1, 1, 3, 3, 3]
