"""Ctrl-C: exit code 130, one line, nothing half-written, and the same command goes on."""

import signal
import time

import pytest

from burnish.engine.store import Store

STUDY = (
    "run",
    "--threads",
    "2",
    "--replicates",
    "3",
    "--data",
    "digits",
    "--backbone",
    "tiny",
    "--tuner",
    "linear",
    "--tuner",
    "mlp:ratio=1",
    "--out",
    "study",
    "-s",
    "tuner.epochs=12",
    "-s",
    "tune={budget: 2, space: {tuner.lr: [1e-3, 1e-2]}}",
)


def interrupt(burnish, after, delay):
    """Send Ctrl-C a while after a line appeared on stderr."""

    def meanwhile(pid, err):
        end = time.monotonic() + 120
        while time.monotonic() < end and not (err.exists() and after in err.read_text()):
            time.sleep(0.005)
        time.sleep(delay)
        burnish.send(pid, signal.SIGINT)

    return meanwhile


@pytest.mark.parametrize(
    ("after", "delay"),
    [("", 0.6), ("features", 0.1), ("tuning", 0.05)],
    ids=["in-features", "in-tuning", "in-trials"],
)
def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(burnish, accepted, tmp_path, after, delay):
    ended = burnish(*STUDY, meanwhile=interrupt(burnish, after, delay))
    assert ended.code == 130, ended.err
    assert ended.err.splitlines()[-1] == "burnish: interrupted; run the same command to resume"
    assert "Traceback" not in ended.err
    assert not list(tmp_path.rglob(".part-*"))
    accepted("run", "-q", *STUDY[1:])
    with Store(tmp_path / "study" / "study.sqlite", create=False) as store:
        assert len(store.finished()) == 6
