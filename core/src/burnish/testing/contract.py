"""What every component keeps, whatever its kind."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, cast

from burnish.config import describe, from_options, make_config, to_options
from burnish.descriptors import KINDS
from burnish.errors import BurnishError, ConfigError
from burnish.hooks import HOOKS
from burnish.manager import Component, Manager
from burnish.notation.part_text import parse_text
from burnish.testing.checks import expect
from burnish.testing.probe import ask


@cache
def manager_of(plugin: str) -> Manager:
    """Return a manager that loads one plugin and no other."""
    return Manager(only=frozenset({plugin}))


def missing_contracts(plugin: str, tests: Mapping[str, object]) -> list[str]:
    """Return what a plugin offers and no contract in a test module names.

    ```python
    def test_everything_it_offers_has_a_contract():
        assert missing_contracts("gce", globals()) == []
    ```

    Args:
        plugin: name of the plugin.
        tests: the test module's names, mostly ``globals()``.
    """
    classes = [
        value for value in tests.values() if isinstance(value, type) and issubclass(value, PluginContract)
    ]
    tested = {(cls.kind, cls.key, cls.name) for cls in classes if cls.plugin == plugin}
    offered = []
    for kind in KINDS:
        for component in manager_of(plugin).components(kind):
            keys = list(component.descriptor.configs()) if kind == "noise" else [kind]
            offered += [(kind, key, component.name) for key in keys]
    return sorted(f"{key} {name}" for kind, key, name in offered if (kind, key, name) not in tested)


class PluginContract:
    """Tests that every component passes; inherit from the contract of its kind instead.

    Attributes:
        plugin: name of the plugin, that is, of its entry point.
        name: name of the component.
        example: options to test with; those that have no default must be here.
        kind: kind of the component; set by the contracts of the kinds.
        key: recipe key whose config is used: the kind, but ``noise`` or ``assess`` for noise models.
    """

    plugin: ClassVar[str] = ""
    name: ClassVar[str] = ""
    example: ClassVar[Mapping[str, Any]] = {}
    kind: ClassVar[str] = ""
    key: ClassVar[str] = ""

    # -- what authors may use or override --------------------------------------------------------------------

    def options(self, folder: Path) -> Mapping[str, Any]:
        """Return the options to test with; override it where they name files, which go into the folder."""
        del folder
        return self.example

    def component(self) -> Component:
        """Return the component under test."""
        return manager_of(self.plugin).get(self.kind, f"{self.plugin}/{self.name}")

    def config(self, folder: Path, **changes: Any) -> Any:
        """Return its config with the options to test with, and some others."""
        descriptor = self.component().descriptor
        return make_config(
            descriptor.configs()[self.key], {**self.options(folder), **changes}, where=self.name
        )

    def variations(self, folder: Path) -> list[dict[str, Any]]:
        """Return changes of the options to test with: each other choice of an option, each bool turned.

        Combinations that its config refuses are left out.
        """
        given = to_options(self.config(folder))
        found = []
        for option in describe(self.component().descriptor.configs()[self.key]):
            possible = option.choices or ((True, False) if isinstance(given.get(option.name), bool) else ())
            for value in possible:
                if value != given.get(option.name) and "." not in option.name:
                    with contextlib.suppress(ConfigError):
                        self.config(folder, **{option.name: value})
                        found.append({option.name: value})
        return found

    def make(self, folder: Path, *further: Any, **changes: Any) -> Any:
        """Return the object behind the component, made as the engine makes it.

        Args:
            folder: for files that options name.
            further: what else the kind's target is given.
            changes: options other than those to test with.
        """
        component = self.component()
        target = getattr(
            component.descriptor, {"noise": "corrupt", "assess": "assess"}.get(self.key, "target")
        )
        return manager_of(self.plugin).resolve(component, target)(self.config(folder, **changes), *further)

    # -- tests -----------------------------------------------------------------------------------------------

    def test_it_is_discovered_through_its_entry_point(self) -> None:
        """The plugin is installed, loads, and offers the component."""
        found = [info for info in manager_of(self.plugin).plugins if info.name == self.plugin]
        installed = bool(found) and bool(found[0].distribution)
        expect(
            installed, f"no installed distribution has the entry point {self.plugin!r}. Run: pip install -e ."
        )
        expect(found[0].status == "ok", f"plugin {self.plugin!r} fails to load: {found[0].reason}")
        offered = [c.name for c in manager_of(self.plugin).components(self.kind)]
        hook = HOOKS[self.kind]
        expect(
            self.name in offered,
            f"{hook} of plugin {self.plugin!r} returns no {self.name!r}, but:"
            f" {', '.join(offered) or 'nothing'}",
        )

    def test_it_offers_the_same_on_every_call(self) -> None:
        """Hooks are functions of nothing: what they return does not depend on when they are called."""
        first, second = (Manager(only=frozenset({self.plugin})) for _ in range(2))
        for kind in KINDS:
            same = [c.descriptor for c in first.components(kind)] == [
                c.descriptor for c in second.components(kind)
            ]
            expect(same, f"{HOOKS[kind]} of plugin {self.plugin!r} returns something else on the second call")

    def test_describing_it_imports_nothing_heavy(self) -> None:
        """Listing and showing it is light, in a fresh process."""
        heavy = ask("plugin", self.plugin)["heavy"]
        module = self.component().plugin.module
        expect(
            not heavy,
            f"importing the entry point {module!r} and describing what it offers also imports {heavy}; "
            "move these imports, and what needs them, into the module that the target names",
        )

    def test_its_options_are_described(self) -> None:
        """Its config is a frozen dataclass, and every option says what it does."""
        for key, cls in self.component().descriptor.configs().items():
            where = f"{key}: {cls.__name__}"
            frozen = is_dataclass(cls) and cast("Any", cls).__dataclass_params__.frozen
            expect(frozen, f"{where} is not frozen. Write @dataclass(frozen=True)")
            silent = [option.name for option in describe(cls) if not option.help]
            expect(
                not silent,
                f'{where}: no help for {", ".join(silent)}. Write field(default=..., metadata={{"help":'
                ' "..."})',
            )

    def test_its_options_survive_json(self, tmp_path: Path) -> None:
        """A config becomes JSON and the same config again."""
        config = self.config(tmp_path)
        text = json.dumps(to_options(config))
        again = from_options(type(config), json.loads(text), where=self.name)
        expect(
            again == config,
            f"{config} is {again} after it was written as JSON and read again: __post_init__ should leave"
            " fields as they are",
        )
        expect(
            json.dumps(to_options(again)) == text,
            f"the options of {self.name} change when they are read again",
        )

    def test_its_example_is_valid(self) -> None:
        """What `burnish show` gives as an example can be written in a recipe."""
        descriptor = self.component().descriptor
        if not descriptor.example:
            return
        options = parse_text(f"{self.name}:{descriptor.example}").options
        try:
            make_config(descriptor.configs()[self.kind], options, where=self.name)
        except BurnishError as error:
            raise AssertionError(
                f"the example of {self.kind} {self.name}, {descriptor.example!r}, is refused: {error}"
            ) from error

    def test_its_targets_resolve_and_leave_torch_alone(self) -> None:
        """Importing a target gives something to call.

        It changes neither random numbers nor defaults of the process.
        """
        for target, problem in ask("plugin", self.plugin)["targets"][f"{self.kind} {self.name}"].items():
            expect(not problem, f"{target}: {problem}")

    def test_burnish_show_prints_it(self) -> None:
        """`burnish show KIND NAME` prints summary and options, in a fresh process."""
        code, text = ask("plugin", self.plugin)["shown"][f"{self.kind} {self.name}"]
        expect(code == 0, f"burnish show {self.kind} {self.name} ends with {code}: {text}")
        descriptor = self.component().descriptor
        expect(descriptor.summary in text, f"burnish show {self.kind} {self.name} does not print the summary")
        missing = [
            item.name
            for cls in descriptor.configs().values()
            for item in fields(cls)
            if item.init and item.name not in text
        ]
        expect(
            not missing or self.kind in {"command", "recipe"},
            f"burnish show {self.kind} {self.name} does not print {missing}",
        )

    def test_its_light_functions_are_light(self, tmp_path: Path) -> None:
        """What a descriptor computes from a config needs neither torch nor numpy.

        That is provides, views, fingerprint and measures.
        """
        descriptor = self.component().descriptor
        light = ("provides", "views", "fingerprint", "measures")
        given = {name: getattr(descriptor, name, None) for name in light}
        names = [name for name, target in given.items() if target and isinstance(target, str)]
        if not names:
            return
        options = to_options(self.config(tmp_path))
        answer = ask("component", self.plugin, self.kind, self.name, self.key, json.dumps([options]))
        expect(
            not answer["heavy"],
            f"{' or '.join(names)} of {self.kind} {self.name} imports {answer['heavy']}; move it into a"
            " module without them",
        )
