"""From a recipe to a plan: defaults, the product of the axes, and what needs what."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any, TypeVar, cast

from burnish.errors import BurnishError, CombinedError, RecipeError, raise_all
from burnish.installed import code_identity, first_party
from burnish.manager import Manager, get_manager
from burnish.plan import keys as settings
from burnish.plan.model import Row
from burnish.plan.needs import MODALITIES, SUPERVISION, Needs, fixed_provides
from burnish.plan.normal import write_axis, write_numeric, write_part
from burnish.plan.parts import NO_PART, ResolvedPart, ResolvedRow, Resolver, no_tuner
from burnish.plan.plan import Plan
from burnish.recipe import Recipe

DEFAULT_LOSS, DEFAULT_MULTI_LABEL_LOSS = "ce", "bce"
DEFAULT_EVALUATORS = ("accuracy",)
DEFAULT_FEATURES_BACKBONE = "features"

MAX_TRIALS = 1_000_000
"""Most trials of a plan: more is a slip, and would take long only to be listed."""

ValueT = TypeVar("ValueT")


def build_plan(recipe: Recipe, manager: Manager | None = None, *, trials: bool = True) -> Plan:
    """Return the plan of a recipe.

    Args:
        recipe: the recipe.
        manager: finds components; None for the process's.
        trials: False for a plan of features, splits and assessments alone, whose recipe names no tuner.

    Raises:
        BurnishError: the recipe is wrong; a `CombinedError` where it is so in several places.
        MachineError: it asks for a device that is not there.
    """
    return _Build(recipe, manager or get_manager(), trials).plan()


@dataclass(frozen=True)
class _Axes:
    """What stands along every axis of the grid; None is no assessor."""

    data: list[ResolvedPart]
    backbone: list[ResolvedPart]
    noise: list[tuple[ResolvedPart, ...]]
    assess: list[ResolvedPart | None]
    tuner: list[ResolvedPart]
    loss: list[ResolvedPart]
    views: list[int | None]


class _Build:
    def __init__(self, recipe: Recipe, manager: Manager, trials: bool) -> None:
        self.recipe, self.manager, self.trials = recipe, manager, trials
        self.resolver = Resolver(recipe, manager)
        self.errors = self.resolver.errors

    def plan(self) -> Plan:
        recipe = self.recipe
        requires = self._read(settings.read_requires)
        split, replicates, bad = (
            self._read(settings.read_split),
            self._read(settings.read_replicates),
            self._read(settings.read_on_bad_input),
        )
        select, report, tune = (
            self._read(settings.read_select),
            self._read(settings.read_report),
            self._read(settings.read_tune),
        )
        numeric = self._read(settings.read_numeric)
        axes, evaluators = self._axes(), self._evaluators()
        summaries = _once(self.resolver.axis("summarise"))
        raise_all(self.errors)
        self._check_size(axes, replicates)
        resolved = list(self._rows(axes, evaluators))
        needs = Needs(recipe, self.manager)
        needs.check(resolved, evaluators)
        rows = tuple(row.row for row in resolved)
        settings.check_report(report, rows, recipe.where("report"))
        needs.check_measures(evaluators, {"select": select.measure if tune else "", "report": report.measure})
        tried = (
            settings.settings_of(tune, [row.tunable() for row in resolved], recipe.where("tune"))
            if tune
            else ()
        )
        normal = (
            {"name": recipe.name, "summary": recipe.values.get("summary")}
            | _normal_axes(axes)
            | {
                "evaluate": [write_part(p.part) for p in evaluators],
                "split": split.record(),
                "replicates": replicates,
                "tune": tune.record() if tune else None,
                "select": select.record(),
                "on_bad_input": bad,
                "numeric": write_numeric(numeric),
                "summarise": [write_part(p.part) for p in summaries],
                "requires": requires,
                "report": report.record(),
            }
        )
        return Plan(
            recipe.name,
            {key: value for key, value in normal.items() if value not in (None, [])},
            rows,
            tuple(p.part for p in evaluators),
            replicates,
            split,
            tune,
            select,
            report,
            numeric,
            bad,
            tried,
            code_identity.of_core(),
            self._advice(axes.tuner, axes.backbone),
            tuple(p.part for p in summaries),
        )

    def _read(self, read: Callable[[Recipe], ValueT]) -> ValueT:
        """Return what a function reads from the recipe.

        Where it fails the value is not used: all errors are raised together first.
        """
        try:
            return read(self.recipe)
        except CombinedError as several:
            self.errors += several.errors
        except BurnishError as error:
            self.errors.append(error)
        return cast("ValueT", None)

    # -- axes ------------------------------------------------------------------------------------------------

    def _axes(self) -> _Axes:
        for key, example in (("data", "./photos"), ("tuner", "linear"))[: 2 if self.trials else 1]:
            if self.recipe.values.get(key) in (None, []):
                self.errors.append(
                    RecipeError(
                        f"{key} is missing",
                        where=self.recipe.where(),
                        todo=f"Write for instance {key}: {example}",
                    )
                )
        data = self.resolver.axis("data")
        tuner = self.resolver.axis("tuner") if self.trials else [no_tuner()]
        own = [_provides_loss(part) for part in tuner]
        loss = self.resolver.axis("loss", None if own and all(own) else _default_loss(data))
        noise, assess = self.resolver.chains("noise"), self.resolver.chains("assess")
        if any(len(chain) > 1 for chain in assess):
            todo = "A list is an axis; a list in a list is not for assess"
            self.errors.append(
                RecipeError("several assessors in one row", where=self.recipe.where("assess"), todo=todo)
            )
        backbone = self._backbones(data)
        return _Axes(
            data,
            backbone,
            noise,
            [chain[0] if chain else None for chain in assess],
            tuner,
            loss,
            self._read(settings.read_views),
        )

    def _backbones(self, data: list[ResolvedPart]) -> list[ResolvedPart]:
        if self.recipe.values.get("backbone") is not None:
            return self.resolver.axis("backbone")
        if all("features" in part.provides for part in data):
            return self.resolver.axis("backbone", DEFAULT_FEATURES_BACKBONE) if data else []
        given = frozenset.intersection(*(part.provides for part in data))
        able = [
            self.manager.text(c) for c in self.manager.components("backbone") if c.descriptor.needs <= given
        ]
        what, todo = f"backbone is missing, and data {_labels(data)} gives no features", ""
        if not able:
            what += f"; no installed backbone reads {' and '.join(sorted(given & MODALITIES)) or 'all of it'}"
            packages = " or ".join(first_party.backbones_for(given))
            todo = (
                f"pip install {packages}"
                if packages
                else "Give the data as features, or install a plugin with a backbone that reads it"
            )
        self.errors.append(RecipeError(what, where=self.recipe.where(), possible=", ".join(able), todo=todo))
        return []

    def _evaluators(self) -> list[ResolvedPart]:
        if not self.trials:
            return []
        parts = self.resolver.axis("evaluate", list(DEFAULT_EVALUATORS))
        return _once(parts)

    # -- rows ------------------------------------------------------------------------------------------------

    def _rows(self, axes: _Axes, evaluators: Sequence[ResolvedPart]) -> Iterator[ResolvedRow]:
        """Yield the rows in the recipe's order, each once."""
        seen: set[str] = set()
        for data, backbone, noise, assess, tuner in itertools.product(
            axes.data, axes.backbone, axes.noise, axes.assess, axes.tuner
        ):
            losses: Sequence[ResolvedPart | None] = [None] if _provides_loss(tuner) else axes.loss
            for loss, views in itertools.product(losses, axes.views):
                row = Row(
                    data.part,
                    backbone.part,
                    tuple(p.part for p in noise),
                    assess.part if assess else None,
                    tuner.part,
                    loss.part if loss else None,
                    views or self.manager.views(tuner.component, tuner.config),
                    views_vary=len(set(axes.views)) > 1,
                    reads_features=_reads_features(backbone, assess, tuner, evaluators),
                )
                if row.digest not in seen:
                    seen.add(row.digest)
                    yield ResolvedRow(row, data, backbone, noise, assess, tuner, loss)

    def _check_size(self, axes: _Axes, replicates: int) -> None:
        sizes = {item.name: max(1, len(getattr(axes, item.name))) for item in fields(axes)}
        trials = prod(sizes.values()) * replicates
        if trials > MAX_TRIALS:
            shown = " x ".join(f"{size} {name}" for name, size in sizes.items() if size > 1)
            raise RecipeError(
                f"{shown} x {replicates} replicates are {trials:,} trials",
                where=self.recipe.where(),
                possible=f"at most {MAX_TRIALS:,}",
            )

    def _advice(self, tuners: Sequence[ResolvedPart], backbones: Sequence[ResolvedPart]) -> tuple[str, ...]:
        """Say which rows are transductive or cannot be reproduced, and how to add the row that does nothing.

        No plan gets rows that its recipe does not name.
        """
        together = dict.fromkeys(part.part.text for part in tuners if "transductive" in part.provides)
        found = (
            [
                "Transductive, an item's scores depend on the items it is predicted with:"
                f" {', '.join(together)}."
            ]
            if together
            else []
        )
        elsewhere = dict.fromkeys(part.part.text for part in backbones if "not-reproducible" in part.provides)
        if elsewhere:
            found.append(
                "Not reproducible, others run the model and may change it without notice:"
                f" {', '.join(elsewhere)}."
            )
        if not any("control" in part.provides for part in tuners):
            able = [
                self.manager.text(c)
                for c in self.manager.components("tuner")
                if "control" in fixed_provides(c.descriptor.provides)
            ]
            found.append(
                f"No do-nothing row: add --tuner {able[0]}."
                if able
                else "No do-nothing row, and no installed tuner gives one."
            )
        return tuple(found)


