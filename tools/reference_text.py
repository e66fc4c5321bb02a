"""Text of the reference: signatures and docstrings of public names as Markdown that reads without a build.

Signatures are read from the source, so that they stand on the page as they do in the code.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType

WIDTH = 88
"""Characters of a signature on one line."""

SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises", "Examples", "Example")

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Definition = _Function | ast.ClassDef | ast.Assign | ast.AnnAssign


Place = tuple[str, str]
"""A module, and a name that it defines."""


@dataclass(frozen=True)
class Name:
    """A public name.

    Attributes:
        shown: what an author imports, such as ``burnish.blocks.HeadTuner``.
        home: the module that defines it.
        node: its definition.
        doc: its docstring; of a constant the text below it.
    """

    shown: str
    home: str
    node: _Definition
    doc: str

    @property
    def place(self) -> Place:
        """Where it is defined."""
        return self.home, self.shown.rpartition(".")[2]


def public_names(module_name: str) -> list[str]:
    """Return the public names of a module.

    Its ``__all__``, else what it defines itself and does not begin with an underscore.
    """
    module = import_module(module_name)
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not name.startswith("__")]
    return [name for name in _defined(module_name) if not name.startswith("_")]


def find(module_name: str, name: str) -> Name:
    """Return where a public name of a module is defined, and its docstring."""
    home = _home(import_module(module_name), name)
    node, doc = _defined(home)[name]
    return Name(f"{module_name}.{name}", home, node, doc)


def described(name: Name, public: Container[Place]) -> str:
    """Return the section of a name: heading, signature, docstring, and the methods of a class.

    Args:
        name: the name.
        public: what has a section of its own; methods of other base classes are shown with those of a class.
    """
    parts = [f"## `{name.shown}`", _code(_signature(name.node, name.home)), markdown(name.doc)]
    if isinstance(name.node, ast.ClassDef):
        parts += _methods(name.node, list(_hidden_bases(name, public)))
    return "\n\n".join(part for part in parts if part) + "\n"


def anchor(name: str) -> str:
    """Return what a heading of this name is linked by."""
    return re.sub(r"[^\w-]", "", name.lower())


# -- finding -------------------------------------------------------------------------------------------------


def _home(module: ModuleType, name: str) -> str:
    """Return the module that a name is defined in."""
    value = getattr(module, name)
    home = getattr(value, "__module__", None) if inspect.isclass(value) or callable(value) else None
    if isinstance(home, str) and home.startswith("burnish") and name in _defined(home):
        return home
    if name in _defined(module.__name__):
        return module.__name__
    for imported, names in _imports(module.__name__):
        if name in names:
            return _home(import_module(imported), name)
    raise LookupError(f"{module.__name__}.{name}: where it is defined cannot be told")


@cache
def _tree(module_name: str) -> ast.Module:
    return ast.parse(inspect.getsource(import_module(module_name)))


@cache
def _defined(module_name: str) -> dict[str, tuple[_Definition, str]]:
    """Return what a module defines at its top level, and the docstring of each."""
    found: dict[str, tuple[_Definition, str]] = {}
    body = _tree(module_name).body
    for node, below in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = (node, ast.get_docstring(node) or "")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and not target.id.startswith("__"):
                    found[target.id] = (node, _text(below))
    return found


def _text(node: ast.stmt | None) -> str:
    """Return the text that stands below a constant."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return inspect.cleandoc(str(node.value.value))
    return ""


def _imports(module_name: str) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(_tree(module_name)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, [alias.asname or alias.name for alias in node.names]


# -- signatures ----------------------------------------------------------------------------------------------


def _signature(node: _Definition, home: str) -> str:
    if isinstance(node, ast.ClassDef):
        return _class_signature(node, home)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return _constant(node)
    return _function_signature(node)


def _function_signature(node: _Function, first: int = 0) -> str:
    """Return the signature of a function; of a method without ``self``: ``first`` is 1."""
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return _wrapped(f"{node.name}", _parameters(node.args, first), returned)


def _parameters(given: ast.arguments, first: int) -> list[str]:
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults))
    shown = [
        _parameter(arg, default)
        for arg, default in zip(positional, [*defaults, *given.defaults], strict=True)
    ]
    if given.posonlyargs:
        shown.insert(len(given.posonlyargs), "/")
    shown = shown[first:]
    if given.vararg:
        shown.append(f"*{_parameter(given.vararg, None)}")
    elif given.kwonlyargs:
        shown.append("*")
    shown += [_parameter(arg, d) for arg, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    if given.kwarg:
        shown.append(f"**{_parameter(given.kwarg, None)}")
    return shown


def _parameter(arg: ast.arg, default: ast.expr | None) -> str:
    typed = f"{arg.arg}: {ast.unparse(arg.annotation)}" if arg.annotation else arg.arg
    if default is None:
        return typed
    return f"{typed} = {ast.unparse(default)}" if arg.annotation else f"{typed}={ast.unparse(default)}"


def _class_signature(node: ast.ClassDef, home: str) -> str:
    """Return ``class Name(Base)``, and below it what it is made with: its fields, else ``__init__``."""
    bases = [ast.unparse(base) for base in node.bases]
    head = f"class {node.name}({', '.join(bases)})" if bases else f"class {node.name}"
    methods = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
    made = methods.get("__init__")
    if made is not None:
        return f"{head}\n\n{_wrapped(node.name, _parameters(made.args, 1), '')}"
    fields = _fields(node)
    if _is_dataclass(node):
        fields = [*_inherited_fields(node, home), *fields]
    if not fields:
        return head
    if _is_dataclass(node):
        return f"{head}\n\n{_wrapped(node.name, fields, '')}"
    return "\n".join([f"{head}:", *(f"    {field}" for field in fields)])


def _inherited_fields(node: ast.ClassDef, home: str) -> Iterator[str]:
    """Yield the fields of the base classes that stand in the same module."""
    for base in node.bases:
        found = _defined(home).get(ast.unparse(base), (None, ""))[0]
        if isinstance(found, ast.ClassDef) and _is_dataclass(found):
            yield from [*_inherited_fields(found, home), *_fields(found)]


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any(ast.unparse(one).startswith("dataclass") for one in node.decorator_list)


def _fields(node: ast.ClassDef) -> list[str]:
    shown = []
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            hidden = item.target.id.startswith("_") or "init=False" in ast.unparse(item)
            if not hidden and not (_is_dataclass(node) and "ClassVar" in ast.unparse(item.annotation)):
                shown.append(_field(item))
    return shown


def _field(item: ast.AnnAssign) -> str:
    typed = f"{ast.unparse(item.target)}: {ast.unparse(item.annotation)}"
    value = item.value
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
        given = {word.arg: word.value for word in value.keywords}
        value = given.get("default", given.get("default_factory"))
        if "default_factory" in given and value is not None:
            return f"{typed} = {ast.unparse(value)}()"
    if isinstance(value, ast.Call) and ast.unparse(value.func).startswith("_"):
        value = value.args[0] if value.args else None  # a function that makes a field
    return typed if value is None else f"{typed} = {ast.unparse(value)}"


def _constant(node: ast.Assign | ast.AnnAssign) -> str:
    text = ast.unparse(node)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 4]} ..."


