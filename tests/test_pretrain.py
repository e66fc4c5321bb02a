"""`burnish pretrain`: which items, which labels, and that a killed run goes on to the same weights."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from burnish.data import Classes, Dataset, Labels, canonical_order, content_id, stack_ids
from burnish.engine.pretraining import corrupted, trainable
from burnish_basics._noise import SymmetricConfig
from burnish_basics.corruptors.uniform import Symmetric

COUNT = 300
RECORDER = '''
"""A backbone whose pre-training writes down what it was given."""

import json
from dataclasses import dataclass

import burnish

BURNISH_API = 1


@dataclass(frozen=True)
class Options:
    epochs: int = 3
    pause: float = 0.0


class Recorder:
    def __init__(self, config):
        self.config = config

    def pretrain(self, task):
        import time

        import torch

        for epoch in range(self.config.epochs):
            task.progress(epoch + 1, self.config.epochs, f"epoch {epoch + 1} of {self.config.epochs}")
            time.sleep(self.config.pause)
        given = {
            "index": task.index.tolist(),
            "y": task.labels.y.tolist(),
            "rows": task.dataset.rows.tolist(),
            "seed": task.seed,
            "provenance": dict(task.provenance),
            "threads": torch.get_num_threads(),
            "device": task.runtime.device,
            "epochs": self.config.epochs,
        }
        (task.out / "given.json").write_text(json.dumps(given))
        return task.out


@burnish.hookimpl
def burnish_backbones():
    yield burnish.Backbone(
        name="recorder",
        target=f"{__name__}:X",
        summary="Writes down",
        needs={"image"},
        provides={"features"},
        pretrain=f"{__name__}:Recorder",
        pretrain_config=Options,
    )
'''


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, COUNT)
    x = rng.integers(0, 60, (COUNT, 32, 32, 3)) + (y * 40)[:, None, None, None]
    return x.clip(0, 255).astype(np.uint8), y


@pytest.fixture(scope="module")
def place(burnish_of_module, images) -> Path:
    folder = burnish_of_module.folder
    x, y = images
    np.savez(folder / "images.npz", x=x[:250], y=y[:250], x_test=x[250:], y_test=y[250:])
    (folder / "recorder.py").write_text(RECORDER)
    return folder


@pytest.fixture
def burnish(burnish_of_module, place):
    return burnish_of_module


def by_hand(
    x: np.ndarray, y: np.ndarray, rate: float, seed: int, classes: int
) -> tuple[list[int], list[int]]:
    """Return the rows in canonical order and their labels after symmetric noise.

    From the words of the definition alone.
    """
    ids = [hashlib.sha256(b"image\0" + pixels.tobytes()).digest() for pixels in x]
    rows = sorted(range(len(x)), key=lambda row: ids[row])
    first, second = [], []
    for row in rows:
        text = b"\0".join([b"burnish-draw", b"noise", str(seed).encode(), b"symmetric"]) + b"\0"
        digest = hashlib.sha256(text + ids[row] + (0).to_bytes(4, "little")).digest()
        draws = [int.from_bytes(digest[at : at + 8], "little") // 2**11 / 2**53 for at in (0, 8)]
        first.append(draws[0])
        second.append(draws[1])
    labels = [int(y[row]) for row in rows]
    for place in sorted(range(len(rows)), key=lambda at: first[at])[
        : -(-int(rate * 1000) * len(rows) // 1000)
    ]:
        labels[place] = (labels[place] + 1 + int(second[place] * (classes - 1))) % classes
    return rows, labels


@pytest.mark.parametrize(("rate", "seed"), [(0.05, 0), (0.3, 1)])
def test_the_labels_are_those_drawn_by_hand(burnish, place, images, rate, seed) -> None:
    out = place / f"by-hand-{seed}"
    parts = (
        "--data",
        "npz:path=images.npz",
        "--noise",
        f"symmetric:rate={rate}",
        "--seed",
        str(seed),
        "--threads",
        "1",
    )
    ended = burnish("pretrain", "recorder", *parts, "--out", out, "--plugin", "recorder.py")
    assert ended.code == 0, ended.err
    assert ended.out.strip() == str(out)
    given = json.loads((out / "given.json").read_text())
    rows, labels = by_hand(images[0][:250], images[1][:250], rate, seed, 5)
    assert given["index"] == sorted(given["index"])
    assert [
        given["rows"][position] for position in given["index"]
    ] == rows  # the 50 test images are not among them
    assert [given["y"][position] for position in given["index"]] == labels
    wrong = np.mean(np.array(labels) != images[1][:250][rows])
    provenance = given["provenance"]
    assert provenance["realised_noise"] == pytest.approx(wrong)
    assert wrong == pytest.approx(rate, abs=1 / 250)
    assert (provenance["noise"], provenance["seed"], given["seed"]) == (
        [f"symmetric:rate={rate}"],
        seed,
        seed,
    )
    assert provenance["data"]["trained_on"] == 250
    assert provenance["command"].startswith("burnish pretrain recorder --data npz:path=images.npz --noise")
    assert {"burnish", "torch", "numpy", "processor"} <= provenance["environment"].keys()
    assert given["threads"] == 1
    assert [line for line in ended.err.splitlines() if line.startswith("epoch")] == [
        "epoch 1 of 3",
        "epoch 2 of 3",
        "epoch 3 of 3",
    ]


def test_without_noise_and_with_two_in_order(burnish, place, images) -> None:
    parts = (
        "pretrain",
        "recorder",
        "--data",
        "npz:path=images.npz",
        "--plugin",
        "recorder.py",
        "-s",
        "epochs=1",
        "-q",
    )
    assert burnish(*parts, "--noise", "none", "--out", "clean").code == 0
    given = json.loads((place / "clean" / "given.json").read_text())
    index, y = np.array(given["index"]), np.array(given["y"])
    np.testing.assert_array_equal(y[index], images[1][np.array(given["rows"])[index]])
    assert (given["epochs"], given["provenance"]["noise"]) == (1, [])
    assert (
        burnish(*parts, "--noise", "few-shot:shots=10", "--noise", "pair:rate=0.5", "--out", "both").code == 0
    )
    both = json.loads((place / "both" / "given.json").read_text())
    assert len(both["index"]) == 50
    assert both["provenance"]["realised_noise"] == pytest.approx(0.5)


def dataset(splits: list[str] | None) -> Dataset:
    rows = np.arange(40, dtype=np.float32)[:, None]
    ids = [content_id("features", row) for row in rows]
    labels = Labels(y=np.arange(40, dtype=np.int64) % 4)
    return Dataset.build(
        name="rows",
        modality="features",
        ids=ids,
        classes=Classes.of(list("abcd")),
        supervision=labels,
        reader=None,
        splits=splits,
    )


def test_trainable_is_what_no_split_names_and_test_labels_stay() -> None:
    splits = ["train"] * 20 + ["test"] * 10 + ["validation"] * 10
    named = dataset(splits)
    assert {splits[row] for row in named.rows[trainable(named)]} == {"train"}
    assert len(trainable(dataset(None))) == 40
    found = corrupted(named, [("symmetric", Symmetric(SymmetricConfig(rate=1.0)))], 7)
    changed = found.supervision.y != named.supervision.y
    np.testing.assert_array_equal(np.flatnonzero(changed), trainable(named))
    order = canonical_order(
        stack_ids([content_id("features", row) for row in np.arange(40, dtype=np.float32)[:, None]])
    )
    np.testing.assert_array_equal(named.rows, order)


def test_the_folder_is_named_after_what_is_done(burnish, place) -> None:
    parts = (
        "--data",
        "npz:path=images.npz",
        "--noise",
        "symmetric:rate=0.1",
        "--seed",
        "3",
        "--plugin",
        "recorder.py",
    )
    ended = burnish("pretrain", "recorder", *parts)
    assert ended.out.strip() == "pretrained/recorder-npz-symmetric-rate-0.1-seed-3"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("features", "--data", "digits"), "features cannot be pre-trained. Possible: recorder, tiny"),
        (("recodrer", "--data", "digits"), "Did you mean 'recorder'"),
        (("tiny", "--data", "digits", "-s", "epoch=3"), "Did you mean 'epochs'"),
        (("tiny", "--data", "digits", "-s", "epochs"), "not of the form key=value"),
        (("tiny", "--data", "digits", "-s", "epochs=0"), "epochs"),
        (("tiny", "--data", "nowhere.npz"), "there is no file or folder"),
        (("tiny", "--data", "digits", "--noise", "loud"), "unknown noise 'loud'"),
        (("tiny", "--data", "npz:path=rows.npz"), "the items are features"),
        (("tiny", "--data", "npz:path=many.npz"), "the targets are multi-labels"),
        (("tiny",), "Missing option '--data'"),
    ],
)
def test_errors_are_one_line(burnish, place, arguments, said) -> None:
    rng = np.random.default_rng(0)
    np.savez(place / "rows.npz", x=rng.normal(size=(20, 3)), y=np.arange(20) % 2)
    np.savez(
        place / "many.npz",
        x=rng.integers(0, 255, (20, 8, 8, 3), dtype=np.uint8),
        y=rng.integers(0, 2, (20, 3)),
    )
    ended = burnish("pretrain", *arguments, "--out", "refused", "--plugin", "recorder.py")
    assert ended.code in (1, 2)
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_an_image_that_cannot_be_read_is_named(burnish, place, images) -> None:
    from PIL import Image

    for label in ("a", "b"):
        (place / "files" / label).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(images[0][number + 10 * ord(label) % 200]).save(
                place / "files" / label / f"{number}.png"
            )
    (place / "files" / "b" / "torn.png").write_bytes((place / "files" / "a" / "0.png").read_bytes()[:200])
    ended = burnish("pretrain", "tiny", "--data", "./files", "--out", "from-files")
    assert ended.code == 1
    assert "torn.png" in ended.err
    assert ended.err.count("\n") == 1
    assert not (place / "from-files" / "weights.safetensors").exists()


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()


def test_tiny_is_killed_goes_on_to_the_same_weights_and_can_be_used(burnish, place) -> None:
    parts = (
        "pretrain",
        "tiny",
        "--data",
        "npz:path=images.npz,rows=0:200",
        "--noise",
        "symmetric:rate=0.2",
        "--threads",
        "1",
        "-s",
        "epochs=3",
    )
    assert burnish(*parts, "--out", "whole").code == 0

    def interrupt(sent: int):
        def after_the_first_epoch(pid: int, err: Path) -> None:
            for _ in range(3000):
                if err.exists() and "epoch 1" in err.read_text():
                    break
                time.sleep(0.01)
            os.kill(pid, sent)

        return after_the_first_epoch

    ended = burnish(*parts, "--out", "broken", meanwhile=interrupt(signal.SIGINT))
    assert ended.code == 130
    assert "run the same command to resume" in ended.err
    assert not (place / "broken" / "weights.safetensors").exists()
    went_on = burnish(*parts, "--out", "broken")
    assert went_on.code == 0
    assert "epoch 1" not in went_on.err
    assert weights(place / "broken") == weights(place / "whole")
    again = burnish(*parts, "--out", "broken")
    assert (again.code, again.err) == (0, "")
    other = burnish(*parts, "--seed", "1", "--out", "broken")
    assert other.code == 1
    assert "another" in other.err or "other images, labels or settings" in other.err

    provenance = json.loads((place / "whole" / "provenance.json").read_text())
    assert provenance["options"]["epochs"] == 3
    assert provenance["realised_noise"] == pytest.approx(0.2)
    assert 0 <= provenance["accuracy"]["test"] <= 1
    study = (
        "--data",
        "./images.npz",
        "--backbone",
        "tiny:weights=whole",
        "--tuner",
        "ridge",
        "--replicates",
        "1",
        "-q",
        "--out",
        "study",
    )
    used = burnish("run", *study)
    assert used.code == 0, used.err


def test_two_processes_do_not_share_a_folder(burnish, place) -> None:
    from burnish.engine.folder import locked

    with locked(place / "held"):
        ended = burnish(
            "pretrain",
            "recorder",
            "--data",
            "npz:path=images.npz",
            "--plugin",
            "recorder.py",
            "--out",
            "held",
        )
    assert ended.code == 1
    assert "is running" in ended.err
