"""The packaged photographs, their signers and the source."""

import hashlib
import io
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import burnish_signs
from burnish.data import canonical_order, content_id
from burnish.errors import DataError
from burnish_signs import SignsConfig, fingerprint, packaged
from burnish_signs.shifts import SHIFTS
from burnish_signs.source import Photographs, Signs

DATA = Path(burnish_signs.__file__).parent / "data"


@pytest.fixture(scope="module")
def dataset():
    return Signs(SignsConfig()).load()


@pytest.fixture(scope="module")
def provenance():
    return json.loads((DATA / "provenance.json").read_text(encoding="utf-8"))


def test_the_counts_are_those_of_the_provenance(dataset, provenance):
    counts = provenance["counts"]
    assert counts["photographs"] == 2062
    assert counts["groups"] == 207
    assert counts["test_groups"] == round(0.3 * 207)
    plain = np.concatenate([dataset.assigned["train"], dataset.assigned["test"]])
    assert len(plain) == counts["photographs"]
    assert len(dataset.assigned["test"]) == counts["test_photographs"]
    assert np.bincount(dataset.supervision.y[plain]).tolist() == counts["per_label"]
    assert len(dataset) == 2062 + 6 * counts["test_photographs"]
    assert set(dataset.columns["group"]) == set(range(207))


def test_no_signer_and_no_photograph_is_in_both_train_and_test(dataset):
    group = dataset.columns["group"]
    train = dataset.assigned["train"]
    tests = [index for name, index in dataset.assigned.items() if name.startswith("test")]
    assert not set(group[train]) & set(group[np.concatenate(tests)])
    assert (
        sum(map(len, dataset.assigned.values()))
        == len(dataset)
        == len(np.unique(np.concatenate(list(dataset.assigned.values()))))
    )
    assert len(np.unique(dataset.ids, axis=0)) == len(dataset)


def test_every_shifted_set_is_the_test_set_shifted(dataset):
    test = dataset.assigned["test"]
    images = np.stack([np.asarray(Image.open(io.BytesIO(dataset.read(position)))) for position in test])
    assert images.shape == (618, 64, 64, 3)
    for name, shift in SHIFTS.items():
        index = dataset.assigned[f"test:{name}"]
        expected = {
            (image.tobytes(), int(dataset.supervision.y[position]), int(dataset.columns["group"][position]))
            for image, position in zip(shift(images, dataset.ids[test]), test, strict=True)
        }
        found = {
            (dataset.read(p).tobytes(), int(dataset.supervision.y[p]), int(dataset.columns["group"][p]))
            for p in index
        }
        assert found == expected


def test_ids_are_those_of_the_contents_and_in_order(dataset):
    for position in range(0, len(dataset), 97):
        payload = dataset.read(position)
        raw = payload if isinstance(payload, bytes) else payload.tobytes()
        assert dataset.ids[position].tobytes() == content_id("image", raw)
    assert np.array_equal(canonical_order(dataset.ids), np.arange(len(dataset)))


def test_without_shifts_there_is_one_test_set(dataset):
    plain = Signs(SignsConfig(shifts=False)).load()
    assert set(plain.assigned) == {"train", "test"}
    assert {row.tobytes() for row in plain.ids[plain.assigned["train"]]} == {
        row.tobytes() for row in dataset.ids[dataset.assigned["train"]]
    }
    assert plain.fingerprint() != dataset.fingerprint()


def test_classes_have_names_and_descriptions(dataset):
    assert dataset.classes.names == tuple("0123456789")
    assert dataset.classes.descriptions[3] == ("a hand sign for the number three",)


def test_two_loads_are_the_same(dataset):
    assert Signs(SignsConfig()).load().fingerprint() == dataset.fingerprint()


def test_the_reader_survives_a_process_boundary(dataset):
    copy = pickle.loads(pickle.dumps(dataset.reader))
    for name in ("train", "test:noise"):
        row = int(dataset.rows[dataset.assigned[name][0]])
        assert np.array_equal(np.asarray(copy.read(row)), np.asarray(dataset.reader.read(row)))


def test_every_photograph_decodes():
    photographs = Photographs.load()
    assert photographs.pixels(np.arange(len(photographs))).shape == (2062, 64, 64, 3)


def test_the_provenance_is_that_of_the_file(provenance):
    raw = packaged("signs.safetensors")
    assert provenance["file"] == {
        "name": "signs.safetensors",
        "bytes": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }
    assert "Apache-2.0" in provenance["source"]["licence"]
    assert "Ankara" in provenance["source"]["by"]
    assert provenance["shifts"]["version"] == burnish_signs.SHIFTS_VERSION
    assert provenance["shifts"]["foreground"]["failed"] == 0


def test_what_is_packaged_is_small_and_names_no_file():
    assert sorted(path.name for path in DATA.iterdir()) == ["provenance.json", "signs.safetensors"]
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 5_000_000
    for path in DATA.iterdir():
        raw = path.read_bytes()
        assert not re.search(rb"IMG_|\.jpe?g|DSC|Exif|Photoshop|http://ns\.adobe", raw, re.IGNORECASE), (
            path.name
        )


def test_the_order_of_the_file_says_nothing_of_the_labels():
    photographs = Photographs.load()
    ids = [content_id("image", photographs.read(row)) for row in range(len(photographs))]
    assert ids == sorted(ids)


def test_the_fingerprint_follows_the_config_and_the_version_of_the_shifts(monkeypatch):
    with_shifts, without = fingerprint(SignsConfig()), fingerprint(SignsConfig(shifts=False))
    assert with_shifts != without
    monkeypatch.setattr(burnish_signs, "SHIFTS_VERSION", 2)
    assert fingerprint(SignsConfig()) != with_shifts
    assert fingerprint(SignsConfig(shifts=False)) == without


def test_the_entry_point_and_the_fingerprint_are_light():
    code = (
        "import sys, burnish_signs; burnish_signs.burnish_sources();"
        " burnish_signs.fingerprint(burnish_signs.SignsConfig()); print([m for m in ('torch', 'numpy', 'PIL',"
        " 'scipy', 'safetensors') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_a_damaged_file_is_an_error_that_says_what_to_do(monkeypatch):
    whole = packaged
    monkeypatch.setattr(
        "burnish_signs.source.packaged",
        lambda name: whole(name)[:-1] if name.endswith("safetensors") else whole(name),
    )
    with pytest.raises(
        DataError, match=r"burnish-signs: signs.safetensors is damaged.*pip install --force-reinstall"
    ) as caught:
        Signs(SignsConfig()).load()
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_an_error_that_says_what_to_do():
    with pytest.raises(
        DataError, match=r"burnish-signs: gone.bin cannot be read.*pip install --force-reinstall"
    ):
        packaged("gone.bin")
