"""What every package of the repository shares, checked: ``python tools/check_repository.py``.

``--fix`` writes it where it can.

The one place is ``core/pyproject.toml``: version, licence, authors, classifiers and the rest of what all
packages have in common are copied from there. Only the standard library is needed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from check_words import GLOSSARY, check_glossary, check_retired, retired_words

ROOT = Path(__file__).parents[1]

SHARED = ("version", "readme", "requires-python", "license", "license-files", "authors", "classifiers")
"""Keys of ``[project]`` that every package has as core has them."""

HEADINGS = ("Install", "Use", "Limits")
"""What every plugin's README says, among other things, each under a heading of its own."""

LONGEST, LONGEST_TEST = 400, 600
"""Lines of a Python file; tests may be tables of cases."""

LONG: dict[str, str] = {"tests/test_predict.py": "all of it shares one trained set of predictors"}
"""Files that may be longer, with the reason."""

_PRIVATE = re.compile(r"^(localhost|[\d.]+|[^.]+|.*\.(internal|local|lan|corp|intranet|home))$")
_EXAMPLE = re.compile(r"(^|\.)example(\.(com|org|net))?$|^localhost$|^127\.0\.0\.1$")
_URL = re.compile(r"https?://[^\s\"'<>)\]}`]+")
_FOLDERS_OF_PEOPLE = (
    r"(?<![\w.$}~*-])/(?:root|(?:home|Users)/(?!(?:someone|somebody|user|me|you)/)[a-zA-Z][\w-]*)/"
)


@dataclass(frozen=True)
class Package:
    """One folder with a ``pyproject.toml``.

    Attributes:
        folder: relative to the root.
        metadata: the parsed file.
    """

    folder: Path
    metadata: dict[str, Any]

    @property
    def name(self) -> str:
        """Short name: of the folder, and of the entry point."""
        return self.folder.name

    @property
    def project(self) -> dict[str, Any]:
        """Table ``[project]``."""
        table: dict[str, Any] = self.metadata.get("project", {})
        return table


def read_package(folder: Path) -> Package:
    """Return the package in a folder; without metadata where there is no ``pyproject.toml``."""
    file = folder / "pyproject.toml"
    return Package(folder.relative_to(ROOT), tomllib.loads(file.read_text("utf-8")) if file.is_file() else {})


def main() -> int:
    """Print what is wrong, a line each, and return 1 where something is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--fix", action="store_true", help="write shared metadata, copies of the licence, lists in tox.ini"
    )
    core = read_package(ROOT / "core")
    plugins = [
        folder
        for folder in sorted((ROOT / "plugins").iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
    ]
    if parser.parse_args().fix:
        for folder in [ROOT / "core", *plugins]:
            fix(folder)
        fix_tox(plugins)
        core = read_package(ROOT / "core")
    problems = [*check_core(core), *check_tox(plugins)]
    for folder in plugins:
        problems += check_plugin(read_package(folder), core)
    problems += check_glossary((ROOT / GLOSSARY).read_text("utf-8"))
    problems += check_tracked_files()
    for problem in problems:
        print(problem)
    return int(bool(problems))


# -- packages ------------------------------------------------------------------------------------------------


def check_core(core: Package) -> Iterator[str]:
    """Yield what is wrong with core's metadata, and with what repeats its version."""
    version = core.project["version"]
    yield from check_licence(core)
    module = (ROOT / "core/src/burnish/_version.py").read_text("utf-8")
    if f'"{version}"' not in module:
        yield f"core/src/burnish/_version.py: the version is not {version}"
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    if not re.search(rf"^version: \"?{re.escape(version)}\"?$", citation, flags=re.MULTILINE):
        yield f"CITATION.cff: the version is not {version}"


