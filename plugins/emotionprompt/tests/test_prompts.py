"""Prompts, letter by letter, and demonstrations."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from burnish_emotionprompt.prompts import Template, draw
from burnish_emotionprompt.stimuli import STIMULI, stimulus

PAIRS = (("x1", "y1"), ("x2", "y2"))


def test_the_templates_of_the_protocol():
    plain = Template("Do it.")
    assert plain.prompt("x", "") == "Instruction: Do it.\n\nInput: x\nAnswer: "
    assert plain.prompt("x", "Are you sure?") == "Instruction: Do it. Are you sure?\n\nInput: x\nAnswer: "
    shown = "Input: x1\nOutput: y1\n\nInput: x2\nOutput: y2\n"
    assert plain.prompt("x", "EP.", PAIRS) == f"Instruction: Do it. EP.\n\n{shown}Input: x\nAnswer: "
    behind = Template("Do it.", "after-input")
    assert behind.prompt("x", "EP.") == "Instruction: Do it.\n\nInput: x\nEP.\nAnswer: "
    assert behind.prompt("x", "") == plain.prompt("x", "")
    released = Template("Do it.", released=True)
    assert released.prompt("x", "EP.") == "Instruction: Do it.EP.\n\n\nInput: x\nAnswer: "
    assert released.prompt("x", "EP.", PAIRS) == f"Instruction: Do it.EP.\n\n{shown}Input: x\nAnswer: "


def test_the_stimuli():
    assert list(STIMULI) == [f"EP{k:02}" for k in range(1, 12)]
    assert stimulus("EP02") == "This is very important to my career."
    assert stimulus("none") == ""
    assert all(text == text.strip() and text[-1] in ".?" and "  " not in text for text in STIMULI.values())


@given(st.integers(0, 9), st.text(max_size=5), st.integers(0, 5))
def test_demonstrations_are_distinct_and_follow_from_text_and_seed(shots, text, seed):
    pool = [(f"x{k}", f"y{k}") for k in range(6)] + [(text, "leaked")]
    found = draw(pool, shots, text, seed)
    assert found == draw(pool, shots, text, seed)
    assert len(found) == len({x for x, _ in found}) == min(shots, sum(x != text for x, _ in pool))
    assert (text, "leaked") not in found


def test_demonstrations_differ_by_item_and_seed_and_are_even():
    pool = [(f"x{k}", f"y{k}") for k in range(10)]
    drawn = [tuple(draw(pool, 3, f"text {i}", 0)) for i in range(400)]
    assert len(set(drawn)) > 200
    counts = np.array([sum(pair in some for some in drawn) for pair in pool])
    assert abs(counts - 120).max() < 40  # 120 expected, standard deviation 9
    assert tuple(draw(pool, 3, "text 0", 1)) != drawn[0]
