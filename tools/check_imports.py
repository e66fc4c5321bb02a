"""Checks that plugins import nothing of burnish but what is public, so that a third party could write them.

``python tools/check_imports.py`` prints what is wrong, a line each. Only the standard library is needed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

PUBLIC = (
    "blocks",
    "contracts",
    "data",
    "descriptors",
    "errors",
    "files",
    "fingerprint",
    "heads",
    "hub",
    "numeric",
    "options",
    "places",
    "testing",
)
"""What a plugin may import of burnish beside `burnish` itself; the rest may change with any version."""

STILL_INSIDE = {
    # Options as JSON values, for a fingerprint.
    ("plugins/huggingface/src/burnish_huggingface/place.py", "burnish.config"),
    # The script that made the weights reads a source of another plugin.
    ("plugins/tiny-clip/src/burnish_tiny_clip/training/data.py", "burnish.manager"),
}
"""What is imported all the same, by file, and why."""


def main() -> int:
    """Print what is wrong, a line each, and return 1 where something is."""
    problems = [problem for folder in sorted((ROOT / "plugins").iterdir()) for problem in check(folder)]
    for problem in problems:
        print(problem)
    return int(bool(problems))


def check(plugin: Path) -> Iterator[str]:
    """Yield what the package of a plugin imports of burnish that is not public."""
    for file in sorted((plugin / "src").rglob("*.py")):
        name = file.relative_to(plugin.parents[1]).as_posix()
        for module in sorted(set(imported(ast.parse(file.read_text("utf-8"))))):
            if module.split(".")[1] not in PUBLIC and (name, module) not in STILL_INSIDE:
                public = ", ".join(["burnish", *(f"burnish.{part}" for part in PUBLIC)])
                yield f"{name}: it imports {module}, which is not public. Possible: {public}"


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the modules in burnish that a module imports, inside functions and for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "burnish":
            names = [f"burnish.{alias.name}" for alias in node.names if _is_module(alias.name)]
        else:
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (name for name in names if name.startswith("burnish."))


def _is_module(name: str) -> bool:
    inside = ROOT / "core/src/burnish" / name
    return inside.is_dir() or inside.with_suffix(".py").is_file()


if __name__ == "__main__":
    raise SystemExit(main())
