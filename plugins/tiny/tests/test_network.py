"""The network against a slow second implementation, its size, and folding."""

import math

import numpy as np
import pytest
import torch

from burnish_tiny.network import DIM, MEAN, STD, build, fold, normalise


def _network(seed=0):
    """Return a network whose batch normalisation is not the identity."""
    generator = torch.Generator().manual_seed(seed)
    network = build(generator).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(generator=generator)
    return network


def _images(count=5, side=32, seed=0):
    return torch.from_numpy(
        np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    )


def test_it_is_small():
    network = build()
    assert sum(parameter.numel() for parameter in network.parameters()) < 300_000
    stored = sum(
        tensor.numel() * 2
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    )
    assert 10 * stored < 6_000_000


def test_normalise_is_the_textbook_formula():
    images = _images()
    expected = np.empty((5, 3, 32, 32))
    for channel in range(3):
        expected[:, channel] = (images.numpy()[..., channel] / 255 - MEAN[channel]) / STD[channel]
    got = normalise(images, torch.float32)
    assert got.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(got.numpy(), expected, atol=2e-6)


def _slow_convolution(x, weight, stride, padding):
    """Convolve (C, H, W) float64 with (K, C, k, k), entry by entry."""
    out_channels, _, size, _ = weight.shape
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    height = (padded.shape[1] - size) // stride + 1
    out = np.empty((out_channels, height, height))
    for row in range(height):
        for column in range(height):
            window = padded[:, row * stride : row * stride + size, column * stride : column * stride + size]
            out[:, row, column] = (weight * window).sum(axis=(1, 2, 3))
    return out


def _slow_features(state, x):
    """Pool features of one normalised image (3, H, W) by hand."""

    def convolution(name, x, stride=1, padding=1):
        return _slow_convolution(x, state[f"{name}.weight"], stride, padding)

    def norm(name, x):
        scale = state[f"{name}.weight"] / np.sqrt(state[f"{name}.running_var"] + 1e-5)
        return (x - state[f"{name}.running_mean"][:, None, None]) * scale[:, None, None] + state[
            f"{name}.bias"
        ][:, None, None]

    x = norm("bn", convolution("stem", x))
    half = x.shape[1] // 2
    x = np.maximum(x.reshape(len(x), half, 2, half, 2).max(axis=(2, 4)), 0)
    for block, stride in enumerate((1, 2, 2)):
        inner = np.maximum(norm(f"blocks.{block}.bn1", convolution(f"blocks.{block}.conv1", x, stride)), 0)
        inner = norm(f"blocks.{block}.bn2", convolution(f"blocks.{block}.conv2", inner))
        if stride == 2:
            x = norm(f"blocks.{block}.shortcut.1", convolution(f"blocks.{block}.shortcut.0", x, stride, 0))
        x = np.maximum(inner + x, 0)
    return x.mean(axis=(1, 2))


def test_features_are_those_of_a_slow_second_implementation():
    network = _network()
    images = normalise(_images(2), torch.float32)
    state = {name: tensor.numpy().astype(float) for name, tensor in network.state_dict().items()}
    with torch.inference_mode():
        got = network(images).numpy()
    expected = np.stack([_slow_features(state, image.astype(float)) for image in images.numpy()])
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_folding_changes_no_feature():
    network = _network(1)
    images = normalise(_images(4), torch.float32)
    with torch.inference_mode():
        before = network(images)
        after = fold(network)(images)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", [8, 32, 48])
def test_maps_have_an_eighth_of_the_side(side):
    with torch.inference_mode():
        maps = _network().maps(normalise(_images(2, side), torch.float32))
    assert maps.shape == (2, DIM, side // 8, side // 8)


def test_initial_weights_follow_the_generator_and_he():
    one, same, other = (build(torch.Generator().manual_seed(seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["stem.weight"], other["stem.weight"])
    weight = one["blocks.2.conv2.weight"]
    assert float(weight.std()) == pytest.approx(math.sqrt(2 / (9 * DIM)), rel=0.02)
