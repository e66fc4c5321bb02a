"""Loading plugins, each on its own.

Whatever is wrong with one is a reason in a list, never an end of the program.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import pluggy

from burnish import hooks
from burnish.descriptors import KINDS, Descriptor
from burnish.errors import BurnishError, PluginError, one_line, suggestion
from burnish.installed import metadata
from burnish.installed.code_identity import hash_sources

GROUP: Final = "burnish"
"""The entry-point group of plugins."""


@dataclass(frozen=True)
class PluginInfo:
    """Where a plugin comes from, and whether it works.

    Attributes:
        name: name of the entry point, or of the local file without its ending.
        distribution: what `pip` calls it; empty for a local file.
        version: version of the distribution; empty for a local file.
        module: the entry-point module.
        file: file of that module; empty where it was not imported.
        source: ``"index"``, ``"wheel"`` or ``"folder"`` (how the distribution was installed), or ``"file"``
            for a local file.
        status: ``"ok"``, ``"failed"``, or ``"off"`` where ``BURNISH_PLUGINS`` leaves it out.
        reason: why it failed or is off, in one line.
        note: what its authors should do though it works, in one line.
        code: of a local file or folder, the identity of its code as it was imported; empty otherwise.
    """

    name: str
    distribution: str = ""
    version: str = ""
    module: str = ""
    file: str = ""
    source: Literal["index", "wheel", "folder", "file"] = "index"
    status: Literal["ok", "failed", "off"] = "ok"
    reason: str = ""
    note: str = ""
    code: str = ""

    def __str__(self) -> str:
        origin = f"{self.distribution} {self.version}" if self.distribution else self.file
        return f"{self.name} ({origin})" if origin else self.name


class _Unusable(Exception):  # noqa: N818 (it never leaves this module)
    """A plugin breaks a rule; the text is the reason."""


class Loader:
    """Imports entry-point modules and collects what their hooks return."""

    def __init__(self) -> None:
        self._hooks = pluggy.PluginManager("burnish")
        self._hooks.add_hookspecs(hooks)

    def installed(self, only: frozenset[str] | None) -> list[tuple[PluginInfo, tuple[Descriptor, ...]]]:
        """Return every installed plugin with what it offers.

        Args:
            only: names of plugins to load; None for all. The others are not imported.
        """
        entries = sorted(metadata.entry_points(GROUP), key=lambda e: (e.name, e.distribution))
        by_name: dict[str, list[metadata.Installed]] = {}
        for entry in entries:
            by_name.setdefault(entry.name, []).append(entry)
        found = [self._installed(entry, by_name[entry.name], only) for entry in entries]
        for name in sorted((only or frozenset()) - by_name.keys()):
            found.append(
                (
                    PluginInfo(
                        name, status="failed", reason="BURNISH_PLUGINS names it, but it is not installed"
                    ),
                    (),
                )
            )
        return found

    def _installed(
        self, entry: metadata.Installed, same_name: list[metadata.Installed], only: frozenset[str] | None
    ) -> tuple[PluginInfo, tuple[Descriptor, ...]]:
        info = PluginInfo(entry.name, entry.distribution, entry.version, entry.value, source=entry.source)  # type: ignore[arg-type]
        if only is not None and entry.name not in only:
            return replace(info, status="off", reason="BURNISH_PLUGINS leaves it out"), ()
        if len(same_name) > 1:
            both = " and ".join(f"{e.distribution} {e.version}" for e in same_name)
            return replace(
                info,
                status="failed",
                reason=f"{both} both provide a plugin named {entry.name!r}: uninstall one",
            ), ()
        try:
            module = _import_entry(entry.value)
            offers = self._collect(entry.name, module)
        except (Exception, SystemExit) as error:
            return replace(info, status="failed", reason=_reason(error)), ()
        file = str(getattr(module, "__file__", None) or "")
        return replace(info, file=file, note=_api_note(module)), offers

    def local(self, path: Path) -> tuple[PluginInfo, tuple[Descriptor, ...]]:
        """Return the plugin in a local ``.py`` file or package folder, with what it offers.

        Raises:
            PluginError: there is no such file, or it is no usable plugin. Who names a file wants it, so this
                is not set aside.
        """
        stem, file = _local_file(path)
        code = code_of_file(path)
        try:
            module = _import_file(stem, file, code)
            offers = self._collect(stem, module)
        except (Exception, SystemExit) as error:
            if isinstance(error, PluginError):
                raise
            raise PluginError(_reason(error), where=f"--plugin {path}") from error
        name, note = stem.replace("_", "-"), _api_note(module)
        return PluginInfo(name, module=stem, file=str(file), source="file", note=note, code=code), offers

    def _collect(self, name: str, module: Any) -> tuple[Descriptor, ...]:
        _check_api(module)
        self._check_names(module)
        self._hooks.register(module, name)
        try:
            self._hooks.check_pending()
            return tuple(descriptor for kind in hooks.HOOKS for descriptor in self._offers(module, kind))
        finally:
            # One plugin at a time: a hook call can reach no other plugin, and nothing depends on the order of
            # registration.
            self._hooks.unregister(module)

    def _check_names(self, module: Any) -> None:
        known = hooks.HOOKS.values()
        for name in dir(module):
            options = self._hooks.parse_hookimpl_opts(module, name)
            if options is None and name in known:
                raise _Unusable(f"{name} is not marked as a hook: write @burnish.hookimpl above it")
            if options is not None and (options["specname"] or name) not in known:
                raise _Unusable(f"unknown hook {name!r}. {suggestion(name, known)}".strip())

    def _offers(self, module: Any, kind: str) -> list[Descriptor]:
        hook = hooks.HOOKS[kind]
        caller = getattr(self._hooks.hook, hook)
        offers: list[Descriptor] = []
        for implementation in caller.get_hookimpls():
            if implementation.hookwrapper or implementation.wrapper:
                raise _Unusable(f"{hook} is a hook wrapper; hooks only return what their own plugin offers")
            # Called itself: pluggy leaves out a hook that returns None.
            result = implementation.function()
            if result is None:
                raise _Unusable(f"{hook} returned nothing: return a list of burnish.{KINDS[kind].__name__}")
            if isinstance(result, (str, bytes)) or not isinstance(result, Iterable):
                raise _Unusable(f"{hook} returned {_a(result)}, not a list of burnish.{KINDS[kind].__name__}")
            for value in result:
                if not isinstance(value, KINDS[kind]):
                    raise _Unusable(
                        f"{hook} returned {_a(value)} in its list, not a burnish.{KINDS[kind].__name__}"
                    )
                if any(value.name == other.name for other in offers):
                    raise _Unusable(f"{hook} returned two named {value.name!r}")
                offers.append(value)
        return offers


def _import_entry(value: str) -> Any:
    name, _, attribute = value.partition(":")
    found: Any = importlib.import_module(name.strip())
    for part in filter(None, attribute.strip().split(".")):
        found = getattr(found, part)
    return found


def _local_file(path: Path) -> tuple[str, Path]:
    where = f"--plugin {path}"
    resolved = path.expanduser().resolve()
    if resolved.is_dir():
        stem, file = resolved.name, resolved / "__init__.py"
        if not file.is_file():
            raise PluginError(
                "the folder has no __init__.py",
                where=where,
                todo="Name a .py file or the folder of a package",
            )
    elif resolved.is_file():
        stem, file = resolved.stem, resolved
        if resolved.suffix != ".py":
            raise PluginError(
                "not a .py file", where=where, todo="Name a .py file or the folder of a package"
            )
    else:
        raise PluginError("there is no such file or folder", where=where)
    if not stem.isidentifier():
        raise PluginError(
            f"{stem!r} cannot be the name of a module",
            where=where,
            todo="Rename it with letters, digits and underscores",
        )
    return stem, file


def code_of_file(path: Path) -> str:
    """Return the identity of the code of a local file or package folder as it is now."""
    return hash_sources([path.expanduser().resolve()])


_imported: dict[Path, str] = {}
"""Code with which local files were imported."""


def _import_file(stem: str, file: Path, code: str) -> Any:
    """Import a local file or package, again where its code is no longer what was imported.

    So that in a notebook what is run is what is hashed.
    """
    if _imported.get(file, code) != code:
        for name in [name for name in sys.modules if name == stem or name.startswith(f"{stem}.")]:
            del sys.modules[name]
    module = _imported_once(stem, file)
    _imported[file] = code
    return module


def _imported_once(stem: str, file: Path) -> Any:
    known = sys.modules.get(stem)
    origin = (
        getattr(known, "__file__", None) if known else getattr(importlib.util.find_spec(stem), "origin", None)
    )
    if origin is not None and Path(origin).resolve() == file and known is not None:
        return known
    if known is not None or (origin is not None and Path(origin).resolve() != file):
        raise _Unusable(f"there is another module named {stem!r} ({origin or 'built in'}): rename the file")
    folders = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(stem, file, submodule_search_locations=folders)
    if spec is None or spec.loader is None:
        raise _Unusable("Python cannot import it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[stem]
        raise
    return module


def _check_api(module: Any) -> None:
    version = getattr(module, "BURNISH_API", None)
    if version is None:
        raise _Unusable(
            f"it does not say which API it is made for: BURNISH_API = {hooks.API_VERSION} is missing"
        )
    if isinstance(version, bool) or not isinstance(version, int):
        raise _Unusable(f"BURNISH_API is {version!r}, not a whole number: write {hooks.API_VERSION}")
    if not hooks.OLDEST_API <= version <= hooks.API_VERSION:
        todo = "upgrade burnish" if version > hooks.API_VERSION else "upgrade the plugin"
        raise _Unusable(f"it is made for API {version}, this burnish has API {_supported()}: {todo}")


def _supported() -> str:
    oldest, current = hooks.OLDEST_API, hooks.API_VERSION
    return str(current) if oldest == current else f"{oldest} to {current}"


def _api_note(module: Any) -> str:
    """Return what to tell of a plugin that is made for an older API; empty for the current one."""
    version = module.BURNISH_API
    if version == hooks.API_VERSION:
        return ""
    return (
        f"it is made for API {version}, which the next release of burnish no longer has:"
        f" it should move to API {hooks.API_VERSION}"
    )


def _a(value: object) -> str:
    return (
        "nothing"
        if value is None
        else f"{'an' if type(value).__name__[:1].lower() in 'aeiou' else 'a'} {type(value).__name__}"
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, (_Unusable, BurnishError)):
        return one_line(error)
    if isinstance(error, pluggy.PluginValidationError):
        return one_line(error)
    where = ""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if (
            not file.startswith("<")
            and Path(file).name not in {"discovery.py"}
            and "pluggy" not in Path(file).parts
        ):
            where = f" ({file}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return one_line(f"{type(error).__name__}: {error}{where}")
