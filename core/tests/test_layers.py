"""No circle of modules: of two modules of core, one at most needs the other, inside functions too."""

import ast
import graphlib
from pathlib import Path

import pytest

import burnish

ROOT = Path(burnish.__file__).parent
MODULES = {
    ".".join(["burnish", *file.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__"): file
    for file in ROOT.rglob("*.py")
    if "templates" not in file.parts
}


def imported(tree):
    """Yield the dotted names that a module imports, but for those that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from imported(node)


def modules_imported(tree):
    """Return the modules of core that a module imports."""
    names = set(imported(tree))
    return {name if name in MODULES else name.rpartition(".")[0] for name in names} & MODULES.keys()


def in_order(imports):
    """Return modules, each after those that it imports; fail where some import each other."""
    try:
        return list(graphlib.TopologicalSorter(imports).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"a circle of modules: {' <- '.join(error.args[1])}")


def test_no_circle_of_modules():
    imports = {name: modules_imported(ast.parse(file.read_text("utf-8"))) for name, file in MODULES.items()}
    assert "burnish.errors" in imports["burnish.heads.stacked"]
    assert "burnish.engine.runner" in imports["burnish.engine.study"] | imports["burnish.api"]
    assert len(in_order(imports)) > 100


def test_imports_inside_functions_count_and_those_for_types_do_not():
    code = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from burnish.api import run
def later():
    from burnish import errors
    from burnish.data import Labels
"""
    assert modules_imported(ast.parse(code)) == {"burnish.errors", "burnish.data"}


def test_a_circle_is_named():
    with pytest.raises(pytest.fail.Exception, match=r"a circle of modules: .*a.*b"):
        in_order({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})
