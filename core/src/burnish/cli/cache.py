"""``burnish cache``: what is cached, whether it is whole, what to remove, why features would be remade."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

import burnish
from burnish.cli.options import device_option, json_option
from burnish.cli.recipes import recipe_arguments, recipe_options
from burnish.cli.text import echo, echo_json, table
from burnish.config import say_value
from burnish.errors import ConfigError, one_line
from burnish.manager import Manager, get_manager
from burnish.places import cache_bound, cache_folder, parse_size
from burnish.plan import Plan, Row

if TYPE_CHECKING:
    from burnish.engine.features.care import Why
    from burnish.engine.features.spec import FeatureSpec
    from burnish.engine.kept import Kept

_SHORT: Final = 12
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MODALITIES: Final = ("image", "text", "features")


@click.group()
def command() -> None:
    """Look after cached features, and the answers of language models.

    They lie in $BURNISH_CACHE (else ~/.cache/burnish, on macOS ~/Library/Caches/burnish), at most
    $BURNISH_CACHE_SIZE of features (else 20GB). Answers, which may have cost money, go only when asked to.
    """


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List what is cached, the last used first."""
    from burnish.engine.care import list_kept

    folder, bound, entries = cache_folder(), cache_bound(), list_kept(cache_folder())
    if as_json:
        echo_json({"folder": str(folder), "bound": bound, "entries": [asdict(entry) for entry in entries]})
        return
    features = [entry for entry in entries if entry.kind == "features"]
    held = _size(sum(entry.size for entry in features))
    click.echo(f"{folder}: {_count(len(features), 'entry', 'entries')}, {held} of at most {_size(bound)}")
    echo(_listing(entries))


@command.command()
@json_option
@click.pass_context
def verify(ctx: click.Context, as_json: bool) -> None:
    """Read everything and compare checksums.

    What is damaged is set aside, and made again when it is needed.
    """
    from burnish.engine.care import verify as verify_all

    whole, damaged = verify_all(cache_folder())
    if as_json:
        echo_json(
            {"whole": whole, "damaged": [{"file": str(item.path), "reason": item.reason} for item in damaged]}
        )
    else:
        click.echo(f"{cache_folder()}: {_count(whole, 'file is', 'files are')} whole, {len(damaged)} damaged")
        echo([f"  {item.path}: {one_line(item.reason)}" for item in damaged])
    if damaged:
        ctx.exit(1)


@command.command()
@click.option(
    "--max-size", metavar="SIZE", help="Keep at most this much, such as 5GB [default: the cache's bound]."
)
@click.option(
    "--older-than", metavar="AGE", help="Remove what was not used for this long, such as 30d or 12h."
)
@click.option("--entry", metavar="KEY", help="Remove the entries, or answers, whose key begins so.")
@click.option("--all", "everything", is_flag=True, help="Remove everything.")
@json_option
def prune(
    max_size: str | None, older_than: str | None, entry: str | None, everything: bool, as_json: bool
) -> None:
    """Remove entries, least recently used first.

    Features that a running process uses stay. Answers are removed by --older-than, --entry and --all alone.
    """
    from burnish.engine.care import find_kept
    from burnish.engine.care import prune as prune_entries

    folder = cache_folder()
    if entry:
        find_kept(folder, entry)
    bound = parse_size(max_size, "--max-size") if max_size else None
    if bound is None and not (older_than or entry or everything):
        bound = cache_bound()
    age = None if older_than is None else _age(older_than)
    removed = prune_entries(folder, max_bytes=bound, key=entry or "", older_than=age, everything=everything)
    if as_json:
        echo_json({"removed": [asdict(kept) for kept in removed]})
        return
    freed, answers = _size(sum(kept.size for kept in removed)), sum(k.kind == "answers" for k in removed)
    more = f" and {_count(answers, 'file', 'files')} of answers" if answers else ""
    count = _count(len(removed) - answers, "entry", "entries")
    click.echo(f"{folder}: {count}{more} removed, {freed} freed")
    echo(_listing(removed))


