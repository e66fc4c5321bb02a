"""``burnish plugins``: which there are, what they offer, and why one failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from burnish._version import __version__
from burnish.cli.listing import NOTHING
from burnish.cli.options import json_option
from burnish.cli.text import echo, echo_json, table
from burnish.descriptors import KINDS
from burnish.manager import Manager, PluginInfo, get_manager


@click.command()
@click.option("--freeze", is_flag=True, help="Print core and plugins as requirements for pip.")
@json_option
def command(freeze: bool, as_json: bool) -> None:
    """List plugins: where they are from, what they offer, and why one failed."""
    manager = get_manager()
    if freeze:
        echo(_requirements(manager))
    elif as_json:
        echo_json([_record(manager, plugin) for plugin in manager.plugins])
    elif not manager.plugins:
        click.echo(NOTHING)
    else:
        echo(_lines(manager))


def _requirements(manager: Manager) -> Iterator[str]:
    yield f"burnish=={__version__}"
    for plugin in manager.plugins:
        yield (
            f"{plugin.distribution}=={plugin.version}"
            if plugin.distribution
            else f"# {plugin.file or plugin.name}"
        )


def _lines(manager: Manager) -> Iterator[str]:
    rows = [
        (p.name, p.distribution or "local file", p.version, p.status, _offers(manager, p) or p.reason)
        for p in manager.plugins
    ]
    yield from table([("plugin", "distribution", "version", "status", "offers"), *rows], indent=0)
    for plugin in manager.plugins:
        if plugin.note:
            yield f"{plugin.name}: {plugin.note}"
        for requirement in manager.unmet(plugin):
            yield f"{plugin.name} requires {requirement}"


def _offers(manager: Manager, plugin: PluginInfo) -> str:
    counts = {kind: sum(c.plugin is plugin for c in manager.components(kind)) for kind in KINDS}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)


def _record(manager: Manager, plugin: PluginInfo) -> dict[str, Any]:
    offers = {kind: [c.name for c in manager.components(kind) if c.plugin is plugin] for kind in KINDS}
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module,
        "file": plugin.file,
        "source": plugin.source,
        "status": plugin.status,
        "reason": plugin.reason,
        "note": plugin.note,
        "offers": {kind: names for kind, names in offers.items() if names},
        "unmet": list(manager.unmet(plugin)),
    }
