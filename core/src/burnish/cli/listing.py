"""``burnish list``: what is installed."""

from __future__ import annotations

import click

from burnish.cli.options import json_option
from burnish.cli.text import echo, echo_json, table
from burnish.descriptors import KINDS
from burnish.manager import Component, Manager, get_manager

NOTHING = "no plugin is installed: pip install burnish-basics burnish-tiny burnish-signs burnish-nmtune"


@click.command()
@click.argument("kind", required=False)
@json_option
def command(kind: str | None, as_json: bool) -> None:
    """List what is installed, of every kind or of one.

    KIND is backbone, noise, tuner, loss, evaluator, summary, source, command or recipe.
    """
    manager = get_manager()
    kinds = [kind] if kind else list(KINDS)
    found = {name: manager.components(name) for name in kinds}
    if as_json:
        echo_json([_record(component) for components in found.values() for component in components])
        return
    for name, components in found.items():
        if components:
            if kind is None:
                click.echo(name)
            echo(
                table(
                    [(manager.text(c), c.plugin.name, c.descriptor.summary) for c in components],
                    indent=0 if kind else 2,
                )
            )
    if not any(found.values()):
        click.echo(f"no {kind} is installed" if kind and manager.plugins else NOTHING)
    warn_failed(manager)


def warn_failed(manager: Manager) -> None:
    """Say on stderr which plugins failed, so that nobody looks for what they would have offered."""
    failed = [plugin.name for plugin in manager.plugins if plugin.status == "failed"]
    if failed:
        click.echo(f"burnish: failed to load: {', '.join(failed)}. Why: burnish plugins", err=True)


def _record(component: Component) -> dict[str, str]:
    descriptor = component.descriptor
    return {
        "kind": component.kind,
        "name": component.name,
        "full_name": component.full_name,
        "summary": descriptor.summary,
        "paper": descriptor.paper,
        "plugin": component.plugin.name,
        "version": component.plugin.version,
    }
