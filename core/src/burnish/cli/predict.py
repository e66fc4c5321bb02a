"""``burnish predict``: a saved predictor on new inputs, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import burnish
from burnish.cli.options import offline_option, threads_option, workers_option
from burnish.errors import DataError, ItemError, RecipeError

if TYPE_CHECKING:
    from burnish.report.predictions import Format

_STDOUT = "-"


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL_FOLDER")
@click.argument("data")
@click.option(
    "--out",
    default=_STDOUT,
    metavar="FILE",
    help="File to write, .csv or .jsonl; - for the terminal.  [default: -]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl"]),
    help="Format [default: by the ending of --out, else csv].",
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Abstain below this probability: an empty prediction.",
)
@click.option(
    "--top",
    type=click.IntRange(0),
    default=0,
    metavar="K",
    help="Give the K most probable classes only; 0 for all.",
)
@click.option(
    "--column",
    default="",
    metavar="NAME",
    help="Column of a table, or array of a file, that holds the inputs.",
)
@click.option(
    "--on-bad-input",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="What an unreadable input means.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to compute.",
)
@threads_option
@workers_option
@offline_option
def command(model: Path, data: str, out: str, form: Format | None, **values: Any) -> None:
    """Predict new inputs with a saved predictor, a folder under predictors/ of a study.

    DATA is what run reads, without its labels: a folder, a table, a file of arrays, or a data source such as
    digits; also an image, or a text file with a text a line. The answers come in the order of the inputs; a
    file is written whole or not at all.
    """
    from burnish.engine.predict.new_items import new_items
    from burnish.files import write_atomic
    from burnish.manager import get_manager
    from burnish.numeric import detect, use_threads
    from burnish.report.predictions import Layout, written

    target = None if out == _STDOUT else _target(out, data)
    numeric = detect(device=values["device"], threads=values["threads"] or 0)
    loaded = burnish.load(model, device=numeric.device, offline=values["offline"])
    use_threads(numeric.threads)
    skip = values["on_bad_input"] == "skip"
    layout = Layout(form or _by_ending(target), values["top"], values["min_confidence"], skip)
    items = new_items(data, loaded.modality, get_manager(), column=values["column"])
    texts = _told(
        written(
            loaded.stream(items, skip_bad=skip, workers=values["workers"]),
            loaded.classes,
            layout,
            words=loaded.words,
        )
    )
    if target is None:
        for text in texts:
            click.echo(text, nl=False)
    else:
        # A file name that is no text keeps a line readable, as on the terminal; in JSON the escape is JSON's
        # own.
        write_atomic(target, (text.encode("utf-8", "backslashreplace") for text in texts))


def _told(texts: Iterator[str]) -> Iterator[str]:
    """Pass texts on; say of a bad item what this command can do about it."""
    try:
        yield from texts
    except ItemError as error:
        raise DataError(
            error.reason, where=error.where, todo="Mend or remove it, or give --on-bad-input skip"
        ) from error


def _by_ending(target: Path | None) -> Format:
    return "jsonl" if target is not None and target.suffix.lower() in {".jsonl", ".ndjson"} else "csv"


def _target(out: str, data: str) -> Path:
    """Return the file to write, unless that would write over the inputs."""
    target = Path(out).expanduser()
    if target.is_dir():
        raise RecipeError("a folder stands there", where=f"--out {out}", todo="Name a file")
    if target.exists() and Path(data).expanduser().exists() and target.samefile(Path(data).expanduser()):
        raise RecipeError(
            "the answers would be written over the inputs", where=f"--out {out}", todo="Name another file"
        )
    return target
