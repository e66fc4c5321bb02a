"""What is said of weights, options and texts that cannot be used: one line each."""

import json
import subprocess
import sys

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from burnish.contracts import Runtime, View
from burnish.errors import (
    BurnishError,
    ConfigError,
    DataError,
    ItemError,
    MachineError,
    ModelFileError,
    PluginError,
)
from burnish.testing.data import items_of
from burnish_openclip import OpenClipConfig
from burnish_openclip.loading import load
from burnish_openclip.places import architectures, fingerprint, local, provides

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SAFE = "open_clip_model.safetensors"


def _load(**options):
    return load(OpenClipConfig(**options), Runtime(offline=True))


@pytest.fixture
def folder(save_model, tmp_path):
    return save_model(tmp_path / "model", "vit")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "which weights is not said. Possible: weights=DIR"),
        ({"weights": "x", "random_seed": 1, "model": "RN50"}, "weights and random_seed exclude each other"),
        ({"random_seed": 1}, "random weights of what is not said. Add model=NAME"),
        ({"weights": "x", "revision": COMMIT}, "revision stands without hub"),
        ({"hub": "a/b"}, "hub 'a/b' stands without a revision. Possible: a commit of 40 hexadecimal digits"),
        ({"hub": "a/b", "revision": "main"}, "revision is 'main', which pins nothing"),
        ({"hub": "a/b/c", "revision": COMMIT}, "is no id of a model on a hub"),
        ({"hub": "a/b", "revision": COMMIT, "model": "RN50"}, "model does not go with hub"),
    ],
)
def test_options_that_name_no_model(options, message):
    with pytest.raises(ConfigError, match=message):
        OpenClipConfig(**options)


@pytest.mark.parametrize("look", [fingerprint, provides, local])
def test_an_unknown_architecture_is_answered_with_one_like_it(look):
    with pytest.raises(ConfigError, match=r"unknown model 'ViT-B-23'. Did you mean 'ViT-B-32'"):
        look(OpenClipConfig(random_seed=0, model="ViT-B-23"))


def test_a_hub_without_network(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        MachineError, match=r"'someone/model' at 0123456789ab is not on this machine.*Download it beforehand"
    ):
        _load(hub="someone/model", revision=COMMIT)


def test_missing_files(folder, tmp_path):
    with pytest.raises(ModelFileError, match="there is no such file or folder"):
        _load(weights=tmp_path / "gone")
    (folder / SAFE).rename(tmp_path / "other.safetensors")
    with pytest.raises(ModelFileError, match="there is no weight file"):
        _load(weights=folder)
    with pytest.raises(ConfigError, match="does not say of which architecture it is"):
        _load(weights=tmp_path / "other.safetensors")
    (folder / "open_clip_config.json").unlink()
    with pytest.raises(ModelFileError, match=r"there is no open_clip_config.json"):
        _load(weights=folder)


