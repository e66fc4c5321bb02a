"""The script that cuts CLINC150, on a made file and, where it is at hand, on the real one."""

import importlib.util
import json
import os
from collections import Counter
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "tools" / "clinc150.py"
REAL = Path(os.environ.get("BURNISH_TEST_DATA", "missing")) / "clinc150" / "data_full.json"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("clinc150", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_some_texts_of_some_intents(script):
    source = {
        split: [[f"{split} {i} {k}", f"do_{i}"] for i in range(4) for k in range(5)]
        for split in ("train", "test", "val")
    }
    found = script.rows(source, intents=2, train=3, test=2, seed=0)
    assert found == script.rows(source, intents=2, train=3, test=2, seed=0)
    counts = Counter((label, split) for _, label, split in found)
    assert len({label for label, _ in counts}) == 2
    assert all(count == {"train": 3, "test": 2}[split] for (_, split), count in counts.items())
    assert all("_" not in label and text.split()[0] == split for text, label, split in found)


@pytest.mark.skipif(
    not REAL.is_file(), reason="BURNISH_TEST_DATA names no folder with clinc150/data_full.json"
)
def test_the_real_file(script):
    found = script.rows(json.loads(REAL.read_text("utf-8")), intents=50, train=60, test=30, seed=0)
    assert Counter(split for _, _, split in found) == {"train": 3000, "test": 1500}
