"""``burnish results`` and ``burnish report``.

From the store alone, without numpy until something is computed.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from burnish.cli.report import command as report
from burnish.cli.results import command as results
from burnish.errors import RecipeError, StoreError


def run(*arguments: object) -> Result:
    return CliRunner().invoke(results, [str(a) for a in arguments], catch_exceptions=False)


def test_results_prints_the_tables(made_study: Path) -> None:
    found = run(made_study)
    assert found.exit_code == 0
    assert found.output.startswith("noisy-pretraining\n\naccuracy in points (%), mean of 3 replicates\n")
    assert max(map(len, found.output.splitlines())) <= 100
    assert "accuracy: difference from mlp in points" in found.output
    assert "Numeric mode: cpu, float32, 2 threads, torch 2.15.0." in found.output


def test_results_in_other_formats(made_study: Path) -> None:
    assert json.loads(run(made_study, "--json").output) == json.loads(
        run(made_study, "--format", "json").output
    )
    assert run(made_study, "--format", "markdown").output.startswith("## noisy-pretraining")
    lines = list(
        csv.DictReader(
            io.StringIO(run(made_study, "--format", "csv", "--measure", "sve", "--split", "test").output)
        )
    )
    assert [(line["measure"], line["split"]) for line in lines] == [("sve", "test")] * 50
    assert "nats" in run(made_study, "--measure", "sve", "--split", "test").output


def test_against_the_recipes_baseline_gives_the_recipes_comparisons(made_study: Path) -> None:
    stored = json.loads(run(made_study, "--json").output)["comparisons"]
    again = json.loads(run(made_study, "--json", "--against", "mlp").output)["comparisons"]
    assert again == stored


def test_against_another_baseline(made_study: Path) -> None:
    stored = {
        (c["line"], c["panel"]): c["difference"]
        for c in json.loads(run(made_study, "--json").output)["comparisons"]
        if not c["axes"]
    }
    lines = list(
        csv.DictReader(io.StringIO(run(made_study, "--against", "linear", "--format", "csv").output))
    )
    assert {line["baseline"] for line in lines} == {"linear"}
    over_all = {
        (line["tuner"], line["panel"]): float(line["difference"]) for line in lines if not line["backbone"]
    }
    assert over_all["mlp", "in"] == pytest.approx(-stored["linear", "in"])
    assert over_all["nmtune", "out"] == pytest.approx(stored["nmtune", "out"] - stored["linear", "out"])
    assert (
        "worst-1: difference from linear in points"
        in run(made_study, "--against", "linear", "--measure", "worst-1").output
    )
    with pytest.raises(
        RecipeError,
        match=(
            r"'liner' is no tuner of the study. Did you mean 'linear'\? Possible: nothing,"
            r" nearest-class-mean, linear, mlp"
        ),
    ):
        run(made_study, "--against", "liner")


def test_no_study_no_results(study: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no study here"):
        run(tmp_path / "nothing")
    folder = study(change=lambda records: dict(list(records.items())[:5]))
    with pytest.raises(StoreError, match="5 of 12 trials are finished"):
        run(folder)


def test_report_says_where_it_wrote(study: Callable[..., Path], tmp_path: Path) -> None:
    folder = study(extras=False)
    found = CliRunner().invoke(
        report, [str(folder), "--out", str(tmp_path / "other.html")], catch_exceptions=False
    )
    assert found.output.strip() == str(tmp_path / "other.html")
    assert (tmp_path / "other.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_tables_of_a_study_import_no_numpy(made_study: Path) -> None:
    code = (
        "import sys; from burnish.cli.results import command; command([sys.argv[1]], standalone_mode=False);"
        " heavy = {'numpy', 'torch', 'matplotlib', 'jinja2', 'rich', 'scipy'} & set(sys.modules); assert not"
        " heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(made_study)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
