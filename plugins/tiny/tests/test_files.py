"""Weight files: float16 round trip, and what is said of files that are not ours."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from burnish.errors import ModelFileError
from burnish_tiny.files import load_network, save_network
from burnish_tiny.network import build


@pytest.fixture
def file(tmp_path):
    network = build(torch.Generator().manual_seed(0))
    network.bn.running_mean.fill_(0.1)
    save_network(network, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_float16_round_trip(file, tmp_path):
    network = load_network(file)
    expected = build(torch.Generator().manual_seed(0)).state_dict()
    state = network.state_dict()
    assert torch.equal(state["stem.weight"], expected["stem.weight"].half().float())
    assert torch.equal(state["bn.running_mean"], torch.full((32,), 0.1).half().float())
    assert all(tensor.dtype == torch.float16 for tensor in load_file(file).values())
    assert not network.training
    again = tmp_path / "again.safetensors"
    save_network(network, again)
    assert again.read_bytes() == file.read_bytes()
    assert not list(tmp_path.glob(".part-*"))


def _changed(file, change):
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("stem.weight"), "stem.weight is missing"),
        (lambda t: t.update(extra=torch.zeros(1)), "extra is unknown"),
        (lambda t: t.update({"stem.weight": torch.zeros(2, 2)}), r"stem.weight is torch.float32 \(2, 2\)"),
        (lambda t: t.update({"bn.bias": torch.zeros(32, dtype=torch.int64)}), "bn.bias is torch.int64"),
        (lambda t: t["bn.bias"].fill_(float("inf")), "bn.bias has values that are not finite"),
    ],
)
def test_other_tensors_are_refused(file, change, message):
    _changed(file, change)
    with pytest.raises(ModelFileError, match=message):
        load_network(file)


@pytest.mark.parametrize("content", [b"", b"\x80\x04 no safetensors", b"\xff" * 100])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_network(tmp_path / "w.safetensors")


def test_a_truncated_file_is_refused(file):
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_network(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_network(tmp_path / "w.safetensors")
