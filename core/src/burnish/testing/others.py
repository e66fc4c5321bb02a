"""Contracts of what is no part of a trial: recipes and commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from burnish.manager import Manager
from burnish.testing.checks import expect
from burnish.testing.contract import PluginContract


class RecipeContract(PluginContract):
    """Tests of a recipe.

    Attributes:
        options_given: parts by recipe key that the recipe leaves to its user, such as ``{"data":
            ["digits"]}``.
    """

    kind, key = "recipe", "recipe"
    options_given: ClassVar[Mapping[str, Sequence[str]]] = {}

    def test_it_is_a_recipe(self) -> None:
        """The file is there and is a recipe: keys and notation are right."""
        from burnish.recipe import find_recipe

        recipe = find_recipe(f"{self.plugin}/{self.name}", Manager(only=frozenset({self.plugin})))
        expect(bool(recipe.values), f"recipe {self.name} is empty")
        written, told = recipe.values.get("summary"), self.component().descriptor.summary
        expect(
            written in (None, told),
            f"the summary of recipe {self.name} is {written!r} in its file and {told!r} in burnish list:"
            ' write it in one line, summary: "..."',
        )

    def test_it_validates(self) -> None:
        """With every plugin that it names installed, it can be planned."""
        import pytest

        from burnish.errors import BurnishError
        from burnish.installed.requirements import unmet
        from burnish.plan import build_plan
        from burnish.recipe import find_recipe, with_options

        manager = Manager()
        recipe = with_options(find_recipe(f"{self.plugin}/{self.name}", manager), self.options_given)
        missing = list(unmet(recipe.values.get("requires") or []))
        if missing:
            pytest.skip(f"recipe {self.name} requires what is not here: {'; '.join(missing)}")
        try:
            plan = build_plan(recipe, manager)
        except BurnishError as error:
            text = (
                f"recipe {self.name} is refused: {error} Name the packages of other plugins that it uses"
                " under `requires:`"
            )
            raise AssertionError(text) from error
        expect(bool(plan.rows), f"recipe {self.name} plans nothing")


class CommandContract(PluginContract):
    """Tests of a command."""

    kind, key = "command", "command"

    def test_it_prints_its_help(self) -> None:
        """The target is a `click.Command` whose help works."""
        import click
        from click.testing import CliRunner

        component = self.component()
        command: Any = Manager(only=frozenset({self.plugin})).resolve(component, component.descriptor.target)
        expect(isinstance(command, click.Command), f"{component.descriptor.target} is no click command")
        result = CliRunner().invoke(command, ["--help"])
        expect(
            result.exit_code == 0, f"burnish {self.name} --help ends with {result.exit_code}: {result.output}"
        )
