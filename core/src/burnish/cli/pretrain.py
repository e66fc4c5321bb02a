"""``burnish pretrain``: a backbone from scratch, on labels that may be corrupted first.

Run again, it goes on where it was.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from burnish.cli.options import device_option, offline_option, quiet_option
from burnish.config import make_config, to_options
from burnish.errors import PluginError, RecipeError
from burnish.manager import Component, Manager, get_manager
from burnish.notation.part_text import parse_text
from burnish.numeric import detect
from burnish.plan.parts import NO_PART, read_part

if TYPE_CHECKING:
    from burnish.plan import Part

_FOLDER = "pretrained"


@click.command()
@click.argument("backbone")
@click.option("--data", required=True, metavar="PART", help="A data source such as digits, or a path.")
@click.option(
    "--noise",
    multiple=True,
    metavar="PART",
    help="A corruptor such as symmetric:rate=0.3; several are applied in order.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Draws weights, batches and which labels are wrong.",
)
@click.option(
    "-s",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set an option of the pre-training, for instance -s epochs=20.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the weights [default: pretrained/NAME].",
)
@device_option
@offline_option
@quiet_option
def command(
    backbone: str,
    data: str,
    noise: tuple[str, ...],
    seed: int,
    settings: tuple[str, ...],
    out: Path | None,
    **values: Any,
) -> None:
    """Pre-train BACKBONE on all trainable items of a source.

    What is finished is kept: after a kill or Ctrl-C the same command goes on from the last epoch. The weights
    lie in the folder that is printed, with a file that says where they come from.
    """
    manager = get_manager()
    component = _pretrainable(backbone, manager)
    options = to_options(_config(component, settings))
    source = read_part("data", data, manager, where="--data").part
    noises = [read_part("noise", text, manager, where="--noise").part for text in noise if text != NO_PART]
    numeric = detect(values["numeric"] or "auto", values["device"] or "auto", values["threads"] or 0)
    folder = out or Path(_FOLDER) / _name(component, source, noises, seed)

    from burnish.engine.pretraining import Pretraining, pretrain
    from burnish.engine.progress import display

    typed = shlex.join(["burnish", *sys.argv[1:]])
    wanted = Pretraining(component, options, source, noises, seed, folder, numeric, typed, values["offline"])
    click.echo(pretrain(wanted, manager, display(values["quiet"])))


def _pretrainable(name: str, manager: Manager) -> Component:
    component = manager.get("backbone", name, "BACKBONE")
    if not component.descriptor.pretrain:
        able = ", ".join(manager.text(c) for c in manager.components("backbone") if c.descriptor.pretrain)
        raise PluginError(
            f"{manager.text(component)} cannot be pre-trained",
            where="BACKBONE",
            possible=able or "no installed backbone can",
        )
    return component


def _config(component: Component, settings: Sequence[str]) -> Any:
    where = f"pretrain {component.name}"
    for text in settings:
        if "=" not in text:
            raise RecipeError(
                "not of the form key=value", where=f"-s {text}", todo="Write for instance -s epochs=20"
            )
    given = parse_text(f"{component.name}:{','.join(settings)}" if settings else component.name, "-s").options
    return make_config(component.descriptor.pretrain_config, given, where=where)


def _name(component: Component, data: Part, noise: Sequence[Part], seed: int) -> str:
    """Return a folder name that tells what is pre-trained on what."""
    return "-".join(
        re.sub(r"[^A-Za-z0-9.]+", "-", part).strip("-.")
        for part in [component.name, data.name, *(p.text for p in noise), f"seed-{seed}"]
    )
