"""What is said of models that are missing, damaged, of others, or not to be had.

And what names of architectures promise.
"""

import json
import shutil
import socket

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from burnish.config import make_config
from burnish.contracts import Runtime
from burnish.errors import ConfigError, MachineError, ModelFileError
from burnish.testing.contract import manager_of
from burnish_timm import TimmConfig
from burnish_timm.backbone import Timm
from burnish_timm.families import STAGES, family, provides
from burnish_timm.files import fingerprint

COMMIT = "0123456789abcdef0123456789abcdef01234567"
QKV = "blocks.0.attn.qkv.weight"


@pytest.fixture
def copy(folders, tmp_path):
    shutil.copytree(folders["test_vit"], tmp_path / "model")
    return tmp_path / "model"


def _load(path, **options):
    return Timm(TimmConfig(weights=path, **options), Runtime())


def _edit_weights(path, change):
    tensors = load_file(path / "model.safetensors")
    change(tensors)
    save_file(tensors, path / "model.safetensors")


def _edit_config(path, **changes):
    content = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(content | changes))


def _truncate(file):
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path: (path / "model.safetensors").unlink(),
            "there are no weights.*Possible: model.safetensors",
        ),
        (lambda path: (path / "config.json").unlink(), r"there is no config\.json.*model=NAME"),
        (lambda path: (path / "config.json").write_text("{"), "it cannot be read"),
        (lambda path: (path / "config.json").write_text("{}"), "names no architecture"),
        (lambda path: _truncate(path / "model.safetensors"), "the weights cannot be read.*not fully covered"),
        (lambda path: (path / "model.safetensors").write_bytes(b"no weights"), "the weights cannot be read"),
        (lambda path: save_file({}, path / "model.safetensors"), "holds no tensors"),
        (lambda path: _edit_weights(path, lambda t: t.pop(QKV)), f"not those of test_vit: {QKV} is missing"),
        (
            lambda path: _edit_weights(path, lambda t: t.update({QKV: torch.zeros(3, 3)})),
            rf"{QKV} has the shape \(3, 3\) instead of \(192, 64\)",
        ),
        (lambda path: _edit_weights(path, lambda t: t.update(extra=torch.zeros(1))), "extra is unknown"),
        (
            lambda path: _edit_config(path, architecture="test_resnet", model_args={}),
            "not those of test_resnet: .* is missing.*more",
        ),
        (
            lambda path: _edit_config(path, architecture="test_vit2", model_args={}),
            "not those of test_vit2: ",
        ),
        (
            lambda path: _edit_config(path, model_args={"pretrained_strict": False}),
            "'pretrained_strict', which is not supported",
        ),
        (
            lambda path: _edit_config(path, model_args={"no_such_argument": 1}),
            "cannot be made.*no_such_argument",
        ),
        (lambda path: _edit_config(path, architecture="test_resnet"), "a model test_resnet cannot be made"),
    ],
)
def test_a_damaged_folder_is_said_to_be(copy, damage, message):
    damage(copy)
    with pytest.raises(ModelFileError, match=message) as caught:
        _load(copy)
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_answered_with_one_like_it(copy):
    with pytest.raises(ConfigError, match=r"no model 'resnet5O'. Did you mean 'resnet50'"):
        Timm(TimmConfig(model="resnet5O", random_seed=0), Runtime())
    _edit_config(copy, architecture="test_vitt")
    with pytest.raises(ConfigError, match="no model 'test_vitt'"):
        _load(copy)
    with pytest.raises(ConfigError, match=r"has no tag 'a1_in1kk'. Did you mean 'a1_in1k'"):
        Timm(TimmConfig(model="resnet50.a1_in1kk", random_seed=0), Runtime())


def test_names_that_contradict_each_other(folders):
    with pytest.raises(ConfigError, match="model is 'resnet50', and the folder is of 'test_vit'"):
        _load(folders["test_vit"], model="resnet50")
    _load(folders["test_vit"], model="test_vit")


def test_files_that_are_no_weights(tmp_path, make):
    for name, message in (
        ("a.npz", "is no weight file.*safetensors"),
        ("a.pth", "does not say which architecture"),
        ("none", "there is no file"),
    ):
        if name != "none":
            (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ConfigError, match=message):
            _load(tmp_path / name)
    with pytest.raises(ModelFileError, match="the weights cannot be read"):
        _load(tmp_path / "a.pth", model="test_vit")
    torch.save(make("test_vit").state_dict(), tmp_path / "whole.pth")
    _truncate(tmp_path / "whole.pth")
    with pytest.raises(ModelFileError, match="the weights cannot be read"):
        _load(tmp_path / "whole.pth", model="test_vit")
    torch.save({"state_dict": {"a": 1}}, tmp_path / "numbers.pth")
    with pytest.raises(ModelFileError, match="'a' is no tensor"):
        _load(tmp_path / "numbers.pth", model="test_vit")


