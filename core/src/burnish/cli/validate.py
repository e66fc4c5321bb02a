"""``burnish validate``: what a recipe would do, and everything that is wrong with it, without torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

import click

import burnish
from burnish.cli.options import device_option, json_option
from burnish.cli.recipes import recipe_arguments, recipe_options
from burnish.cli.text import echo, echo_json, table
from burnish.config import say_value
from burnish.plan import JobKind, Plan, to_yaml


@click.command()
@recipe_options
@device_option
@click.option(
    "--plan", "as_plan", is_flag=True, help="Print the plan: the recipe with every default filled in."
)
@json_option
def command(as_plan: bool, as_json: bool, **values: Any) -> None:
    """Say what a recipe would do, and what is wrong with it.

    RECIPE is a file or the name of an installed recipe; --data, --tuner and the like stand for one, or change
    it.
    """
    plan = burnish.plan_of(**recipe_arguments(values))
    if as_plan:
        click.echo(to_yaml(plan), nl=False)
    else:
        show_plan(plan, as_json=as_json)


def show_plan(plan: Plan, *, as_json: bool) -> None:
    """Print what a plan would do."""
    if as_json:
        echo_json(_record(plan))
    else:
        echo(summary(plan))


def job_counts(plan: Plan) -> dict[str, int]:
    """Return how many jobs of each kind a plan has."""
    counts = Counter(job.kind for job in plan.jobs())
    return {kind: counts[kind] for kind in get_args(JobKind) if counts[kind]}


def summary(plan: Plan) -> Iterator[str]:
    """Yield a plan in a few lines for people."""
    rows, trials = len(plan.rows), len(plan.rows) * plan.replicates
    yield f"{plan.name}: {rows} row{'s' * (rows != 1)} x {plan.replicates} replicates = {trials} trials"
    yield from table([(key, values) for key, values in _axes(plan)])
    yield f"evaluate: {', '.join(part.text for part in plan.evaluators)}"
    numeric = plan.numeric
    yield (
        f"numeric: {numeric.dtype} on {numeric.device}, {numeric.threads} threads, torch"
        f" {numeric.torch or 'not installed'}"
    )
    yield "jobs: " + ", ".join(f"{count} {kind}" for kind, count in job_counts(plan).items())
    for choice in plan.choices():
        tried = "; ".join(
            ", ".join(f"{name}={say_value(value)}" for name, value in options.items())
            for options, _ in choice.candidates
        )
        yield f"tune {choice.text}: {len(choice.candidates)} settings ({tried})"


def _axes(plan: Plan) -> Iterator[tuple[str, str]]:
    for key in plan.rows[0].axes():
        values = list(dict.fromkeys(row.axes()[key] for row in plan.rows))
        if values != ["none"]:
            yield key, ", ".join(values)


def _record(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "key": plan.key(),
        "rows": [row.axes() for row in plan.rows],
        "replicates": plan.replicates,
        "trials": len(plan.rows) * plan.replicates,
        "jobs": job_counts(plan),
        "numeric": plan.numeric.record(),
        "choices": [
            {"text": c.text, "candidates": [dict(options) for options, _ in c.candidates]}
            for c in plan.choices()
        ],
        "plan": plan.recipe,
    }
