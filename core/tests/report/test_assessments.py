"""What assessors said: in the tables, in the report, and item by item, from the store alone."""

from __future__ import annotations

import csv
import io
import json
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import burnish
from burnish.cli.results import command as results
from burnish.engine.store import AssessmentRecord, Store
from burnish.errors import RecipeError
from burnish.report.html import render_report
from burnish.report.study import Study

JOINT = {"name": "confident-joint", "split": "", "columns": {"observed": ["cat", "dog"], "cat": [0.5, 0.25]}}


def numbers(code: str, values: Sequence[float]) -> bytes:
    return array(code, values).tobytes()


def record(assess: str = "basics/confident-joint", replicate: int = 0, **other: object) -> AssessmentRecord:
    values: dict[str, object] = {
        "key": f"{assess} {replicate}",
        "axes": {"data": "signs", "backbone": "features", "noise": "none", "assess": assess},
        "replicate": replicate,
        "positions": numbers("q", [3, 5, 8, 9]),
        "ids": b"".join(bytes([n]) * 32 for n in range(4)),
        "given": numbers("q", [0, 1, 1, -1]),
        "clean_probability": numbers("f", [0.25, 0.5, 1.0, 0.25]),
        "keep": bytes([0, 1, 1, 1]),
        "corrected": numbers("q", [1, 1, 1, -1]),
        "tables": (JOINT,),
        "classes": ("=cat", "dog"),
    }
    return AssessmentRecord(**values | other)  # type: ignore[arg-type]


@pytest.fixture
def assessed(study: Callable[..., Path]) -> Path:
    folder = study(choices=False, extras=False)
    with Store(folder / "study.sqlite") as store:
        for replicate in (0, 1):
            store.add_assessment(record(replicate=replicate))
        silent = {"clean_probability": None, "keep": None, "corrected": None, "tables": ()}
        store.add_assessment(record("deft:epochs=3", **silent, weight=numbers("f", [1, 0, 1, 2])))
        failed = record("slow", error="the probe could not be trained", ids=b"", **silent)
        store.add_assessment(failed)
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(results, [str(a) for a in arguments], catch_exceptions=False)


def test_tables_have_a_line_an_assessor(assessed: Path) -> None:
    lines = [line.split() for line in run(assessed).output.splitlines()]
    assert ["basics/confident-joint", "2", "4", "75.0", "50.0", "25.0"] in lines
    assert ["deft:epochs=3", "1", "4", "-", "-", "-"] in lines
    assert ["slow", "0", "-", "-", "-", "-"] in lines
    assert "slow: the probe could not be trained" in run(assessed).output
    found = json.loads(run(assessed, "--json").output)["assessments"]
    assert [(one["items"], one["kept"]) for one in found] == [(4, 3), (4, 3), (4, None), (0, None)]
    assert found[0]["tables"] == [JOINT]


def test_the_report_has_them_with_their_tables(assessed: Path, made_study: Path) -> None:
    page = render_report(Study(assessed))
    assert '<a href="#assessments">' in page
    assert page.count("confident-joint of basics/confident-joint, replicate 0") == 2  # label and caption
    assert "confident-joint of basics/confident-joint, replicate 1" not in page
    assert "assessments" not in render_report(Study(made_study))


def test_a_line_an_item_as_csv(assessed: Path) -> None:
    lines = list(csv.DictReader(io.StringIO(run(assessed, "--assessment").output)))
    assert len(lines) == 12
    first = lines[0]
    assert first["id"] == "00" * 32
    # A class name that a spreadsheet would run has an apostrophe before it.
    assert (first["given"], first["corrected"], first["keep"]) == ("'=cat", "dog", "false")
    assert (first["clean_probability"], first["weight"], first["replicate"]) == ("0.25", "", "0")
    assert lines[3]["given"] == ""
    assert [line["weight"] for line in lines[8:]] == ["1.0", "0.0", "1.0", "2.0"]


def test_one_assessor_by_its_name_and_as_json(assessed: Path) -> None:
    assert len(run(assessed, "--assessment", "deft").output.splitlines()) == 5
    found = json.loads(run(assessed, "--format", "json", "--assessment", "confident-joint").output)
    assert [(one["assess"], one["replicate"]) for one in found] == [
        ("basics/confident-joint", 0),
        ("basics/confident-joint", 1),
    ]
    assert found[0]["items"][1] == {
        "position": 5,
        "id": "01" * 32,
        "given": "dog",
        "clean_probability": 0.5,
        "keep": True,
        "weight": None,
        "corrected": "dog",
    }


def test_what_cannot_be_shown_is_said(assessed: Path, made_study: Path) -> None:
    with pytest.raises(RecipeError, match=r"'deff' is no assessor of the study. Possible: basics"):
        run(assessed, "--assessment", "deff")
    with pytest.raises(RecipeError, match=r"assessments are not written as text. Possible: csv, json"):
        run(assessed, "--format", "text", "--assessment")
    with pytest.raises(RecipeError, match="the study has no assessment"):
        run(made_study, "--assessment")


def test_assessments_of_a_study_that_is_not_complete(study: Callable[..., Path]) -> None:
    folder = study(change=lambda records: dict(list(records.items())[:5]))
    with Store(folder / "study.sqlite") as store:
        store.add_assessment(record())
    assert len(run(folder, "--assessment").output.splitlines()) == 5
    assert [next(one.items())["given"] for one in burnish.Study(folder).assessments()] == ["=cat"]
