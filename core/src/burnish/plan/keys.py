"""Those keys of a recipe that name no parts.

Split, replicates, tune, select, report, numeric and the like.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from numbers import Integral
from typing import Any, Literal, cast

from burnish.config import from_options, make_config, to_options
from burnish.errors import BurnishError, RecipeError, raise_all, suggestion
from burnish.installed.requirements import unmet
from burnish.notation.part_text import called
from burnish.numeric import Numeric, detect
from burnish.plan.model import ReportSpec, Row, SelectSpec, SplitSpec, TuneSpec, merkle
from burnish.plan.parts import ResolvedPart
from burnish.recipe import Recipe, axis, empty_list

REPLICATES = 5
"""Replicates of a recipe that does not say."""

TUNABLE = ("tuner", "loss", "assess")
"""Recipe keys whose parts' options can be tuned."""


@dataclass(frozen=True)
class _ReportOptions:
    x: str = ""
    lines: Literal["data", "backbone", "noise", "assess", "tuner", "loss"] = "tuner"
    measure: str = ""
    baseline: str = ""


def read_split(recipe: Recipe) -> SplitSpec:
    """Return how splits are drawn."""
    where = recipe.where("split")
    split = make_config(SplitSpec, _mapping(recipe, "split", "{validation: 0.2, test: 0.2}"), where=where)
    if split.validation + split.calibration >= 1:
        raise RecipeError(
            "validation and calibration leave nothing to train on",
            where=where,
            todo="Their sum must be below 1",
        )
    return split


def read_replicates(recipe: Recipe) -> int:
    """Return the number of replicates."""
    return _whole(recipe.values.get("replicates", REPLICATES), 1, 10_000, recipe.where("replicates"))


def read_views(recipe: Recipe) -> list[int | None]:
    """Return the values along the axis ``views``: None leaves the number of views to the tuner."""
    found: list[int | None] = []
    value = recipe.values.get("views")
    if value == []:
        raise empty_list("views", recipe.where("views"))
    for position, item in axis(value):
        match = re.fullmatch(r"fixed:([1-9][0-9]{0,2})", item) if isinstance(item, str) else None
        if item is not None and match is None:
            where = recipe.where("views") if position is None else recipe.where("views", position)
            raise RecipeError(
                f"{item!r} are no views",
                where=where,
                possible="fixed:1, fixed:2, ...",
                todo="Leave views out to give every tuner what it asks for",
            )
        found.append(int(match.group(1)) if match else None)
    return found


def read_on_bad_input(recipe: Recipe) -> Literal["error", "skip"]:
    """Return what happens to an item that cannot be read."""
    value = recipe.values.get("on_bad_input", "error")
    if value not in ("error", "skip"):
        raise RecipeError(
            f"{value!r} is none of them", where=recipe.where("on_bad_input"), possible="error, skip"
        )
    return cast("Literal['error', 'skip']", value)


def read_select(recipe: Recipe) -> SelectSpec:
    """Return the measure that tuning goes by."""
    return make_config(
        SelectSpec, _mapping(recipe, "select", "{measure: accuracy}"), where=recipe.where("select")
    )


def read_numeric(recipe: Recipe) -> Numeric:
    """Return the numeric mode: detected, or as the recipe pins it."""
    value = recipe.values.get("numeric", "auto")
    entries = value if isinstance(value, Mapping) else {"dtype": value}
    where = recipe.where("numeric")
    for name in entries:
        if name not in {"dtype", "device", "threads"}:
            raise RecipeError(f"unknown entry {name!r}", where=where, possible="dtype, device, threads")
    for name, possible in (("dtype", ("auto", "fp32", "bf16")), ("device", ("auto", "cpu", "cuda"))):
        if entries.get(name, "auto") not in possible:
            raise RecipeError(f"{entries[name]!r} is none of them", where=where, possible=", ".join(possible))
    threads = _whole(entries.get("threads", 0), 0, 4096, f"{where}.threads")
    return detect(entries.get("dtype", "auto"), entries.get("device", "auto"), threads)


def read_requires(recipe: Recipe) -> list[str]:
    """Return the required packages; all of them are installed in a fitting version."""
    value = recipe.values.get("requires") or []
    items = [value] if isinstance(value, str) else value
    where = recipe.where("requires")
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise RecipeError(
            "not a list of packages", where=where, todo='Write requires: ["burnish-nmtune>=0.1"]'
        )
    try:
        missing = list(unmet(items))
    except ValueError as error:
        raise RecipeError(
            f"no package and version: {error}", where=where, todo='Write for instance "burnish-nmtune>=0.1"'
        ) from error
    if missing:
        wanted = " ".join(f"'{item}'" for item in items)
        raise RecipeError("; ".join(missing), where=where, todo=f"pip install {wanted}")
    return items


