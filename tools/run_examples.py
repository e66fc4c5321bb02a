"""Runs the examples of Markdown pages.

Files are written, Python is executed, commands are run and what they print is compared.

``python tools/run_examples.py PAGE ...`` checks pages; with ``--write`` it puts what commands really print
into them.

In a page, a fenced block with a title is a file; ``python`` without one is executed; ``yaml`` without one is
a recipe; lines of ``console`` that start with ``$`` are commands, followed by what they print, where ``...``
stands for any lines. ``<!-- no-run: why -->`` passes over the next block.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCK = re.compile(
    r"^(?P<fence>```+) ?(?P<language>[\w-]*)(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
TITLE = re.compile(r'title="([^"]+)"')
NO_RUN = re.compile(r"<!-- no-run: [^\n]+ -->\s*\Z")
NUMBER = re.compile(r"[<+\u2212-]?\d+\.\d+(?:e-?\d+)?")
WITH_LABEL = 90
"""Images of each class in the folder `photos`."""
ERROR = re.compile(r"^burnish: |\berrors?\b")
"""What a page shows of a command that is to fail."""
HASH = re.compile(r"\b[0-9a-f]{12,64}\b")
TOLERANCE = 12.0
"""How far numbers of a study, in points, may be from those in a page: last bits differ between machines."""
NOTES = (
    "Tuned on validation",
    "No do-nothing row",
    "A replicate redraws",
    "numeric:",
    "Numeric mode:",
    "report:",
)
"""Beginnings of lines that ``--write`` leaves out, with what follows."""


class ExampleError(AssertionError):
    """An example does not do what its page says."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: the first word after the fence.
        title: name of the file it is; empty for none.
        text: what stands in it.
        start: where the text starts in the page.
        line: its line in the page.
        run: False where the page says not to.
    """

    language: str
    title: str
    text: str
    start: int
    line: int
    run: bool


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    for match in BLOCK.finditer(page):
        title = TITLE.search(match["info"])
        start = match.start("text")
        run = not NO_RUN.search(page[: match.start()])
        yield Block(
            match["language"],
            title[1] if title else "",
            match["text"],
            start,
            page[:start].count("\n") + 1,
            run,
        )


@dataclass
class Command:
    """A command of a console block, the lines that it should print, and the lines that it is written in.

    What it should print is None where the page shows none.
    """

    text: str
    output: list[str] | None = None
    written: list[str] = field(default_factory=list)


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block; one without prompts has a command a line."""
    lines = block.text.splitlines()
    if not any(line.startswith("$ ") for line in lines):
        return [Command(line) for line in lines if line.strip()]
    found: list[Command] = []
    for line in lines:
        if found and found[-1].text.endswith("\\"):
            found[-1].text = found[-1].text[:-1] + line
            found[-1].written.append(line)
        elif line.startswith("$ "):
            found.append(Command(line[2:], written=[line]))
        elif found:
            found[-1].output = [*(found[-1].output or []), line]
    return found


def agrees(expected: Sequence[str], printed: Sequence[str]) -> bool:
    """Return whether lines are those expected.

    Spaces and rules of a table aside, and decimal numbers within `TOLERANCE`.
    """
    expected, printed = [e for e in expected if e.strip()], [p for p in printed if p.strip()]
    if not expected:
        return not printed
    if expected[0].strip() == "...":
        return any(agrees(expected[1:], printed[skipped:]) for skipped in range(len(printed) + 1))
    return bool(printed) and _same(expected[0], printed[0]) and agrees(expected[1:], printed[1:])


def shortened(lines: list[str]) -> list[str]:
    """Return what a page shows of printed lines.

    Neither the notes under a table nor what a plan says of the machine.
    """
    for number, line in enumerate(lines):
        if line.startswith(NOTES):
            return [*lines[:number], "..."]
    return lines


def _same(expected: str, printed: str) -> bool:
    first, second = (HASH.sub("#", re.sub("─+", "─", line)).split() for line in (expected, printed))
    a, b = " ".join(first), " ".join(second)
    if NUMBER.sub("0", a) != NUMBER.sub("0", b):
        return False
    return all(
        abs(_number(x) - _number(y)) <= TOLERANCE
        for x, y in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True)
    )


def _number(text: str) -> float:
    return float(text.lstrip("<").replace("\u2212", "-"))


