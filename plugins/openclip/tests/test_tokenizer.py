"""Models whose tokenizer is one of transformers, from files beside the weights."""

import json
from concurrent.futures import ThreadPoolExecutor

import open_clip
import pytest
import torch

from burnish.contracts import Runtime, View
from burnish.errors import DataError, ModelFileError
from burnish.testing.data import items_of
from burnish_openclip import OpenClipConfig
from burnish_openclip.loading import load
from burnish_openclip.places import provides

pytest.importorskip("transformers")

WORDS = ["<pad>", "<end>", "<unknown>", "a", "photo", "of", "dog", "cat", "two"]


@pytest.fixture
def folder(save_model, models, tmp_path):
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers import models as kinds

    parts = json.loads(json.dumps(models["custom"]))
    parts["text_cfg"] |= {
        "hf_tokenizer_name": "someone/other-place",
        "tokenizer_kwargs": {"clean": "canonicalize"},
    }
    folder = save_model(tmp_path, "custom", model_cfg=parts)
    tokenizer = Tokenizer(
        kinds.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unknown>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <end>", special_tokens=[("<end>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    said = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<pad>",
        "eos_token": "<end>",
        "unk_token": "<unknown>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def test_texts_are_read_with_the_folders_own_tokenizer(folder, library, texts):
    assert {"text-tower", "compose-text"} <= provides(OpenClipConfig(weights=folder))
    backbone = load(OpenClipConfig(weights=folder), Runtime(offline=True))
    given = ["A photo of a dog!", "two cats", ""]
    ids = open_clip.get_tokenizer(f"local-dir:{folder}")(given)
    assert torch.equal(backbone.tokenise(given), ids)
    assert ids[0, :6].tolist() == [3, 4, 5, 3, 6, 1]
    items, content = items_of("text", given)
    with torch.inference_mode():
        expected = library("custom").encode_text(ids)
    assert torch.equal(
        backbone.text_tower.encode(backbone.text_tower.prepare(items, View(), content)), expected
    )


def test_longer_texts_are_refused_also_by_this_tokenizer(folder):
    backbone = load(OpenClipConfig(weights=folder), Runtime())
    assert int((backbone.tokenise(["dog " * 15]) == 6).sum()) == 15
    with pytest.raises(DataError, match="has 17 tokens, and the model reads at most 16"):
        backbone.tokenise(["dog " * 16])


def test_it_can_be_used_by_several_threads(folder):
    tower = load(OpenClipConfig(weights=folder), Runtime()).text_tower
    items, ids = items_of("text", ["a dog", "two cat", "a photo of dog"])
    expected = tower.prepare(items, View(), ids)["tokens"]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: tower.prepare(items, View(), ids)["tokens"], range(40)))
    assert all((one == expected).all() for one in found)


def test_a_damaged_tokenizer_is_said_to_be(folder):
    (folder / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelFileError, match="its tokenizer cannot be made") as caught:
        load(OpenClipConfig(weights=folder), Runtime(offline=True))
    assert "\n" not in str(caught.value)