def read_report(recipe: Recipe) -> ReportSpec:
    """Return how the study is drawn; that its names fit the plan is for `check_report`."""
    given = dict(_mapping(recipe, "report", "{x: backbone.noise, lines: tuner}"))
    panels, where = given.pop("panels", None), recipe.where("report")
    options = {name: value for name, value in given.items() if name in {"x", "lines", "measure", "baseline"}}
    for name in given.keys() - options.keys():
        known = ["x", "lines", "panels", "measure", "baseline"]
        raise RecipeError(
            f"unknown entry {name!r}. {suggestion(str(name), known)}".strip(),
            where=where,
            possible=", ".join(known),
        )
    if panels is not None and not isinstance(panels, Mapping):
        raise RecipeError(
            "panels is no mapping of names to splits",
            where=where,
            todo="Write panels: {in: test, out: [test:blur]}",
        )
    groups = {name: tuple(v for _, v in axis(value)) for name, value in (panels or {}).items()}
    if not all(splits and all(isinstance(split, str) for split in splits) for splits in groups.values()):
        raise RecipeError(
            "panels names something that is no split",
            where=where,
            todo="Write panels: {in: test, out: [test:blur]}",
        )
    for name, splits in groups.items():
        if (name == "test" or name.startswith("test:")) and splits != (name,):
            raise RecipeError(
                f"the panel {name!r} has the name of a test set, and is not that alone",
                where=where,
                todo="Give it another name",
            )
    spec = make_config(_ReportOptions, options, where=where)
    return ReportSpec(spec.x, spec.lines, groups or None, spec.measure, spec.baseline)


def check_report(report: ReportSpec, rows: Sequence[Row], where: str) -> None:
    """Check that what the report names is in the plan.

    Raises:
        RecipeError: it is not.
    """
    key, _, option = report.x.partition(".")
    if report.x and not any(part.has(option) for row in rows for part in row.parts().get(key, ())):
        raise RecipeError(
            f"nothing in the plan has {report.x!r}",
            where=where,
            todo="x is a key and an option, such as backbone.noise",
        )
    lines = dict.fromkeys(row.axes()[report.lines] for row in rows)
    meant = called(report.baseline, lines)
    if report.baseline and len(meant) != 1:
        which = (
            "may be any of them"
            if meant
            else f"is no {report.lines} of the plan. {suggestion(report.baseline, lines)}".strip()
        )
        raise RecipeError(
            f"the baseline {report.baseline!r} {which}", where=where, possible=", ".join(meant or lines)
        )


# -- tuning --------------------------------------------------------------------------------------------------


def read_tune(recipe: Recipe) -> TuneSpec | None:
    """Return what is tuned; that the options exist is for `settings_of`."""
    given = _mapping(recipe, "tune", "{budget: 4, space: {tuner.lr: [1e-3, 1e-2]}}")
    where = recipe.where("tune")
    if not given:
        return None
    errors: list[BurnishError] = []
    for name in given:
        if name not in {"budget", "space", "per", "replicates"}:
            known = ["budget", "space", "per", "replicates"]
            errors.append(
                RecipeError(
                    f"unknown entry {name!r}. {suggestion(str(name), known)}".strip(),
                    where=where,
                    possible=", ".join(known),
                )
            )
    space = given.get("space")
    if not isinstance(space, Mapping) or not space:
        errors.append(
            RecipeError(
                "there is no space of options to try",
                where=where,
                todo="Write space: {tuner.lr: [1e-3, 1e-2]}",
            )
        )
        space = {}
    for name, values in space.items():
        key, _, option = name.partition(".")
        if key not in TUNABLE or not option:
            errors.append(
                RecipeError(
                    f"{name!r} cannot be tuned",
                    where=f"{where}.space",
                    possible=", ".join(f"{k}.OPTION" for k in TUNABLE),
                )
            )
        if not isinstance(values, list) or not values:
            errors.append(
                RecipeError(
                    f"the values of {name} are no list",
                    where=f"{where}.space",
                    todo=f"Write {name}: [first, second]",
                )
            )
    per = given.get("per", "row")
    if per not in ("row", "tuner"):
        errors.append(RecipeError(f"{per!r} is none of them", where=f"{where}.per", possible="row, tuner"))
    if "budget" not in given:
        errors.append(
            RecipeError(
                "budget is missing: how many settings each tuner may try", where=where, todo="Write budget: 4"
            )
        )
    budget, replicates = (
        _attempt_whole(errors, given.get(name, 1), f"{where}.{name}") for name in ("budget", "replicates")
    )
    raise_all(errors)
    return TuneSpec(
        budget, {name: tuple(values) for name, values in space.items()}, cast("Any", per), replicates
    )