@dataclass
class Runner:
    """Runs pages in a folder, one after the other, as one reader would.

    Attributes:
        folder: where files are written and commands run.
        names: what Python blocks of the page define.
        installed: folders with the sources of plugins that the pages installed.
    """

    folder: Path
    names: dict[str, Any] = field(default_factory=dict)
    installed: list[Path] = field(default_factory=list)

    def run(self, page: Path, *, write: bool = False) -> None:
        """Run the examples of a page.

        Args:
            page: the page.
            write: put what commands print into the page where it does not agree.

        Raises:
            ExampleError: an example fails, or prints something else.
        """
        text = page.read_text(encoding="utf-8")
        self.names = {"__name__": "__main__"}
        if "./photos" in text and not (self.folder / "photos").exists():
            make_photos(self.folder)
        changes: list[tuple[Block, str]] = []
        with contextlib.chdir(self.folder):
            for block in blocks(text):
                if block.run:
                    try:
                        changes += [(block, new) for new in [self._block(block, write)] if new]
                    except ExampleError as error:
                        raise ExampleError(f"{page}, line {block.line}: {error}") from error.__cause__
        for block, new in reversed(changes):
            text = text[: block.start] + new + text[block.start + len(block.text) :]
        if changes:
            page.write_text(text, encoding="utf-8")

    def _block(self, block: Block, write: bool) -> str:
        """Run one block; return its new text where that is to be written."""
        if block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            self._python(block.text)
        elif block.language == "yaml":
            check_recipe(block.text)
        elif block.language == "console":
            return self._console(block, write)
        return ""

    def _python(self, code: str) -> None:
        try:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(compile(code, "<example>", "exec"), self.names)  # noqa: S102 (the page's own code)
        except Exception as error:
            raise ExampleError(f"{type(error).__name__}: {error}") from error

    def _console(self, block: Block, write: bool) -> str:
        changed, lines = False, []
        for command in commands(block):
            code, printed = self.command(command.text)
            shown = [line.replace(f"{self.folder}/", "").rstrip() for line in printed.splitlines()]
            lines += [*command.written, *(command.output or [])]
            if command.output is None:
                if code:
                    raise ExampleError(f"{command.text!r} ends with {code}: {printed}")
            elif code and not (
                any(map(ERROR.search, command.output)) or command.text.startswith("burnish check")
            ):  # which found something
                raise ExampleError(
                    f"{command.text!r} ends with {code}, and the page shows no error: {printed}"
                )
            elif not agrees(command.output, shown):
                if not write:
                    raise ExampleError(
                        f"{command.text!r} prints\n{printed}\nand not\n" + "\n".join(command.output)
                    )
                lines[len(lines) - len(command.output) :] = shortened(shown)
                changed = True
        return "\n".join(lines) + "\n" if changed else ""

    def command(self, text: str) -> tuple[int, str]:
        """Run a command line; return its exit code, and what it prints without progress."""
        words = [
            path
            for word in shlex.split(text, comments=True)
            for path in (sorted(glob.glob(word)) if "*" in word else [word])  # noqa: PTH207
        ]
        if words[:3] == ["pip", "install", "-e"]:
            self._install(self.folder / words[3])
            return 0, ""
        if words[0] == "burnish" and not set(words) & {"|", ">", "&&"}:
            return self._burnish(words[1:])
        places = os.pathsep.join(map(str, self.installed))
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        environment = os.environ | {
            "PYTHONPATH": places,
            "PATH": path,
            "COLUMNS": "100",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(  # noqa: S603
            ["bash", "-c", text],  # noqa: S607
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        return done.returncode, done.stdout + (done.stderr if done.returncode else "")

    def _burnish(self, arguments: list[str]) -> tuple[int, str]:
        """Run burnish in this process, which has imported torch already."""
        from burnish.cli import main

        self._forget()
        out, err, argv = io.StringIO(), io.StringIO(), sys.argv
        sys.argv = ["burnish", *arguments]
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                main(arguments)
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            sys.argv = argv
        errors = [line for line in err.getvalue().splitlines() if line.startswith("burnish: ")]
        return code, out.getvalue() + "\n".join(errors)

    def _install(self, project: Path) -> None:
        """Do what ``pip install -e`` does for a project with a ``src`` folder.

        Its entry points, as its pyproject.toml says, become known.
        """
        from burnish.testing.dists import write_dist

        metadata = tomllib.loads((project / "pyproject.toml").read_text())["project"]
        site = project.parent / ".installed"
        write_dist(
            site, metadata["name"], metadata["version"], metadata["entry-points"]["burnish"], editable=True
        )
        self.installed += [place for place in (site, project / "src") if place not in self.installed]

    def _forget(self) -> None:
        """Make burnish look for plugins again, and load those that the pages wrote anew."""
        from burnish import manager

        sys.path[:0] = [str(place) for place in self.installed if str(place) not in sys.path]
        self.close(paths=False)
        manager._made = None

    def close(self, *, paths: bool = True) -> None:
        """Take what the pages installed out of this process."""
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(self.folder)):
                del sys.modules[name]
        if paths:
            sys.path[:] = [entry for entry in sys.path if not entry.startswith(str(self.folder))]


def check_recipe(text: str) -> None:
    """Check that a block is a recipe; one that names data and tuner is planned.

    Raises:
        ExampleError: it is none.
    """
    from burnish.errors import BurnishError
    from burnish.plan import build_plan
    from burnish.recipe import parse_recipe

    try:
        recipe = parse_recipe(text, "example.yaml", name="example", base=Path.cwd())
        if {"data", "tuner"} <= recipe.values.keys():
            build_plan(recipe)
    except BurnishError as error:
        raise ExampleError(f"this is no recipe: {error}") from error


def make_photos(folder: Path) -> None:
    """Write a small folder of images in two classes, ``photos``, and one without classes, ``new-photos``.

    Scans of digits.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for digit, name in ((3, "three"), (8, "eight")):
        chosen = digits.images[digits.target == digit]
        for number, pixels in enumerate(chosen[: WITH_LABEL + 8]):
            place = folder / ("photos" if number < WITH_LABEL else "new-photos")
            place = place / name if number < WITH_LABEL else place
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 15).astype("uint8")).resize((32, 32)).convert("RGB").save(
                place / f"{name}-{number}.png"
            )


def main() -> None:
    """Check or write the pages named on the command line.

    Those of one folder whose names are numbered follow each other.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help="put what commands print into the pages")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(Path(folder).resolve())
        for page in given.pages:
            runner.run(page.absolute(), write=given.write)
            print(f"{page}: runs")


if __name__ == "__main__":
    main()
