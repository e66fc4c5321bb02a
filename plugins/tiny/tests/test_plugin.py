"""What the plugin announces, without torch, and the shipped weight files against their provenance."""

import hashlib
import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import burnish_tiny
from burnish.errors import ConfigError, ModelFileError
from burnish_tiny import NOISES, SEEDS, TinyConfig
from burnish_tiny.weights import PROVENANCE, SHIPPED, WEIGHTS, fingerprint, weight_file

ALL = [TinyConfig(noise=noise, seed=seed) for noise in NOISES for seed in SEEDS]


def test_it_is_found_by_its_entry_point():
    (found,) = entry_points(group="burnish", name="tiny")
    assert found.load() is burnish_tiny


def test_the_light_part_imports_neither_torch_nor_numpy():
    code = (
        "import sys, burnish_tiny; from burnish_tiny.weights import fingerprint;"
        "burnish_tiny.burnish_backbones(); fingerprint(burnish_tiny.TinyConfig());"
        "sys.exit(' '.join({'torch', 'numpy', 'PIL', 'safetensors'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_shipped_file_is_what_its_provenance_says():
    provenance = json.loads((SHIPPED / PROVENANCE).read_text(encoding="utf-8"))
    entries = {entry["file"]: entry for entry in provenance["files"]}
    assert (
        set(entries)
        == {weight_file(config).name for config in ALL}
        == {file.name for file in SHIPPED.glob("*.safetensors")}
    )
    for config in ALL:
        entry = entries[weight_file(config).name]
        assert entry["sha256"] == hashlib.sha256(weight_file(config).read_bytes()).hexdigest()
        assert (entry["noise"], entry["seed"]) == (config.noise, config.seed)
        assert entry["realised_noise"] == pytest.approx(config.noise, abs=1e-4)
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 6_000_000


def test_provenance_names_data_terms_and_command():
    text = (SHIPPED / PROVENANCE).read_text(encoding="utf-8")
    for word in ("CIFAR-10", "no formal licence", "Krizhevsky", "lossy", "0-24999", "burnish pretrain tiny"):
        assert word in text


def test_fingerprints_differ_and_repeat():
    prints = [fingerprint(config) for config in ALL]
    assert len(set(prints)) == len(ALL)
    assert prints == [fingerprint(config) for config in ALL]


def test_a_folder_of_ones_own(tmp_path):
    with pytest.raises(ModelFileError, match=r"there is no weights\.safetensors"):
        fingerprint(TinyConfig(weights=tmp_path))
    (tmp_path / WEIGHTS).write_bytes(weight_file(ALL[0]).read_bytes())
    assert fingerprint(TinyConfig(weights=tmp_path)) == fingerprint(ALL[0])
    (tmp_path / WEIGHTS).write_bytes(b"other")
    assert fingerprint(TinyConfig(weights=tmp_path)) != fingerprint(ALL[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": 0.4}, "noise 0.4 was not pre-trained.*Possible: 0, 0.05, 0.1, 0.2, 0.3"),
        ({"seed": 2}, "seed 2 was not pre-trained"),
        ({"weights": "x", "noise": 0.3}, "weights stands beside noise or seed"),
    ],
)
def test_other_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        TinyConfig(**options)
