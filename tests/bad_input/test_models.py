"""Saved predictors that are damaged, crafted or from another version.

Refused, and nothing in them is executed.
"""

import json
import shutil
import struct

import pytest


@pytest.fixture(scope="module")
def good(burnish_of_module):
    """The folder of a saved predictor."""
    arguments = (
        "run",
        "-q",
        "--threads",
        "2",
        "--replicates",
        "1",
        "--data",
        "digits:features=true",
        "--tuner",
        "ridge",
        "--out",
        "study",
    )
    ended = burnish_of_module(*arguments)
    assert ended.code == 0, ended.err
    [folder] = (burnish_of_module.folder / "study" / "predictors").iterdir()
    return folder


def meta(change):
    """Change predictor.json."""

    def make(folder):
        path = folder / "predictor.json"
        record = json.loads(path.read_text())
        change(record)
        path.write_text(json.dumps(record))

    return make


def of(*address, value):
    """Set an entry of predictor.json."""

    def change(record):
        for key in address[:-1]:
            record = record[key]
        record[address[-1]] = value

    return meta(change)


def without(key):
    return meta(lambda record: record.pop(key))


def tensors(content):
    return lambda folder: (folder / "model.safetensors").write_bytes(content)


def header(value, rest=b""):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return tensors(struct.pack("<Q", len(text)) + text + rest)


def changed_header(change):
    def make(folder):
        path = folder / "model.safetensors"
        content = path.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        record = json.loads(content[8 : 8 + length])
        change(record)
        text = json.dumps(record).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])

    return make


def renamed(record):
    record["../../evil"] = record.pop(sorted(set(record) - {"__metadata__"})[0])


def reshaped(record):
    name = sorted(set(record) - {"__metadata__"}, key=lambda n: len(record[n]["shape"]))[-1]
    record[name]["shape"] = record[name]["shape"][::-1]


def nan(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + struct.pack("<f", float("nan")))


def cut(name, at):
    def make(folder):
        path = folder / name
        path.write_bytes(path.read_bytes()[:at])

    return make


PICKLE = b"cos\nsystem\n(S'touch trapped'\ntR."

CRAFTED = [
    pytest.param(
        lambda f: (f / "predictor.json").unlink(),
        ["there is no predictor here", "Give a folder under predictors/"],
        id="no-meta-file",
    ),
    pytest.param(
        lambda f: (f / "model.safetensors").unlink(), ["model.safetensors", "missing"], id="no-tensors"
    ),
    pytest.param(
        cut("predictor.json", 100),
        ["predictor.json is damaged", "Save the predictor again"],
        id="meta-cut-off",
    ),
    pytest.param(cut("model.safetensors", 300), ["model.safetensors", "is damaged"], id="tensors-cut-off"),
    pytest.param(cut("model.safetensors", 0), ["model.safetensors", "is damaged"], id="tensors-empty"),
    pytest.param(tensors(PICKLE), ["model.safetensors", "is damaged"], id="pickle-called-safetensors"),
    pytest.param(
        tensors(b"\x80\x04" + PICKLE),
        ["model.safetensors", "is damaged"],
        id="binary-pickle-called-safetensors",
    ),
    pytest.param(
        tensors(struct.pack("<Q", 2**63) + b"{}"), ["model.safetensors", "is damaged"], id="huge-header"
    ),
    pytest.param(
        header({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}),
        ["model.safetensors", "is damaged"],
        id="huge-tensor",
    ),
    pytest.param(
        header({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"1234"),
        ["model.safetensors", "is damaged"],
        id="negative-shape",
    ),
    pytest.param(header(b"{" * 10_000), ["model.safetensors", "is damaged"], id="nested-header"),
    pytest.param(changed_header(reshaped), ["tensor", r"\(", "Possible: "], id="wrong-shapes"),
    pytest.param(
        changed_header(renamed), ["tensor", "is missing|is not part", "Possible: "], id="wrong-names"
    ),
    pytest.param(nan, ["tensor", "NaN or infinite"], id="nan-weights"),
    pytest.param(
        of("format", value=99),
        ["predictor.json", "the predictor has format 99", "format 2"],
        id="another-format",
    ),
    pytest.param(
        of("tuner", "version", value="7.2.0"),
        ["basics 7.2.0", "0.1.0 is installed", "pip install 'burnish-basics==7.2.0'"],
        id="another-version",
    ),
    pytest.param(
        of("tuner", "name", value="../../etc/passwd"),
        ["etc/passwd", "cannot be used|lacks or garbles"],
        id="path-for-a-name",
    ),
    pytest.param(
        of("tuner", "name", value="os:system"),
        ["os:system", "cannot be used|lacks or garbles"],
        id="python-path-for-a-name",
    ),
    pytest.param(
        of("tuner", "plugin", value="os"), ["os", "cannot be used"], id="python-module-for-a-plugin"
    ),
    pytest.param(
        of("tuner", "plugin", value="ghost"), ["ghost/ridge", "cannot be used"], id="plugin-that-is-not-there"
    ),
    pytest.param(of("tuner", "kind", value="command"), ["kind"], id="another-kind"),
    pytest.param(of("tuner", "options", value={"alpha": -3}), ["alpha", "-3"], id="option-out-of-range"),
    pytest.param(of("tuner", "options", value={"__class__": "x"}), ["__class__"], id="unknown-option"),
    pytest.param(
        of("tuner", "options", value={"alpha": -3, "__class__": "x"}),
        ["__class__|alpha"],
        id="several-wrong-options",
    ),
    pytest.param(
        of("info", value={"dim": 10**12, "activation": "softmax"}),
        ["width of the features"],
        id="absurd-width",
    ),
    pytest.param(
        of("info", value={"dim": "64", "activation": "softmax"}),
        ["width of the features", "'64'"],
        id="width-that-is-a-text",
    ),
    pytest.param(of("info", value=[]), ["predictor.json", "info"], id="info-that-is-a-list"),
    pytest.param(
        of("classes", "names", value=["a"]), ["predictor.json garbles the classes"], id="too-few-classes"
    ),
    pytest.param(of("numeric", "grid", value=10**9), ["predictor.json", "grid"], id="absurd-grid"),
    pytest.param(without("classes"), ["predictor.json", "classes"], id="no-classes"),
    pytest.param(
        lambda f: (f / "predictor.json").write_text("[" * 100_000),
        ["predictor.json", "damaged"],
        id="nested-json",
    ),
    pytest.param(
        lambda f: (f / "predictor.json").write_bytes(b"\xff\xfe\x00"),
        ["predictor.json", "damaged"],
        id="json-that-is-no-text",
    ),
]


@pytest.mark.parametrize(("craft", "fragments"), CRAFTED)
def test_a_crafted_predictor_is_refused(refused, tmp_path, fake_text, good, craft, fragments):
    shutil.copytree(good, tmp_path / "model")
    craft(tmp_path / "model")
    arguments = ("--plugin", fake_text, "use-model", "model")
    line = refused(*arguments, fragments=["model", *fragments], code=1)
    assert len(line) < 1000
    assert not (tmp_path / "trapped").exists()


def test_a_good_predictor_is_used(accepted, tmp_path, fake_text, good):
    shutil.copytree(good, tmp_path / "model")
    assert accepted("--plugin", fake_text, "use-model", "model").out.strip().isdigit()
