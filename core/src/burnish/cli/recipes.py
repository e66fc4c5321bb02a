"""How a command line says which recipe it means: a name or file, parts as options, and ``-s`` settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from burnish.cli.options import CommandT, settings_option
from burnish.errors import RecipeError
from burnish.manager import Manager
from burnish.recipe import Recipe, find_recipe, make_recipe, with_numeric, with_options, with_settings

_HELP: Final = {
    "data": "A data source such as digits, or a path.",
    "backbone": "A backbone such as tiny:noise=0.3.",
    "noise": "A corruptor such as symmetric:rate=0.4.",
    "assess": "An assessor such as confident-joint.",
    "tuner": "A tuner such as nmtune.",
    "loss": "A loss such as gce:q=0.7.",
    "evaluate": "An evaluator such as worst:k=1.",
}


def recipe_options(command: CommandT) -> CommandT:
    """Add the argument RECIPE, an option for each part, ``--replicates`` and ``-s``.

    A part given twice is an axis.
    """
    replicates = click.option(
        "--replicates", type=click.IntRange(1), metavar="N", help="Replicates of every row."
    )
    command = replicates(settings_option(command))
    for key, text in reversed(_HELP.items()):
        command = click.option(f"--{key}", multiple=True, metavar="PART", help=text)(command)
    return click.argument("recipe", required=False)(command)


def read_options(values: Mapping[str, Any], manager: Manager) -> Recipe:
    """Return the recipe that a command's parameters ask for.

    Args:
        values: the command's parameters: those of `recipe_options`, and those of
            `burnish.cli.options.device_option` where the command has them.
        manager: finds recipes by name.

    Raises:
        RecipeError: neither a recipe nor its parts are given, or something is wrong with them.
    """
    parts: dict[str, Sequence[str]] = {key: values[key] for key in _HELP if values.get(key)}
    if values["recipe"] is None and not (parts or values["settings"]):
        names = ", ".join(component.name for component in manager.components("recipe"))
        raise RecipeError(
            "no recipe is given", possible=names, todo="Name a recipe or a file, or give --data and --tuner"
        )
    recipe = make_recipe({}) if values["recipe"] is None else find_recipe(values["recipe"], manager)
    recipe = with_settings(with_options(recipe, parts), values["settings"])
    if values["replicates"] is not None:
        recipe = with_settings(recipe, [f"replicates={values['replicates']}"])
    return with_numeric(
        recipe, numeric=values.get("numeric"), device=values.get("device"), threads=values.get("threads")
    )
