"""What is refused, and whether one line says what, where, what is possible and what to do."""

import json
import shutil

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from burnish.contracts import Runtime, View
from burnish.errors import BurnishError, ConfigError, ItemError, MachineError, ModelFileError
from burnish.testing.data import items_of
from burnish_huggingface import ClipConfig, LanguageConfig, TextConfig, VisionConfig
from burnish_huggingface.clip import Clip
from burnish_huggingface.lm import LanguageModel
from burnish_huggingface.text import Text
from burnish_huggingface.vision import Vision

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RUNTIME = Runtime(offline=True)
FAMILIES = {
    "clip": (Clip, ClipConfig),
    "vision": (Vision, VisionConfig),
    "text": (Text, TextConfig),
    "lm": (LanguageModel, LanguageConfig),
}


def make(family, **options):
    cls, config = FAMILIES[family]
    return cls(config(**options), RUNTIME)


@pytest.fixture
def copy(folder_of, tmp_path):
    """Return a function (family, kind) -> a copy of a saved model that a test may damage."""

    def of(family, kind):
        return shutil.copytree(folder_of(family, kind), tmp_path / "model")

    return of


def rewrite(folder, change):
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, {"format": "pt"})


def edit(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | values), encoding="utf-8")


def error_of(call):
    with pytest.raises(BurnishError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "which weights is not said. Possible: weights=DIR"),
        ({"weights": "x", "random_seed": 1}, "weights and random_seed exclude each other"),
        (
            {"hub": "openai/clip"},
            "hub 'openai/clip' stands without a revision. Possible: a commit of 40 hexadecimal digits",
        ),
        ({"hub": "openai/clip", "revision": "main"}, "revision is 'main', which pins nothing"),
        ({"hub": "openai/clip", "revision": COMMIT[:12]}, "which pins nothing"),
        ({"weights": "x", "revision": COMMIT}, "revision stands without hub"),
        ({"hub": "a/b", "revision": COMMIT, "model": "clip"}, "do not go with hub"),
        ({"random_seed": 0}, "random weights of what is not said"),
        ({"random_seed": 0, "model": "clip", "config": "x"}, "model and config exclude each other"),
        ({"random_seed": 0, "model": "cilp"}, "unknown model 'cilp'. Did you mean 'clip'"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    assert message in str(error_of(lambda: ClipConfig(**options)))


def test_unknown_language_models_are_answered_with_a_suggestion(folder_of):
    assert "unknown model 'gtp2'. Did you mean 'gpt2'" in str(
        error_of(lambda: make("lm", random_seed=0, model="gtp2"))
    )


def test_hub_ids_without_network(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    error = error_of(lambda: make("clip", hub="openai/clip-vit-base-patch32", revision=COMMIT))
    assert isinstance(error, MachineError)
    assert (
        "'openai/clip-vit-base-patch32' at 0123456789ab is not on this machine, and no hub may be asked"
        in str(error)
    )
    assert "Download it beforehand" in str(error)


def test_a_commit_in_the_hubs_cache_is_read_offline(folder_of, photographs, encoded, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = folder_of("vision", "vit")
    shutil.copytree(folder, tmp_path / "models--someone--vit" / "snapshots" / COMMIT)
    found = make("vision", hub="someone/vit", revision=COMMIT)
    assert torch.equal(
        encoded(found, photographs[:2]), encoded(make("vision", weights=folder), photographs[:2])
    )


def test_missing_folders_files_and_weights(copy, tmp_path):
    assert "there is no such file or folder" in str(
        error_of(lambda: make("clip", weights=tmp_path / "nowhere"))
    )
    assert "there is no config.json" in str(error_of(lambda: make("clip", weights=tmp_path)))
    folder = copy("vision", "vit")
    (folder / "preprocessor_config.json").unlink()
    assert "there is no preprocessor_config.json" in str(error_of(lambda: make("vision", weights=folder)))
    (folder / "model.safetensors").unlink()
    error = error_of(lambda: make("vision", weights=folder))
    assert isinstance(error, ModelFileError)
    assert "there are no weights. Possible: model.safetensors, pytorch_model.bin" in str(error)


def test_missing_tokenizers(copy):
    folder = copy("text", "bert")
    (folder / "tokenizer.json").unlink()
    assert "there is no tokenizer" in str(error_of(lambda: make("text", weights=folder)))
    assert "an architecture alone has no tokenizer" in str(
        error_of(lambda: make("text", random_seed=0, model="distilbert"))
    )


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_truncated_weights(copy, name):
    folder = copy("text", "bert")
    if name.endswith(".bin"):
        torch.save(load_file(folder / "model.safetensors"), folder / name)
        (folder / "model.safetensors").unlink()
        make("text", weights=folder)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    error = error_of(lambda: make("text", weights=folder))
    assert f"{folder / name}: the weights are truncated or damaged" in str(error)
    assert "Download or save it again" in str(error)


def test_nothing_is_unpickled(copy, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    folder = copy("text", "bert")
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Evil()}, folder / "pytorch_model.bin")
    assert "nothing else is ever unpickled" in str(error_of(lambda: make("text", weights=folder)))
    assert not (tmp_path / "made").exists()


def test_shards(copy, encoded, texts):
    folder = copy("text", "bert")
    whole = encoded(make("text", weights=folder), texts)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[:7], "model-00002-of-00002.safetensors": names[7:]}
    for file, some in parts.items():
        save_file({name: tensors[name] for name in some}, folder / file, {"format": "pt"})
    index = {"weight_map": {name: file for file, some in parts.items() for name in some}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert torch.equal(encoded(make("text", weights=folder), texts), whole)
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "the shard model-00002-of-00002.safetensors is missing" in str(
        error_of(lambda: make("text", weights=folder))
    )


def test_weights_of_another_size_name_the_tensors(copy):
    folder = copy("vision", "vit")
    edit(folder / "config.json", num_hidden_layers=1)
    assert "layer.1." in (text := str(error_of(lambda: make("vision", weights=folder)))).replace(
        "layers.", "layer."
    )
    assert "is unknown" in text
    edit(folder / "config.json", num_hidden_layers=3)
    assert "is missing" in (text := str(error_of(lambda: make("vision", weights=folder))))
    assert "layers.2." in text
    edit(folder / "config.json", num_hidden_layers=2, intermediate_size=64)
    assert "is (48,), not (64,)" in (text := str(error_of(lambda: make("vision", weights=folder))))
    assert "not the weights of this vit model: layers.0.mlp.fc1.bias" in text


def test_values_that_are_not_finite(copy):
    folder = copy("text", "bert")
    rewrite(folder, lambda tensors: tensors["embeddings.word_embeddings.weight"].fill_(float("nan")))
    assert "embeddings.word_embeddings.weight has values that are not finite" in str(
        error_of(lambda: make("text", weights=folder))
    )


def test_other_families_say_which_backbone_reads_them(folder_of):
    for family, other, kind, hint in (
        ("clip", "vision", "vit", "It has no text tower: use hf-vision"),
        ("vision", "clip", "siglip", "Use hf-clip"),
        ("text", "lm", "gpt2", "Use hf-lm"),
        ("lm", "text", "bert", "use hf-text"),
        ("lm", "vision", "dinov2", "Use hf-vision"),
    ):
        text = str(error_of(lambda f=family, o=other, k=kind: make(f, weights=folder_of(o, k))))
        assert f"this is a {kind!r} model" in text
        assert hint in text


def test_quantised_weights_and_code_in_folders_are_left_alone(folder_of, copy):
    folder = copy("text", "bert")
    edit(folder / "config.json", quantization_config={"quant_method": "bitsandbytes"})
    assert "quantised" in str(error_of(lambda: make("text", weights=folder)))
    shutil.copy(folder_of("text", "bert") / "config.json", folder / "config.json")
    edit(folder / "config.json", model_type="mine", auto_map={"AutoConfig": "code.Config"})
    (folder / "code.py").write_text("raise SystemExit('run')", encoding="utf-8")
    assert "this is a 'mine' model" in str(error_of(lambda: make("text", weights=folder)))
    assert "this is a 'mine' model" in str(error_of(lambda: make("lm", weights=folder)))


def test_one_weight_file_needs_an_architecture(folder_of, encoded, photographs, tmp_path):
    folder = folder_of("vision", "dinov2")
    file = tmp_path / "weights.safetensors"
    shutil.copy(folder / "model.safetensors", file)
    assert "a weight file alone does not say its architecture" in str(
        error_of(lambda: make("vision", weights=file))
    )
    found = encoded(make("vision", weights=file, config=folder), photographs[:2])
    assert torch.equal(found, encoded(make("vision", weights=folder), photographs[:2]))
    assert "not the weights of this vit model" in str(
        error_of(lambda: make("vision", weights=file, config=folder_of("vision", "vit")))
    )
    assert "model and config go with a weight file" in str(
        error_of(lambda: make("vision", weights=folder, model="vit"))
    )


def test_random_weights_only_when_asked_for(folder_of, encoded, texts):
    state = torch.get_rng_state()
    folder = folder_of("text", "bert")
    one, same, other = (encoded(make("text", random_seed=seed, config=folder), texts) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_texts_longer_than_the_context(folder_of, encoded):
    long = "the cat " * 40
    for family, kind, context in (("text", "bert", 32), ("text", "roberta", 32), ("lm", "gpt2", 64)):
        backbone = make(family, weights=folder_of(family, kind))
        items, ids = items_of("text", ["the cat", long])
        error = error_of(lambda b=backbone, i=items, d=ids: b.prepare(i, View(), d))
        assert isinstance(error, ItemError)
        assert error.position == 1
        assert "the text 'the cat the cat the cat the cat the c...' has" in str(error)
        assert f"the context holds {context}. Set truncate to cut it" in str(error)
        cut = make(family, weights=folder_of(family, kind), truncate=True)
        assert torch.isfinite(encoded(cut, ["the cat", long])).all()
    tower = make("clip", weights=folder_of("clip", "clip")).text_tower
    items, ids = items_of("text", [long])
    assert "the context holds 20" in str(error_of(lambda: tower.prepare(items, View(), ids)))
    with pytest.raises(ItemError, match="no augmented views"):
        tower.prepare(items, View(0), ids)


def test_a_cut_text_keeps_the_marks_of_its_start_and_end(folder_of):
    folder = folder_of("text", "bert")
    items, ids = items_of("text", ["the cat " * 40])
    row = make("text", weights=folder, truncate=True).prepare(items, View(), ids)["input_ids"][0]
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    assert (len(row), row[0], row[-1]) == (32, tokenizer.cls_token_id, tokenizer.sep_token_id)


def test_image_processors_that_do_not_fit(copy):
    folder = copy("vision", "vit")
    file = folder / "preprocessor_config.json"
    edit(file, size={"height": 40, "width": 40})
    assert "makes images of 40 x 40 pixels, the model takes 32 x 32" in str(
        error_of(lambda: make("vision", weights=folder))
    )
    edit(file, size={"shortest_edge": 32})
    assert "images of no fixed size" in str(error_of(lambda: make("vision", weights=folder)))
    file.write_text("{", encoding="utf-8")
    assert "preprocessor_config.json cannot be used" in str(error_of(lambda: make("vision", weights=folder)))


def test_an_image_that_is_a_thread(folder_of):
    import numpy as np

    backbone = make("clip", weights=folder_of("clip", "clip"))
    items, ids = items_of("image", [np.zeros((2, 400_000, 3), dtype=np.uint8)])
    with pytest.raises(ItemError, match="too long for its width"):
        backbone.prepare(items, View(), ids)


def test_a_tokenizer_with_more_tokens_than_the_model(copy):
    folder = copy("text", "bert")
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"word{i}" for i in range(100)])
    tokenizer.save_pretrained(folder)
    assert "its tokenizer has" in str(error_of(lambda: make("text", weights=folder)))


def test_config_errors_are_config_errors():
    assert isinstance(error_of(lambda: TextConfig(random_seed=0, model="brt")), ConfigError)