def _wrapped(name: str, parameters: Sequence[str], returned: str) -> str:
    line = f"{name}({', '.join(parameters)}){returned}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {parameter}," for parameter in parameters), f"){returned}"])


def _hidden_bases(name: Name, public: Container[Place]) -> Iterator[ast.ClassDef]:
    """Yield the base classes that have no section of their own."""
    value = getattr(import_module(name.home), name.place[1])
    for base in value.__mro__[1:]:
        place = (base.__module__, base.__name__)
        if base.__module__.startswith("burnish") and place not in public:
            node = _defined(base.__module__)[base.__name__][0]
            assert isinstance(node, ast.ClassDef)  # noqa: S101 - the definition of a class
            yield node


def _methods(node: ast.ClassDef, bases: Sequence[ast.ClassDef]) -> Iterator[str]:
    """Yield public methods and properties; the tests of a contract as a list of what they check."""
    tests = []
    seen: set[str] = set()
    for item in [item for one in (node, *bases) for item in one.body]:
        if not isinstance(item, ast.FunctionDef) or item.name.startswith("_") or item.name in seen:
            continue
        seen.add(item.name)
        doc = ast.get_docstring(item) or ""
        if item.name.startswith("test_"):
            tests.append(f"* `{item.name}`: {' '.join(doc.split())}")
            continue
        decorators = [ast.unparse(one) for one in item.decorator_list]
        if any(one.endswith(".setter") for one in decorators):
            continue
        if "property" in decorators:
            returned = f": {ast.unparse(item.returns)}" if item.returns else ""
            yield f"### `{node.name}.{item.name}`\n\n{_code(f'{item.name}{returned}')}\n\n{markdown(doc)}"
        else:
            line = _function_signature(item, 0 if "staticmethod" in decorators else 1)
            yield f"### `{node.name}.{item.name}`\n\n{_code(line)}\n\n{markdown(doc)}"
    if tests:
        yield "Tests:\n\n" + "\n".join(tests)


def _code(text: str) -> str:
    return f"```py\n{text}\n```"


# -- docstrings ----------------------------------------------------------------------------------------------


def markdown(doc: str) -> str:
    """Return a Google style docstring as Markdown: sections become lists."""
    lines = doc.strip().splitlines()
    parts: list[str] = []
    start = 0
    while start < len(lines):
        end = start + 1
        name = lines[start].removesuffix(":")
        if lines[start] == f"{name}:" and name in SECTIONS:
            while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" ")):
                end += 1
            parts.append(_section(name, textwrap.dedent("\n".join(lines[start + 1 : end])).strip()))
        else:
            while end < len(lines) and lines[end].removesuffix(":") not in SECTIONS:
                end += 1
            parts.append("\n".join(lines[start:end]).strip())
        start = end
    return re.sub(r"``([^`]+)``", r"`\1`", "\n\n".join(part for part in parts if part))


def _section(name: str, text: str) -> str:
    if name.startswith("Example"):
        return f"Examples:\n\n```pycon\n{text}\n```"
    if name in {"Returns", "Yields"}:
        return f"{name}: {' '.join(text.split())}"
    entries = re.split(r"\n(?=\S)", text)
    return f"{name}:\n\n" + "\n".join(_entry(entry) for entry in entries)


def _entry(text: str) -> str:
    found = re.match(r"([\w.*, `|\[\]]+?)(?: \([^)]*\))?:\s+", text)
    if not found:
        return f"* {' '.join(text.split())}"
    return f"* `{found[1].strip('`')}`: {' '.join(text[found.end() :].split())}"
