"""Metrics and leniency, against slow second implementations and cases worked out by hand."""

import math
import re
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from burnish.errors import ConfigError, DataError
from burnish_emotionprompt import AnswersConfig, EmotionPromptConfig, ScoringConfig
from burnish_emotionprompt.evaluator import sign_test
from burnish_emotionprompt.scoring import check_names, check_references, class_of, f1, score

WORDS = st.lists(st.sampled_from(["a", "b", "c", "dog"]), max_size=6)


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
    assert points("comparison", "paris", metric="substring") == 1
    assert points("Well: comparison.", "Paris", metric="substring") == 1
    assert points("", "x", metric="substring") == points("pa ris", "paris", metric="substring") == 0
    assert points("", "x", metric="contains") == points("", "x", metric="choice") == 0
    assert points("the red dog", "red dog", metric="f1") == pytest.approx(0.8)


def test_choices_are_read_as_they_came():
    assert points("(B) because", "(b) blue", metric="choice") == 1
    assert points("The answer is b", "(C) blue", metric="choice") == 0
    assert (
        points("It is a question about dogs, so\nB.", "b", metric="choice") == 1
    )  # neither small letters nor a first line alone
    names = ("A", "B", "C")
    assert [
        class_of(text, names, ScoringConfig(metric="choice"))
        for text in ("As a doctor, I would say C", "a question", "b")
    ] == [2, -1, 1]
    assert (
        class_of("So a one it is", ("(A) one", "(B) two"), ScoringConfig(metric="choice")) == -1
    )  # it reads letters alone


def test_numbers_are_whole_words():
    for metric in ("exact", "contains"):
        assert points("3.99", "3.14", metric=metric) == points("-5", "5", metric=metric) == 0
        assert points("v1.1", "v1.0", names=("v1.0", "v1.1"), metric=metric) == 0
        assert points("-5.", "-5", metric=metric) == points("3.14", "3.14", metric=metric) == 1
    assert (
        points("it is 5.1", "5", metric="contains")
        == points("it is -5", "5", metric="contains")
        == points("5.1", "1", metric="contains")
        == 0
    )
    assert (
        points("it is 5, so there", "5", metric="contains") == points("add 3-5", "5", metric="contains") == 1
    )


def test_words_of_an_answer():
    assert points("cat, hat, mat", "hat") == 0
    assert points("cat, hat, mat", "hat", salvage="any-word") == 1
    assert points("cat\nhat", "hat", salvage="any-word") == 0  # as released: of what normalisation leaves
    assert points("cat. hat", "hat", salvage="any-word") == 0
    assert points("cat-hat", "hat", salvage="any-word") == 1


def test_the_only_class_named_counts_unless_told_otherwise():
    names = ("positive", "negative")
    for said in ("Positive, confidence score: 0.9", "It is very positive. I think", "My answer:\nPositive"):
        assert points(said, "positive", names=names) == 1
        assert (
            points(said, "negative", names=names)
            == points(said, "positive", names=names, salvage="none")
            == 0
        )
        assert class_of(said, names, ScoringConfig()) == 0
    assert points("positive or negative?", "positive", names=names) == 0
    # What is a class as it stands is no other one; a name of one letter may be an article.
    assert points("Good. Not good", "good", names=("good", "not good")) == 1
    assert points("Good. Not good", "not good", names=("good", "not good")) == 0
    assert class_of("It is a question", ("a", "b"), ScoringConfig()) == -1
    assert class_of("It is 1", ("0", "1"), ScoringConfig()) == 1


def test_a_rival_class_spoils_an_answer():
    names = ("positive", "negative")
    for metric in ("contains", "substring"):
        assert points("It is positive", "positive", names=names, metric=metric) == 1
        assert points("It is positive, not negative", "positive", names=names, metric=metric) == 0
        assert points("It is positive, not negative", "positive", metric=metric) == 1  # texts have no rivals
    assert points("unhappy", "happy", names=("happy", "unhappy"), metric="substring") == 0
    assert points("unhappy", "unhappy", names=("happy", "unhappy"), metric="substring") == 1
    assert points("one or two", "one", names=("one", "two"), salvage="any-word") == 0


