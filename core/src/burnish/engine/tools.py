"""What jobs work with beside their values. None of it is in a key, and none of it changes a number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from burnish.engine.backbones import Backbones
from burnish.engine.features.cache import FeatureCache
from burnish.engine.parts import make
from burnish.engine.progress import Display, Silent

if TYPE_CHECKING:
    from burnish.manager import Manager
    from burnish.plan import Numeric, Part, Plan


@dataclass(eq=False)
class Tools:
    """What jobs work with.

    Attributes:
        manager: finds components.
        numeric: the numeric mode.
        on_bad_input: whether an item that cannot be used ends the run, or is set aside and listed.
        display: where to show what is going on.
        workers: threads that decode; 0 for as many as there are cores.
        offline: no hub is asked.
        cache: the feature cache.
        notes: (kind, line) pairs for the report.
    """

    manager: Manager
    numeric: Numeric
    on_bad_input: Literal["error", "skip"] = "error"
    display: Display = field(default_factory=Silent)
    workers: int = 0
    offline: bool = False
    cache: FeatureCache = field(default_factory=FeatureCache)
    notes: list[tuple[str, str]] = field(default_factory=list)
    backbones: Backbones = field(init=False)
    _objects: dict[str, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.backbones = Backbones(self.manager, self.numeric, self.cache, self.offline, self.notes)

    @classmethod
    def of(cls, plan: Plan, manager: Manager, **how: Any) -> Tools:
        """Return the tools of a plan."""
        return cls(manager, plan.numeric, plan.on_bad_input, **how)

    def made(self, part: Part) -> Any:
        """Return the tuner, loss, assessor or evaluator behind a part; equal parts share one."""
        if part.digest not in self._objects:
            self._objects[part.digest] = make(part, self.manager)
        return self._objects[part.digest]
