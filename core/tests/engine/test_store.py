"""The store: whole stacks or nothing, each trial once, NaN kept, and a dump that compares two runs."""

import math
import sqlite3

import numpy as np
import pytest

from burnish.contracts.evaluator import Curve, Measure, Table, Terms
from burnish.contracts.noise import Assessment
from burnish.data import Classes, Dataset, Labels, content_id
from burnish.engine import store as store_module
from burnish.engine.store import (
    AssessmentRecord,
    Candidate,
    PendingFit,
    Record,
    Store,
    StoredMeasure,
    check_integrity,
    extras_of,
)
from burnish.errors import MachineError, StoreError


def record(key, replicate=0, value=0.5):
    terms = Terms(np.array([3, 7]), np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    measures = (
        StoredMeasure.of(Measure("accuracy", "test", value, n=6, terms=terms)),
        StoredMeasure.of(Measure("odd", "", math.nan, how="none")),
    )
    tables = extras_of([Table("per-class", "test", {"class": ["a", "b"], "recall": [0.5, math.nan]})])
    curves = extras_of([Curve("spectrum", "test", np.arange(2), np.array([0.7, 0.3]))])
    return Record(
        key,
        {"tuner": "mlp"},
        replicate,
        {"tuner.lr": 1e-3},
        {"basics": "0.1.0"},
        "",
        measures,
        tables,
        curves,
        1.5,
        2,
    )


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "study.sqlite") as opened:
        yield opened


def test_what_is_written_is_read(store):
    store.add([record("a"), record("b", 1)])
    read = store.records(terms=True, extras=True)
    assert list(read) == ["a", "b"]
    assert read["b"].replicate == 1
    assert read["a"].options == {"tuner.lr": 1e-3}
    accuracy, odd = read["a"].measures
    assert (accuracy.value, accuracy.n, accuracy.split) == (0.5, 6, "test")
    assert np.frombuffer(accuracy.terms, "<f8").reshape(3, 2).tolist() == [[3, 7], [1, 2], [2, 4]]
    assert math.isnan(odd.value)
    assert odd.how == "none"
    assert read["a"].tables[0]["columns"] == {"class": ["a", "b"], "recall": [0.5, None]}
    assert read["a"].curves[0]["y"] == [0.7, 0.3]


def test_a_stack_is_written_whole_or_not_at_all(store):
    store.add([record("a")])
    with pytest.raises(StoreError, match="a finished trial would be written twice"):
        store.add([record("b"), record("a")])
    assert store.finished() == {"a"}
    assert check_integrity(store.path) == "ok"


def test_costs_are_in_no_dump_and_measures_are(tmp_path):
    dumps = []
    for name, seconds, value in (("one", 1.0, 0.5), ("two", 9.0, 0.5), ("three", 1.0, 0.25)):
        with Store(tmp_path / name) as store:
            made = record("a", value=value)
            store.add([Record(**{**made.__dict__, "seconds": seconds})])
            dumps.append(store.dump())
    assert dumps[0] == dumps[1] != dumps[2]


def test_choices_candidates_notes_and_summaries(store):
    store.add_candidates({"x": Candidate(0.25, "down"), "y": Candidate(math.nan, error="diverged")})
    assert store.candidates()["x"] == Candidate(0.25, "down")
    assert math.isnan(store.candidates()["y"].value)
    assert store.candidates()["y"].error == "diverged"
    store.add_choice("k", "mlp", {"tuner.lr": 0.01}, [{"options": {"tuner.lr": 0.01}, "value": 0.25}])
    assert store.choices()["k"]["options"] == {"tuner.lr": 0.01}
    store.note("warning", ["one", "one", "two"])
    assert store.notes() == [("warning", "one"), ("warning", "two")]
    store.set_summary("s", {"rows": [math.nan, np.float64(1.5)]})
    assert store.summary("s") == {"rows": [None, 1.5]}
    assert store.summary("other") is None


