"""`burnish check DATA`: what is there and what is wrong with it, row by row; reads, and never trains."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from burnish.cli.options import json_option, workers_option
from burnish.cli.text import echo, echo_json
from burnish.errors import CombinedError, DataError

if TYPE_CHECKING:
    from burnish.data import Finding
    from burnish.engine.check import Check

_SHOWN = 10
_CLASSES_SHOWN = 20


@click.command("check")
@click.argument("data")
@json_option
@click.option(
    "--all", "everything", is_flag=True, help=f"List all findings of a kind, not the first {_SHOWN}."
)
@workers_option
def command(data: str, as_json: bool, everything: bool, workers: int) -> None:
    """Tell what DATA holds and what is wrong with it, row by row. Nothing is trained.

    DATA is a path, or a source with its options, such as csv:path=reviews.csv,label=stars. The exit code is 1
    when something is wrong.
    """
    found, findings = _checked(data, workers)
    ok = not findings if found is None else found.ok
    if as_json:
        echo_json(
            found.record() if found else {"ok": False, "findings": [vars(finding) for finding in findings]}
        )
    else:
        echo(_summary(found) if found else [])
        echo(_told(findings, everything))
    if not ok:
        click.get_current_context().exit(1)


def _checked(data: str, workers: int) -> tuple[Check | None, Sequence[Finding]]:
    """Load and check; data that cannot be loaded is a finding, too."""
    from burnish.data import Finding
    from burnish.engine.check import check
    from burnish.manager import get_manager
    from burnish.plan.parts import read_part

    manager = get_manager()
    try:
        part = read_part("data", data, manager, where="DATA")
        dataset = manager.resolve(part.component, part.component.descriptor.target)(part.config).load()
    except (DataError, CombinedError) as error:
        errors = error.errors if isinstance(error, CombinedError) else (error,)
        if not all(isinstance(each, DataError) for each in errors):
            raise
        todo = [
            ". ".join(filter(None, [f"Possible: {each.possible}" if each.possible else "", each.todo]))
            for each in errors
        ]
        return None, [
            Finding("error", "unusable", each.what, each.where, more)
            for each, more in zip(errors, todo, strict=True)
        ]
    shown = check(dataset, _progress if sys.stderr.isatty() else None, workers)
    return shown, shown.findings


def _progress(done: int, total: int) -> None:
    end = "\n" if done == total else ""
    click.echo(f"\rread {done:,} of {total:,} items{end}", nl=False, err=True)


def _summary(found: Check) -> list[str]:
    """Return what is there, a line each."""
    things = {"image": "images", "text": "texts"}.get(found.modality, "rows of features")
    targets = f"{len(found.classes)} classes, {found.supervision}" if found.classes else "acceptable answers"
    lines = [f"{found.name}: {found.items:,} {things}, {targets}"]
    lines.append("splits    " + ", ".join(f"{name} {n:,}" for name, n in found.splits.items()))
    lines += [f"sizes     {_sizes(found)}"] if found.sizes else []
    lines += [f"groups    {found.groups:,}"] if found.groups is not None else []
    if found.labelled < found.items:
        lines.append(f"labelled  {found.labelled:,} of {found.items:,}")
    if found.wrong_labels is not None:
        lines.append(f"truth     {found.wrong_labels:.1%} of the labels differ from it")
    return [*lines, *_classes(found)]


def _sizes(found: Check) -> str:
    if "width" in found.sizes:
        return f"{found.sizes['width'][0]:,} features"
    unit = " pixels" if found.modality == "image" else " characters"
    texts = {name: " x ".join(f"{n:,}" for n in size) for name, size in found.sizes.items()}
    if texts["least"] == texts["most"]:
        return texts["most"] + unit
    return f"{texts['least']} to {texts['most']}{unit}, median {texts['median']}"


def _classes(found: Check) -> list[str]:
    """Return a table of items by class and split.

    A line where there are many classes, nothing where there are none.
    """
    if not found.classes:
        return []
    if len(found.classes) > _CLASSES_SHOWN:
        ranges = [
            f"{name} {min(counts):,} to {max(counts):,} items a class"
            for name, counts in found.counts.items()
        ]
        return ["classes   " + ", ".join(ranges)]
    rows = [
        ["class", *found.counts],
        *(
            [name, *(f"{counts[at]:,}" for counts in found.counts.values())]
            for at, name in enumerate(found.classes)
        ),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    aligned = (
        [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        for row in rows
    )
    return ["", *("  ".join(cells).rstrip() for cells in aligned)]


def _told(findings: Sequence[Finding], everything: bool) -> list[str]:
    """Return the findings, worst first, and a line that counts them."""
    lines: list[str] = []
    by_kind: dict[tuple[str, str], list[Any]] = {}
    for finding in findings:
        by_kind.setdefault((finding.severity, finding.kind), []).append(finding)
    for (severity, kind), group in by_kind.items():
        shown = group if everything else group[:_SHOWN]
        lines += [f"{severity:8}{finding}" for finding in shown]
        if len(shown) < len(group):
            lines.append(f"{'':8}and {len(group) - len(shown):,} more of the kind {kind}: --all lists them")
    counts = {
        severity: sum(f.severity == severity for f in findings) for severity in ("error", "warning", "note")
    }
    told = ", ".join(f"{n:,} {severity}{'s' if n > 1 else ''}" for severity, n in counts.items() if n)
    return [
        "",
        *lines,
        told if counts["error"] or counts["warning"] else ", ".join(filter(None, ["nothing is wrong", told])),
    ]
