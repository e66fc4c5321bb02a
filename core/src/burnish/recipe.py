"""Recipes: what the user writes, as a file, on the command line, or both.

A recipe is read and its keys are checked here; what its parts mean is the business of `burnish.plan`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from burnish.errors import BurnishError, PluginError, RecipeError, raise_all, suggestion
from burnish.manager import Manager
from burnish.notation.part_text import set_option
from burnish.notation.yaml_file import MAX_CHARACTERS, Address, read_yaml
from burnish.recipe_files import SUFFIXES

PARTS: Final = {
    "data": "source",
    "backbone": "backbone",
    "noise": "noise",
    "assess": "noise",
    "tuner": "tuner",
    "loss": "loss",
    "evaluate": "evaluator",
    "summarise": "summary",
}
"""Recipe keys that name components, with the kind they name."""

LISTED: Final = ("evaluate", "summarise")
"""Keys whose list is no axis: all of its parts apply."""

KEYS: Final = (
    *(
        "name",
        "summary",
        "data",
        "split",
        "backbone",
        "views",
        "noise",
        "assess",
        "tuner",
        "loss",
        "evaluate",
        "summarise",
        "replicates",
    ),
    *("tune", "select", "on_bad_input", "numeric", "requires", "report"),
)
"""Every key a recipe can have."""


@dataclass(frozen=True)
class Override:
    """One ``-s key.option=value`` that sets an option of every part under a key which has it.

    Attributes:
        key: recipe key, one of `PARTS`.
        option: dotted name of the option.
        value: its value, as YAML.
        text: as it was written, for errors.
    """

    key: str
    option: str
    value: Any
    text: str


@dataclass(frozen=True)
class Recipe:
    """A recipe whose keys are known; its values are not checked yet.

    Attributes:
        name: its name: the key ``name``, else that of the file.
        values: what it says, by key.
        file: where it was read from; empty for a recipe of the command line or of Python.
        base: folder that its relative paths start from.
        lines: line of every value in the file.
        given: keys that the command line set, with the option that did; their relative paths start from the
            current folder.
        overrides: options of parts that the command line set.
    """

    name: str
    values: Mapping[str, Any]
    file: str = ""
    base: Path = field(default_factory=Path.cwd)
    lines: Mapping[Address, int] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()

    def where(self, *address: str | int) -> str:
        """Return where a value stands, for errors.

        File and line, or the option of the command line, and its key.
        """
        if address and address[0] in self.given:
            return self.given[str(address[0])]
        key = ".".join(str(part) for part in address if isinstance(part, str))
        return ", ".join(filter(None, (self._place(address), key)))

    def _place(self, address: Address) -> str:
        line = next(
            (self.lines[address[:end]] for end in range(len(address), 0, -1) if address[:end] in self.lines),
            0,
        )
        return f"{self.file}, line {line}" if line else self.file

    def base_of(self, key: str) -> Path:
        """Return the folder that relative paths under a key start from."""
        return Path.cwd() if key in self.given else self.base


def find_recipe(argument: str, manager: Manager) -> Recipe:
    """Return a recipe by path, or by the name under which a plugin offers it.

    Raises:
        RecipeError: there is no such recipe, or it is malformed.
        PluginError: several plugins offer it.
    """
    path = Path(argument)
    # No home folder of that user, or a name that no file can have: then it is no file.
    with suppress(OSError, RuntimeError):
        path = path.expanduser()
        if path.is_file():
            return read_recipe(path)
    if path.suffix in SUFFIXES:
        return read_recipe(path)
    try:
        component = manager.get("recipe", argument)
    except PluginError as error:
        todo = f"{error.todo}. " if error.todo else ""
        raise RecipeError(
            error.what.replace("unknown recipe", "there is no recipe"),
            possible=error.possible,
            todo=f"{todo}Or name a file that ends in .yaml",
        ) from error
    from importlib.resources import files

    file = files(component.descriptor.package) / component.descriptor.file
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise PluginError(
            f"its file {component.descriptor.file} cannot be read: {error}",
            where=f"{component} of plugin {component.plugin}",
        ) from error
    return parse_recipe(text, component.name, name=component.name, base=Path(str(file)).parent)


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in a file.

    Raises:
        RecipeError: it cannot be read, or is malformed.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(4 * MAX_CHARACTERS + 1)
    except OSError as error:
        raise RecipeError(f"the recipe cannot be read: {error.strerror or error}", where=str(path)) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RecipeError(
            "the recipe is not UTF-8 text", where=f"{path}, line {line}", todo="Save it as UTF-8"
        ) from error
    return parse_recipe(text, str(path), name=path.stem, base=path.absolute().parent)


def parse_recipe(text: str, file: str, *, name: str, base: Path) -> Recipe:
    """Return the recipe that a YAML text holds.

    Args:
        text: the text.
        file: name of its file, for errors.
        name: name of the recipe where it does not give one itself.
        base: folder that its relative paths start from.

    Raises:
        RecipeError: it is malformed or has unknown keys.
    """
    document = read_yaml(text, file)
    value = {} if document.value is None else document.value
    if not isinstance(value, dict):
        raise RecipeError("a recipe is a mapping of keys", where=file, possible=", ".join(KEYS))
    return _checked(Recipe(name, value, file, base, document.lines))


def make_recipe(values: Mapping[str, Any], *, name: str = "study", base: Path | None = None) -> Recipe:
    """Return a recipe from a mapping, as Python code writes it.

    Raises:
        RecipeError: it has unknown keys.
    """
    return _checked(Recipe(name, _plain(values), base=base or Path.cwd()))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _checked(recipe: Recipe) -> Recipe:
    errors: list[BurnishError] = []
    for key in recipe.values:
        if key not in KEYS:
            errors.append(_unknown_key(key, recipe._place((key,))))
    name = recipe.values.get("name", recipe.name)
    if (
        not isinstance(name, str)
        or not name.strip()
        or any(c in name for c in "/\\\0\n")
        or name.startswith(".")
    ):
        errors.append(
            RecipeError(
                f"{name!r} cannot be the name of a recipe",
                where=recipe.where("name"),
                todo="It names the study's folder",
            )
        )
    summary = recipe.values.get("summary", "")
    if not isinstance(summary, str) or "\n" in summary:
        errors.append(RecipeError("the summary is not one line of text", where=recipe.where("summary")))
    raise_all(errors)
    return replace(recipe, name=name)


def _unknown_key(key: str, where: str) -> RecipeError:
    return RecipeError(
        f"unknown key {key!r}. {suggestion(key, KEYS)}".strip(), where=where, possible=", ".join(KEYS)
    )


# -- command line --------------------------------------------------------------------------------------------


def with_options(recipe: Recipe, options: Mapping[str, Sequence[str]]) -> Recipe:
    """Return a recipe with whole keys replaced by options such as ``--tuner mlp --tuner nmtune``.

    Several values are an axis.

    Args:
        recipe: the recipe.
        options: short notations by recipe key; empty ones are left out.
    """
    given = {key: list(values) for key, values in options.items() if values}
    values = {
        key: texts[0] if len(texts) == 1 and key not in LISTED else texts for key, texts in given.items()
    }
    return _checked(
        replace(
            recipe,
            values={**recipe.values, **values},
            given={**recipe.given, **{key: f"--{key}" for key in given}},
        )
    )


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """Return a recipe with ``-s`` settings applied in order.

    ``key=value`` replaces a whole key, ``tuner.width=256`` sets an option of every part under that key that
    has it, ``tune.budget=8`` sets an entry of a mapping. The value is YAML.

    Raises:
        RecipeError: a setting is malformed or its key unknown.
    """
    for text in settings:
        recipe = _with_setting(recipe, text)
    return _checked(recipe)


def _with_setting(recipe: Recipe, text: str) -> Recipe:
    dotted, equals, written = text.partition("=")
    where = f"-s {text}"
    key, _, option = dotted.strip().partition(".")
    if not equals or not key:
        raise RecipeError(
            "not of the form key=value", where=where, todo="Write for instance -s tuner.lr=0.001"
        )
    if key not in KEYS:
        raise _unknown_key(key, where)
    value = read_yaml(written, where).value
    if not option:
        overrides = tuple(o for o in recipe.overrides if o.key != key)
        return replace(
            recipe,
            values={**recipe.values, key: value},
            given={**recipe.given, key: where},
            overrides=overrides,
        )
    if key in PARTS:
        return replace(recipe, overrides=(*recipe.overrides, Override(key, option, value, where)))
    current = recipe.values.get(key)
    if current is not None and not isinstance(current, dict):
        raise RecipeError(f"{key} is {current!r} and has no entry {option!r}", where=where)
    changed = _copied(current or {})
    if key == "tune" and option.startswith("space."):
        changed.setdefault("space", {})[option.removeprefix("space.")] = value
    else:
        set_option(changed, option, value, where, replace=True)
    return replace(recipe, values={**recipe.values, key: changed})


def _copied(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in mapping.items()}


def with_numeric(
    recipe: Recipe, *, numeric: str | None = None, device: str | None = None, threads: int | None = None
) -> Recipe:
    """Return a recipe with the numeric mode that ``--numeric``, ``--device`` and ``--threads`` ask for.

    None leaves what it says.
    """
    given = {"dtype": numeric, "device": device, "threads": threads}
    changed = {name: value for name, value in given.items() if value is not None}
    if not changed:
        return recipe
    current = recipe.values.get("numeric") or {}
    entries = current if isinstance(current, Mapping) else {"dtype": current}
    return replace(recipe, values={**recipe.values, "numeric": {**entries, **changed}})


def empty_list(key: str, where: str) -> RecipeError:
    """Return the error of an axis without a value: there would be no rows."""
    todo = "Write none for nothing" if key in {"noise", "assess"} else "Leave it out for the default"
    return RecipeError(f"the list of {key} is empty", where=where, todo=todo)


def axis(value: Any) -> Iterator[tuple[int | None, Any]]:
    """Yield the values along an axis, each with its position; a single value has the position None."""
    if isinstance(value, list):
        yield from enumerate(value)
    else:
        yield None, value
