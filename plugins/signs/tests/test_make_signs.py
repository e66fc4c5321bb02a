"""How signers follow from the order of the photographs, and that the packaged files can be made again."""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest

from burnish_signs.source import Photographs

TOOL = Path(__file__).parents[1] / "tools" / "make_signs.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("make_signs", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def derive(tool, text):
    """Read runs such as ``"012 ..345 | 012"``.

    A digit is a photograph, a dot a missing number, a bar an expected border.
    """
    numbers, labels, expected = [], [], []
    number = group = 0
    for sign in text.replace(" ", ""):
        if sign == "|":
            group += 1
            continue
        number += 1
        if sign != ".":
            numbers.append(number)
            labels.append(int(sign))
            expected.append(group)
    shuffled = np.random.default_rng(0).permutation(len(numbers))
    found = tool.derive_groups([numbers[row] for row in shuffled], [labels[row] for row in shuffled])
    assert found == [expected[row] for row in shuffled]


@pytest.mark.parametrize(
    "text",
    [
        "0123456789 | 0123456789 | 0123456789",
        "0123456789 | ..0123456789",
        "012.34567..89 | 0123456789",
        "01234567889 | 0123456789",
        "0123456789 | 5012346789 | 0123456789",
        "0123456798 | 0123456789",
        "012345678 | ..... 456789 | 0123456789",
        "0123456789 | 102345678 | .... 456789 | 0123",
        "0123456389 | 0212456789 | 0123457689",
    ],
)
def test_signers_are_derived_from_runs(tool, text):
    derive(tool, text)


def test_the_packaged_test_set_is_the_one_that_the_hash_chooses(tool):
    photographs = Photographs.load()
    assert np.array_equal(photographs.test_groups, tool.choose_test_groups(int(photographs.groups.max()) + 1))
    assert photographs.test_groups[:8].tolist() == [3, 5, 6, 8, 12, 15, 23, 34]


def test_the_packaged_files_can_be_made_again(tool, tmp_path):
    root = os.environ.get("BURNISH_TEST_DATA")
    raw = Path(root or "") / "sign_digits" / "sign_digits64_jpeg.npz"
    if not root or not raw.is_file():
        pytest.skip("BURNISH_TEST_DATA names no folder with sign_digits/sign_digits64_jpeg.npz")
    tool.make(raw, tmp_path)
    packaged = TOOL.parents[1] / "src" / "burnish_signs" / "data"
    assert (tmp_path / "signs.safetensors").read_bytes() == (packaged / "signs.safetensors").read_bytes()
    made, shipped = (
        json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        for folder in (tmp_path, packaged)
    )
    # Measured on decoded pixels, which may differ by one step between versions of the JPEG library.
    for record in (made, shipped):
        del record["groups"]["evidence"], record["shifts"]["foreground"]
    assert made == shipped
