"""Writes the pages of the documentation that follow from the code.

Hooks, the public names of every package, the command line, one page a plugin.

``python tools/make_reference.py`` writes them, ``--check`` says which are out of date. The results are
committed, so that they can be read anywhere.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import click
from public_names import PACKAGES, homes_of_names, package_page

from burnish import hooks
from burnish.cli import CORE_COMMANDS, cli
from burnish.cli.options import add_common
from burnish.config import Option, describe, range_words, say_value
from burnish.descriptors import KINDS, WORDS, Descriptor
from burnish.manager import Component, Manager

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BY_BURNISH: Mapping[str, str] = {
    "truth": "burnish, in every study",
    "assessment": "a row with `assess:`",
}
"""Words that no component has to provide."""

NOTE = "<!-- Written by tools/make_reference.py: change what it is made from, and run it again. -->"
WIDTH = 100

ENVIRONMENT = (
    (
        "| `BURNISH_CACHE` | folder of what is cached; by default `$XDG_CACHE_HOME/burnish`, else"
        " `~/.cache/burnish`, on macOS `~/Library/Caches/burnish` |"
    ),
    "| `BURNISH_CACHE_SIZE` | how much of features it may hold, such as `5GB`; 20 GB by default |",
    "| `OMP_NUM_THREADS` | what `--threads` is where it is not given; by default the physical cores |",
    (
        "| `BURNISH_PLUGINS` | plugins to load, such as `basics,nmtune`; empty for none. The others are not"
        " even imported |"
    ),
)


def pages() -> dict[Path, str]:
    """Return every page that is made, by its path."""
    homes = homes_of_names()
    made = {DOCS / "reference" / f"{name}.md": package_page(name, homes) for name in PACKAGES}
    made[DOCS / "reference" / "hooks.md"] = hooks_page()
    made[DOCS / "reference" / "cli.md"] = cli_page()
    manager = Manager()
    made[DOCS / "reference" / "descriptors.md"] += _words_of_needs(manager)
    for folder in sorted((ROOT / "plugins").iterdir()):
        if (folder / "README.md").is_file():
            made[DOCS / "plugins" / f"{folder.name}.md"] = plugin_page(folder, manager)
    made[DOCS / "benchmarks.md"] = benchmarks_page()
    return {path: _noted(text) for path, text in made.items()}


def _noted(text: str) -> str:
    """Return a page with the note below its title."""
    title, rest = text.split("\n", 1)
    return f"{title}\n\n{NOTE}\n{rest}"


def benchmarks_page() -> str:
    """Return the page of benchmarks: what each of the result files says."""
    results = [
        path.read_text(encoding="utf-8").strip()
        for path in sorted((ROOT / "benchmarks" / "results").glob("*.md"))
    ]
    text = (
        "Speed is measured as a ratio to something on the same machine. The scripts are in `benchmarks`; a"
        " result names its command and machine."
    )
    lowered = [re.sub(r"^#", "##", result, flags=re.MULTILINE) for result in results]
    return "\n\n".join(["# Benchmarks", text, *lowered]) + "\n"


def _words_of_needs(manager: Manager) -> str:
    components = [c for kind in KINDS for c in manager.components(kind)]
    text = (
        "A trial is refused, before torch is imported, where data and backbone do not provide what its parts"
        " need. The columns say which components of this repository provide and need a word; what some"
        " provide depends on their options, and an asterisk marks these."
    )
    rows = ["| word | means | provided by | needed by |", "|---|---|---|---|"]
    for word, meaning in WORDS.items():
        by = [f"`{c.name}`{mark}" for c in components if (mark := _provided(word, c, manager)) is not None]
        needed = [f"`{c.name}`" for c in components if word in getattr(c.descriptor, "needs", ())]
        if word in BY_BURNISH:
            by.insert(0, BY_BURNISH[word])
        rows.append(f"| `{word}` | {meaning} | {', '.join(by)} | {', '.join(needed)} |")
    return f"\n## Words of `needs` and `provides`\n\n{text}\n\n" + "\n".join(rows) + "\n"


def _provided(word: str, component: Component, manager: Manager) -> str | None:
    """Return how a component provides a word: always, ``""``; with some options, ``"*"``; else None."""
    provides: frozenset[str] | str = getattr(component.descriptor, "provides", frozenset())
    if isinstance(provides, frozenset):
        return "" if word in provides else None
    options = [option for config in component.descriptor.configs().values() for option in describe(config)]
    chosen = {choice for option in options for choice in option.choices or ()}
    return "*" if word in _words_of_source(provides) | chosen else None


def _words_of_source(target: str) -> set[str]:
    """Return the words that a function ``provides`` speaks of, and what it calls in its module."""
    module, _, name = target.partition(":")
    tree = ast.parse(inspect.getsource(import_module(module)))
    parts = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    words: set[str] = set()
    waiting, seen = [name], set[str]()
    while waiting:
        part = waiting.pop()
        if part in seen or part not in parts:
            continue
        seen.add(part)
        for node in ast.walk(parts[part]):
            if isinstance(node, ast.Constant) and node.value in WORDS:
                words.add(node.value)
            elif isinstance(node, ast.Call):
                waiting.append(ast.unparse(node.func).rpartition(".")[2])
    return words


# -- hooks ---------------------------------------------------------------------------------------------------


def hooks_page() -> str:
    """Return the page of hooks: signature and docstring of each."""
    parts = [
        "# Hooks\n",
        (
            "A plugin implements any of these functions in its entry-point module and marks each with"
            " `@burnish.hookimpl`. A hook takes nothing and returns [descriptors](descriptors.md). Nothing"
            " depends on the order in which plugins are found.\n"
        ),
        f"The module says which version it is made for: `BURNISH_API = {hooks.API_VERSION}`.\n",
    ]
    for kind, name in hooks.HOOKS.items():
        hook = getattr(hooks, name)
        signature = f"{name}({', '.join(inspect.signature(hook).parameters)})"
        returned = str(inspect.signature(hook).return_annotation).replace("Iterable", "list")
        parts += [
            f"## `{signature}`\n",
            f"Kind `{kind}`; returns `{returned}`.\n",
            inspect.cleandoc(hook.__doc__ or "") + "\n",
        ]
    return "\n".join(parts)


# -- command line --------------------------------------------------------------------------------------------


def cli_page() -> str:
    """Return the page of the command line: the help of every command of core."""
    parts = ["# Command line\n", "What `--help` says of every command.\n", _help("burnish", cli)]
    for name, (module, _) in CORE_COMMANDS.items():
        for path, command in _commands(f"burnish {name}", add_common(import_module(module).command)):
            parts.append(_help(path, command))
    return (
        "\n".join(
            [*parts, "## Environment variables\n", "| variable | what it does |", "|---|---|", *ENVIRONMENT]
        )
        + "\n"
    )


def _commands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _commands(f"{path} {name}", inner)


def _help(path: str, command: click.Command) -> str:
    context = click.Context(
        command,
        info_name=path,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"## `{path}`\n\n```text\n{text}\n```\n"


# -- plugins -------------------------------------------------------------------------------------------------


def plugin_page(folder: Path, manager: Manager) -> str:
    """Return a plugin's page: its README, then every option of what it offers."""
    readme = (folder / "README.md").read_text(encoding="utf-8").rstrip()
    components = [c for kind in KINDS for c in manager.components(kind) if c.plugin.name == folder.name]
    shown = "\n".join(_component(component) for component in components)
    return f"{_relinked(readme)}\n\n## Everything it offers, with all options\n\n{shown}"


