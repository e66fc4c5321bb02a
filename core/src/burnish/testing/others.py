"""Contracts of what is no part of a trial: summaries, recipes and commands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from burnish.contracts.evaluator import Measures
from burnish.contracts.study import StudyMeasures, StudyRow
from burnish.errors import BurnishError
from burnish.manager import Manager
from burnish.testing.checks import check_columns, expect, global_randomness_untouched, nothing_written
from burnish.testing.contract import PluginContract


class SummaryContract(PluginContract):
    """Tests of what looks at a whole study, on a made one: two data sets, three tuners, three replicates."""

    kind, key = "summary", "summary"

    def summarise(self, folder: Path, rows: int = 6) -> Measures:
        """Return what is made of the first rows of the study; in the last row a replicate has no value."""
        made: Measures = self.make(folder).summarise(_study(rows))
        return made

    def test_it_gives_tables_or_curves(self, tmp_path: Path) -> None:
        """Tables and curves of plain values and equal lengths; no scalars."""
        made = self.summarise(tmp_path)
        expect(not made.scalars, "it gives scalars, which belong to trials: put them into a table")
        expect(bool(made.tables or made.curves), "it gives neither a table nor a curve")
        for table in made.tables:
            check_columns(table.name, table.columns)
        for curve in made.curves:
            check_columns(curve.name, {"x": curve.x, "y": curve.y})

    def test_it_is_repeated(self, tmp_path: Path) -> None:
        """The same study gives the same, with nothing drawn from global generators and nothing written."""
        first = self.summarise(tmp_path)
        self.make(tmp_path)
        with global_randomness_untouched(f"summary {self.name}"), nothing_written(f"summary {self.name}"):
            second = self.summarise(tmp_path)
        expect(repr(first) == repr(second), f"summary {self.name} gives something else the second time")

    def test_it_bears_a_small_study(self, tmp_path: Path) -> None:
        """One row, and none, are summarised, if by nothing at all, or an error for people says why not."""
        for rows in (0, 1):
            try:
                self.summarise(tmp_path, rows)
            except BurnishError:
                continue
            except Exception as error:
                raise AssertionError(
                    f"a study of {rows} rows ends in {type(error).__name__}: {error}. Give no tables, or"
                    " raise an error of burnish.errors"
                ) from error


def _study(rows: int) -> StudyMeasures:
    """Return a study of up to six rows, in which no two values are equal; the last replicate lacks one."""
    percent = (50, 52, 54, 70, 71, 76, 61, 60, 58, 80, 83, 79, 90, 86, 88, 30, 35)
    values = (number / 100 for number in percent)
    made = []
    for data in ("one", "two"):
        for rate, tuner in enumerate(("linear", "mlp", "knn")):
            here = [next(values, math.nan) for _ in range(3)]
            axes = {"data": data, "backbone": "features", "noise": "none", "assess": "none"}
            options, measured = {"noise.rate": 0.1 * rate}, {("accuracy", "test"): here}
            made.append(StudyRow(axes | {"tuner": tuner, "loss": "ce"}, options, measured))
    return StudyMeasures(made[:rows], {"accuracy": "up"}, "accuracy", {"test": ("test",)})


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
