"""The training loop: it learns, repeats, resumes to the same weights, and refuses what does not match."""

import json

import numpy as np
import pytest
import torch

from burnish.errors import FitError, StoreError
from burnish_tiny import PretrainConfig
from burnish_tiny.training import Schedule, _Run, accuracy, augment, fit

SCHEDULE = Schedule(epochs=2, batch=64, bf16=False)


@pytest.fixture(scope="module")
def data():
    """200 random images of 4 classes that differ in brightness."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    images = rng.integers(0, 120, (200, 32, 32, 3)) + labels[:, None, None, None] * 40
    return torch.from_numpy(images.astype(np.uint8)), torch.from_numpy(labels)


def _weights(result):
    return {
        **result.network.state_dict(),
        **{f"head.{name}": tensor for name, tensor in result.head.state_dict().items()},
    }


def _same(one, other):
    one, other = _weights(one), _weights(other)
    return all(torch.equal(one[name], other[name]) for name in one)


class KilledError(Exception):
    pass


def _kill(epoch):
    raise KilledError


@pytest.mark.parametrize("bf16", [False, True])
def test_a_resumed_run_ends_with_the_same_weights(data, tmp_path, bf16):
    schedule = Schedule(epochs=2, batch=64, bf16=bf16)
    whole = fit(*data, 4, seed=3, schedule=schedule)
    with pytest.raises(KilledError):
        fit(*data, 4, seed=3, schedule=schedule, checkpoint=tmp_path, progress=_kill)
    calls = []
    resumed = fit(*data, 4, seed=3, schedule=schedule, checkpoint=tmp_path, progress=calls.append)
    assert [epoch.number for epoch in calls] == [2]
    assert len(resumed.history) == 2
    assert _same(whole, resumed)
    assert not list(tmp_path.glob(".part-*"))


def test_the_seed_decides(data):
    one, same, other = (fit(*data, 4, seed=seed, schedule=SCHEDULE) for seed in (0, 0, 1))
    assert _same(one, same)
    assert not _same(one, other)


def test_it_learns_and_ends_in_eval_mode(data):
    result = fit(*data, 4, seed=0, schedule=Schedule(epochs=8, batch=32, lr=0.05, bf16=False))
    assert not result.network.training
    assert result.history[-1].loss < result.history[0].loss
    assert accuracy(result.network, result.head, *data) > 0.8


def test_accuracy_counts(data):
    result = fit(*data, 4, seed=0, schedule=SCHEDULE)
    predicted = []
    with torch.inference_mode():
        for image in data[0]:
            x = (image / 255 - torch.tensor([0.4914, 0.4822, 0.4465])) / torch.tensor(
                [0.2470, 0.2435, 0.2616]
            )
            predicted.append(int(result.head(result.network(x.permute(2, 0, 1)[None])).argmax()))
    expected = np.mean(np.array(predicted) == data[1].numpy())
    assert accuracy(result.network, result.head, *data, batch=7) == pytest.approx(expected)


def test_the_state_of_another_training_is_refused(data, tmp_path):
    fit(*data, 4, seed=0, schedule=SCHEDULE, checkpoint=tmp_path)
    with pytest.raises(StoreError, match="other images"):
        fit(*data, 4, seed=1, schedule=SCHEDULE, checkpoint=tmp_path)
    with pytest.raises(StoreError, match="other images"):
        fit(data[0], (data[1] + 1) % 4, 4, seed=0, schedule=SCHEDULE, checkpoint=tmp_path)


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", json.dumps({"key": "x", "tensors": "gone.safetensors", "history": []})]
)
def test_a_damaged_state_is_said_to_be(data, tmp_path, damage):
    (tmp_path / "state.json").write_text(damage, encoding="utf-8")
    with pytest.raises(StoreError, match="damaged"):
        fit(*data, 4, seed=0, schedule=SCHEDULE, checkpoint=tmp_path)


def test_divergence_is_an_error(data):
    with pytest.raises(FitError, match="lower lr"):
        fit(*data, 4, seed=0, schedule=Schedule(epochs=4, batch=64, lr=1e30, bf16=False))


def test_shapes_are_checked(data):
    with pytest.raises(ValueError, match="uint8"):
        fit(data[0].float(), data[1], 4, seed=0, schedule=SCHEDULE)
    with pytest.raises(ValueError, match="199"):
        fit(data[0], data[1][:199], 4, seed=0, schedule=SCHEDULE)


def test_the_learning_rate_rises_and_falls_linearly():
    run = _Run(4, 0, Schedule(epochs=5, lr=0.5, warmup=0.2), steps=10, device=torch.device("cpu"))
    rates = [run._lr(step) for step in range(50)]
    assert rates[:10] == pytest.approx([0.05 * (step + 1) for step in range(10)])
    assert rates[10:] == pytest.approx([0.5 * (50 - step) / 40 for step in range(10, 50)])


def test_augmentation_is_a_flip_and_a_cut_of_the_reflected_border():
    x = torch.arange(3 * 3 * 32 * 32, dtype=torch.float32).reshape(3, 3, 32, 32)
    got = augment(x, torch.Generator().manual_seed(5))
    for image, cut in zip(x.numpy(), got.numpy(), strict=True):
        found = False
        for flip in (image, image[:, :, ::-1]):
            padded = np.pad(flip, ((0, 0), (4, 4), (4, 4)), mode="reflect")
            found |= any(
                np.array_equal(padded[:, i : i + 32, j : j + 32], cut) for i in range(9) for j in range(9)
            )
        assert found


def test_the_options_are_those_of_the_schedule():
    from dataclasses import asdict

    assert Schedule(**asdict(PretrainConfig())) == Schedule()
