"""The manager: which plugins there are, what they offer, and how a name becomes an object.

It is the only place that imports a plugin's heavy target.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from burnish.descriptors import KINDS, NEEDS_AND_PROVIDES
from burnish.errors import BurnishError, MissingExtraError, PluginError, one_line, suggestion
from burnish.installed import code_identity, first_party, metadata
from burnish.installed.discovery import Loader, PluginInfo, code_of_file

__all__ = [
    "Component",
    "Manager",
    "PluginInfo",
    "add_plugin_files",
    "get_manager",
    "load_manager",
    "use_plugin_files",
]

ENVIRONMENT: Final = "BURNISH_PLUGINS"
"""Environment variable: names of the plugins to load, with commas between; empty for none, unset for all."""

_LIBRARIES: Final = {"PIL": "pillow", "sklearn": "scikit-learn", "cv2": "opencv-python", "yaml": "pyyaml"}
"""Distributions by import name, where the two differ."""


@dataclass(frozen=True)
class Component:
    """A descriptor and the plugin it is from.

    Attributes:
        plugin: the plugin.
        descriptor: the descriptor.
    """

    plugin: PluginInfo
    descriptor: Any

    @property
    def kind(self) -> str:
        """Its kind, such as ``"tuner"``."""
        return str(self.descriptor.kind)

    @property
    def name(self) -> str:
        """Its bare name."""
        return str(self.descriptor.name)

    @property
    def full_name(self) -> str:
        """``plugin/name``, which is never ambiguous."""
        return f"{self.plugin.name}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.full_name}"

    def error(self, what: str, todo: str = "") -> PluginError:
        """Return the error of a component that breaks a rule."""
        return PluginError(what, where=f"{self} of plugin {self.plugin}", todo=todo)


class Manager:
    """What is installed and what it offers.

    Args:
        files: local plugins, ``.py`` files or package folders, loaded beside the installed ones.
        only: names of the installed plugins to load, None for all; the others are not even imported.

    Raises:
        PluginError: a local file is no usable plugin. Installed plugins never raise here: they are listed as
            failed.
    """

    def __init__(self, *, files: Sequence[str | Path] = (), only: frozenset[str] | None = None) -> None:
        self._only = only
        loader = Loader()
        found = loader.installed(only)
        for path in _resolved(files):
            info, offers = loader.local(path)
            same = next(
                (other for other, _ in found if other.name == info.name and other.status != "off"), None
            )
            if same is not None:
                raise PluginError(
                    f"there is a plugin named {info.name!r} already: {same}",
                    where=f"--plugin {path}",
                    todo="Rename the file",
                )
            found.append((info, offers))
        self.plugins: tuple[PluginInfo, ...] = tuple(info for info, _ in found)
        self._components = tuple(
            Component(info, descriptor) for info, offers in found for descriptor in offers
        )

    @cached_property
    def _by_kind(self) -> dict[str, tuple[Component, ...]]:
        groups: dict[str, list[Component]] = {kind: [] for kind in KINDS}
        for component in self._components:
            groups[component.kind].append(component)
        return {
            kind: tuple(sorted(group, key=lambda c: (c.name, c.plugin.name)))
            for kind, group in groups.items()
        }

    def components(self, kind: str) -> tuple[Component, ...]:
        """Return the components of a kind, by name.

        Raises:
            PluginError: there is no such kind.
        """
        if kind not in KINDS:
            raise PluginError(
                f"there is no kind {kind!r}. {suggestion(kind, KINDS)}", possible=", ".join(KINDS)
            )
        return self._by_kind[kind]

    def get(self, kind: str, name: str, where: str = "") -> Component:
        """Return a component by its name.

        Args:
            kind: such as ``"tuner"``.
            name: bare, or ``plugin/name``.
            where: what asks for it, such as a recipe's line, for the error.

        Raises:
            PluginError: the name is unknown, or bare and offered by several plugins.
        """
        plugin, _, bare = name.rpartition("/")
        found = [c for c in self.components(kind) if c.name == bare and plugin in ("", c.plugin.name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise PluginError(
                f"{kind} {bare!r} is offered by several plugins",
                where=where,
                possible=", ".join(
                    f"{c.full_name} ({c.plugin.distribution or c.plugin.file})" for c in found
                ),
                todo="Write one of these",
            )
        raise self._unknown(kind, plugin, bare, where)

    def _unknown(self, kind: str, plugin: str, bare: str, where: str) -> PluginError:
        name = f"{plugin}/{bare}" if plugin else bare
        known = self.components(kind)
        loaded = {metadata.normal_name(p.distribution) for p in self.plugins}
        package = first_party.package_of(kind, bare)
        hint = (
            ""
            if package
            else suggestion(bare, [*(c.name for c in known), *first_party.names(kind, besides=loaded)])
        )
        failed = [p for p in self.plugins if p.status == "failed"]
        reasons = [f"Plugin {p} failed: {p.reason}" for p in failed]
        if package and package not in loaded:
            reasons.append(f"It is in {package}: pip install {package}")
        off = [p for p in self.plugins if p.status == "off"]
        if off:
            reasons.append(f"{ENVIRONMENT} leaves out {', '.join(p.name for p in off)}")
        what = f"unknown {kind} {name!r}. {hint}".strip()
        possible = ", ".join(dict.fromkeys(c.name for c in known)) or f"no {kind} is installed"
        return PluginError(what, where=where, possible=possible, todo=". ".join(reasons))

    def text(self, component: Component) -> str:
        """Return the shortest name that finds a component again.

        Bare, or ``plugin/name`` where the bare one is ambiguous.
        """
        same = [c for c in self.components(component.kind) if c.name == component.name]
        return component.name if len(same) == 1 else component.full_name

    # -- targets ---------------------------------------------------------------------------------------------

    def resolve(self, component: Component, target: str) -> Any:
        """Import and return what a target string names.

        Args:
            component: whose target it is, for the error.
            target: ``"package.module:object"``.

        Raises:
            MissingExtraError: a library is missing that an extra would have installed.
            PluginError: anything else that keeps it from being imported.
        """
        module, _, attribute = target.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except BurnishError:
            raise
        except ModuleNotFoundError as error:
            raise self._missing(component, error) from error
        except (Exception, SystemExit) as error:
            raise component.error(f"{target} cannot be imported: {type(error).__name__}: {error}") from error
        return found

    def _missing(self, component: Component, error: ModuleNotFoundError) -> BurnishError:
        library = (error.name or "").partition(".")[0]
        plugin = component.plugin
        if not library or library in {"burnish", plugin.module.partition(".")[0]}:
            return component.error(f"a module is missing: {one_line(error)}", "Install the plugin again")
        wanted = _LIBRARIES.get(library, library)
        todo = f"Install it: pip install {wanted}"
        for distribution in filter(None, ("burnish", plugin.distribution)):
            extra = _extra_with(distribution, wanted)
            if extra:
                todo = f"Install it: pip install '{distribution}[{extra}]'"
        return MissingExtraError(
            f"the library {library!r} is not installed", where=f"{component} of plugin {plugin}", todo=todo
        )

    def call(self, component: Component, target: str, *arguments: Any) -> Any:
        """Resolve a light function of a component and call it.

        Raises:
            PluginError: it cannot be imported or raises something that is no `BurnishError`.
        """
        function = self.resolve(component, target)
        try:
            return function(*arguments)
        except BurnishError:
            raise
        except (Exception, SystemExit) as error:
            raise component.error(f"{target} failed: {type(error).__name__}: {error}") from error

    def provides(self, component: Component, config: object) -> frozenset[str]:
        """Return what a component provides with a config.

        Raises:
            PluginError: its light function fails or returns a word that is none of `NEEDS_AND_PROVIDES`.
        """
        given = component.descriptor.provides
        if not isinstance(given, str):
            return given  # type: ignore[no-any-return]
        words = self.call(component, given, config)
        if not isinstance(words, Set | list | tuple):
            raise component.error(f"{given} gives {words!r}, not a set of words")
        for word in sorted(set(words) - NEEDS_AND_PROVIDES, key=str):
            raise component.error(f"provides gives {word!r}, which is no word of needs and provides")
        return frozenset(words)

    def fingerprint(self, component: Component, config: object, where: str) -> str:
        """Return the fingerprint of what a component reads: its own, else that of the files its options name.

        Args:
            component: the component.
            config: its options.
            where: what the options belong to, for errors.

        Raises:
            PluginError: its light function fails or gives no text.
            DataError: a file that an option names cannot be read.
        """
        target = getattr(component.descriptor, "fingerprint", "")
        if not target:
            from burnish import fingerprint

            return fingerprint.of_config(config, where)
        found = self.call(component, target, config)
        if not isinstance(found, str) or not found:
            raise component.error(f"{target} gives {found!r}, not a text")
        return found

    def measures(self, component: Component, config: object) -> tuple[str, ...] | None:
        """Return the names of all measures that an evaluator may give; None where it does not tell.

        Raises:
            PluginError: its light function fails or gives no names.
        """
        given = component.descriptor.measures
        if not isinstance(given, str):
            return given  # type: ignore[no-any-return]
        names = self.call(component, given, config)
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise component.error(f"{given} gives {names!r}, not names of measures")
        return tuple(names)

    def views(self, component: Component, config: object) -> int:
        """Return how many fixed views of each training item a tuner wants.

        Raises:
            PluginError: its light function fails or gives no number from 1 on.
        """
        target = component.descriptor.views
        found = self.call(component, target, config) if target else 1
        if isinstance(found, bool) or not isinstance(found, int) or found < 1:
            raise component.error(f"{target} gives {found!r}, not a number of views")
        return found

    def code_identity(self, component: Component) -> str:
        """Return the identity of a component's code.

        Its revision where an installed wheel has it, else a hash of the package's ``.py`` files: of local
        files as they were imported.
        """
        plugin = component.plugin
        if plugin.code:
            return plugin.code
        return code_identity.of_component(plugin.module, plugin.source, component.descriptor.revision)

    def unmet(self, plugin: PluginInfo) -> tuple[str, ...]:
        """Return the requirements of a plugin that are not met, each with what is installed instead."""
        if not plugin.distribution:
            return ()
        from burnish.installed.requirements import unmet

        return tuple(unmet(metadata.requires(plugin.distribution)))


def _extra_with(distribution: str, library: str) -> str:
    """Return the extra of a distribution that would install a library, or the empty string."""
    try:
        lines = metadata.requires(distribution)
    except metadata.NotInstalledError:
        return ""
    from burnish.installed.requirements import extra_of

    return extra_of(lines, library)


_files: tuple[Path, ...] = ()
_made: tuple[tuple[str | None, tuple[tuple[Path, str], ...]], Manager] | None = None


def use_plugin_files(files: Sequence[str | Path]) -> None:
    """Load these local plugins beside the installed ones in every later `get_manager` of this process."""
    global _files
    _files = _resolved(files)


def _resolved(files: Sequence[str | Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(Path(file).expanduser().resolve() for file in files))


def load_manager(files: Sequence[str | Path] = ()) -> Manager:
    """Return a new manager of the installed plugins that ``BURNISH_PLUGINS`` leaves, and of local ones.

    Args:
        files: local plugins, ``.py`` files or package folders; one that is named twice is loaded once.

    Raises:
        PluginError: a local file is no usable plugin, or two plugins have one name.
    """
    named = os.environ.get(ENVIRONMENT)
    only = None if named is None else frozenset(name.strip() for name in named.split(",") if name.strip())
    return Manager(files=files, only=only)


def add_plugin_files(files: Sequence[str | Path]) -> None:
    """Load these local plugins too, beside those of `use_plugin_files`; all of them or none.

    Raises:
        PluginError: one of them is no usable plugin.
    """
    if not files:
        return
    before = _files
    use_plugin_files([*before, *files])
    try:
        get_manager()
    except PluginError:
        use_plugin_files(before)
        raise


def get_manager() -> Manager:
    """Return the process's manager.

    It is made again when ``BURNISH_PLUGINS``, the local plugin files or what they say are others.

    Raises:
        PluginError: a local file is no usable plugin.
    """
    global _made
    key = (os.environ.get(ENVIRONMENT), tuple((file, _code(file)) for file in _files))
    if _made is None or _made[0] != key:
        _made = (key, load_manager(_files))
    return _made[1]


def _code(file: Path) -> str:
    return code_of_file(file) if file.exists() else ""
