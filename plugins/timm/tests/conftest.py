"""Small models of timm with random weights, in timm's own file format, and photographs."""

import numpy as np
import pytest
import timm
import torch
from sklearn.datasets import load_sample_images
from timm.models import save_for_hf

MODELS = ("test_vit", "test_resnet", "test_convnext", "test_efficientnet")


def _make(name, seed=0, **options):
    """Return a timm model of random weights whose batch normalisation has the statistics of images.

    Features then differ as trained ones do.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = timm.create_model(name, **options)
        found = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        if found:
            for module in found:
                module.momentum = 1.0
            images = torch.nn.functional.interpolate(torch.randn(16, 3, 8, 8), size=96, mode="bicubic")
            model.train()(images)
    return model.eval()


@pytest.fixture(scope="session")
def make():
    """The function `_make`."""
    return _make


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A folder a model, with 7 classes."""
    base = tmp_path_factory.mktemp("models")
    for name in MODELS:
        save_for_hf(_make(name, num_classes=7), base / name, safe_serialization=True)
    return {name: base / name for name in MODELS}


@pytest.fixture(scope="session")
def photographs():
    """Parts of scikit-learn's two photographs, uint8, of several shapes and larger than the models read."""
    one, other = load_sample_images().images
    return [
        np.ascontiguousarray(part)
        for part in (one[:240, :320], one[100:420, 200:440], other[:200, 100:300], other[100:280, :400])
    ]
