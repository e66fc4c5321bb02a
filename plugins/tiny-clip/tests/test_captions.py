"""Captions, whom they are true of, and swaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish_tiny_clip.training.captions import ATTRIBUTES, TEMPLATES, Words, caption, swapped, true_of

WORDS = Words(
    ("digit nine", "hand sign one"),
    ("red", "blue"),
    ("plain", "striped"),
    ("in the middle", "at the top left"),
    ("solid", "sketch"),
)


def test_a_caption_mentions_what_it_is_told_to():
    every = WORDS.describe([1, 0, 1, 1, 1], [True] * 5)
    assert every == "red hand sign one on a striped background at the top left in sketch style"
    assert WORDS.describe([0, 1, 0, 0, 0], [False, True, False, False, False]) == "blue thing"
    assert WORDS.describe([0, 1, 0, 0, 0], [True, False, False, True, False]) == "digit nine in the middle"


def test_templates_articles_and_full_stops_follow_the_numbers():
    assert caption("cat", (0.0, 0.9, 0.0)) == "cat"
    assert caption("cat", (0.999, 0.1, 0.0)) == "this is a cat."
    assert caption("airplane", (2 / len(TEMPLATES), 0.9, 0.2)) == "a photo of an airplane"
    assert caption("airplane", (2 / len(TEMPLATES), 0.9, 0.7)) == "a photo of a airplane"


def test_whom_a_caption_is_true_of_agrees_with_a_loop():
    rng = np.random.default_rng(0)
    values, mentioned = rng.integers(0, 2, (12, len(ATTRIBUTES))), rng.random((12, len(ATTRIBUTES))) < 0.5
    got = true_of(values, mentioned)
    for scene in range(12):
        for other in range(12):
            expected = all(
                values[scene][a] == values[other][a] for a in range(len(ATTRIBUTES)) if mentioned[other][a]
            )
            assert got[scene, other] == expected


@given(st.integers(2, 200), st.sampled_from([0.0, 0.3, 1.0]), st.integers(0, 5))
def test_swaps_are_an_exchange_among_exactly_so_many(count, rate, seed):
    whose = swapped(count, rate, seed)
    assert sorted(whose.tolist()) == list(range(count))
    moved = int((whose != np.arange(count)).sum())
    assert moved == (int(np.ceil(rate * count)) if np.ceil(rate * count) > 1 else 0)


def test_swaps_follow_the_seed():
    np.testing.assert_array_equal(swapped(50, 0.3, 1), swapped(50, 0.3, 1))
    assert not np.array_equal(swapped(50, 0.3, 1), swapped(50, 0.3, 2))


def test_a_caption_is_true_of_its_own_scene():
    rng = np.random.default_rng(1)
    got = true_of(rng.integers(0, 3, (30, 5)), rng.random((30, 5)) < 0.5)
    assert got.diagonal().all()
    assert 30 < got.sum() < 900


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_has_a_place_for_the_noun(template):
    assert template.count("{}") == 1
