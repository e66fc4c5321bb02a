"""Features against the library's own loop; what becomes of long texts, prompts and others in a batch."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer

from burnish.contracts import Runtime, View
from burnish.testing.data import items_of
from burnish_sentence_transformers import SentenceConfig
from burnish_sentence_transformers.backbone import SentenceEncoder
from burnish_sentence_transformers.folder import local_folder

TEXTS = [
    "My card has not arrived yet.",
    "Why was I charged a fee for withdrawing cash abroad, although the app said it would be free of charge?",
    "transfer failed",
    "An identity check that asks for a photograph which I have sent three times by now",
    "Ein Satz über Öl",
    "数据 with noise",
    "picture.png",
    "https://example.com/a.jpg",
    "What is the exchange rate?",
    "one",
    "Two words. " * 200,
]


def _encode(encoder, texts):
    items, ids = items_of("text", texts)
    return encoder.encode(encoder.prepare(items, View(), ids))


def _apart(features, expected):
    """Return ||a - b|| / ||a - mean(a)|| of the worst item."""
    return float(((features - expected).norm(dim=1) / (expected - expected.mean(dim=0)).norm(dim=1)).max())


@pytest.fixture(scope="module")
def minilm():
    return SentenceEncoder(SentenceConfig(), Runtime(offline=True))


@pytest.fixture(scope="module")
def library():
    return SentenceTransformer(str(local_folder(SentenceConfig())), device="cpu", local_files_only=True)


@pytest.fixture(scope="module")
def expected(library):
    return torch.from_numpy(library.encode(TEXTS))


def test_features_of_the_trained_model_are_the_librarys(minilm, expected):
    assert minilm.dim == 384
    assert _apart(_encode(minilm, TEXTS), expected) <= 1e-3


def test_so_are_they_in_bfloat16(expected):
    encoder = SentenceEncoder(SentenceConfig(), Runtime(dtype="bfloat16", offline=True))
    assert next(encoder.model[0].parameters()).dtype == torch.bfloat16
    features = _encode(encoder, TEXTS)
    assert features.dtype == torch.float32
    assert 1e-4 < _apart(features, expected) <= 5e-2


def test_other_preprocessing_or_pooling_fails_the_bound(minilm, library, expected):
    assert _apart(_encode(minilm, [f"query: {text[:500]}" for text in TEXTS]), expected) > 5e-2
    assert _apart(torch.from_numpy(library.encode([text[:40] for text in TEXTS])), expected) > 5e-2
    tokens = library.encode([text[:500] for text in TEXTS], output_value="token_embeddings")
    first = torch.stack([torch.nn.functional.normalize(part[0], dim=0) for part in tokens])
    assert _apart(first, expected) > 5e-2


def test_the_trained_model_knows_what_texts_mean(minilm):
    near, far = ["a dog runs", "a puppy is running"], "the exchange rate fell"
    one, other, third = _encode(minilm, [*near, far])
    assert float(one @ other) > 0.6 > 0.3 > float(one @ third)


def test_longer_texts_are_cut_as_the_model_does(folder):
    encoder = SentenceEncoder(SentenceConfig(path=folder), Runtime())
    long = " ".join("abcdefghijklmnopqrstuvwxyz")
    items, ids = items_of("text", [long])
    assert encoder.prepare(items, View(), ids)["input_ids"].shape == (1, 20)
    whole, cut, shorter = _encode(encoder, [long, long[: 2 * 18], long[: 2 * 17]])
    torch.testing.assert_close(whole, cut)
    assert not torch.allclose(whole, shorter)


def test_texts_do_not_depend_on_their_batch(folder):
    for dtype, bound in (("float32", 1e-6), ("bfloat16", 1e-2)):
        encoder = SentenceEncoder(SentenceConfig(path=folder), Runtime(dtype=dtype))
        texts = [" ".join("abcdefghijklmnopq"[:n]) for n in (1, 17, 3, 9, 9, 2, 12)]
        together = _encode(encoder, texts)
        alone = torch.cat([_encode(encoder, [text]) for text in texts])
        assert float((together - alone).abs().max()) <= bound


def test_left_padding_is_cut_on_the_left(folder):
    encoder = SentenceEncoder(SentenceConfig(path=folder), Runtime())
    encoder.model.tokenizer.padding_side = "left"
    encoder._pads_on_the_left = True
    rows = dict(_rows(encoder, ["a", "a b c d e f g h i j k l"]))
    assert rows[8] == [0, 0, 0, 0, 0, 2, 6, 3]


def _rows(encoder, texts):
    from burnish_sentence_transformers.backbone import _by_length

    items, ids = items_of("text", texts)
    for _, part in _by_length(encoder.prepare(items, View(), ids), on_the_left=True):
        yield part["input_ids"].shape[1], part["input_ids"][0].tolist()


def test_prompts_come_before_every_text(folder):
    plain = SentenceEncoder(SentenceConfig(path=folder), Runtime())
    with_prompt = SentenceEncoder(SentenceConfig(path=folder, prompt="query: "), Runtime())
    library = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    torch.testing.assert_close(_encode(with_prompt, ["a b"]), _encode(plain, ["query: a b"]))
    torch.testing.assert_close(
        _encode(with_prompt, ["a b"]), torch.from_numpy(library.encode(["a b"], prompt_name="query"))
    )


def test_a_models_default_prompt_is_used_unless_another_is_given(folder, tmp_path):
    library = SentenceTransformer(
        str(folder), device="cpu", local_files_only=True, default_prompt_name="query"
    )
    library.save(str(tmp_path / "model"))
    default = _encode(SentenceEncoder(SentenceConfig(path=tmp_path / "model"), Runtime()), ["a b"])
    none = _encode(SentenceEncoder(SentenceConfig(path=tmp_path / "model", prompt=""), Runtime()), ["a b"])
    torch.testing.assert_close(default, torch.from_numpy(library.encode(["a b"])))
    assert not torch.allclose(default, none)


def test_a_prompt_can_be_kept_out_of_the_pooling(folder, tmp_path):
    library = SentenceTransformer(
        str(folder), device="cpu", local_files_only=True, default_prompt_name="query"
    )
    library.set_pooling_include_prompt(False)
    library.save(str(tmp_path / "model"))
    encoder = SentenceEncoder(SentenceConfig(path=tmp_path / "model"), Runtime())
    texts = ["a b", "c d e f g h i j k"]
    torch.testing.assert_close(_encode(encoder, texts), torch.from_numpy(library.encode(texts)))


def test_it_is_its_own_text_tower(minilm):
    assert minilm.text_tower is minilm
    assert minilm.text_tower.modality == "text"


def test_several_threads_tokenise_and_encode_at_once(folder):
    encoder = SentenceEncoder(SentenceConfig(path=folder), Runtime())
    texts = [" ".join("abcdefghijklmnopq"[:n]) for n in range(1, 9)]
    expected = [_encode(encoder, texts[:n]) for n in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: _encode(encoder, texts[:n]), range(1, 9)))
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other)


def test_random_weights_follow_the_seed_and_need_no_weights(folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "bare")
    (tmp_path / "bare" / "model.safetensors").unlink()
    state = torch.get_rng_state()
    one, same, other = (
        _encode(SentenceEncoder(SentenceConfig(path=tmp_path / "bare", random_seed=seed), Runtime()), ["a b"])
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)
    assert torch.equal(state, torch.get_rng_state())


def test_local_models_ask_no_hub(monkeypatch, folder):
    import socket

    def refuse(*_):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    SentenceEncoder(SentenceConfig(path=Path(folder)), Runtime())
    SentenceEncoder(SentenceConfig(path=Path(folder), random_seed=0), Runtime())