def _normal_axes(axes: _Axes) -> dict[str, Any]:
    named: dict[str, list[ResolvedPart]] = {
        "data": axes.data,
        "backbone": axes.backbone,
        "tuner": axes.tuner,
        "loss": axes.loss,
    }
    normal: dict[str, Any] = {
        key: write_axis([write_part(p.part) for p in parts]) for key, parts in named.items() if parts
    }
    normal["noise"] = [[write_part(p.part) for p in chain] for chain in axes.noise]
    normal["assess"] = write_axis([NO_PART if p is None else write_part(p.part) for p in axes.assess])
    if any(axes.views):
        normal["views"] = write_axis([f"fixed:{count}" if count else None for count in axes.views])
    return normal


def _once(parts: Sequence[ResolvedPart]) -> list[ResolvedPart]:
    return list({part.part.digest: part for part in parts}.values())


def _reads_features(
    backbone: ResolvedPart,
    assess: ResolvedPart | None,
    tuner: ResolvedPart,
    evaluators: Sequence[ResolvedPart],
) -> bool:
    """Return whether a row has features: its backbone makes them, and something reads them."""
    if "features" not in backbone.provides:
        return False
    asks_alone = assess is None and "generate" in tuner.needs
    return not asks_alone or any("features" in evaluator.needs for evaluator in evaluators)


def _default_loss(data: Sequence[ResolvedPart]) -> str:
    """Return the loss of a recipe that names none: it follows the supervision."""
    multi = data and all(part.provides & SUPERVISION == {"multi-labels"} for part in data)
    return DEFAULT_MULTI_LABEL_LOSS if multi else DEFAULT_LOSS


def _provides_loss(tuner: ResolvedPart) -> bool:
    return "own-loss" in tuner.provides


def _labels(parts: Sequence[ResolvedPart]) -> str:
    return ", ".join(dict.fromkeys(part.part.text for part in parts))
