"""Real data sets from outside, where BURNISH_TEST_DATA names their folder."""

import numpy as np
import pytest

from burnish.data.images import decode_rgb
from burnish.engine.check import check
from burnish_basics._data import CsvConfig, NpzConfig
from burnish_basics.sources.arrays import Npz
from burnish_basics.sources.tables import Csv


def test_banking77(outside):
    folder = outside("banking77")
    dataset = Csv(CsvConfig(path=folder / "train.csv", test=folder / "test.csv")).load()
    assert {name: len(index) for name, index in dataset.assigned.items()} == {"train": 10_003, "test": 3_080}
    assert len(dataset.classes) == 77
    assert "reverted_card_payment?" in dataset.classes.names
    assert dataset.supervision.known.all()


def test_tables_without_header(outside):
    sst2 = outside("sst2")
    dataset = Csv(
        CsvConfig(
            path=sst2 / "train.tsv",
            validation=sst2 / "dev.tsv",
            test=sst2 / "test.tsv",
            header=False,
            text="1",
            label="2",
        )
    ).load()
    assert {name: len(index) for name, index in dataset.assigned.items()} == {
        "train": 6_920,
        "validation": 872,
        "test": 1_821,
    }
    r8 = outside("reuters_r8")
    topics = Csv(
        CsvConfig(path=r8 / "R8_train.txt", delimiter="tab", header=False, text="2", label="1")
    ).load()
    counts = topics.supervision.counts(8)
    assert (counts.max(), counts.min()) == (2_840, 41)


def test_bibtex(outside):
    dataset = Npz(NpzConfig(path=outside("multilabel/bibtex.npz"), classes="labels")).load()
    assert (len(dataset.assigned["train"]), len(dataset.assigned["test"]), len(dataset.classes)) == (
        4_880,
        2_515,
        159,
    )
    assert dataset.supervision.positive.nnz == 11_616 + 6_146
    found = check(dataset)
    assert found.sizes == {"width": (1_836,)}
    assert {finding.kind for finding in found.findings} == {"duplicate", "conflict", "straddling"}


@pytest.mark.slow
def test_cifar10n(outside):
    options = {
        "x": "train_jpeg",
        "offsets": "train_off",
        "labels_file": outside("cifar10/cifar10n.npz"),
        "y": "worse",
        "truth": "clean",
    }
    dataset = Npz(NpzConfig(path=outside("cifar10/cifar10_jpeg.npz"), **options)).load()
    assert len(dataset) == 50_000
    assert round(float(np.mean(dataset.supervision.y != dataset.truth.y)), 3) == 0.402
    assert decode_rgb(dataset.read(1)).size == (32, 32)


def test_a_part_of_cifar10(outside):
    options = {"x": "train_jpeg", "offsets": "train_off", "y": "train_y", "rows": "0:500"}
    dataset = Npz(NpzConfig(path=outside("cifar10/cifar10_jpeg.npz"), **options)).load()
    assert (len(dataset), len(dataset.classes)) == (500, 10)
    assert check(dataset).sizes == {"least": (32, 32), "median": (32, 32), "most": (32, 32)}


def test_pacs_has_domains_as_groups(outside):
    dataset = Npz(NpzConfig(path=outside("pacs/pacs64_jpeg.npz"), group="domain", classes="classes")).load()
    assert len(dataset) == 9_991
    assert len(np.unique(dataset.columns["group"])) == 4
    assert "elephant" in dataset.classes.names