def test_several_weight_files(folder, tmp_path):
    content = (folder / SAFE).read_bytes()
    (folder / SAFE).unlink()
    for name in ("one.safetensors", "two.safetensors"):
        (folder / name).write_bytes(content)
    with pytest.raises(ModelFileError, match="there are 2 weight files"):
        _load(weights=folder)
    (folder / "two.safetensors").unlink()
    assert _load(weights=folder).dim == 32


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"model_cfg": 3}',
        '{"model_cfg": {"embed_dim": 4, "vision_cfg": {}, "text_cfg": []}}',
    ],
)
def test_a_damaged_description(folder, content):
    (folder / "open_clip_config.json").write_text(content, encoding="utf-8")
    for look in (fingerprint, provides, lambda config: load(config, Runtime())):
        with pytest.raises(ModelFileError, match=r"cannot be read|describes no model"):
            look(OpenClipConfig(weights=folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vision_cfg": {"wings": 2}}, "open_clip makes no model of it"),
        ({"text_cfg": {"hf_model_name": "roberta-base"}}, "'roberta-base' of another library"),
        ({"vision_cfg": {"timm_model_name": "hf-hub:someone/tower"}}, "lies on a hub, not pinned"),
        (
            {"text_cfg": {"tokenizer_kwargs": {"trust_remote_code": True}}},
            "unknown option 'trust_remote_code' of the tokenizer",
        ),
    ],
)
def test_a_description_of_another_kind_of_model(folder, change, message):
    file = folder / "open_clip_config.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    for key, value in change.items():
        content["model_cfg"][key] |= value
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BurnishError, match=message) as caught:
        _load(weights=folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize(
    "damage",
    [
        lambda all_: b"",
        lambda all_: all_[: len(all_) // 2],
        lambda all_: all_[:-5],
        lambda all_: b"\x80\x04 none",
    ],
)
def test_damaged_weights(save_model, tmp_path, damage, safe):
    folder = save_model(tmp_path, "vit", safe=safe)
    (file,) = (path for path in folder.iterdir() if path.suffix != ".json")
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ModelFileError, match="the weights cannot be read") as caught:
        _load(weights=folder)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_unpickled(save_model, tmp_path):
    import pickle

    folder = save_model(tmp_path / "model", "vit", safe=False)

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    for content in (pickle.dumps(Trap()), None):
        file = folder / "open_clip_pytorch_model.bin"
        file.write_bytes(content) if content else torch.save({"state_dict": Trap()}, file)
        with pytest.raises(ModelFileError, match="the weights cannot be read"):
            _load(weights=folder)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("visual.proj"), "visual.proj is missing"),
        (lambda t: t.update(extra=torch.zeros(1)), "extra is unknown"),
        (
            lambda t: t.update({"visual.proj": torch.zeros(64, 31)}),
            r"visual.proj is \(64, 31\) instead of \(64, 32\)",
        ),
        (
            lambda t: t.update({"visual.positional_embedding": torch.zeros(26, 64)}),
            r"visual.positional_embedding is \(26, 64\)",
        ),
        (lambda t: t["ln_final.bias"].fill_(float("nan")), "ln_final.bias has values that are not finite"),
    ],
)
def test_other_tensors(folder, change, message):
    tensors = load_file(folder / SAFE)
    change(tensors)
    save_file(tensors, folder / SAFE)
    with pytest.raises(ModelFileError, match=message):
        _load(weights=folder)


def test_weights_of_another_architecture(folders):
    file = folders["vit"] / SAFE
    with pytest.raises(
        ModelFileError, match=r"these are no weights of ViT-S-32.*(is missing|is unknown|instead of)"
    ):
        _load(weights=file, model=next(name for name in architectures() if name.startswith("ViT-S-32")))
    with pytest.raises(ConfigError, match="model=RN50 stands beside a folder"):
        _load(weights=folders["vit"], model="RN50")


def test_checkpoints_of_trainings_are_read(save_model, folders, tmp_path, items):
    folder = save_model(tmp_path, "vit", safe=False)
    file = folder / "open_clip_pytorch_model.bin"
    state = torch.load(file, weights_only=True)
    torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, file)
    one, other = _load(weights=folder), _load(weights=folders["vit"])
    assert torch.equal(
        one.encode(one.prepare(items[0], View(), items[1])),
        other.encode(other.prepare(items[0], View(), items[1])),
    )


@pytest.mark.parametrize("name", ["vit", "custom"])
def test_a_text_longer_than_the_context_is_refused(name, folders):
    backbone = _load(weights=folders[name])
    fits, long = "dog " * 14, "dog " * 15
    assert backbone.tokenise([fits]).shape == (1, 16)
    with pytest.raises(DataError, match=r"the text 'dog dog.* has 17 tokens, and the model reads at most 16"):
        backbone.tokenise([fits, long])
    items, ids = items_of("text", [fits, long])
    with pytest.raises(ItemError, match=r"item 1: .*has 17 tokens"):
        backbone.text_tower.prepare(items, View(), ids)
    assert backbone.text_tower.prepare(items[:1], View(), ids[:1])["tokens"].shape == (1, 16)


def test_things_that_are_no_texts(folders):
    tower = _load(weights=folders["vit"]).text_tower
    items, ids = items_of("features", [np.zeros(3, dtype=np.float32)])
    with pytest.raises(ItemError, match="not a text"):
        tower.prepare(items, View(), ids)
    items, ids = items_of("text", ["a"])
    with pytest.raises(PluginError, match="no augmented views"):
        tower.prepare(items, View(0), ids)
    assert tower.tokenise([]).shape == (0, 16)


def test_images_that_are_threads(folders):
    backbone = _load(weights=folders["vit"])
    items, ids = items_of("image", [np.zeros((1, 50_000, 3), dtype=np.uint8)])
    with pytest.raises(ItemError, match="50,000 x 1 pixels: too long for its width"):
        backbone.prepare(items, View(), ids)


