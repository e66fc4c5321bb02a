"""What every case of the bad-input table is held to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from burnish.engine.store import Store, check_integrity

RUN = (
    "run",
    "-q",
    "--threads",
    "2",
    "--replicates",
    "1",
    "--save",
    "none",
    "--out",
    "study",
    "--tuner",
    "nearest-class-mean",
)

FAKE = '''
"""A backbone of texts, a tuner that needs a text tower, and a command that uses a saved predictor."""

from __future__ import annotations

import burnish

BURNISH_API = 1


@burnish.hookimpl
def burnish_backbones():
    yield burnish.Backbone(
        name="letters",
        target="fake_text:Letters",
        summary="How often each letter occurs",
        needs={"text"},
        provides={"features"},
    )


@burnish.hookimpl
def burnish_tuners():
    yield burnish.Tuner(
        name="prompts",
        target="fake_text:Letters",
        summary="Needs a text tower",
        needs={"features", "text-tower"},
    )


@burnish.hookimpl
def burnish_commands():
    yield burnish.Command(
        name="use-model", target="fake_text:use_model", summary="Load a predictor and use it"
    )


class Letters:
    modality, dim, views = "text", 26, False

    def __init__(self, config=None, runtime=None):
        pass

    def prepare(self, items, view, ids):
        import numpy as np

        rows = [[item.payload.lower().count(chr(97 + letter)) for letter in range(26)] for item in items]
        return {"counts": np.array(rows, dtype=np.float32)}

    def encode(self, inputs):
        import torch

        return torch.as_tensor(inputs["counts"])


def __getattr__(name):
    if name != "use_model":
        raise AttributeError(name)
    import click

    @click.command()
    @click.argument("folder")
    def use_model(folder):
        import burnish
        import numpy as np

        click.echo(burnish.load(folder).predict(np.zeros((1, 64), dtype=np.float32)).values.argmax())

    return use_model
'''


def check_nothing_half_written(folder: Path) -> None:
    """Fail where a temporary file, or a study whose store is not whole, is left below a folder."""
    left = [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.name.startswith(".part-") or path.name.endswith(("-journal", "-wal"))
    ]
    assert not left, f"left behind: {left}"
    for path in folder.rglob("study.sqlite"):
        assert check_integrity(path) == "ok", path
        with Store(path, create=False) as store:
            trials, records = store.finished(), store.records(extras=True)
        whole = {
            record.key for record in records.values() if record.measures or record.tables or record.error
        }
        assert trials == whole, f"{path} holds a trial without measures"
    for path in folder.rglob("predictors/*"):
        files = {file.name for file in path.iterdir()}
        assert "predictor.json" not in files or "model.safetensors" in files, f"{path} is half a predictor"


@pytest.fixture
def fake_text(tmp_path):
    """A local plugin with parts that no first-party plugin has."""
    path = tmp_path / "fake_text.py"
    path.write_text(FAKE)
    return path


@pytest.fixture
def small_run():
    """The beginning of a command that runs a study of one trial."""
    return RUN


@pytest.fixture
def refused(burnish, tmp_path) -> Callable[..., str]:
    """Run a command that must end in one line for people, and return that line."""

    def run(*arguments: str | Path, fragments: Sequence[str], code: int, **how) -> str:
        ended = burnish(*arguments, **how)
        told = f"exit code {ended.code}\n{ended.err}{ended.out}"
        assert ended.code == code, told
        assert "Traceback" not in ended.err, told
        lines = ended.err.splitlines()
        assert len(lines) == 1, told
        assert lines[0].startswith("burnish: "), told
        missing = [fragment for fragment in fragments if not re.search(fragment, lines[0])]
        assert not missing, f"{missing} not in: {lines[0]}"
        check_nothing_half_written(tmp_path)
        return lines[0]

    return run


@pytest.fixture
def accepted(burnish, tmp_path):
    """Run a command that must succeed without a word on stderr, and return how it ended."""

    def run(*arguments, **how):
        ended = burnish(*arguments, **how)
        assert ended.code == 0, ended.err
        assert not ended.err, ended.err
        check_nothing_half_written(tmp_path)
        return ended

    return run
