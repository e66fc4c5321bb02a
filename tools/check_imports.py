"""Who imports whom, checked: ``python tools/check_imports.py``.

Core has no circle of modules; imports inside functions count, those for type checkers alone do not. Plugins
import only what core publishes. Only the standard library is needed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]

PUBLIC = frozenset(
    {
        *("blocks", "blocks.adapters", "blocks.image_inputs", "contracts", "data", "descriptors", "errors"),
        *("files", "fingerprint", "hub", "numeric", "options", "places", "testing", "values"),
    }
)
"""What plugins import below `burnish`, beside `burnish` itself: these modules, and all below `WHOLE`."""

WHOLE = ("contracts", "data", "testing")
"""Packages all of whose modules are public."""

EXCEPTIONS: Mapping[tuple[str, str], str] = {
    (
        "plugins/huggingface/src/burnish_huggingface/place.py",
        "burnish.config.to_options",
    ): "an identity is made of the options as keys have them, and descriptors do not hand these over",
    (
        "plugins/tiny-clip/src/burnish_tiny_clip/training/data.py",
        "burnish.manager.get_manager",
    ): "training the weights reads the scenes of another plugin's source, and no public call gives items",
}
"""(file of a plugin, module of core) that is no public one, with the reason."""


def main() -> int:
    """Print what is wrong, a line each, and return 1 where something is."""
    problems = [*check_plugins(ROOT / "plugins"), *check_circles(ROOT / "core" / "src", "burnish")]
    for problem in problems:
        print(problem)
    return int(bool(problems))


def check_plugins(folder: Path) -> Iterator[str]:
    """Yield every import of a module that core does not publish, in a folder of plugins."""
    used = set()
    for file in sorted(folder.glob("*/src/**/*.py")):
        where = file.relative_to(folder.parent).as_posix()
        for line, module in imports_of(ast.parse(file.read_text("utf-8")), everything=True):
            name = _core_module(module)
            if name is None or name in PUBLIC or name.split(".")[0] in WHOLE:
                continue
            if (where, module) in EXCEPTIONS:
                used.add((where, module))
                continue
            yield f"{where}:{line}: burnish.{name} is not public. Possible: {', '.join(sorted(PUBLIC))}"
    for where, module in sorted(EXCEPTIONS.keys() - used):
        yield f"tools/check_imports.py: {where} does not import {module} any more. Remove its exception"


def check_circles(folder: Path, package: str) -> Iterator[str]:
    """Yield a circle of the modules of a package, where there is one."""
    files = {_name(file, folder): file for file in sorted((folder / package).rglob("*.py"))}
    graph = {name: _imported(name, file, files) - {name} for name, file in files.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"a circle of modules: {' <- '.join(error.args[1])}. Move what they share to one below them"


def imports_of(tree: ast.AST, *, everything: bool = False) -> Iterator[tuple[int, str]]:
    """Yield line and name of all that is imported: of ``from a import b``, ``a.b``.

    Args:
        tree: of a file, or of a part of one.
        everything: also what is imported for type checkers alone.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)
        elif isinstance(node, ast.If) and not everything and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from imports_of(ast.Module([other], []))
        else:
            yield from imports_of(node, everything=everything)


def _imported(name: str, file: Path, files: Mapping[str, Path]) -> set[str]:
    """Return the modules that one imports: of ``from a import b`` the module a.b, else a.

    The packages above a module are not counted: Python runs them first, and they must not need it.
    """
    found = set()
    for _, module in imports_of(ast.parse(file.read_text("utf-8"))):
        target = module if module in files else module.rpartition(".")[0]
        if target in files:
            found.add(target)
    return found


def _name(file: Path, folder: Path) -> str:
    parts = file.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _core_module(imported: str) -> str | None:
    """Return the module below `burnish` that an import is from, such as ``engine.store``; None for none."""
    parts = imported.split(".")
    if parts[0] != "burnish":
        return None
    for end in range(len(parts), 1, -1):
        path = (ROOT / "core" / "src").joinpath(*parts[:end])
        if path.is_dir() or path.with_suffix(".py").is_file():
            return ".".join(parts[1:end])
    return None


if __name__ == "__main__":
    sys.exit(main())
