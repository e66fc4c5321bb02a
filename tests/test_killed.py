"""Studies that are killed at any instant.

Nothing finished is lost or run again, and the resumed study is the same, byte for byte.
"""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from burnish.engine.store import Store

STAGES = ("features", "tuning", "trials", "summary", "report")
LINES = {
    "features": "features tiny",
    "tuning": "tuning on validation",
    "trials": "trials",
    "summary": "summary",
}
"""How the line begins that a run writes to stderr when a stage has ended."""

SMALL, LARGE = 3, 20
"""Replicates: of a study of about six seconds, and of about twenty."""


def study(replicates, *more):
    return (
        "run",
        *(
            "--data",
            "digits",
            "--backbone",
            "tiny:noise=0.1",
            "--evaluate",
            "accuracy",
            "--evaluate",
            "per-class",
        ),
        *(
            "--noise",
            "symmetric:rate=0.2",
            "--tuner",
            "nothing",
            "--tuner",
            "linear",
            "--tuner",
            "mlp:ratio=1",
        ),
        *(
            "--threads",
            "2",
            "--replicates",
            str(replicates),
            "-s",
            "tuner.epochs=8",
            "-s",
            "tune={budget: 2, space: {tuner.lr: [1e-3, 1e-2]}}",
        ),
        *more,
    )


@dataclass(frozen=True)
class Whole:
    """An uninterrupted run: what it stored, and how long each stage took."""

    dump: str
    trials: int
    seconds: dict[str, float]


def stored(folder):
    with Store(folder / "study.sqlite", create=False) as store:
        return store.dump()


def costs(folder):
    """What each finished trial cost: a trial that ran again would have cost something else."""
    path = folder / "study.sqlite"
    if not path.is_file() or not path.stat().st_size:
        return {}
    with Store(path, create=False) as store:
        return {key: record.seconds for key, record in store.records().items()}


def run_whole(burnish, replicates):
    start = time.monotonic()
    ended = burnish(
        *study(replicates, "--out", "whole"),
        environment={"BURNISH_CACHE": str(burnish.folder / "cache-whole")},
    )
    total = time.monotonic() - start
    assert ended.code == 0, ended.err
    seconds = {
        name: float(re.search(rf"^{line}.* in ([0-9.]+) s$", ended.err, re.MULTILINE)[1])
        for name, line in LINES.items()
    }
    seconds["report"] = max(0.2, total - sum(seconds.values()) - 1)
    return Whole(stored(burnish.folder / "whole"), len(costs(burnish.folder / "whole")), seconds)


@pytest.fixture(scope="module")
def small(burnish_of_module):
    return run_whole(burnish_of_module, SMALL)


@pytest.fixture(scope="module")
def large(burnish_of_module):
    return run_whole(burnish_of_module, LARGE)


def kill_in(burnish, stage, part, seconds):
    """Send SIGKILL when about a part of a stage is over: the stage before it has said that it ended."""

    def meanwhile(pid, err):
        before = STAGES[STAGES.index(stage) - 1] if stage != STAGES[0] else ""
        mark = re.compile(rf"^{LINES[before]}" if before else "", re.MULTILINE)
        end = time.monotonic() + 300
        while time.monotonic() < end and not (err.exists() and mark.search(err.read_text())):
            time.sleep(0.002)
        time.sleep(part * seconds[stage])
        burnish.send(pid, signal.SIGKILL)

    return meanwhile


def kill_and_resume(burnish, whole, replicates, stage, part):
    """Kill a run, look at what is there, resume, and compare; return whether the kill came before the end."""
    folder = burnish.folder / "study"
    killed = burnish(
        *study(replicates, "--out", "study"), meanwhile=kill_in(burnish, stage, part, whole.seconds)
    )
    assert killed.code in (-signal.SIGKILL, 0)  # 0: the machine was faster than the last time
    finished = costs(folder)
    resumed = burnish(*study(replicates, "--out", "study", "-q"))
    assert (resumed.code, resumed.err) == (0, "")
    assert stored(folder) == whole.dump
    after = costs(folder)
    assert {key: after[key] for key in finished} == finished, "a finished trial was lost or ran again"
    assert len(after) == whole.trials
    assert not list(burnish.folder.rglob(".part-*")) or killed.code
    assert (folder / "report.html").read_text("utf-8").rstrip().endswith("</html>")
    return killed.code != 0


def instants(count, seed):
    """Draw instants: the stages in turn, each with the part of it that is over."""
    draw = random.Random(seed)
    return [
        pytest.param(
            STAGES[number % len(STAGES)], draw.random(), id=f"{number}-{STAGES[number % len(STAGES)]}"
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(("stage", "part"), instants(6, seed=1))
def test_a_killed_study_is_resumed(burnish, small, stage, part):
    kill_and_resume(burnish, small, SMALL, stage, part)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "part"), instants(30, seed=2))