def _relinked(text: str) -> str:
    """Return a README with its links as they are from ``docs/plugins``."""
    text = text.replace("](../../README.md", "](../index.md").replace("](../../docs/", "](../")
    return re.sub(r"\]\(\.\./([\w-]+)/README\.md", r"](\1.md", text)


def _component(component: Component) -> str:
    descriptor = component.descriptor
    lines = [f"### {component.kind} `{component.name}`\n", _sentence(descriptor.summary)]
    if descriptor.paper:
        lines.append(f"From: {_paper(descriptor.paper)}.\n")
    words = [f"{what} {', '.join(f'`{word}`' for word in sorted(set_))}" for what, set_ in _words(descriptor)]
    if words:
        lines.append(f"{'; '.join(words)}.".capitalize() + "\n")
    for key, config in _configs(descriptor).items():
        options = describe(config)
        if options:
            heading = f"Options under `{key}`:" if len(_configs(descriptor)) > 1 else "Options:"
            lines += [heading + "\n", _table(options)]
    return "\n".join(lines)


def _configs(descriptor: Descriptor) -> dict[str, type]:
    extra = getattr(descriptor, "pretrain_config", None) if getattr(descriptor, "pretrain", "") else None
    return descriptor.configs() | ({"burnish pretrain": extra} if extra else {})


def _words(descriptor: Descriptor) -> Iterator[tuple[str, frozenset[str]]]:
    if descriptor.needs:
        yield "needs", descriptor.needs
    if isinstance(descriptor.provides, frozenset) and descriptor.provides:
        yield "provides", descriptor.provides


def _sentence(text: str) -> str:
    return (text if text.endswith((".", "?", "!")) else f"{text}.") + "\n"


def _paper(paper: str) -> str:
    if paper.startswith("arXiv:"):
        return f"[{paper}](https://arxiv.org/abs/{paper.removeprefix('arXiv:')})"
    return f"[{paper}](https://doi.org/{paper.removeprefix('doi:')})" if paper.startswith("doi:") else paper


def _table(options: list[Option]) -> str:
    rows = ["| option | default | values | what it does |", "|---|---|---|---|"]
    for option in options:
        default = _default(option.default)
        limits = f" ({range_words(option.range)})" if option.range else ""
        values = ", ".join(map(str, option.choices)) if option.choices else option.type + limits
        rows.append(f"| `{option.name}` | {default} | {_cell(values)} | {_cell(option.help)} |")
    return "\n".join(rows) + "\n"


def _default(value: object) -> str:
    from burnish.config import REQUIRED

    if value is REQUIRED:
        return "required"
    text = say_value(value)
    return f"`{_cell(text)}`" if text.strip("'") else "empty"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    """Write the pages, or check that they are current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where a page is out of date"
    )
    given = parser.parse_args()
    os.environ.pop("COLUMNS", None)
    old = [path for path, text in pages().items() if not is_current(path, text)]
    for path in old:
        if not given.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages()[path], encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {'out of date' if given.check else 'written'}")
    return 1 if old and given.check else 0


def is_current(path: Path, text: str) -> bool:
    """Return whether a page holds a text.

    How lines of help are broken depends on click's version and does not count.
    """
    return path.is_file() and path.read_text(encoding="utf-8").split() == text.split()


if __name__ == "__main__":
    sys.exit(main())