class _Evil:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_nothing_is_unpickled(tmp_path):
    torch.save({"state_dict": {"a": torch.zeros(1)}, "more": _Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ModelFileError, match=r"the weights cannot be read.*only tensors are read"):
        _load(tmp_path / "evil.pth", model="test_vit")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no model is named.*Possible: weights=FOLDER"),
        ({"model": "resnet50"}, "'resnet50' stands without weights.*random_seed=0"),
        ({"random_seed": 0}, "random_seed stands without a model"),
        ({"hub": "timm/resnet50.a1_in1k"}, "without a revision.*40 hexadecimal digits"),
        ({"hub": "timm/resnet50.a1_in1k", "revision": "main"}, "'main', which pins nothing"),
        ({"revision": COMMIT, "weights": "x"}, "revision stands without hub"),
        ({"hub": "timm/resnet50.a1_in1k", "revision": COMMIT, "weights": "x"}, "weights stands beside hub"),
    ],
)
def test_options_that_name_no_model_are_refused(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make_config(TimmConfig, options, where="timm")
    assert "\n" not in str(caught.value)


def test_offline_forbids_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: pytest.fail("the hub was asked"))
    with pytest.raises(MachineError, match=r"not on this machine, and no hub may be asked.*name a folder"):
        Timm(TimmConfig(hub="timm/resnet50.a1_in1k", revision=COMMIT), Runtime(offline=True))


def test_a_hub_that_cannot_be_reached(monkeypatch):
    def unreachable(*_, **__):
        raise LocalEntryNotFoundError("Got: ConnectError: Name or service not known\nand more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(
        MachineError, match=r"cannot be asked \(Got: ConnectError.*Download it beforehand"
    ) as caught:
        Timm(TimmConfig(hub="timm/resnet50.a1_in1k", revision=COMMIT), Runtime())
    assert "\n" not in str(caught.value)


def test_a_pinned_hub_model_is_loaded_from_what_was_downloaded(monkeypatch, folders):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(folders["test_vit"]))
    assert Timm(TimmConfig(hub="timm/test_vit.r160_in1k", revision=COMMIT), Runtime()).dim == 64
    with pytest.raises(
        ConfigError, match=r"is of the architecture 'test_vit', which its name does not say.*model=test_vit"
    ):
        Timm(TimmConfig(hub="owner/mine", revision=COMMIT), Runtime())
    assert "module" in provides(TimmConfig(hub="owner/mine", revision=COMMIT, model="test_vit"))
    Timm(TimmConfig(hub="owner/mine", revision=COMMIT, model="test_vit"), Runtime())


def test_local_weights_ask_no_hub(monkeypatch, folders):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("the hub was asked"))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the hub was asked"))
    _load(folders["test_vit"])
    Timm(TimmConfig(model="resnet18.a1_in1k", random_seed=0), Runtime())


def test_fingerprints_follow_files_names_and_seeds(folders, copy):
    def of(**options):
        return fingerprint(TimmConfig(**options))

    hub = {"hub": "timm/test_vit.r160_in1k", "revision": COMMIT}
    prints = [
        of(weights=folders["test_vit"]),
        of(weights=folders["test_resnet"]),
        of(weights=copy / "model.safetensors", model="test_vit"),
        of(**hub),
        of(**hub | {"revision": COMMIT[::-1]}),
        of(model="test_vit", random_seed=0),
        of(model="test_vit", random_seed=1),
    ]
    assert len(set(prints)) == len(prints)
    assert of(weights=copy) == prints[0]
    (copy / "README.md").write_text("words")
    assert of(weights=copy) == prints[0]
    _edit_config(copy, pretrained_cfg={"mean": [0, 0, 0]})
    assert of(weights=copy) != prints[0]


# -- names ---------------------------------------------------------------------------------------------------

MODULES = {
    "transformer": (
        "vision_transformer",
        "vision_transformer_hybrid",
        "vision_transformer_relpos",
        "deit",
        "beit",
        "eva",
    ),
    "resnet": ("resnet",),
    "convnext": ("convnext",),
    "regnet": ("regnet",),
}


def test_families_are_known_by_name_for_every_model_of_timm():
    wanted = {
        name: kind
        for kind, modules in MODULES.items()
        for module in modules
        for name in timm.list_models(module=module)
    }
    found = {name: family(name) for name in timm.list_models()}
    assert {name: kind for name, kind in found.items() if kind != wanted.get(name, "")} == {}


def test_what_is_provided_follows_the_architecture(folders):
    assert provides(TimmConfig(weights=folders["test_vit"])) == {"features", "module"}
    assert provides(TimmConfig(weights=folders["test_resnet"])) == {"features", "module"}
    assert provides(TimmConfig(weights=folders["test_efficientnet"])) == {"features"}
    assert provides(TimmConfig(hub="timm/vit_base_patch16_224.augreg_in21k", revision=COMMIT)) == {
        "features",
        "module",
    }
    for kind in (*STAGES, "transformer"):
        name = timm.list_models(module=MODULES[kind][0])[0]
        assert provides(TimmConfig(model=name, random_seed=0)) >= {"features", "module"}


def test_no_text_tower_is_promised():
    component = manager_of("timm").get("backbone", "timm/timm")
    for name in ("resnet50", "vit_base_patch16_224", "efficientnet_b0"):
        assert not {"text-tower", "projects"} & manager_of("timm").provides(
            component, TimmConfig(model=name, random_seed=0)
        )
