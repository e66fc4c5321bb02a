"""The vocabulary: fixed size, any text has tokens, and open_clip's tokenizer gives the training's numbers."""

import pytest
import torch

open_clip = pytest.importorskip("open_clip")

from burnish_tiny_clip import TinyClipConfig  # noqa: E402
from burnish_tiny_clip.files import folder_of  # noqa: E402
from burnish_tiny_clip.training.vocabulary import (  # noqa: E402
    CONTEXT,
    END,
    PAD,
    SIZE,
    START,
    learn,
    token_ids,
)

TEXTS = ["a photo of a red digit seven.", "a picture of a Zebra", "naïve 漢字 🙂", "", "a " * 60]


@pytest.fixture(scope="module")
def tokenizer():
    return learn(["a photo of a red digit seven", "a blue hand sign nine on a striped background"] * 3)


def test_the_size_is_fixed_and_the_end_has_the_largest_number(tokenizer):
    assert tokenizer.get_vocab_size() == SIZE
    assert tokenizer.token_to_id(PAD) == 0
    assert tokenizer.token_to_id(END) == SIZE - 1


def test_words_of_the_texts_are_one_token_and_others_are_several(tokenizer):
    assert tokenizer.encode("a photo of a red digit").tokens[1:-1] == [
        "Ġa",
        "Ġphoto",
        "Ġof",
        "Ġa",
        "Ġred",
        "Ġdigit",
    ]
    assert len(tokenizer.encode("zebra").ids) > 3


def test_any_text_comes_back_from_its_tokens(tokenizer):
    for text in TEXTS[:4]:
        assert tokenizer.decode(tokenizer.encode(text).ids).strip() == text.lower()


def test_rows_start_and_end_and_are_padded(tokenizer):
    ids = token_ids(tokenizer, TEXTS)
    assert ids.shape == (len(TEXTS), CONTEXT)
    assert (ids[:, 0] == tokenizer.token_to_id(START)).all()
    assert ((ids == SIZE - 1).sum(1) == 1).all()
    assert ids[4, -1] == SIZE - 1


def test_learning_twice_gives_the_same(tokenizer):
    again = learn(["a photo of a red digit seven", "a blue hand sign nine on a striped background"] * 3)
    assert again.to_str() == tokenizer.to_str()


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_open_clips_tokenizer_gives_the_same_numbers(noise):
    from tokenizers import Tokenizer

    folder = folder_of(TinyClipConfig(noise=noise))
    shipped = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert torch.equal(open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS), token_ids(shipped, TEXTS))
