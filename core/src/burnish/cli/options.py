"""Options that several commands share: each is a decorator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from burnish.manager import use_plugin_files

CommandT = TypeVar("CommandT", bound=Callable[..., Any] | click.Command)

_FILES: Final = "burnish.plugin-files"


def _use_plugins(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> None:
    if value:
        files = ctx.find_root().meta.setdefault(_FILES, [])
        files += value
        use_plugin_files(files)


plugin_option = click.option(
    "--plugin",
    metavar="FILE",
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=_use_plugins,
    help="Load a plugin from a .py file or package folder, too.",
)
debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, help="Print the traceback of an error."
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(0, 4096),
    default=0,
    help="Threads that read and decode; 0 for one a logical core.",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(0, 4096),
    help="Threads of computation; changes last bits [default: OMP_NUM_THREADS, else the physical cores].",
)
offline_option = click.option("--offline", is_flag=True, help="Ask no hub for anything.")
limit_option = click.option(
    "--limit",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Stop after about N trials; 0 for no limit.",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the study [default: runs/NAME].",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Say nothing but results and errors.")
settings_option = click.option(
    "-s",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change the recipe, for instance -s tuner.lr=0.001.",
)


def device_option(command: CommandT) -> CommandT:
    """Add what decides the numeric mode: ``--device``, ``--numeric`` and ``--threads``."""
    for option in (
        threads_option,
        click.option(
            "--numeric",
            type=click.Choice(["auto", "fp32", "bf16"]),
            help="Number format of feature extraction [default: auto].",
        ),
        click.option(
            "--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where to compute [default: auto]."
        ),
    ):
        command = option(command)
    return command


def add_common(command: click.Command) -> click.Command:
    """Give a command, and those below it, ``--plugin`` and ``--debug``, which every command takes."""
    known = {name for parameter in command.params for name in parameter.opts}
    for option in (plugin_option, debug_option):
        holder = option(click.Command(None))
        command.params += [parameter for parameter in holder.params if not known.intersection(parameter.opts)]
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        add_common(inner)
    return command
