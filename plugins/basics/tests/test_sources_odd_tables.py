"""The source `csv`: what tables hold beside plain cells."""

import json

import numpy as np
import pytest

from burnish.errors import DataError
from burnish_basics._data import CsvConfig
from burnish_basics.sources.tables import Csv


def load(path):
    return Csv(CsvConfig(path=path)).load()


def rows(dataset):
    """Return {text: class name}, None where an item has no label."""
    names = dataset.classes.names
    labels = dataset.supervision.y
    return {dataset.read(p): names[labels[p]] if labels[p] >= 0 else None for p in range(len(dataset))}


def test_keys_that_the_first_record_lacks_are_columns(tmp_path):
    path = tmp_path / "t.jsonl"
    records = [{"text": "first"}] + [
        {"text": f"t{n}", "label": "ab"[n % 2], "split": "test" if n < 2 else "train", "group": f"g{n // 2}"}
        for n in range(6)
    ]
    records[3]["weight"] = 2
    path.write_text("\n".join(map(json.dumps, records)))
    dataset = load(path)
    assert {name: len(index) for name, index in dataset.assigned.items()} == {"test": 2, "train": 5}
    assert len(np.unique(dataset.columns["group"])) == 4
    assert rows(dataset)["first"] is None
    assert sorted(dataset.supervision.weights.tolist()) == [1, 1, 1, 1, 1, 1, 2]


def test_nameless_columns_at_the_right_of_a_spreadsheet_are_left_out(table):
    assert rows(load(table("text,label,,\na,x,,\nb,y,,\n"))) == {"a": "x", "b": "y"}


def test_a_cell_in_a_nameless_column_is_told(table):
    dataset = load(table("text,label,,\na,x,,\nb,y,,z\n"))
    position = int(np.flatnonzero(dataset.rows == 1)[0])
    with pytest.raises(DataError, match="column 4 has no name, and the cell 'z'"):
        dataset.read(position)


def test_a_parquet_column_that_stands_twice_is_told_as_in_csv(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    path = tmp_path / "t.parquet"
    columns = [arrow.array(["a", "b"]), arrow.array(["x", "y"]), arrow.array(["x", "y"])]
    parquet.write_table(arrow.Table.from_arrays(columns, names=["text", "label", "label"]), path)
    with pytest.raises(DataError, match="column 'label' stands twice in the header, as column 2 and 3"):
        load(path)


def test_bytes_in_parquet_are_texts_and_other_things_are_told(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    path = tmp_path / "t.parquet"
    parquet.write_table(arrow.table({"text": [b"a", b"b"], "label": [b"x", b"y"]}), path)
    assert rows(load(path)) == {"a": "x", "b": "y"}
    parquet.write_table(arrow.table({"text": [["a"], ["b"]], "label": ["x", "y"]}), path)
    with pytest.raises(DataError, match="the cell is a list of 1, and no text"):
        load(path).read(0)


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ({"bytes": "x", "path": "a.png"}, "the cell holds a picture's bytes, and no text"),
        ("A" * 100_000, "the cell has 100,000 characters, and is no image's path"),
    ],
)
def test_a_cell_that_is_no_path_is_told_without_its_content(tmp_path, cell, why):
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(json.dumps({"image": cell, "label": name}) for name in "xy"))
    with pytest.raises(DataError, match=f"^.{{0,300}}{why}"):
        load(path).read(0)


def test_a_name_too_long_for_the_system_is_no_file(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(json.dumps({"image": "A" * 1_000, "label": name}) for name in "xy"))
    with pytest.raises(DataError, match=r"none of the 2 images in column 'image' is there.{0,400}$"):
        load(path)
