"""Stages of normalisation: cases worked out by hand, and numbers, which must stay apart."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import ConfigError
from burnish_emotionprompt import STAGES, ScoringConfig
from burnish_emotionprompt.stages import normalise


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Sentence 1: Yes.", "yes"),
        (" The Answer is No.\nBecause", "the answer is no"),
        ("salt and pepper", "salt pepper"),
        ("well-known!", "well known"),
        ("  'Paris'  ", "paris"),
        ("", ""),
        ("\n\nlate", "late"),
        ("Sentence 2: a, b.", "a b"),
        ("3.14", "3.14"),
        ("It is 3.14. Or so", "it is 3.14"),
        ("v1.0", "v1.0"),
        ("5. five", "5"),
        (".5", ""),
        ("1,000.", "1000"),
        ("-5", "-5"),
        ("($-5.25)", "-5.25"),
        ("3-5", "3 5"),
        ("- 5", "5"),
        ("-good-", "good"),
        ("x--5", "x -5"),
        ("I don't", "i do not"),
        ("Can't, wasn't, weren't", "cannot was not were not"),
        ("He doesn\u2019t.", "he does not"),
        ("won't", "wont"),
    ],
)
def test_normalisation(text, wanted):
    assert normalise(text, STAGES) == wanted


def test_stages_can_be_switched_off():
    assert normalise("A and B.", ()) == "A and B."
    assert normalise("A-B. C", ("lower",)) == "a-b. c"
    assert normalise("I Don't. CAN'T", ("contractions",)) == "I Do not. CAnnot"
    with pytest.raises(ConfigError, match="no stage"):
        ScoringConfig(stages=("uppercase",))


def test_contractions_go_before_lines_are_cut():
    assert STAGES[:3] == ("markers", "contractions", "first-line")


@given(st.decimals(-1000, 1000, places=2), st.decimals(-1000, 1000, places=2))
def test_numbers_stay_apart(one, other):
    assert (normalise(f"{one}", STAGES) == normalise(f"{other}", STAGES)) == (str(one) == str(other))
    assert Decimal(normalise(f"{one}.", STAGES)) == one
