"""The command line: a group whose commands are imported only when they are called.

Core's commands are a table of names; those of plugins come with their summary, unimported. Core's commands
cannot be replaced.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import click

from burnish._version import __version__
from burnish.cli.options import add_common, debug_option, plugin_option
from burnish.errors import BurnishError, CombinedError, MissingExtraError, PluginError, one_line, suggestion
from burnish.manager import Component, get_manager, use_plugin_files

CORE_COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "run": ("burnish.cli.run", "Run a recipe, or go on with it"),
    "validate": ("burnish.cli.validate", "Say what a recipe would do, and what is wrong with it"),
    "results": ("burnish.cli.results", "Print the result table of a study"),
    "report": ("burnish.cli.report", "Write a study's report as one HTML file"),
    "predict": ("burnish.cli.predict", "Use a saved predictor on new inputs"),
    "pretrain": ("burnish.cli.pretrain", "Pre-train a backbone"),
    "check": ("burnish.cli.check", "Say what is in a data set and what is wrong with it"),
    "list": ("burnish.cli.listing", "List what is installed"),
    "show": ("burnish.cli.show", "Show a component: its options, what it needs, an example"),
    "plugins": ("burnish.cli.plugins", "List plugins, and why one failed"),
    "new-plugin": ("burnish.cli.new_plugin", "Start a plugin that installs and passes its tests"),
    "cache": ("burnish.cli.cache", "List, verify, prune and explain cached features"),
    "doctor": ("burnish.cli.doctor", "Say what this machine and installation are like"),
}
"""Module and one-line help of every command of core. The module's ``command`` is the command."""

RUN_LIBRARIES: Final = frozenset(
    ["jinja2", "matplotlib", "numpy", "PIL", "rich", "safetensors", "scipy", "torch"]
)
"""What the extra ``burnish[run]`` installs, by import name."""

NoArgsIsHelpError: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""What click from 8.2 on raises for a group that is called without arguments.

Older ones print the help themselves.
"""

INTERRUPTED: Final = 130
INTERNAL: Final = 70


class Commands(click.Group):
    """Finds commands by name, core's first, and imports none to list them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return [*CORE_COMMANDS, *(_typed(component) for component in get_manager().components("command"))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, which imports it; None for an unknown name."""
        if cmd_name in CORE_COMMANDS:
            return add_common(import_module(CORE_COMMANDS[cmd_name][0]).command)
        manager = get_manager()
        if not any(cmd_name in {c.name, c.full_name} for c in manager.components("command")):
            return None
        component = manager.get("command", cmd_name)
        found = manager.resolve(component, component.descriptor.target)
        if not isinstance(found, click.Command):
            raise PluginError(
                f"{component.descriptor.target} is no click command",
                where=f"{component} of plugin {component.plugin}",
            )
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that arguments start with.

        Raises:
            PluginError: there is no such command.
        """
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and not ctx.resilient_parsing:
            raise _unknown(name, self.list_commands(ctx))
        return name, command, args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write core's commands, then those of each plugin, with their one-line help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in CORE_COMMANDS.items()])
        by_plugin: dict[str, list[Component]] = {}
        for component in get_manager().components("command"):
            by_plugin.setdefault(component.plugin.name, []).append(component)
        for plugin, components in sorted(by_plugin.items()):
            with formatter.section(f"Commands of plugin {plugin}"):
                formatter.write_dl(
                    [(_typed(component), component.descriptor.summary) for component in components]
                )


def _typed(component: Component) -> str:
    """Return what to type for a plugin's command: the full name where core has a command of that name."""
    return component.full_name if component.name in CORE_COMMANDS else get_manager().text(component)


def _unknown(name: str, known: Sequence[str]) -> PluginError:
    failed = [f"Plugin {p} failed: {p.reason}" for p in get_manager().plugins if p.status == "failed"]
    return PluginError(
        f"unknown command {name!r}. {suggestion(name, known)}".strip(),
        possible=", ".join(known),
        todo=". ".join(failed),
    )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="burnish", message="%(prog)s %(version)s")
@plugin_option
@debug_option
def cli() -> None:
    """Adapt frozen pre-trained models when the data is imperfect."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: instead of those the program was called with.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be text
    use_plugin_files(())
    code = _guarded(given, debug="--debug" in given)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        code = code or 1
    sys.exit(code)


def _guarded(arguments: Sequence[str], debug: bool) -> int:
    """Run a command and return its exit code; every error becomes a line on stderr."""
    try:
        result = cli.main(args=list(arguments), prog_name="burnish", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted; run the same command to resume")
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return error.exit_code if arguments else 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        code, lines = explain(error)
        for line in lines:
            _say(line)
        return code


def explain(error: Exception) -> tuple[int, list[str]]:
    """Return the exit code and the lines for people that an error ends the command line with."""
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "burnish"
        return error.exit_code, [f"{one_line(error.format_message())} See: {command} --help"]
    if isinstance(error, click.ClickException):
        return error.exit_code, [one_line(error.format_message())]
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in RUN_LIBRARIES:
        missing = MissingExtraError(
            f"this needs the library {error.name!r}, which is not installed",
            todo="Install it: pip install 'burnish[run]'",
        )
        return missing.exit_code, [str(missing)]
    if isinstance(error, CombinedError):
        return error.exit_code, [str(single) for single in error.errors]
    if isinstance(error, BurnishError):
        return error.exit_code, [str(error)]
    if isinstance(error, MemoryError):
        return 1, [
            "out of memory. Use a smaller data set or fewer replicates, or a machine with more memory."
        ]
    return INTERNAL, [
        f"internal error: {type(error).__name__}: {one_line(error)}. Run again with --debug for the"
        " traceback, and please report it."
    ]


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        print(f"burnish: {line}", file=sys.stderr)


def _silence_stdout() -> None:
    """Keep Python's own flush at exit from failing on the closed pipe again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
