"""What sources do before a run imports neither torch nor numpy; descriptors name what is there."""

import importlib
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest

import burnish_basics
from burnish_basics._data import BACKBONES, SOURCES

SCRIPT = """
import sys
from pathlib import Path
from burnish_basics._data import *
from burnish_basics.sources import _light
folder, table, arrays = map(Path, sys.argv[1:])
print(
    _light.folder_fingerprint(FolderConfig(path=folder)),
    _light.folder_provides(FolderConfig(path=folder)),
    _light.folder_guess(folder),
)
print(
    _light.csv_fingerprint(CsvConfig(path=table)),
    _light.csv_provides(CsvConfig(path=table)),
    _light.csv_guess(table),
)
print(_light.npz_provides(NpzConfig(path=arrays)), _light.npz_guess(arrays))
print(_light.digits_fingerprint(DigitsConfig()), _light.digits_provides(DigitsConfig()))
print([name for name in ("torch", "numpy", "sklearn", "pyarrow", "PIL") if name in sys.modules])
"""


def test_nothing_heavy_is_imported(photos, table, tmp_path):
    root = photos({"a": 2, "b": 1})
    path = table("file,class\nphotos/a/0.png,a\n")
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=np.arange(3))
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, root, path, tmp_path / "a.npz"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("descriptor", [*SOURCES, *BACKBONES], ids=lambda d: d.name)
def test_targets_exist_and_options_have_help(descriptor):
    names = [descriptor.target, descriptor.fingerprint, getattr(descriptor, "guess", "")]
    names += [descriptor.provides] if isinstance(descriptor.provides, str) else []
    for target in filter(None, names):
        module, name = target.split(":")
        assert hasattr(importlib.import_module(module), name)
    assert all(field.metadata["help"] for field in fields(descriptor.config))


def test_hooks_return_them():
    assert [source.name for source in burnish_basics.burnish_sources()] == ["folder", "csv", "npz", "digits"]
    assert [backbone.name for backbone in burnish_basics.burnish_backbones()] == ["features"]
