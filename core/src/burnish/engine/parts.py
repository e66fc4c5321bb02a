"""From a plan's parts to the objects behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burnish.config import from_options
from burnish.manager import Component, Manager

if TYPE_CHECKING:
    from burnish.plan import Part

KIND_OF_KEY = {"data": "source", "assess": "noise", "evaluate": "evaluator", "summarise": "summary"}
"""The kind of component that stands under a recipe key, where the two words differ."""


def component_of(part: Part, manager: Manager) -> Component:
    """Return the component a part names."""
    return manager.get(KIND_OF_KEY.get(part.kind, part.kind), f"{part.plugin}/{part.name}")


def config_of(part: Part, component: Component) -> Any:
    """Return the part's options as its component's config."""
    configs = component.descriptor.configs()
    return from_options(configs.get(part.kind) or next(iter(configs.values())), part.options)


def make(part: Part, manager: Manager, *further: Any) -> Any:
    """Import a part's target and call it with its config and what else its kind is given.

    Raises:
        PluginError: the target cannot be imported.
    """
    component = component_of(part, manager)
    descriptor = component.descriptor
    target = {"noise": "corrupt", "assess": "assess"}.get(part.kind, "target")
    return manager.resolve(component, getattr(descriptor, target))(config_of(part, component), *further)
