"""From what stands under a recipe's keys to components with checked options."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from burnish.config import describe, expand, make_config, part_text, paths, running, to_options
from burnish.descriptors import Tuner
from burnish.errors import BurnishError, CombinedError, RecipeError, suggestion
from burnish.installed.discovery import PluginInfo
from burnish.manager import Component, Manager
from burnish.notation.part_text import Use, read_use, set_option
from burnish.plan.model import Part, Row
from burnish.recipe import PARTS, Override, Recipe, axis, empty_list, make_recipe

FoundT = TypeVar("FoundT")

NO_PART = "none"
"""What stands in a recipe for no noise and no assessor."""


@dataclass(frozen=True, eq=False)
class ResolvedPart:
    """A part with the component it names and its config.

    Attributes:
        part: the part.
        component: the component.
        config: its options, checked.
        provides: what it provides with them.
    """

    part: Part
    component: Component
    config: Any
    provides: frozenset[str]

    def renamed(self, texts: Mapping[str, str]) -> ResolvedPart:
        """Return the part with its text among those, by digest; the same where it has none there."""
        return (
            replace(self, part=replace(self.part, text=texts[self.part.digest]))
            if self.part.digest in texts
            else self
        )

    @property
    def needs(self) -> frozenset[str]:
        """What it needs."""
        return frozenset(self.component.descriptor.needs)


@dataclass(frozen=True)
class ResolvedRow:
    """A row and the resolved parts it is made of."""

    row: Row
    data: ResolvedPart
    backbone: ResolvedPart
    noise: tuple[ResolvedPart, ...]
    assess: ResolvedPart | None
    tuner: ResolvedPart
    loss: ResolvedPart | None

    def tunable(self) -> dict[str, ResolvedPart]:
        """Return the parts whose options can be tuned, by recipe key."""
        parts = {"tuner": self.tuner, "loss": self.loss, "assess": self.assess}
        return {key: part for key, part in parts.items() if part is not None}


def no_tuner() -> ResolvedPart:
    """Return what stands in the place of a tuner where a plan has no trials."""
    provides = frozenset({"own-loss", "control"})
    descriptor = Tuner(name=NO_PART, target="", summary="No tuner: features, splits and assessments alone.")
    part = Part("tuner", "burnish", NO_PART, {}, code="", fingerprint="", text=NO_PART)
    return ResolvedPart(part, Component(PluginInfo("burnish"), descriptor), None, provides)


class Resolver:
    """Resolves the parts of one recipe.

    What is wrong is gathered in `errors`, so that all of it can be told at once.

    Args:
        recipe: the recipe.
        manager: finds components.
    """

    def __init__(self, recipe: Recipe, manager: Manager) -> None:
        self.recipe, self.manager = recipe, manager
        self.errors: list[BurnishError] = []
        self._applied: list[Override] = []
        self._code: dict[str, str] = {}

    def axis(self, key: str, default: Any = None) -> list[ResolvedPart]:
        """Return the parts along the axis under a key; the default where the recipe has none.

        None stands for nothing.
        """
        value = self._given(key)
        address: tuple[str | int, ...] = (key,)
        if value is None:
            value = default
        found: list[ResolvedPart] = []
        for position, item in axis(value) if value is not None else ():
            found += self._collected(key, item, address if position is None else (key, position))
        self._check_overrides(key)
        texts = distinct_texts(found)
        return [part.renamed(texts) for part in found]

    def chains(self, key: str) -> list[tuple[ResolvedPart, ...]]:
        """Return the values along an axis where a list inside is one value, applied in order.

        ``none`` is no part.
        """
        value = self._given(key)
        found: list[tuple[ResolvedPart, ...]] = []
        for position, item in axis(value):
            address: tuple[str | int, ...] = (key,) if position is None else (key, position)
            links = (
                [self._links(key, link, (*address, i)) for i, link in enumerate(item)]
                if isinstance(item, list)
                else [self._links(key, item, address)]
            )
            chains: list[tuple[ResolvedPart, ...]] = [()]
            for link in links:
                chains = [(*chain, *added) for chain in chains for added in link]
            found += chains
        self._check_overrides(key)
        texts = distinct_texts(part for chain in found for part in chain)
        return [tuple(part.renamed(texts) for part in chain) for chain in found]

    def _given(self, key: str) -> Any:
        value = self.recipe.values.get(key)
        if value == [] and key not in {
            "data",
            "tuner",
        }:  # of these two, which have no default, planning says that they are missing
            self.errors.append(empty_list(key, self.recipe.where(key)))
        return value

    def _links(self, key: str, item: Any, address: tuple[str | int, ...]) -> list[tuple[ResolvedPart, ...]]:
        if item is None or item == NO_PART:
            return [()]
        return [(part,) for part in self._collected(key, item, address)]

    def _collected(self, key: str, item: Any, address: tuple[str | int, ...]) -> list[ResolvedPart]:
        try:
            return list(self._value(key, item, self.recipe.where(*address)))
        except CombinedError as several:
            self.errors += several.errors
        except BurnishError as error:
            self.errors.append(error)
        return []

    def _value(self, key: str, item: Any, where: str) -> Iterator[ResolvedPart]:
        for component, config, named in self._configs(key, item, where):
            yield self._resolved(key, component, config, named)

    def _configs(self, key: str, item: Any, where: str) -> Iterator[tuple[Component, Any, str]]:
        """Yield a component with each config that an item stands for, and what errors call it."""
        base = self.recipe.base_of(key)
        use = (
            guess_source(item, base, self.manager, where) if key == "data" and isinstance(item, str) else None
        )
        use = use or read_use(item, where)
        component = self.manager.get(PARTS[key], use.name, where)
        cls = _config_class(component, key, where)
        options = self._overridden(key, component, cls, use.options)
        named = f"{where}, {self.manager.text(component)}" if where else self.manager.text(component)
        for combination in expand(cls, options, named):
            config = make_config(cls, combination, where=named, base=base)
            yield component, config, named

    def _resolved(self, key: str, component: Component, config: Any, where: str) -> ResolvedPart:
        part = Part(
            kind=key,
            plugin=component.plugin.name,
            name=component.name,
            options=to_options(config),
            code=self._code_of(component),
            fingerprint=self.manager.fingerprint(component, config, where),
            text=part_text(self.manager.text(component), config),
            paths=tuple(paths(config)),
            running=running(config),
        )
        return ResolvedPart(part, component, config, self.manager.provides(component, config))

    def _code_of(self, component: Component) -> str:
        if component.full_name not in self._code:
            self._code[component.full_name] = self.manager.code_identity(component)
        return self._code[component.full_name]

    def _overridden(
        self, key: str, component: Component, cls: type[Any], options: Mapping[str, Any]
    ) -> dict[str, Any]:
        changed = {
            name: dict(value) if isinstance(value, Mapping) else value for name, value in options.items()
        }
        known = {option.name: option for option in describe(cls)}
        for override in (o for o in self.recipe.overrides if o.key == key and o.option in known):
            value = override.value
            if "path" in known[override.option].type and isinstance(value, str):
                value = os.path.abspath(Path(value).expanduser())  # noqa: PTH100 (links stay as they are written)
            set_option(changed, override.option, value, override.text, replace=True)
            self._applied.append(override)
        return changed

    def _check_overrides(self, key: str) -> None:
        """Refuse settings for options that no part under the key has.

        Not where some part could not be read anyway.
        """
        if self.errors:
            return
        for override in self.recipe.overrides:
            if override.key == key and override not in self._applied:
                self.errors.append(
                    RecipeError(
                        f"no part under {key} has an option {override.option!r}",
                        where=override.text,
                        todo="See burnish show",
                    )
                )


def distinct_texts(parts: Iterable[ResolvedPart]) -> dict[str, str]:
    """Return texts, by digest, for those parts of an axis whose text others have, too.

    Their paths with as many folders as it takes.

    Rows are paired and drawn by their texts, so two data sets in files of one name must not share one.
    """
    by_text: dict[str, dict[str, Part]] = {}
    for resolved in parts:
        by_text.setdefault(resolved.part.text, {})[resolved.part.digest] = resolved.part
    texts: dict[str, str] = {}
    for alike in by_text.values():
        if len(alike) > 1:
            deepest = max(str(part.options).count("/") for part in alike.values())
            tried = (
                {digest: part.text_with_folders(depth) for digest, part in alike.items()}
                for depth in range(2, deepest + 2)
            )
            texts |= next((found for found in tried if len(set(found.values())) == len(alike)), {})
    return texts


def _config_class(component: Component, key: str, where: str) -> type[Any]:
    configs = component.descriptor.configs()
    if key not in {"noise", "assess"}:
        return next(iter(configs.values()))  # type: ignore[no-any-return]
    if key not in configs:
        does, other = ("assesses", "assess") if key == "noise" else ("corrupts", "noise")
        raise RecipeError(f"{component.name} only {does}", where=where, todo=f"Write it under {other}:")
    return configs[key]  # type: ignore[no-any-return]


def guess_source(text: str, base: Path, manager: Manager, where: str = "") -> Use | None:
    """Return the source, with its options, that reads the path ``--data`` names.

    None where the text names a source itself.

    Args:
        text: what stands under ``data``.
        base: folder that a relative path starts from.
        manager: finds sources.
        where: what the text belongs to, for errors.

    Raises:
        RecipeError: it looks like a path, but nothing is there, or no installed source or more than one reads
            it.
    """
    name = text.partition(":")[0].strip()
    sources = manager.components("source")
    if any(name in {c.name, c.full_name} for c in sources):
        return None
    try:
        path = Path(os.path.abspath(base / Path(text).expanduser()))  # noqa: PTH100 (links stay as they are written)
        exists = path.exists()
    except (OSError, ValueError, RuntimeError):
        return None
    if not exists:
        if not (text[:1] in {".", "~", "/"} or Path(text).suffix):
            return None
        hint = suggestion(name, [c.name for c in sources])
        raise RecipeError(
            f"there is no file or folder {str(path)!r}. {hint}".strip(),
            where=where,
            todo="Name a path, or a source such as folder:path=DIR",
        )
    guesses, failed = _guesses(path, manager)
    if len(guesses) == 1:
        component, options = next(iter(guesses.items()))
        return Use(component.full_name, options)
    if guesses:
        names = ", ".join(sorted(manager.text(c) for c in guesses))
        raise RecipeError(
            f"several sources read {str(path)!r}",
            where=where,
            possible=names,
            todo="Name one, such as folder:path=DIR",
        )
    if failed:
        raise failed[0]
    able = (
        ", ".join(manager.text(c) for c in sources if c.descriptor.guess)
        or "no installed source guesses: pip install burnish-basics"
    )
    raise RecipeError(
        f"no source reads {str(path)!r}",
        where=where,
        possible=able,
        todo="Name the source and its options, such as csv:path=FILE,label=COLUMN",
    )


def _guesses(path: Path, manager: Manager) -> tuple[dict[Component, dict[str, Any]], list[BurnishError]]:
    """Return the sources that read a path, with their options, and what failed to tell.

    A source whose guess fails is in nobody's way: it is told where no other reads the path.
    """
    guesses: dict[Component, dict[str, Any]] = {}
    failed: list[BurnishError] = []
    for component in (c for c in manager.components("source") if c.descriptor.guess):
        target = component.descriptor.guess
        try:
            options = manager.call(component, target, path)
            if options is not None and not isinstance(options, Mapping):
                raise component.error(f"{target} gives {options!r}, neither options nor None")
        except BurnishError as error:
            failed.append(error)
        else:
            guesses |= {} if options is None else {component: dict(options)}
    return guesses, failed


def read_part(
    key: str, value: Any, manager: Manager, *, where: str = "", base: Path | None = None
) -> ResolvedPart:
    """Return the one part that a notation stands for, outside of any recipe.

    Args:
        key: recipe key it would stand under, such as ``"data"``; for data a path is enough.
        value: ``name:key=value,...`` or ``{use, with}``.
        manager: finds components.
        where: what the notation belongs to, such as ``"--data"``, for errors.
        base: folder that relative paths start from; None for the current one.

    Raises:
        BurnishError: the notation is malformed, the component unknown, an option wrong, or the notation means
            several parts.
    """
    resolver = Resolver(make_recipe({}, base=base), manager)
    return _only(list(resolver._value(key, value, where)), value, where)


def read_source(value: str, manager: Manager, *, where: str = "") -> Any:
    """Return the data source, made, that a path or notation stands for; nothing of its data is hashed.

    Args:
        value: a path, or ``name:key=value,...``.
        manager: finds components.
        where: as in `read_part`.

    Raises:
        BurnishError: as `read_part`.
    """
    found = list(Resolver(make_recipe({}), manager)._configs("data", value, where))
    component, config, _ = _only(found, value, where)
    return manager.resolve(component, component.descriptor.target)(config)


def _only(found: Sequence[FoundT], value: Any, where: str) -> FoundT:
    if len(found) != 1:
        raise RecipeError(
            f"{value!r} means {len(found)} parts, and one is needed",
            where=where,
            todo="Give single values, not lists",
        )
    return found[0]