def check_plugin(plugin: Package, core: Package) -> Iterator[str]:
    """Yield what a plugin lacks of what all plugins have."""
    where = f"{plugin.folder}/pyproject.toml"
    if not plugin.metadata:
        yield f"{where}: it is missing"
        return
    package = f"burnish_{plugin.name.replace('-', '_')}"
    major, minor = core.project["version"].split(".")[:2]
    bounds = f">={major}.{minor},<{int(major) + 1}"
    yield from check_licence(plugin)
    for key in SHARED:
        if plugin.project.get(key) != core.project.get(key) and key != "classifiers":
            yield (
                f"{where}: {key} is {plugin.project.get(key)!r}, in core {core.project.get(key)!r}. Run:"
                " python tools/check_repository.py --fix"
            )
    missing = sorted(set(core.project["classifiers"]) - set(plugin.project.get("classifiers", [])))
    if missing:
        yield f"{where}: classifiers lack {missing}. Run: python tools/check_repository.py --fix"
    if plugin.metadata.get("build-system") != core.metadata["build-system"]:
        yield f"{where}: the build system is not core's"
    if plugin.project.get("name") != f"burnish-{plugin.name}":
        yield f"{where}: the name is {plugin.project.get('name')!r}, not 'burnish-{plugin.name}'"
    if plugin.project.get("entry-points", {}).get("burnish") != {plugin.name: package}:
        yield f'{where}: [project.entry-points.burnish] is not {plugin.name} = "{package}"'
    if f"burnish[run]{bounds}" not in plugin.project.get("dependencies", []):
        yield f"{where}: the dependency 'burnish[run]{bounds}' is missing"
    if f"burnish[test]{bounds}" not in plugin.project.get("optional-dependencies", {}).get("test", []):
        yield f"{where}: the extra test lacks 'burnish[test]{bounds}'"
    for file in (
        f"src/{package}/__init__.py",
        f"src/{package}/py.typed",
        "tests/test_contract.py",
        "README.md",
    ):
        if not (ROOT / plugin.folder / file).is_file():
            yield f"{plugin.folder}/{file}: it is missing"
    yield from check_readme(plugin)
    yield from check_mentions(plugin)


def check_licence(package: Package) -> Iterator[str]:
    """Yield what keeps the licence out of a package's wheel."""
    copy = ROOT / package.folder / "LICENSE"
    if not copy.is_file() or copy.read_bytes() != (ROOT / "LICENSE").read_bytes():
        yield (
            f"{package.folder}/LICENSE: it is no copy of LICENSE. Run: python tools/check_repository.py --fix"
        )
    if package.project.get("license-files") != ["LICENSE"]:
        yield (
            f'{package.folder}/pyproject.toml: license-files is not ["LICENSE"]. Run: python'
            " tools/check_repository.py --fix"
        )


def check_readme(plugin: Package) -> Iterator[str]:
    """Yield what a plugin's README lacks."""
    file = ROOT / plugin.folder / "README.md"
    text = file.read_text("utf-8") if file.is_file() else ""
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    for heading in (heading for heading in HEADINGS if heading not in headings):
        yield f"{plugin.folder}/README.md: there is no heading '## {heading}'"
    if f"pip install burnish-{plugin.name}" not in text:
        yield (
            f"{plugin.folder}/README.md: it does not say how to install it: pip install burnish-{plugin.name}"
        )


def check_mentions(plugin: Package) -> Iterator[str]:
    """Yield where a plugin is missing that lists or describes all of them."""
    if not (ROOT / "docs/plugins" / f"{plugin.name}.md").is_file():
        yield f"docs/plugins/{plugin.name}.md: the plugin's page is missing"
    for file, mention in (
        ("docs/plugins/directory.md", f"({plugin.name}.md)"),
        ("mkdocs.yml", f"plugins/{plugin.name}.md"),
    ):
        if mention not in (ROOT / file).read_text("utf-8"):
            yield f"{file}: it does not name {mention.strip('()')}"
    fragments = list(ROOT.glob(f"changelog.d/{plugin.name}.*.md"))
    if not fragments and f"burnish-{plugin.name}" not in (ROOT / "CHANGELOG.md").read_text("utf-8"):
        yield (
            f"CHANGELOG.md: it does not mention burnish-{plugin.name}, and no fragment"
            f" changelog.d/{plugin.name}.*.md does"
        )


def check_tox(plugins: Iterable[Path]) -> Iterator[str]:
    """Yield whether the lists of plugins in tox.ini are not those of the folders."""
    text = (ROOT / "tox.ini").read_text("utf-8")
    if tox_text(text, plugins) != text:
        yield (
            "tox.ini: its lists of plugins are not the folders of plugins. Run: python"
            " tools/check_repository.py --fix"
        )


def tox_text(text: str, plugins: Iterable[Path]) -> str:
    """Return the text of tox.ini with its lists of plugins written anew from their folders.

    Those are the factors, what each environment of a plugin installs and runs, and what is installed
    together. Further requirements of one plugin stand in lines of their own.
    """
    names = sorted(folder.name for folder in plugins)
    text = re.sub(r"plugin-\{[^}]*\}", f"plugin-{{{','.join(names)}}}", text)
    for block, line in (
        (r"(?:    [a-z0-9!-]+: \./plugins/[a-z0-9-]+\[test\]\n)+", "    {factor}: ./plugins/{name}[test]\n"),
        (
            r"(?:    [a-z0-9!-]+: pytest plugins/[a-z0-9-]+/tests \{posargs\}\n)+",
            "    {factor}: pytest plugins/{name}/tests {{posargs}}\n",
        ),
        (r"(?:    \./plugins/[a-z0-9-]+\[test\]\n)+", "    ./plugins/{name}[test]\n"),
    ):
        written = "".join(line.format(factor=_factor(name, names), name=name) for name in names)
        text = re.sub(block, written, text)
    return text


