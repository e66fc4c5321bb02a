"""Stages and metrics, against slow second implementations and cases worked out by hand."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import ConfigError
from burnish_emotionprompt import STAGES, AnswersConfig, ScoringConfig
from burnish_emotionprompt.evaluator import sign_test
from burnish_emotionprompt.scoring import class_of, f1, normalise, score

WORDS = st.lists(st.sampled_from(["a", "b", "c", "dog"]), max_size=6)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Sentence 1: Yes.", "yes"), (" The Answer is No.\nBecause", "the answer is no"), ("salt and pepper", "salt pepper"),
        ("well-known!", "well known"), ("  'Paris'  ", "paris"), ("", ""), ("\n\nlate", "late"), ("Sentence 2: a, b.", "a b"),
    ],
)  # fmt: skip
def test_normalisation(text, wanted):
    assert normalise(text, STAGES) == wanted


def test_stages_can_be_switched_off():
    assert normalise("A and B.", ()) == "A and B."
    assert normalise("A-B. C", ("lower",)) == "a-b. c"
    with pytest.raises(ConfigError, match="no stage"):
        ScoringConfig(stages=("uppercase",))


@given(WORDS, WORDS)
def test_f1_of_words(said, right):
    left, shared = list(right), 0
    for word in said:  # cross off one by one
        if word in left:
            left.remove(word)
            shared += 1
    precision, recall = (shared / max(len(said), 1), shared / max(len(right), 1))
    wanted = 2 * precision * recall / (precision + recall) if shared else 0.0
    assert math.isclose(f1(" ".join(said), " ".join(right)), wanted)


def points(answer, *references, names=(), **options):
    return score(answer, references, ScoringConfig(**options), names)


def test_metrics():
    assert points("Paris.", "paris", "Lutetia") == 1  # the best of the references
    assert points("in Paris", "paris") == 0
    assert points("in Paris", "paris", metric="contains") == 1
    assert points("comparison", "paris", metric="contains") == 0
    assert points("b, a and b", "a b", metric="set") == 1
    assert points("a", "a b", metric="set") == 0
    assert points("(B) because", "(b) blue", metric="choice") == 1
    assert points("The answer is b", "(C) blue", metric="choice") == 0
    assert points("", "x", metric="contains") == points("", "x", metric="choice") == 0
    assert points("the red dog", "red dog", metric="f1") == pytest.approx(0.8)


def test_leniency_is_asked_for():
    assert points("cat, hat, mat", "hat") == 0
    assert points("cat, hat, mat", "hat", salvage="any-word") == 1
    assert points("It is very bad. I think", "bad", names=("good", "bad"), salvage="class-name") == 1
    assert points("good or bad?", "bad", names=("good", "bad"), salvage="class-name") == 0


def test_the_class_of_an_answer():
    names = ("good", "not good", "so so")
    plain, lenient = ScoringConfig(), ScoringConfig(salvage="class-name")
    assert [class_of(text, names, plain) for text in ("Good.", "NOT good", "so-so", "fine", "")] == [0, 1, 2, -1, -1]
    assert [class_of(text, names, lenient) for text in ("This is not good", "I say: good!", "good or so-so")] == [1, 0, -1]
    assert class_of("good", names, ScoringConfig(metric="contains")) == 0
    assert class_of("not good", names, ScoringConfig(metric="contains")) == -1  # it contains two


def test_the_sign_test_counts_every_outcome():
    for better, worse in ((0, 0), (3, 1), (1, 3), (5, 0), (4, 4), (7, 2)):
        n = better + worse
        outcomes = [sum(flips) for flips in product((0, 1), repeat=n)]
        extreme = sum(abs(2 * k - n) >= abs(better - worse) for k in outcomes) / len(outcomes)
        assert math.isclose(sign_test(better, worse), extreme)


def test_chance_lies_below_the_expert():
    with pytest.raises(ConfigError, match="chance"):
        AnswersConfig(chance=0.5, expert=0.4)