@example(["a", "a", "a"], [["a"], ["a", "a"]])
@given(
    WORDS,
    st.lists(
        st.lists(st.sampled_from(["a", "b", "c", "dog"]), min_size=1, max_size=3),
        min_size=1,
        max_size=4,
        unique_by=tuple,
    ),
)
def test_names_within_longer_ones_do_not_count(said, names):
    places = [
        (at, at + len(name), column)
        for column, name in enumerate(names)
        for at in range(len(said))
        if said[at : at + len(name)] == name
    ]
    free = {
        column
        for a, b, column in places
        if not any(c <= a and b <= d and d - c > b - a for c, d, _ in places)
    }
    joined = [" ".join(name) for name in names]
    config = ScoringConfig(metric="contains", salvage="none")
    assert class_of(" ".join(said), joined, config) == (free.pop() if len(free) == 1 else -1)


def test_the_class_of_an_answer():
    names = ("good", "not good", "so so")
    plain, lenient = ScoringConfig(salvage="none"), ScoringConfig()
    assert [class_of(text, names, plain) for text in ("Good.", "NOT good", "so-so", "fine", "")] == [
        0,
        1,
        2,
        -1,
        -1,
    ]
    assert [
        class_of(text, names, lenient) for text in ("This is not good", "I say: good!", "good or so-so")
    ] == [1, 0, -1]
    within = ScoringConfig(metric="contains")
    assert [class_of(text, names, within) for text in ("good", "not good", "good, not good")] == [0, 1, -1]


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (("C", "C++"), {}, "'C' and 'C++' are the same"),
        (("-", "plus"), {}, "'-' nothing is left"),
        (("Yes. A", "yes. B"), {}, "are the same"),
        (("a b", "b a"), {"metric": "set"}, "are the same"),
        (("a b", "b a"), {"metric": "f1"}, "are the same"),
        (("(A) one", "(a) two"), {"metric": "choice"}, "are the same for the metric choice"),
        (("(A)", "two"), {"metric": "choice"}, "'two' nothing"),
    ],
)
def test_classes_that_answers_cannot_tell_apart(names, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        check_names(names, ScoringConfig(**options), "here")


def test_classes_that_answers_can_tell_apart():
    check_names(("v1.0", "v1.1", "-5", "5", "a b", "b a"), ScoringConfig(), "here")
    check_names(("C", "C++"), ScoringConfig(stages=("lower",)), "here")
    check_names(("(A) one", "(B) one"), ScoringConfig(metric="choice"), "here")


def test_references_that_no_answer_can_match():
    check_references([("+", "plus"), (), ("a",)], ScoringConfig(), "here")
    with pytest.raises(DataError, match=r"'\+' of item 1 nothing is left"):
        check_references([("a",), ("+",)], ScoringConfig(), "here")
    with pytest.raises(DataError, match="reads a letter"):
        check_references([("blue",)], ScoringConfig(metric="choice"), "here")


def test_a_pool_gives_the_demonstrations_asked_for():
    with pytest.raises(ConfigError, match="a pool of 3 cannot give 5"):
        EmotionPromptConfig(shots=5, pool=3)
    assert EmotionPromptConfig(shots=5, pool=5).pool == 5


def test_the_sign_test_counts_every_outcome():
    for better, worse in ((0, 0), (3, 1), (1, 3), (5, 0), (4, 4), (7, 2)):
        n = better + worse
        outcomes = [sum(flips) for flips in product((0, 1), repeat=n)]
        extreme = sum(abs(2 * k - n) >= abs(better - worse) for k in outcomes) / len(outcomes)
        assert math.isclose(sign_test(better, worse), extreme)


def test_chance_lies_below_the_expert():
    with pytest.raises(ConfigError, match="chance"):
        AnswersConfig(chance=0.5, expert=0.4)


def test_what_is_reasoned_before_the_answer_is_no_part_of_it():
    names = ("positive", "negative")
    reasoned = "<think>It may be negative, or option C.</think>"
    assert class_of(f"{reasoned} positive", names, ScoringConfig()) == 0
    assert points(f"{reasoned}A", "A", metric="choice") == 1
    assert points(f"{reasoned} Paris", "paris") == 1