@command.command()
@recipe_options
@device_option
@json_option
def why(as_json: bool, **values: Any) -> None:
    """Say which features of a recipe are cached.

    Where none are: in what the nearest entry differs. RECIPE and the options are those of `burnish run`.
    """
    from burnish.engine.features.care import why as why_of
    from burnish.places import cache_folder

    manager = get_manager()
    plan = burnish.plan_of(**recipe_arguments(values))
    answers = [(spec, why_of(cache_folder(), spec.key(), spec.record())) for spec in _specs(plan, manager)]
    if as_json:
        echo_json(
            [
                {"backbone": spec.backbone.text, "view": spec.view, "cached": spec.cached, **asdict(answer)}
                for spec, answer in answers
            ]
        )
        return
    for spec, answer in answers:
        echo(_explanation(spec, answer))


def _specs(plan: Plan, manager: Manager) -> list[FeatureSpec]:
    """Return the feature specs of a plan, each once."""
    from burnish.engine.features.spec import FeatureSpec

    specs: dict[str, FeatureSpec] = {}
    for row in plan.rows:
        for view in [None] if row.views <= 1 else [None, *range(row.views)]:
            spec = FeatureSpec(row.backbone, _modality(row, manager), view, plan.numeric)
            specs.setdefault(spec.key(), spec)
    return list(specs.values())


def _modality(row: Row, manager: Manager) -> str:
    """Return what the backbone reads."""
    needs = manager.get("backbone", f"{row.backbone.plugin}/{row.backbone.name}").descriptor.needs
    reads = [word for word in _MODALITIES if word in needs]
    return reads[0] if reads else "features"


def _explanation(spec: FeatureSpec, answer: Why) -> Iterator[str]:
    name = spec.backbone.text + ("" if spec.view is None else f", view {spec.view}")
    if not spec.cached:
        yield f"{name}: given features are not cached; they are read from the data each time"
        return
    if answer.items:
        yield f"{name}: {_count(answer.items, 'item is', 'items are')} cached (entry {answer.key[:_SHORT]})"
        return
    if not answer.nearest:
        yield f"{name}: not cached, and nothing like it"
        return
    yield f"{name}: not cached; the nearest entry, {answer.nearest[:_SHORT]}, differs in"
    rows = [
        (item.field, f"wanted {_value(item.wanted)}", f"there {_value(item.there)}")
        for item in answer.differences
    ]
    yield from table(rows)


def _value(value: Any) -> str:
    text = "nothing" if value is None else one_line(say_value(value))
    return text if len(text) <= 40 else f"{text[:37]}..."


def _listing(entries: Sequence[Kept]) -> Iterator[str]:
    """Return a table of features and one of answers; none of what is not there."""
    now = time.time()
    features = [
        (
            kept.key[:_SHORT],
            one_line(kept.text),
            "-" if kept.view is None else str(kept.view),
            str(kept.items),
            str(kept.dim),
            _size(kept.size),
            _ago(now - kept.used),
            ", ".join(["in use"] * kept.in_use + [f"{kept.damaged} damaged"] * bool(kept.damaged)),
        )
        for kept in entries
        if kept.kind == "features"
    ]
    answers = [
        (
            kept.key[:_SHORT],
            one_line(kept.text or "?"),
            f"{kept.items:,}",
            _size(kept.size),
            _ago(now - kept.used),
            "damaged" * kept.damaged,
        )
        for kept in entries
        if kept.kind == "answers"
    ]
    if features:
        yield from table([("entry", "backbone", "view", "items", "width", "size", "used", ""), *features])
    if answers:
        yield from table([("answers", "model", "number", "size", "used", ""), *answers])


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _size(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def _ago(seconds: float) -> str:
    unit = next((unit for unit in "wdhm" if seconds >= 2 * _SECONDS[unit]), "s")
    words = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    return f"{max(0, int(seconds / _SECONDS[unit]))} {words[unit]} ago"


def _age(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip().lower())
    if found is None:
        raise ConfigError(
            f"{text!r} is no age", where="--older-than", possible="a number with s, m, h, d or w, such as 30d"
        )
    return float(found[1]) * _SECONDS[found[2]]
