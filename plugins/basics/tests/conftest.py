"""Small real data, made on the spot."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Hashes of files are remembered in a folder of this test."""
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def picture():
    """Return the bytes of a small PNG that is different for every seed."""

    def make(seed, size=(6, 5)):
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        return out.getvalue()

    return make


@pytest.fixture
def photos(tmp_path, picture):
    """Make a folder from {relative folder: number of images}; every image is another one."""

    def make(layout, name="photos"):
        root, seed = tmp_path / name, 0
        for folder, n in layout.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            for item in range(n):
                (root / folder / f"{item}.png").write_bytes(picture(seed))
                seed += 1
        return root

    return make


@pytest.fixture
def table(tmp_path):
    """Write a text table and return its path."""

    def write(text, name="table.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
        return path

    return write


@pytest.fixture
def outside():
    """Return a folder of outside data by its name; skip where there is none."""

    def find(name):
        root = os.environ.get("BURNISH_TEST_DATA")
        if not root:
            pytest.skip("BURNISH_TEST_DATA is not set")
        path = Path(root) / name
        if not path.exists():
            pytest.skip(f"{name} is not in BURNISH_TEST_DATA")
        return path

    return find


@pytest.fixture
def by_origin():
    """Return {last part of the origin: position} of a data set."""

    def index(dataset):
        return {dataset.origin(position).rsplit("/", 1)[-1]: position for position in range(len(dataset))}

    return index
