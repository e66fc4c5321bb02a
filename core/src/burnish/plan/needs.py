"""Whether the parts of a plan fit each other: what they need, and which measures there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from burnish.errors import BurnishError, RecipeError, raise_all, suggestion
from burnish.manager import Manager
from burnish.plan.parts import ResolvedPart, ResolvedRow
from burnish.recipe import PARTS, Recipe

MODALITIES, SUPERVISION = (
    frozenset({"image", "text", "features"}),
    frozenset({"labels", "multi-labels", "texts"}),
)


class Needs:
    """Checks of one recipe.

    Args:
        recipe: the recipe, for where its keys stand.
        manager: finds components that would fit.
    """

    def __init__(self, recipe: Recipe, manager: Manager) -> None:
        self.recipe, self.manager = recipe, manager

    def check(self, rows: Sequence[ResolvedRow], evaluators: Sequence[ResolvedPart]) -> None:
        """Check that data, backbone, assessor and tuner of each row provide what its parts need.

        Raises:
            RecipeError: they do not; a `CombinedError` where several things are missing.
        """
        found: dict[str, BurnishError] = {}
        # An evaluator of assessments measures the rows that have one; the other rows leave it out.
        assessed = {"assessment"} if any(row.assess for row in rows) else set[str]()
        for row in rows:
            data = row.data.provides
            both = data | row.backbone.provides
            seen = both | ({"assessment"} if row.assess else set())
            origin, origins = (
                f"data {row.data.part.text}",
                f"data {row.data.part.text} with backbone {row.backbone.part.text}",
            )
            told = f"{origins} and assess {row.assess.part.text}" if row.assess else origins
            checks = [
                (row.backbone, data, origin),
                *((noise, data, origin) for noise in row.noise),
                (row.tuner, seen, told),
            ]
            checks += [
                (part, have, by)
                for part, have, by in ((row.assess, both, origins), (row.loss, seen, told))
                if part
            ]
            wrong = [
                self._lacks(part, missing, have, by)
                for part, have, by in checks
                if (missing := part.needs - have)
            ]
            # What the row's tuner provides counts, too, but is not told: else each tuner would give a message
            # of its own.
            given = seen | assessed | {"truth"} | row.tuner.provides
            wrong += [
                self._lacks(evaluator, missing, seen, told)
                for evaluator in evaluators
                if (missing := evaluator.needs - given)
            ]
            if row.row.views > 1 and not row.backbone.component.descriptor.views:
                wrong.append(self._lacks_views(row))
            for error in wrong:
                found.setdefault(str(error), error)
        raise_all(list(found.values()))

    def _lacks_views(self, row: ResolvedRow) -> RecipeError:
        forced = self.recipe.values.get("views") is not None
        wants = (
            f"views is fixed:{row.row.views}"
            if forced
            else f"tuner {row.tuner.part.text} needs {row.row.views} views of each item"
        )
        what = f"{wants}; backbone {row.backbone.part.text} makes none"
        able = [
            self.manager.text(c)
            for c in self.manager.components("backbone")
            if c.descriptor.views and c.descriptor.needs <= row.data.provides
        ]
        todo = (
            f"Backbones that make views: {', '.join(able)}"
            if able
            else "No installed backbone makes views of this data"
        )
        return RecipeError(what, where=self.recipe.where("views" if forced else "tuner"), todo=todo)

    def _lacks(
        self, part: ResolvedPart, missing: frozenset[str], have: frozenset[str], by: str
    ) -> RecipeError:
        key, words = part.part.kind, ", ".join(sorted(missing))
        todo = f"Take another {key}"
        if key == "backbone":
            able = [
                self.manager.text(c)
                for c in self.manager.components("backbone")
                if c.descriptor.needs <= have
            ]
            todo = (
                f"Backbones for this data: {', '.join(able)}"
                if able
                else "No installed backbone is for this data"
            )
        elif missing <= SUPERVISION:
            known = [
                c
                for c in self.manager.components(PARTS[key])
                if key in c.descriptor.configs() or key not in {"noise", "assess"}
            ]
            able = [self.manager.text(c) for c in known if c.descriptor.needs <= have]
            todo = f"{todo}: {', '.join(able)}" if able else todo
        elif key != "noise":
            able = [
                self.manager.text(c)
                for c in self.manager.components("backbone")
                if fixed_provides(c.descriptor.provides) >= missing
            ]
            todo = f"Backbones that provide it: {', '.join(able)}" if able else todo
            todo = "Name an assessor under assess:" if missing == {"assessment"} else todo
        what = (
            f"{PARTS[key]} {part.part.text} needs {words}; {by} provides"
            f" {', '.join(sorted(have - {'truth'})) or 'nothing'}"
        )
        return RecipeError(what, where=self.recipe.where(key), todo=todo)

    def check_measures(self, evaluators: Sequence[ResolvedPart], named: dict[str, str]) -> None:
        """Refuse a measure that no evaluator gives, where all of them tell what they give."""
        told = [self.manager.measures(part.component, part.config) for part in evaluators]
        possible = [name for names in told for name in names or ()]
        wrong = [key for key, name in named.items() if name and name not in possible]
        if None in told:
            return
        raise_all([self._no_measure(key, named[key], possible) for key in wrong])

    def _no_measure(self, key: str, name: str, possible: Sequence[str]) -> RecipeError:
        others = [
            self.manager.text(c)
            for c in self.manager.components("evaluator")
            if isinstance(c.descriptor.measures, tuple) and name in c.descriptor.measures
        ]
        todo = f"Add {others[0]} to evaluate" if others else "Add an evaluator that gives it to evaluate"
        what = f"no evaluator of the recipe measures {name!r}. {suggestion(name, possible)}".strip()
        where = f"{self.recipe.where(key)}.measure"
        return RecipeError(what, where=where, possible=", ".join(dict.fromkeys(possible)), todo=todo)


def fixed_provides(provides: Any) -> frozenset[str]:
    """Return what a descriptor provides whatever its options; nothing where that depends on them."""
    return provides if isinstance(provides, frozenset) else frozenset()
