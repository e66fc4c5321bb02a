"""``burnish new-plugin``: a plugin that installs and passes its own tests as it stands.

It needs nothing beyond core.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final, Literal

import click

from burnish._version import __version__
from burnish.cli.text import echo
from burnish.errors import MachineError, PluginError
from burnish.manager import get_manager

_ON_DIGITS: Final = "burnish run --data digits:features=true --backbone features"


@dataclass(frozen=True)
class Scaffold:
    """What is generated of a kind.

    Attributes:
        summary: what the generated plugin does.
        use: a command that uses it.
        shown: the word that `burnish show` knows it by.
        keyword: what it is about, for its metadata.
        target: the file that does it, in its package.
        basics: whether the plugin, or its tests, need the plugin basics.
    """

    summary: str
    use: str
    shown: str
    keyword: str
    target: str
    basics: Literal["", "tests", "plugin"] = ""


KINDS: Final[dict[str, Scaffold]] = {
    "loss": Scaffold(
        "A loss that trusts confident examples less",
        f"{_ON_DIGITS} --tuner linear --loss {{name}}",
        "loss",
        "robust loss",
        "loss.py",
    ),
    "tuner": Scaffold(
        "A linear head with small logits",
        f"{_ON_DIGITS} --tuner {{name}} --loss ce",
        "tuner",
        "fine-tuning",
        "tuner.py",
    ),
    "noise": Scaffold(
        "Flip labels to the class before",
        f"{_ON_DIGITS} --noise {{name}}:rate=0.3 --tuner linear --loss ce",
        "noise",
        "noisy labels",
        "noise.py",
    ),
    "assessor": Scaffold(
        "Believe labels as a probe does that was not trained on them",
        f"{_ON_DIGITS} --noise symmetric:rate=0.3 --assess {{name}} --tuner linear --loss ce",
        "noise",
        "noisy labels",
        "assessor.py",
    ),
    "evaluator": Scaffold(
        "Share of items whose class is among the k best",
        f"{_ON_DIGITS} --tuner linear --loss ce --evaluate {{name}}",
        "evaluator",
        "evaluation",
        "evaluator.py",
    ),
    "backbone": Scaffold(
        "Mean colours of the fields of an image",
        "burnish run --data digits --backbone {name} --tuner linear --loss ce",
        "backbone",
        "pre-trained models",
        "backbone.py",
    ),
    "source": Scaffold(
        "Texts in a file, a class and a tab before each",
        "burnish check {name}:path=FILE",
        "source",
        "data sets",
        "source.py",
    ),
    "command": Scaffold(
        "Say how many items a data set has",
        "burnish {name} digits:features=true",
        "command",
        "command line",
        "command.py",
        "tests",
    ),
    "recipe": Scaffold(
        "How three tuners bear wrong labels",
        "burnish run {name}",
        "recipe",
        "benchmark",
        "recipes/{name}.yaml",
        "plugin",
    ),
}
"""What can be generated, by kind."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PREFIX: Final = "burnish-"


@click.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), required=True, help="What it offers.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write, new or empty [default: burnish-NAME].",
)
def command(name: str, kind: str, out: Path | None) -> None:
    """Start a plugin NAME that installs and passes its tests as it stands."""
    _check_name(name)
    folder = out or Path(f"{_PREFIX}{name}")
    write_plugin(name, kind, folder)
    echo(_next_steps(name, kind, folder))


def write_plugin(name: str, kind: str, folder: Path) -> None:
    """Write a plugin into a folder, whole or not at all.

    Args:
        name: in kebab case, such as ``"gce"``.
        kind: one of `KINDS`.
        folder: new or empty.

    Raises:
        PluginError: the folder has something in it, or is a file.
        MachineError: it cannot be written.
    """
    contents = plugin_files(name, kind)
    try:
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise PluginError(
                f"{str(folder)!r} is there already, and nothing is overwritten",
                todo="Give another folder: --out DIR",
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            made = scratch / folder.name
            for path, text in contents.items():
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                (made / path).write_text(text, encoding="utf-8")
            if folder.exists():
                folder.rmdir()  # it is empty
            made.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise MachineError(
            f"{str(folder)!r} cannot be written: {error.strerror or error}",
            todo="Give another folder: --out DIR",
        ) from error


def plugin_files(name: str, kind: str) -> dict[str, str]:
    """Return the files of a plugin: text by path.

    Args:
        name: in kebab case.
        kind: one of `KINDS`.
    """
    package = f"burnish_{name.replace('-', '_')}"
    made = KINDS[kind]
    major, minor = __version__.split(".")[:2]
    bounds = f">={major}.{minor},<{int(major) + 1}"
    basics = f', "burnish-basics{bounds}"'
    values = {
        "name": name,
        "shown": made.shown,
        "package": package,
        "title": "".join(word.capitalize() for word in name.split("-")),
        "summary": made.summary,
        "keyword": made.keyword,
        "use": made.use.format(name=name),
        "bounds": bounds,
        "basics": basics if made.basics == "plugin" else "",
        "basics_for_tests": basics if made.basics == "tests" else "",
    }
    templates = {
        ".github/workflows/tests.yml": "workflow.yml.txt",
        "LICENSE": "LICENSE.txt",
        "README.md": "README.md.txt",
        "pyproject.toml": "pyproject.toml.txt",
        f"src/{package}/__init__.py": f"{kind}/init.txt",
        f"src/{package}/py.typed": "py.typed.txt",
        f"src/{package}/{made.target.format(name=name)}": f"{kind}/target.txt",
        "tests/test_contract.py": f"{kind}/test.txt",
    }
    folder = files("burnish") / "templates" / "new_plugin"
    return {
        path: Template((folder / template).read_text(encoding="utf-8")).substitute(values)
        for path, template in templates.items()
    }


def _check_name(name: str) -> None:
    bare = name.removeprefix(_PREFIX)
    if not _NAME.fullmatch(name):
        raise PluginError(
            f"{name!r} cannot be the name of a plugin",
            possible="lower-case letters, digits and single dashes, a letter first",
        )
    if bare != name:
        raise PluginError(f"the name {name!r} has the prefix that every package gets", todo=f"Write {bare}")
    same = next((plugin for plugin in get_manager().plugins if plugin.name == name), None)
    if same is not None:
        raise PluginError(f"there is a plugin named {name!r} already: {same}", todo="Give it another name")


def _next_steps(name: str, kind: str, folder: Path) -> Iterator[str]:
    package, made = f"burnish_{name.replace('-', '_')}", KINDS[kind]
    shown = name if kind in {"command", "recipe"} else f"{name}/{name}"
    yield f"{folder}: a plugin that offers the {kind} {name!r}, and works as it stands. Next:"
    yield f"  pip install -e '{folder}[test]'"
    yield f"  pytest {folder}"
    yield f"  burnish show {made.shown} {shown}"
    does = f"src/{package}/{made.target.format(name=name)}"
    yield f"Then write your own: {does} does it, src/{package}/__init__.py announces it,"
    yield "tests/test_contract.py says what of burnish's promises it is tested for."
