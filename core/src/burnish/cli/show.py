"""``burnish show``: one component, without importing what is behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from burnish.cli.options import json_option
from burnish.cli.text import echo, echo_json, table
from burnish.config import REQUIRED, Option, describe, range_words, say_value
from burnish.descriptors import Backbone
from burnish.manager import Component, get_manager
from burnish.recipe import PARTS


@click.command()
@click.argument("kind")
@click.argument("name")
@json_option
def command(kind: str, name: str, as_json: bool) -> None:
    """Show the component NAME of a KIND: options, needs, an example."""
    component = get_manager().get(kind, name)
    if as_json:
        echo_json(_record(component))
    else:
        echo(_text(component))


def _sections(component: Component) -> dict[str, list[Option]]:
    """Return the options of a component by the recipe key, or command, that they are for."""
    keys = {kind: key for key, kind in PARTS.items() if kind != "noise"}
    if component.kind in {"command", "recipe"}:
        return {}
    sections = {
        keys.get(kind, kind): describe(config) for kind, config in component.descriptor.configs().items()
    }
    if isinstance(component.descriptor, Backbone) and component.descriptor.pretrain:
        sections["burnish pretrain"] = describe(component.descriptor.pretrain_config)
    return sections


def _text(component: Component) -> Iterator[str]:
    descriptor, plugin = component.descriptor, component.plugin
    yield f"{component.kind} {component.name}: {descriptor.summary}"
    facts = [
        ("plugin", str(plugin)),
        ("paper", descriptor.paper),
        ("needs", _words(descriptor.needs)),
        ("provides", _words(descriptor.provides)),
        ("measures", _measures(descriptor)),
    ]
    yield from table([(name, text) for name, text in facts if text])
    for key, section in _sections(component).items():
        yield ""
        yield f"Options under {key}:" if key in PARTS else f"Options of {key}:"
        yield from table([_row(option) for option in section]) if section else ["  none"]
    yield ""
    yield "Example"
    yield from (f"  {line}" for line in examples(component))


def _words(words: frozenset[str] | str) -> str:
    return "depends on its options" if isinstance(words, str) else ", ".join(sorted(words))


def _measures(descriptor: Any) -> str:
    names = getattr(descriptor, "measures", None) or ()
    return "depends on its options" if isinstance(names, str) else ", ".join(names)


def _row(option: Option) -> tuple[str, str, str, str]:
    default = "required" if option.default is REQUIRED else say_value(option.default)
    limits = f" ({range_words(option.range)})" if option.range else ""
    choices = (
        f" ({', '.join(map(str, option.choices))})"
        if option.choices and not option.type.startswith("one of")
        else ""
    )
    return option.name, default, option.type + limits + choices, option.help


def examples(component: Component) -> list[str]:
    """Return lines that use a component: of a recipe, or of a command line."""
    if component.kind == "command":
        return [f"burnish {component.name}"]
    if component.kind == "recipe":
        return [f"burnish run {component.name}"]
    lines = []
    for key, section in _sections(component).items():
        needed = [option for option in section if option.default is REQUIRED] or [
            o for o in section if isinstance(o.default, int | float)
        ][:1]
        text = ",".join(f"{option.name}={_value(option)}" for option in needed)
        if key == component.kind and component.descriptor.example:
            text = component.descriptor.example
        name = get_manager().text(component)
        notation = f"{name}:{text}" if text else name
        lines.append(f"{key}: {notation}" if key in PARTS else f"{key} {name}")
    return lines


def _value(option: Option) -> str:
    if option.default is not REQUIRED:
        return say_value(option.default)
    if option.choices:
        return say_value(option.choices[0])
    return {"path": "PATH", "text": "TEXT", "whole number": "1", "number": "1", "true or false": "true"}.get(
        option.type, "VALUE"
    )


def _record(component: Component) -> dict[str, Any]:
    descriptor, plugin = component.descriptor, component.plugin
    sections = {
        key: [
            {
                "name": option.name,
                "type": option.type,
                "required": option.default is REQUIRED,
                "default": None if option.default is REQUIRED else option.default,
                "range": list(option.range) if option.range else None,
                "choices": list(option.choices),
                "help": option.help,
            }
            for option in section
        ]
        for key, section in _sections(component).items()
    }
    provides = descriptor.provides if isinstance(descriptor.provides, str) else sorted(descriptor.provides)
    return {
        "kind": component.kind,
        "name": component.name,
        "full_name": component.full_name,
        "summary": descriptor.summary,
        "paper": descriptor.paper,
        "needs": sorted(descriptor.needs),
        "provides": provides,
        "measures": getattr(descriptor, "measures", None),
        "options": sections,
        "examples": examples(component),
        "plugin": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "file": plugin.file,
    }
