"""Writes the pages of the documentation that follow from the code.

Hooks, the public names of every package, the command line, one page a plugin.

``python tools/make_reference.py`` writes them, ``--check`` says which are out of date. The results are
committed, so that they can be read anywhere.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import click

from burnish import hooks
from burnish.cli import CORE_COMMANDS, cli
from burnish.cli.options import add_common
from burnish.config import Option, describe, range_words, say_value
from burnish.descriptors import KINDS, NEEDS_AND_PROVIDES, Descriptor
from burnish.manager import Component, Manager

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NOTE = "<!-- Written by tools/make_reference.py: change what it is made from, and run it again. -->"
WIDTH = 100

PACKAGES: Mapping[str, tuple[str, str, str]] = {
    "descriptors": (
        "burnish",
        "import burnish",
        (
            "Light: importing `burnish` imports neither torch nor numpy. What runs things is imported when it"
            " is used."
        ),
    ),
    "data": (
        "burnish.data",
        "Data",
        (
            "What flows: items in a canonical order, what is known of their targets, classes and splits."
            " numpy, no torch."
        ),
    ),
    "contracts": (
        "burnish.contracts",
        "Contracts",
        (
            "What the objects behind descriptors look like. In shapes, N is all items, M some of them, B"
            " those of a batch, C classes, D columns."
        ),
    ),
    "blocks": ("burnish.blocks", "Blocks", "Torch parts that several methods share."),
    "testing": (
        "burnish.testing",
        "Testing",
        (
            "The contract kit. A test class inherits from the contract of its kind and names a component:"
            " [how](../write-a-plugin/3-test-it.md)."
        ),
    ),
    "sklearn": (
        "burnish.sklearn",
        "scikit-learn",
        "Tuners as scikit-learn estimators: [how](../guides/scikit-learn.md).",
    ),
    "errors": (
        "burnish.errors",
        "Errors",
        "Errors for people. Each becomes one line of the command line, and its exit code.",
    ),
}
"""Pages of public names: file -> (package, title, what is said first)."""

ENVIRONMENT = (
    (
        "| `BURNISH_CACHE` | folder of cached features; by default `$XDG_CACHE_HOME/burnish`, else"
        " `~/.cache/burnish` |"
    ),
    "| `BURNISH_CACHE_SIZE` | how much it may hold, such as `5GB`; 20 GB by default |",
    (
        "| `BURNISH_PLUGINS` | plugins to load, such as `basics,nmtune`; empty for none. The others are not"
        " even imported |"
    ),
)

FURTHER: Mapping[str, tuple[str, ...]] = {
    "burnish.blocks": (
        *("adapters.adaptformer", "adapters.sequential_adapter", "adapters.lora", "adapters.visual_prompts"),
        *("adapters.scale_shift", "adapters.biases", "adapters.layer_norms", "adapters.unfrozen"),
        *("adapters.chosen_blocks", "adapters.require_reached", "image_inputs.ImageInputs"),
    ),
    "burnish.testing": ("dists.write_dist",),
}
"""Names beyond a package's own that its page has, too."""


def pages() -> dict[Path, str]:
    """Return every page that is made, by its path."""
    made = {DOCS / "reference" / f"{name}.md": _package_page(*entry) for name, entry in PACKAGES.items()}
    made[DOCS / "reference" / "descriptors.md"] += _words_of_needs()
    made[DOCS / "reference" / "hooks.md"] = hooks_page()
    made[DOCS / "reference" / "cli.md"] = cli_page()
    manager = Manager()
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


def public_names(package: str) -> list[str]:
    """Return the public names of a package.

    Its ``__all__``, else the classes and functions it defines itself.
    """
    module = import_module(package)
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not name.startswith("__")]
    own = [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == package and not name.startswith("_")
    ]
    return sorted(own)


def _package_page(package: str, title: str, text: str) -> str:
    names = "\n".join(
        f"::: {package}.{name}\n" for name in [*public_names(package), *FURTHER.get(package, ())]
    )
    return f"# {title}\n\n{text}\n\n{names}"


def _words_of_needs() -> str:
    words = ", ".join(f"`{word}`" for word in sorted(NEEDS_AND_PROVIDES))
    text = (
        "A trial is refused, before torch is imported, where data and backbone do not provide what its parts"
        " need."
    )
    return f"\n## Words of `needs` and `provides`\n\n{words}.\n\n{text}\n"


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
