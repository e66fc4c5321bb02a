"""`burnish pretrain tiny`, from a data set to a folder that the backbone reads."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from burnish.contracts import PretrainTask, Runtime, View
from burnish.data import Classes, Dataset, Item, Labels, content_id
from burnish.errors import DataError, ItemError, StoreError
from burnish_tiny import PretrainConfig, TinyConfig
from burnish_tiny.backbone import Tiny
from burnish_tiny.pretrain import Pretrain
from burnish_tiny.training import Schedule, fit

CONFIG = PretrainConfig(epochs=2, batch=32, bf16=False)


@dataclass(frozen=True)
class Arrays:
    payloads: tuple

    def read(self, row):
        return self.payloads[row]


def _dataset(payloads, labels, splits, modality="image"):
    return Dataset.build(
        name="squares",
        modality=modality,
        ids=[content_id("image", np.asarray(payload).tobytes()) for payload in payloads],
        classes=Classes.of(["dark", "light"]),
        supervision=Labels(y=np.asarray(labels)),
        reader=Arrays(tuple(payloads)),
        splits=splits,
    )


@pytest.fixture
def dataset():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    payloads = [rng.integers(0, 100, (40, 48, 3), dtype=np.uint8) + np.uint8(120 * label) for label in labels]
    labels[3] = -1
    return _dataset(payloads, labels, ["train"] * 100 + ["test"] * 20)


def _task(dataset, out, progress=lambda done, total, line: None):
    return PretrainTask(
        dataset=dataset,
        index=dataset.assigned["train"],
        labels=dataset.supervision,
        classes=dataset.classes,
        seed=5,
        out=out,
        runtime=Runtime(),
        provenance={"data": "squares", "noise": "none"},
        progress=progress,
    )


def test_the_folder_is_a_backbone_and_says_how_it_was_made(dataset, tmp_path):
    lines = []
    out = Pretrain(CONFIG).pretrain(_task(dataset, tmp_path / "out", lambda *line: lines.append(line)))
    assert [line[:2] for line in lines] == [(1, 2), (2, 2)]
    assert sorted(file.name for file in out.iterdir()) == ["provenance.json", "weights.safetensors"]
    provenance = json.loads((out / "provenance.json").read_text(encoding="utf-8"))
    assert provenance["data"] == "squares"
    assert provenance["items"] == 99
    assert provenance["seed"] == 5
    assert 0 <= provenance["accuracy"]["test"] <= 1
    assert (
        provenance["weights"]["sha256"]
        == hashlib.sha256((out / "weights.safetensors").read_bytes()).hexdigest()
    )
    backbone = Tiny(TinyConfig(weights=out), Runtime())
    prepared = backbone.prepare([Item(0, dataset.read(0))], View(), dataset.ids[:1])
    assert backbone.encode(prepared).shape == (1, 96)


def test_it_trains_on_the_given_items_and_labels_in_order(dataset, tmp_path):
    out = Pretrain(CONFIG).pretrain(_task(dataset, tmp_path / "out"))
    index = dataset.assigned["train"]
    index = index[dataset.supervision.y[index] >= 0]
    backbone = Tiny(TinyConfig(weights=out), Runtime())
    images = backbone.prepare(list(dataset.items(index)), View(), dataset.ids[index])["image"]
    schedule = Schedule(epochs=2, batch=32, bf16=False)
    result = fit(
        torch.from_numpy(images), torch.from_numpy(dataset.supervision.y[index]), 2, seed=5, schedule=schedule
    )
    expected = result.network.state_dict()["blocks.2.conv2.weight"].half()
    from safetensors.torch import load_file

    assert torch.equal(load_file(out / "weights.safetensors")["blocks.2.conv2.weight"], expected)


def test_a_killed_run_goes_on_to_the_same_file(dataset, tmp_path):
    def kill(done, total, line):
        raise KeyboardInterrupt

    whole = Pretrain(CONFIG).pretrain(_task(dataset, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        Pretrain(CONFIG).pretrain(_task(dataset, tmp_path / "killed", kill))
    assert not (tmp_path / "killed" / "weights.safetensors").exists()
    lines = []
    resumed = Pretrain(CONFIG).pretrain(_task(dataset, tmp_path / "killed", lambda *line: lines.append(line)))
    assert [line[0] for line in lines] == [2]
    assert (resumed / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()


def test_a_finished_folder_is_used_again_and_never_overwritten_by_other_weights(dataset, tmp_path):
    def refuse(done, total, line):
        raise AssertionError(line)

    out = Pretrain(CONFIG).pretrain(_task(dataset, tmp_path / "out"))
    before = (out / "weights.safetensors").read_bytes()
    assert Pretrain(CONFIG).pretrain(_task(dataset, out, refuse)) == out
    with pytest.raises(StoreError, match="other images, labels or settings"):
        Pretrain(PretrainConfig(epochs=3, batch=32, bf16=False)).pretrain(_task(dataset, out, refuse))
    assert (out / "weights.safetensors").read_bytes() == before
    (out / "weights.safetensors").write_bytes(b"damaged")
    Pretrain(CONFIG).pretrain(_task(dataset, out))
    assert (out / "weights.safetensors").read_bytes() == before
    (out / "provenance.json").write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match="damaged"):
        Pretrain(CONFIG).pretrain(_task(dataset, out))


def test_what_cannot_be_pre_trained_on_is_refused(tmp_path):
    arrays = [np.full((32, 32, 3), value, dtype=np.uint8) for value in range(4)]
    with pytest.raises(DataError, match="fewer than two"):
        Pretrain(CONFIG).pretrain(_task(_dataset(arrays, [1, 1, -1, 1], ["train"] * 4), tmp_path))
    with pytest.raises(DataError, match="the items are features"):
        Pretrain(CONFIG).pretrain(
            _task(_dataset(arrays, [0, 1, 0, 1], ["train"] * 4, modality="features"), tmp_path)
        )
    with pytest.raises(ItemError):
        Pretrain(CONFIG).pretrain(
            _task(_dataset([*arrays, b"broken"], [0, 1, 0, 1, 0], ["train"] * 5), tmp_path)
        )
    assert not list(tmp_path.iterdir())