def _without_tokenizer(save_model, tmp_path, models):
    parts = json.loads(json.dumps(models["vit"]))
    parts["text_cfg"]["hf_tokenizer_name"] = "someone/tokenizer"
    return save_model(tmp_path, "vit", model_cfg=parts)


def test_without_its_tokenizer_a_model_reads_images_alone(save_model, tmp_path, models, items):
    folder = _without_tokenizer(save_model, tmp_path, models)
    assert provides(OpenClipConfig(weights=folder)) == {"features", "projects", "module"}
    backbone = _load(weights=folder)
    assert backbone.encode(backbone.prepare(items[0], View(), items[1])).shape == (8, 32)
    for asked in (
        lambda: backbone.text_tower,
        lambda: backbone.tokenise(["a"]),
        lambda: backbone.context_length,
    ):
        with pytest.raises(PluginError, match="it reads images alone: its tokenizer is not there"):
            asked()


def test_what_it_provides_follows_from_the_model(folders, monkeypatch, tmp_path):
    text = {"features", "projects", "text-tower", "compose-text", "module"}
    assert provides(OpenClipConfig(weights=folders["vit"])) == text
    assert provides(OpenClipConfig(weights=folders["resnet"])) == text
    assert provides(OpenClipConfig(random_seed=0, model="convnext_base")) == text - {"module"}
    assert provides(OpenClipConfig(random_seed=0, model="ViT-B-16-SigLIP")) == {"features", "projects"}
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    hub = OpenClipConfig(hub="someone/model", revision=COMMIT)
    assert provides(hub) == text
    there = tmp_path / "models--someone--model" / "snapshots" / COMMIT
    there.mkdir(parents=True)
    (there / "open_clip_config.json").write_bytes((folders["resnet"] / "open_clip_config.json").read_bytes())
    assert provides(hub) == text


def test_the_fingerprint_follows_weights_architecture_preprocessing_and_tokenizer(save_model, tmp_path):
    def of(name, **changes):
        return fingerprint(OpenClipConfig(weights=save_model(tmp_path / name, "vit", **changes)))

    first = of("a")
    assert of("b") == first  # another place
    (tmp_path / "b" / "README.md").write_text("of no importance", encoding="utf-8")
    assert fingerprint(OpenClipConfig(weights=tmp_path / "b")) == first
    (tmp_path / "b" / "tokenizer.json").write_text("{}", encoding="utf-8")
    others = [
        of("c", seed=1),
        of("d", preprocess={"interpolation": "bilinear"}),
        fingerprint(OpenClipConfig(weights=tmp_path / "b")),
    ]
    assert len({first, *others}) == 4


def test_the_light_part_imports_neither_torch_nor_open_clip(folders):
    code = (
        "import sys, burnish_openclip as p; from burnish_openclip.places import fingerprint, provides; from"
        f" pathlib import Path;c = p.OpenClipConfig(weights=Path({str(folders['vit'])!r})); fingerprint(c);"
        " provides(c); p.burnish_backbones();sys.exit(' '.join({'torch', 'numpy', 'PIL', 'open_clip',"
        " 'huggingface_hub'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_preprocessing_that_all_weights_of_an_architecture_share_is_taken():
    from burnish_openclip.loading import _shared_preprocessing

    assert _shared_preprocessing("ViT-B-16-SigLIP")["mean"] == (0.5, 0.5, 0.5)
    assert _shared_preprocessing("ViT-B-16-SigLIP")["resize_mode"] == "squash"
    assert _shared_preprocessing("no such model") == {}


def test_random_weights_are_those_of_the_seed(monkeypatch, models, items):
    monkeypatch.setattr("burnish_openclip.places.named", lambda name: models["vit"])
    monkeypatch.setattr("burnish_openclip.loading._shared_preprocessing", lambda name: {})
    before = torch.get_rng_state()
    states = [
        load(OpenClipConfig(random_seed=seed, model="small"), Runtime()).module.state_dict()
        for seed in (0, 0, 1)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = open_clip.CLIP(**models["vit"]).state_dict()
    assert all(
        torch.equal(states[0][name], states[1][name]) and torch.equal(states[0][name], expected[name])
        for name in expected
    )
    assert not torch.equal(states[0]["visual.proj"], states[2]["visual.proj"])