def test_a_study_of_twenty_seconds_is_resumed(burnish, large, stage, part):
    kill_and_resume(burnish, large, LARGE, stage, part)


def kill_after(burnish, seconds):
    def meanwhile(pid, err):
        time.sleep(seconds)
        burnish.send(pid, signal.SIGKILL)

    return meanwhile


def test_a_study_killed_again_and_again_gets_done(burnish, small):
    """Every run is killed a little later than the one before it, until one comes through."""
    folder = burnish.folder / "study"
    finished: dict[str, float] = {}
    for attempt in range(40):
        ended = burnish(
            *study(SMALL, "--out", "study", "-q"), meanwhile=kill_after(burnish, 0.4 + 0.8 * attempt)
        )
        now = costs(folder)
        assert {key: now[key] for key in finished} == finished
        finished = now
        if ended.code == 0:
            break
    assert stored(folder) == small.dump


# -- one folder, several processes and plans -----------------------------------------------------------------


@pytest.fixture
def quick(burnish):
    """A finished study of a moment, and its command."""
    command = (
        "run",
        "-q",
        "--data",
        "digits:features=true",
        "--tuner",
        "nothing",
        "--threads",
        "2",
        "--replicates",
        "2",
        "--out",
        "study",
    )
    assert burnish(*command).code == 0
    return command


def test_a_second_process_is_refused_with_the_pid_of_the_first(burnish, tmp_path):
    told = {}

    def meanwhile(pid, err):
        while not (tmp_path / "study" / "lock").exists() or not (tmp_path / "study" / "lock").read_text():
            time.sleep(0.01)
        second = [sys.executable, "-m", "burnish", *study(SMALL, "--out", "study")]
        done = subprocess.run(
            second, cwd=tmp_path, env=burnish.environment({}), capture_output=True, text=True, check=False
        )
        told.update(pid=pid, code=done.returncode, err=done.stderr)

    first = burnish(*study(SMALL, "--out", "study"), meanwhile=meanwhile)
    assert first.code == 0, first.err
    assert told["code"] == 1
    assert told["err"].splitlines()[-1].startswith("burnish: study: ")
    assert f"process {told['pid']} on " in told["err"]
    assert "is running this study. Wait for it, stop it, or give another --out." in told["err"]


def test_a_tuner_that_is_added_keeps_the_rows_that_are_there(burnish, quick, tmp_path):
    before = costs(tmp_path / "study")
    ended = burnish(*quick, "--tuner", "nearest-class-mean")
    assert ended.code == 0, ended.err
    after = costs(tmp_path / "study")
    assert {key: after[key] for key in before} == before
    assert len(after) == 2 * len(before)
    assert "nearest-class-mean" in ended.out


def test_that_a_study_is_extended_is_said(burnish, quick):
    louder = tuple(word for word in quick if word != "-q")
    assert (
        "study is extended with new rows; what is there is kept" in burnish(*louder, "--tuner", "ridge").err
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("-s", "split.validation=0.3"), r"split.validation was 0.2, is 0.3"),
        (("--noise", "symmetric:rate=0.4"), r"noise.* is .*symmetric"),
        (("--threads", "1"), r"numeric.threads was 2, is 1"),
        (("--evaluate", "macro-f1"), r"evaluate was .*accuracy.*, is .*macro-f1"),
    ],
    ids=["split", "noise", "threads", "evaluate"],
)
def test_another_study_in_the_folder_is_refused_with_what_differs(burnish, quick, tmp_path, change, told):
    before = stored(tmp_path / "study")
    ended = burnish(*quick, *change)
    assert ended.code == 1
    assert len(ended.err.splitlines()) == 1
    assert re.search(f"study: the folder holds another study: .*{told}", ended.err), ended.err
    assert "Give another --out, or --fresh to start beside it" in ended.err
    assert stored(tmp_path / "study") == before


def test_another_learning_rate_is_refused_with_the_key(burnish, tmp_path):
    command = (
        "run",
        "-q",
        "--data",
        "digits:features=true",
        "--threads",
        "2",
        "--replicates",
        "1",
        "--out",
        "study",
        "-s",
        "tuner.epochs=1",
        "--tuner",
    )
    assert burnish(*command, "linear:lr=0.01").code == 0
    ended = burnish(*command, "linear:lr=0.02")
    assert ended.code == 1
    assert "tuner.with.lr was 0.01, is 0.02" in ended.err


def test_fresh_starts_beside(burnish, quick, tmp_path):
    before = costs(tmp_path / "study")
    for number in (2, 3):
        assert burnish(*quick, "--fresh").code == 0
        assert stored(tmp_path / f"study-{number}") == stored(tmp_path / "study")
    assert costs(tmp_path / "study") == before
    assert sorted(path.name for path in Path(tmp_path).glob("study*")) == ["study", "study-2", "study-3"]
