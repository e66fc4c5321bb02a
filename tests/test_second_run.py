"""A study that is there is shown, not computed: no forward call, no training, no torch.

And features are shared between studies.
"""

from __future__ import annotations

import os

import pytest

from burnish.engine.store import Store

PLUGIN = '''
"""A backbone and a tuner that note every call."""

from __future__ import annotations

from pathlib import Path

import burnish

BURNISH_API = 1
COUNTS = frozenset({"image"})


@burnish.hookimpl
def burnish_backbones():
    yield burnish.Backbone(
        name="counting",
        target="counting:Backbone",
        summary="Means of colours",
        needs=COUNTS,
        provides={"features"},
    )


@burnish.hookimpl
def burnish_tuners():
    yield burnish.Tuner(
        name="counted",
        target="counting_tuner:Counted",
        summary="Linear probe",
        needs={"features"},
        config=burnish.HeadConfig,
    )


def note(what):
    with Path("calls").open("a") as file:
        file.write(what + "\\\\n")


class Backbone:
    modality, dim, views = "image", 3, False

    def __init__(self, config=None, runtime=None):
        note("make")

    def prepare(self, items, view, ids):
        import numpy as np
        from burnish.data.images import open_rgb

        pixels = (np.asarray(open_rgb(item), dtype=np.float32) for item in items)
        return {"x": np.stack([image.mean(axis=(0, 1)) for image in pixels])}

    def encode(self, inputs):
        import torch

        note("forward")
        return torch.as_tensor(inputs["x"])
'''

TUNER = """
from burnish.blocks import HeadTuner
from counting import note
from torch import nn


class Counted(HeadTuner):
    def build(self, dim, classes):
        note("build")
        return nn.Linear(dim, classes)
"""

STUDY = (
    "--data",
    "digits",
    "--backbone",
    "counting",
    "--tuner",
    "counted",
    "--tuner",
    "ridge",
    "--threads",
    "2",
    "--replicates",
    "2",
    "-s",
    "tuner.epochs=1",
)

HOOK = """
import atexit, sys
atexit.register(lambda: open("modules", "w").write("\\\\n".join(sorted(sys.modules))))
"""


@pytest.fixture
def calls(tmp_path):
    """What was called so far, emptied each time it is asked."""
    (tmp_path / "counting.py").write_text(PLUGIN.replace("\\\\n", "\\n"))
    (tmp_path / "counting_tuner.py").write_text(TUNER)

    def read():
        path = tmp_path / "calls"
        lines = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    return read


def run(burnish, *more):
    ended = burnish("--plugin", "counting.py", "run", *STUDY, *more, path=[burnish.folder])
    assert ended.code == 0, ended.err
    return ended


def test_a_second_run_computes_nothing_and_imports_no_torch(burnish, calls, tmp_path):
    first = run(burnish, "-q", "--out", "study")
    made = calls()
    assert "forward" in made
    assert "build" in made
    before = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "study").rglob("*") if path.name != "lock"
    }
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HOOK.replace("\\\\n", "\\n"))
    python_path = os.pathsep.join(
        [str(tmp_path / "site"), str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    command = ("--plugin", "counting.py", "run", *STUDY, "--out", "study")
    second = burnish.afresh(*command, environment={"PYTHONPATH": python_path})
    assert second.code == 0, second.err
    assert calls() == []
    assert "study is complete: nothing to do" in second.err
    assert second.out.startswith(first.out.rstrip())
    imported = set((tmp_path / "modules").read_text().split())
    assert "burnish.engine.study" in imported or "burnish.api" in imported
    heavy = {
        name
        for name in imported
        if name.partition(".")[0] in {"torch", "numpy", "scipy", "sklearn", "matplotlib", "PIL"}
    }
    assert not heavy, sorted(heavy)[:5]
    assert {
        path: path.stat().st_mtime_ns for path in (tmp_path / "study").rglob("*") if path.name != "lock"
    } == before


@pytest.mark.parametrize(
    "command",
    [("results", "study"), ("results", "study", "--format", "csv"), ("results", "study", "--json")],
    ids=" ".join,
)
def test_results_are_shown_without_torch(burnish, calls, tmp_path, command):
    run(burnish, "-q", "--out", "study")
    ended = burnish.afresh(*command, before=("-X", "importtime", "-m", "burnish"))
    assert ended.code == 0, ended.err
    imported = {
        line.rpartition("|")[2].strip() for line in ended.err.splitlines() if line.startswith("import time:")
    }
    assert "burnish.engine.store" in imported
    assert not imported & {"torch", "numpy"}


def test_another_study_takes_its_features_from_the_cache(burnish, calls, tmp_path):
    run(burnish, "-q", "--out", "study")
    assert calls().count("forward") == -(-1797 // 64)
    run(burnish, "-q", "--out", "other", "-s", "split.validation=0.3")
    made = calls()
    assert "forward" not in made
    assert "make" not in made
    assert "build" in made
    with Store(tmp_path / "other" / "study.sqlite", create=False) as store:
        assert len(store.finished()) == 4
    again = run(burnish, "-q", "--out", "again")
    assert "forward" not in calls()
    assert (
        again.out.split("\n", 1)[1].strip()
        == burnish("results", "study", path=[tmp_path]).out.split("\n", 1)[1].strip()
    )


def test_a_study_without_its_report_gets_only_the_report(burnish, calls, tmp_path):
    run(burnish, "-q", "--out", "study")
    calls()
    report = tmp_path / "study" / "report.html"
    report.unlink()
    run(burnish, "-q", "--out", "study")
    assert calls() == []
    assert report.is_file()
