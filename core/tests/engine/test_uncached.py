"""Given features: taken from the data, whatever their width, and never from the cache."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_extraction import SPEC, FakeReader, run

from burnish.data import Classes, Dataset, Labels, content_id
from burnish.engine.features import extract
from burnish.errors import DataError, ItemError

GIVEN = replace(SPEC, modality="features")


class Given:
    """Passes rows through."""

    modality, views, dim = "features", False, 0

    def prepare(self, items, view, ids):
        self.dim = self.dim or len(items[0].payload)
        for item in items:
            if np.isnan(item.payload).any():
                raise ItemError(item.position, "a feature is nan")
        return {"x": np.stack([item.payload for item in items])}

    def encode(self, inputs):
        return torch.from_numpy(inputs["x"])


def data_of(rows, broken=None):
    return Dataset.build(
        name="given",
        modality="features",
        ids=[content_id("features", row) for row in rows],
        classes=Classes.of(["a", "b"]),
        supervision=Labels(y=np.zeros(len(rows), dtype=np.int64)),
        reader=FakeReader(list(rows), broken or {}),
    )


def rows(n, dim, seed=0):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def test_data_of_different_width_one_after_the_other(tmp_path):
    for dim in (3, 7, 3):
        x = rows(150, dim)
        data = data_of(x)
        out, _ = run(data, tmp_path, backbone=Given(), spec=GIVEN)
        assert np.array_equal(out.features, x[data.rows])
        assert (out.features.dtype, out.features.flags.writeable, out.encoded, out.bad, out.warnings) == (
            np.float32,
            False,
            150,
            (),
            (),
        )
    assert list(Path(tmp_path).rglob("*")) == [], "nothing is kept"


def test_copies_subsets_and_many_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "SHARD_ITEMS", 64)
    x = rows(300, 4)
    x[200:210] = x[:10]
    data = data_of(x)
    wanted = np.arange(0, 300, 3)
    out, _ = run(data, tmp_path, backbone=Given(), spec=GIVEN, positions=wanted)
    assert np.array_equal(out.features[wanted], x[data.rows][wanted])
    assert np.isnan(np.delete(out.features, wanted, axis=0)).all()
    whole, _ = run(data, tmp_path, backbone=Given(), spec=GIVEN)
    assert np.array_equal(whole.features, x[data.rows])
    assert whole.encoded == 290


def test_one_table_is_filled_in_place(tmp_path):
    """The most that given features take is one table and what is on its way to it."""
    x = rows(20_000, 256)
    data = data_of(x)
    tracemalloc.start()
    out, _ = run(data, tmp_path, backbone=Given(), spec=GIVEN)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(out.features, x[data.rows])
    assert most < 1.9 * x.nbytes


def test_bad_rows_are_told_or_set_aside_every_time(tmp_path):
    x = rows(100, 4)
    x[7, 2], x[30, 1] = np.nan, np.inf
    data = data_of(x, {50: DataError("row 50 is damaged")})
    places = {int(row): position for position, row in enumerate(data.rows)}
    with pytest.raises(ItemError):
        run(data, tmp_path, backbone=Given(), spec=GIVEN)
    for _ in range(2):
        out, _ = run(data, tmp_path, backbone=Given(), spec=GIVEN, on_bad_input="skip")
        reasons = {7: "a feature is nan", 30: "feature 1 is inf", 50: "row 50 is damaged"}
        assert out.bad == tuple(sorted((places[row], reason) for row, reason in reasons.items()))
        assert np.isnan(out.features[sorted(places[row] for row in reasons)]).all()
        assert out.encoded == 97


def test_nothing_but_bad_rows(tmp_path):
    data = data_of(np.full((1, 4), np.nan, dtype=np.float32))
    with pytest.raises(DataError, match="none of 1 items can be used; the first: a feature is nan"):
        run(data, tmp_path, backbone=Given(), spec=GIVEN, on_bad_input="skip")
