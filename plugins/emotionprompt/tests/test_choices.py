"""The letter of a multiple choice."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish_emotionprompt.choices import letter_of


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        # In brackets, whatever else stands there.
        ("It is a question about dogs, so (B)", "b"),
        ("It's (B)", "b"),
        ("(B) because", "b"),
        ("[c]. The answer is D", "c"),
        ("Option(s): (d)", "d"),
        ("(A) is wrong, it is (B)", None),
        ("(A), that is, (a)", "a"),
        # Behind "answer is" or "answer:".
        ("I think the answer is B", "b"),
        ("A dog? The answer is b.", "b"),
        ("ANSWER: c", "c"),
        ("**Answer:** **D**", "d"),
        ("The answer is: 'B'", "b"),
        ("The answer is A because it barks", "a"),
        ("The answer is a dog, so B", "b"),
        ("The answer is I'd say C", "c"),
        ("Answer: I think D", "d"),
        ("The answer is B. Or the answer is C", None),
        ("Answer: A\nA dog barks", "a"),
        ("The answer isn't known", None),
        ("Answer: B's", None),
        # At the start.
        ("B", "b"),
        (" b ", "b"),
        ("C.", "c"),
        ("c) blue", "c"),
        ("D: as A is wrong", "d"),
        ("B, I think", "b"),
        ("A\nBecause it barks", "a"),
        ("*B*", "b"),
        ("I, as a doctor, would say C", "c"),
        ("e.g. blue", None),
        ("a dog", None),
        ("Blue", None),
        ("b blue", None),
        # The only capital that stands alone.
        ("As a doctor, I would say C", "c"),
        ("Surely C, yes C!", "c"),
        ("B or C", None),
        ("I say a", None),
        ("Vitamin-C, B's, X-ray", None),
        ("", None),
        ("42", None),
    ],
)
def test_the_letter_of_an_answer(text, letter):
    assert letter_of(text) == letter


@given(
    st.sampled_from(string.ascii_letters),
    st.text(alphabet="xyz .,:I", max_size=12),
    st.text(alphabet="xyz .,:I", max_size=12),
)
def test_brackets_decide(letter, before, after):
    assert letter_of(f"{before} ({letter}) {after}") == letter.lower()


@given(st.text(max_size=40))
def test_it_is_a_letter_or_none(text):
    letter = letter_of(text)
    assert letter is None or (letter in string.ascii_lowercase and letter in text.lower())


@pytest.mark.parametrize("letter", "ABCDI")
@pytest.mark.parametrize(
    "phrase",
    [
        "Option {}",
        "The correct option is {}.",
        "I choose {}.",
        "Choice: {}",
        "Final answer {}",
        "The answer should be {}.",
        r"\boxed{{{}}}",
        "{} - Paris",
        "Therefore, {}",
    ],
)
def test_every_letter_is_read_in_the_phrases_in_which_another_is(phrase, letter):
    if (phrase, letter) != ("{} - Paris", "I"):  # which may be a person
        assert letter_of(phrase.format(letter)) == letter.lower()


@pytest.mark.parametrize(
    "text",
    [
        "I choose a dog",
        "Therefore a dog",
        "The options B and C are both fine",
        "None of the options.",
        "There are no choices",
    ],
)
def test_words_behind_an_anchor_are_no_letters(text):
    assert letter_of(text) is None