def test_a_file_that_is_no_store_is_refused(tmp_path):
    path = tmp_path / "study.sqlite"
    path.write_bytes(b"not a database, but long enough to be read as one" * 20)
    with pytest.raises(StoreError, match="the file is damaged or no store"):
        Store(path)


def test_a_store_of_another_format_is_refused(tmp_path):
    path = tmp_path / "study.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    with pytest.raises(
        StoreError, match=r"the store has format 99\. Possible: format 3\. Use the burnish that made it"
    ):
        Store(path)


def test_a_missing_study_is_said(tmp_path):
    with pytest.raises(StoreError, match="there is no study here"):
        Store(tmp_path / "study.sqlite", create=False)


def test_a_folder_that_cannot_be_written_is_the_machine(tmp_path):
    with pytest.raises(MachineError, match="the store cannot be used"):
        Store(tmp_path / "missing" / "study.sqlite")


def assessment_record(key="a", seconds=1.0, kept=True):
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    dataset = Dataset.build(
        name="toy",
        modality="features",
        ids=[content_id("features", row) for row in rows],
        classes=Classes.of(["cat", "dog"]),
        supervision=Labels(y=np.array([0, 1, 0, 1, 0, 1])),
        reader=rows.__getitem__,
    )
    assessment = Assessment(
        np.array([1, 4]),
        clean_probability=np.array([0.25, 1.0], dtype=np.float32),
        keep=np.array([kept, True]),
        corrected=Labels(y=np.array([1, 0])),
        tables={"joint": Table("joint", "train", {"given": ["cat"], "cat": [0.5]})},
    )
    axes = {"data": "toy", "assess": "confident-joint"}
    return AssessmentRecord.of(key, axes, 0, assessment, dataset, dataset.supervision, seconds), dataset


def test_an_assessment_is_read_as_it_was_written(store):
    made, dataset = assessment_record()
    store.add_assessment(made)
    read = store.assessment("a")
    assert read == made
    assert read.classes == ("cat", "dog")
    assert np.frombuffer(read.positions, "<i8").tolist() == [1, 4]
    assert read.ids == dataset.ids[[1, 4]].tobytes()
    assert np.frombuffer(read.given, "<i8").tolist() == dataset.supervision.y[[1, 4]].tolist()
    assert np.frombuffer(read.clean_probability, "<f4").tolist() == [0.25, 1.0]
    assert (read.keep, read.weight) == (b"\x01\x01", None)
    assert np.frombuffer(read.corrected, "<i8").tolist() == [1, 0]
    assert read.tables[0]["columns"]["cat"] == [0.5]
    assert store.assessment("b") is None
    assert [record.key for record in store.assessments()] == ["a"]
    store.clear()
    assert store.assessments() == []


def test_a_dump_has_assessments_and_not_how_long_they_took(tmp_path):
    dumps = []
    for name, seconds, kept in (("one", 1.0, True), ("two", 9.0, True), ("three", 1.0, False)):
        with Store(tmp_path / name) as store:
            store.add_assessment(assessment_record(seconds=seconds, kept=kept)[0])
            dumps.append(store.dump())
    assert dumps[0] == dumps[1] != dumps[2]


def test_a_fit_waits_until_its_trial_is_stored(store, monkeypatch):
    monkeypatch.setattr(store_module, "_CHUNK", 4)
    store.add_fits([PendingFit("a", b"0123456789", "{}", "{}", 1.5, 2), PendingFit("b", b"", "{}", "{}")])
    assert store.pending_keys() == ["a", "b"]
    assert store.pending_fit("a") == PendingFit("a", b"0123456789", "{}", "{}", 1.5, 2)
    assert store.pending_fit("b").state == b""
    assert store.pending_fit("c") is None
    store.add_fits([PendingFit("a", b"other", "{}", "{}")])
    assert store.pending_fit("a").state == b"other"
    with pytest.raises(StoreError, match="written twice"):
        store.add([record("a"), record("a")])
    assert store.pending_keys() == ["b", "a"]
    store.add([record("a")])
    assert store.pending_keys() == ["b"]
    store.clear()
    assert store.pending_keys() == []
