"""How a command line says which recipe it means: a name or file, parts as options, and ``-s`` settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from burnish.cli.options import CommandT, settings_option

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


def recipe_arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a command that say which recipe it means, as `burnish.run` takes them.

    Those of `recipe_options`, and those of `burnish.cli.options.device_option`.
    """
    names = ("recipe", *_HELP, "replicates", "settings", "numeric", "device", "threads")
    return {name: values[name] for name in names}