def settings_of(
    tune: TuneSpec, rows: Sequence[Mapping[str, ResolvedPart]], where: str
) -> tuple[tuple[Mapping[str, Any], ...], ...]:
    """Return the options that each row's candidates try.

    All settings of the options it has, where the budget allows; else a draw without replacement, the same for
    equal spaces.

    Args:
        tune: what is tuned.
        rows: the tunable parts of each row, by recipe key.
        where: of the recipe's ``tune``, for errors.

    Raises:
        RecipeError: an option exists in no part.
        ConfigError: a value is not allowed.
    """
    for name in tune.space:
        key, _, option = name.partition(".")
        if not any(parts[key].part.has(option) for parts in rows if key in parts):
            known = dict.fromkeys(
                f"{key}.{n}" for parts in rows if key in parts for n in parts[key].part.options
            )
            hint = suggestion(name, known)
            raise RecipeError(
                f"nothing in the plan has {name!r}. {hint}".strip(),
                where=f"{where}.space",
                possible=", ".join(known),
            )
    known_settings: dict[tuple[str, ...], tuple[Mapping[str, Any], ...]] = {}
    found = []
    for parts in rows:
        identity = tuple(parts[key].part.digest if key in parts else "" for key in TUNABLE)
        if identity not in known_settings:
            known_settings[identity] = _settings(tune, parts, where)
        found.append(known_settings[identity])
    return tuple(found)


def _settings(tune: TuneSpec, parts: Mapping[str, ResolvedPart], where: str) -> tuple[Mapping[str, Any], ...]:
    names = [
        name
        for name in tune.space
        if (key := name.partition(".")[0]) in parts and parts[key].part.has(name.partition(".")[2])
    ]
    if not names:
        return ()
    total = prod(len(tune.space[name]) for name in names)
    drawn: Sequence[int] = range(total)
    if total > tune.budget:
        seed = merkle("tune", [[name, list(tune.space[name])] for name in names], tune.budget)
        drawn = sorted(random.Random(int(seed[:16], 16)).sample(range(total), tune.budget))
    settings = []
    for number in drawn:
        chosen = {}
        for name in reversed(names):
            number, position = divmod(number, len(tune.space[name]))
            chosen[name] = tune.space[name][position]
        settings.append(_canonical({name: chosen[name] for name in names}, parts, f"{where}.space"))
    return tuple(settings)


def _canonical(
    setting: Mapping[str, Any], parts: Mapping[str, ResolvedPart], where: str
) -> Mapping[str, Any]:
    """Return a setting with its values as the config gives them.

    1 becomes 1.0 for a number with a fraction.
    """
    canonical: dict[str, Any] = {}
    for key in dict.fromkeys(name.partition(".")[0] for name in setting):
        names = [name for name in setting if name.partition(".")[0] == key]
        resolved = parts[key]
        part = resolved.part.with_options({name.partition(".")[2]: setting[name] for name in names}, "")
        config = from_options(type(resolved.config), part.options, f"{where}, {resolved.part.text}")
        checked = resolved.part.with_options(to_options(config), "")
        canonical |= {name: checked.option(name.partition(".")[2]) for name in names}
    return {name: canonical[name] for name in setting}


# -- helpers -------------------------------------------------------------------------------------------------


def _attempt_whole(errors: list[BurnishError], value: Any, where: str) -> int:
    try:
        return _whole(value, 1, 10_000, where)
    except BurnishError as error:
        errors.append(error)
        return 0


def _mapping(recipe: Recipe, key: str, example: str) -> Mapping[str, Any]:
    value = recipe.values.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RecipeError(f"{value!r} is no mapping", where=recipe.where(key), todo=f"Write {key}: {example}")
    return value


def _whole(value: Any, low: int, high: int, where: str) -> int:
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise RecipeError(f"{value!r} is no whole number", where=where, possible=f"{low} to {high}")
    number = int(value)
    if not low <= number <= high:
        raise RecipeError(f"{number} is out of range", where=where, possible=f"{low} to {high}")
    return number
