"""The one backbone that is in memory: made when it is needed, lent to tuners, and what it says of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from burnish.blocks.lease import frozen_digest
from burnish.contracts.backbone import Runtime
from burnish.engine.answers.answers import AnswerCache, AnswerSpec, ask
from burnish.engine.features.cache import FeatureCache
from burnish.engine.features.prompts import embed_classes
from burnish.engine.features.spec import FeatureSpec
from burnish.engine.parts import component_of, config_of, make
from burnish.errors import PluginError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.language import Decoding
    from burnish.data import Classes
    from burnish.manager import Manager
    from burnish.plan import Numeric, Part


@dataclass(eq=False)
class _Live:
    """The backbone that is in memory.

    Attributes:
        key: digest of its part.
        backbone: the object.
        frozen: hash of its frozen weights, once it was lent.
    """

    key: str
    backbone: Any
    frozen: str = ""


@dataclass(eq=False)
class Backbones:
    """Gives backbones, one at a time: jobs that share one stand together in a plan.

    Attributes:
        manager: finds components.
        numeric: the numeric mode.
        cache: keeps features of texts and answers.
        offline: no hub is asked.
        notes: (kind, line) pairs for the report.
    """

    manager: Manager
    numeric: Numeric
    cache: FeatureCache
    offline: bool = False
    notes: list[tuple[str, str]] = field(default_factory=list)
    _live: _Live | None = None
    _embedded: dict[tuple[str, ...], NDArray[Any]] = field(default_factory=dict)

    def get(self, part: Part) -> Any:
        """Return the backbone of a part."""
        if self._live is None or self._live.key != part.digest:
            self.release()  # let go of the other one first
            runtime = Runtime(self.numeric.device, self.numeric.dtype, self.offline)
            self._live = _Live(part.digest, make(part, self.manager, runtime))
        return self._live.backbone

    def release(self) -> None:
        """Let go of the backbone that is in memory, and of what it made of texts."""
        self._live = None
        self._embedded.clear()

    def provides(self, part: Part) -> frozenset[str]:
        """Return what a backbone provides, without making it."""
        component = component_of(part, self.manager)
        return frozenset(self.manager.provides(component, config_of(part, component)))

    def lend(self, part: Part) -> Any:
        """Return a backbone for a component that may put something into its module."""
        backbone = self.get(part)
        if self._live is not None and not self._live.frozen and "module" in self.provides(part):
            self._live.frozen = frozen_digest(backbone.module)
        return backbone

    def require_frozen(self, who: str) -> None:
        """Refuse to go on where whoever borrowed the backbone did not leave its weights as they were.

        Raises:
            PluginError: they differ in a bit. The backbone is let go of.
        """
        live = self._live
        if live is not None and live.frozen and frozen_digest(live.backbone.module) != live.frozen:
            self.release()
            todo = "Put what is trained into the module through burnish.blocks.lease"
            raise PluginError("the frozen weights of the backbone were changed", where=who, todo=todo)

    def logit_scale(self, part: Part) -> float | None:
        """Return what a backbone multiplies cosine similarities with.

        None where images and texts share no learnt space.
        """
        return float(self.get(part).logit_scale) if "projects" in self.provides(part) else None

    def class_embeddings(self, part: Part, classes: Classes, templates: Sequence[str]) -> NDArray[Any]:
        """Return (P, C, D) float32 text features of the class names in templates; trials share them."""
        described = [text for texts in classes.descriptions for text in texts[:1]]
        key = (part.digest, *classes.names, "", *described, "", *templates)
        if key not in self._embedded:
            spec = FeatureSpec(part, "text", None, self.numeric)
            found = embed_classes(classes, templates, spec, lambda: self.get(part), self.cache)
            found.setflags(write=False)
            self._embedded[key] = found
        return self._embedded[key]

    def ask(
        self, part: Part, prompts: Sequence[Sequence[str]], decoding: Decoding, seeds: Sequence[int]
    ) -> NDArray[Any]:
        """Return what a backbone answers P prompts for each of M items; answers are kept.

        (M, P) object array of str.
        """
        elsewhere = "not-reproducible" in self.provides(part)
        spec = AnswerSpec(part, None if elsewhere else self.numeric)
        kept = AnswerCache(self.cache.folder, spec)
        table = ask(lambda: self.get(part), prompts, decoding, seeds, kept)
        self.notes += [("warning", line) for line in kept.warnings]
        return table