def _factor(name: str, names: Sequence[str]) -> str:
    """Return the condition for the environment of a plugin: ``tiny-!clip``, where there is tiny-clip, too."""
    longer = [other.removeprefix(f"{name}-") for other in names if other.startswith(f"{name}-")]
    return "-!".join([name, *longer])


# -- every tracked file --------------------------------------------------------------------------------------


def check_tracked_files() -> Iterator[str]:
    """Yield tracked files that are too long, that name a machine, or that say a word which was retired.

    A machine: a folder of this one, somebody's home, a private host.
    """
    retired = retired_words(ROOT)
    listing = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    here = "|".join(re.escape(f"{folder}/") for folder in (ROOT, ROOT.parent) if len(folder.parts) > 1)
    paths = re.compile(f"{_FOLDERS_OF_PEOPLE}|(?<![\\w.$}}~*-])(?:{here})" if here else _FOLDERS_OF_PEOPLE)
    for name in filter(None, listing.split("\0")):
        file = ROOT / name
        if not file.is_file():
            continue
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        yield from check_text(name, text, paths)
        yield from check_retired(name, text, retired)


def check_text(name: str, text: str, paths: re.Pattern[str]) -> Iterator[str]:
    """Yield what is wrong with one text file.

    Args:
        name: relative to the root.
        text: its content.
        paths: what no file may name.
    """
    lines = text.splitlines()
    most = LONGEST_TEST if "/tests/" in f"/{name}" else LONGEST
    if name.endswith(".py") and len(lines) > most and name not in LONG:
        yield f"{name}: {len(lines)} lines, more than {most}. Split it"
    for number, line in enumerate(lines, start=1):
        if found := paths.search(line):
            yield f"{name}, line {number}: an absolute path of some machine: {found[0]}"
        for url in _URL.findall(line):
            host = _host(url)
            if host in _configured_hosts() or (
                _PRIVATE.match(host) and not _EXAMPLE.search(host) and "{" not in url
            ):
                yield f"{name}, line {number}: a private host: {host}"


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # a pattern, such as http://[{address}]
        return ""


def _configured_hosts() -> set[str]:
    """Return the hosts of package registries that this machine is set up to use."""
    names = (
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "UV_INDEX_URL",
        "UV_DEFAULT_INDEX",
        "UV_EXTRA_INDEX_URL",
        "NPM_CONFIG_REGISTRY",
    )
    hosts = {urlsplit(url).hostname or "" for name in names for url in os.environ.get(name, "").split()}
    return hosts - {""}


# -- writing -------------------------------------------------------------------------------------------------


def fix(folder: Path) -> None:
    """Write the shared metadata and the licence of one package."""
    shutil.copyfile(ROOT / "LICENSE", folder / "LICENSE")
    file = folder / "pyproject.toml"
    if not file.is_file():
        return
    text, source = file.read_text("utf-8"), (ROOT / "core/pyproject.toml").read_text("utf-8")
    after = "description"
    for key in SHARED:
        line = _assignment(source, key) or (f'{key} = ["LICENSE"]\n' if key == "license-files" else "")
        if not line:
            continue
        old = _assignment(text, key)
        if old and key == "classifiers":
            line = _joined_classifiers(line, old)
        text = (
            text.replace(old, line, 1)
            if old
            else text.replace(_assignment(text, after), _assignment(text, after) + line, 1)
        )
        after = key
    if text != file.read_text("utf-8"):
        file.write_text(text, encoding="utf-8")
        print(f"{file.relative_to(ROOT)}: written")


def fix_tox(plugins: Iterable[Path]) -> None:
    """Write the lists of plugins in tox.ini."""
    file = ROOT / "tox.ini"
    text = file.read_text("utf-8")
    if tox_text(text, plugins) != text:
        file.write_text(tox_text(text, plugins), encoding="utf-8")
        print("tox.ini: written")


def _assignment(text: str, key: str) -> str:
    """Return the lines of ``[project]`` that set a key; empty where there are none."""
    start = text.index("[project]")
    end = text.find("\n[", start)
    found = re.search(
        rf"^{re.escape(key)} = (\[\n.*?^\]|.*?)\n",
        text[start : end if end > 0 else None],
        flags=re.MULTILINE | re.DOTALL,
    )
    return found[0] if found else ""


def _joined_classifiers(shared: str, own: str) -> str:
    """Return core's classifiers and those that the package has beside them."""
    further = [line for line in own.splitlines(keepends=True)[1:-1] if line not in shared]
    return "".join([*shared.splitlines(keepends=True)[:-1], *further, "]\n"])


if __name__ == "__main__":
    sys.exit(main())
