"""A made-up study: real plan, real records, real summary; only the training is missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from burnish.engine.folder import PLAN, STORE
from burnish.engine.jobs.summarise import summarise
from burnish.engine.store import Record, Store, StoredMeasure
from burnish.plan import Numeric, Part, Plan, ReportSpec, Row, SelectSpec, SplitSpec

SHIFTS = ("blur", "noise", "contrast", "rotation", "inversion", "background")
SPLITS = ("test", *(f"test:{shift}" for shift in SHIFTS))
TUNERS = ("nothing", "nearest-class-mean", "linear", "mlp", "nmtune")
NOISES = (0, 0.05, 0.1, 0.2, 0.3)
CLASSES = tuple("0123456789")
NUMERIC = Numeric("cpu", "float32", 2, "2.15.0")
LEVEL = {"nothing": 0.1, "nearest-class-mean": 0.62, "linear": 0.74, "mlp": 0.79, "nmtune": 0.795}
DROP = dict(zip(SPLITS, (0.0, 0.12, 0.08, 0.1, 0.2, 0.35, 0.25), strict=True))


def part(kind: str, name: str, **options: Any) -> Part:
    written = ",".join(f"{key}={value}" for key, value in options.items())
    return Part(kind, "made", name, options, "1.0", "", f"{name}:{written}" if written else name)


def make_plan(
    noises: Sequence[float] = NOISES,
    seeds: Sequence[int] = (0, 1),
    tuners: Sequence[Part | str] = TUNERS,
    replicates: int = 10,
    *,
    data: str = "signs",
    noise: tuple[Part, ...] = (),
    report: ReportSpec | None = None,
) -> Plan:
    """Return noises x seeds x tuners; noises () gives one backbone without options."""
    tuner_parts = [part("tuner", tuner) if isinstance(tuner, str) else tuner for tuner in tuners]
    backbones = [part("backbone", "tiny", noise=n, seed=s) for n in noises for s in seeds] or [
        part("backbone", "features")
    ]
    rows = [
        Row(
            part("data", data),
            backbone,
            noise,
            None,
            tuner,
            None if tuner.name == "nothing" else part("loss", "ce"),
            1,
        )
        for backbone in backbones
        for tuner in tuner_parts
    ]
    panels = {"in": ("test",), "out": SPLITS[1:]}
    spec = report or ReportSpec("backbone.noise" if noises else "", "tuner", panels, "accuracy", "mlp")
    evaluators = (part("evaluate", "accuracy"),)
    select = SelectSpec("accuracy")
    return Plan(
        "noisy-pretraining",
        {"data": data},
        tuple(rows),
        evaluators,
        replicates,
        SplitSpec(),
        None,
        select,
        spec,
        NUMERIC,
        "error",
    )


def make_records(
    plan: Plan,
    *,
    groups: int = 60,
    items: int = 10,
    classes: Sequence[str] = CLASSES,
    extras: bool = True,
    dim: int = 96,
    seed: int = 0,
) -> dict[str, Record]:
    """Return a record for every trial.

    Accuracy with terms over groups, a spectrum measure, per-class tables and spectra.
    """
    records = {}
    rng = np.random.default_rng(seed)
    easy = rng.normal(0, 0.08, groups)
    hard = rng.normal(0, 0.06, len(classes))
    for number, row in enumerate(plan.rows):
        noise, start = float(row.backbone.options.get("noise", 0)), int(row.backbone.options.get("seed", 0))
        backbone = rng.normal(0, 0.006)
        for trial in plan.trials_of(row):
            shift = rng.normal(0, 0.01)
            measures, tables, curves = [], [], []
            for split in SPLITS:
                level = (
                    LEVEL.get(row.tuner.name, 0.7)
                    - 0.25 * noise * (row.tuner.name != "nothing")
                    + 0.01 * start
                    + backbone
                    + shift
                )
                robust = 0.75 if row.tuner.name == "nmtune" else 1.0
                level = level if row.tuner.name == "nothing" else level - DROP[split] * robust
                right = rng.binomial(items, np.clip(level + easy, 0.02, 0.99)).astype(np.float64)
                terms = np.stack([np.arange(groups), right, np.full(groups, items)]).astype("<f8")
                total = groups * items
                measures.append(
                    StoredMeasure(
                        "accuracy",
                        split,
                        float(right.sum() / total),
                        "fraction",
                        "up",
                        total,
                        "",
                        terms.tobytes(),
                    )
                )
                measures.append(
                    StoredMeasure(
                        "worst-1",
                        split,
                        float(level - 0.2),
                        "fraction",
                        "up",
                        total,
                        "mean recall of the worst class",
                    )
                )
                measures.append(StoredMeasure("sve", split, 3.1 - 2 * noise, "nats", "none", total, ""))
                if extras:
                    recall = np.clip(level + hard + rng.normal(0, 0.02, len(classes)), 0, 1)
                    precision = np.clip(recall + 0.01, 0, 1).tolist()
                    columns = {
                        "class": list(classes),
                        "recall": recall.tolist(),
                        "precision": precision,
                        "n": [60] * len(classes),
                    }
                    tables.append({"name": "per-class", "split": split, "columns": columns})
                    if split in ("test", "test:blur"):
                        x = list(range(1, dim + 1))
                        curves.append(
                            {"name": "spectrum", "split": split, "x": x, "y": _spectrum(dim, 18 - 30 * noise)}
                        )
                        if row.tuner.name in ("mlp", "nmtune"):
                            y = _spectrum(dim, 30 if row.tuner.name == "nmtune" else 10)
                            curves.append({"name": "tuner-spectrum", "split": split, "x": x, "y": y})
            key = plan.measure_key(trial)
            records[key] = Record(
                key,
                row.axes(),
                trial.replicate,
                {"tuner.lr": 1e-3} if row.tuner.name in ("linear", "mlp", "nmtune") else {},
                {"made": "1.0", "basics": "0.1.0"},
                "",
                tuple(measures),
                tuple(tables),
                tuple(curves),
                0.02 + 0.05 * (number % 5),
                10,
            )
    return records


def _spectrum(dim: int, scale: float) -> list[float]:
    values = np.exp(-np.arange(dim) / scale) + 1e-4
    return (values / values.sum()).tolist()


CHOICES = [
    (
        f"{tuner}",
        {"tuner.lr": best},
        [
            {"options": {"tuner.lr": lr}, "value": 0.7, "trials": 10, "error": ""}
            for lr in (3e-4, 1e-3, 3e-3, 1e-2)
        ],
    )
    for tuner, best in (("linear", 1e-2), ("mlp", 1e-3), ("nmtune", 1e-3))
]


def write_study(
    folder: Path,
    plan: Plan,
    records: dict[str, Record],
    *,
    choices: bool = True,
    notes: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write a study folder as the engine does."""
    folder.mkdir(parents=True, exist_ok=True)
    text = f"# {plan.name}\ndata: {plan.recipe['data']}\nreplicates: {plan.replicates}\n"
    (folder / PLAN).write_text(text, encoding="utf-8")
    with Store(folder / STORE) as store:
        identity = {f"numeric.{name}": value for name, value in plan.numeric.record().items()}
        trials = [plan.measure_key(trial) for trial in plan.trials()]
        store.set_meta(
            {
                "trials": json.dumps(trials),
                "identity": json.dumps(identity),
                "plan": text,
                "name": plan.name,
                "key": plan.key(),
            }
        )
        for label, options, candidates in CHOICES if choices else ():
            store.add_choice(f"choice of {label}", label, options, candidates)
        for kind, line in notes:
            store.note(kind, [line])
        store.add(records.values())
        if len(records) == len(trials):
            store.set_summary(plan.key(), summarise(plan, store.records(terms=True)))
    return folder


def number(
    value: float,
    low: float = float("nan"),
    high: float = float("nan"),
    *,
    values: Sequence[float] = (),
    **other: Any,
) -> dict[str, Any]:
    """Return a summarised number as JSON."""
    plain = {name: None if v != v else v for name, v in (("value", value), ("low", low), ("high", high))}
    how = "95 % percentile bootstrap over 2 replicates and 30 test groups together, 10,000 draws"
    rest = {
        "values": list(values) or [plain["value"]] * 2,
        "n": 600,
        "unit": "fraction",
        "better": "up",
        "how": how,
        "note": "",
    }
    return plain | rest | other


def summary_of(rows: dict[tuple[Any, int, str], dict[str, dict[str, Any]]], **other: Any) -> dict[str, Any]:
    """Return a summary as JSON: rows are (noise, seed, tuner) -> panel -> number of accuracy."""
    rows = [
        {
            "axes": {
                "data": "signs",
                "backbone": f"tiny:noise={x},seed={seed}",
                "noise": "none",
                "assess": "none",
                "tuner": tuner,
                "loss": "ce",
            },
            "x": x,
            "line": tuner,
            "options": {},
            "finished": 2,
            "errors": [],
            "seconds": 1.0,
            "numbers": {"accuracy": dict(places)},
        }
        for (x, seed, tuner), places in rows.items()
    ]
    panels = {"in": ["test"], "out": ["test:blur", "test:noise"]}
    head = {
        "measure": "accuracy",
        "panels": panels,
        "x": "backbone.noise",
        "lines": "tuner",
        "baseline": "mlp",
        "replicates": 2,
        "units": 30,
    }
    return head | {"draws": 10_000, "rows": rows, "comparisons": []} | other


def difference(
    line: str, panel: str, value: float, low: float, high: float, p: float = 0.01, **axes: str
) -> dict[str, Any]:
    """Return a comparison as JSON."""
    over = {"over": "1 row" if axes else "2 rows", "axes": axes}
    return {
        "line": line,
        "panel": panel,
        "difference": value,
        "low": low,
        "high": high,
        "p": p,
        "p_holm": p,
    } | over


@pytest.fixture(scope="session")
def made() -> Any:
    """The helpers of this file, for tests (which cannot import it)."""
    names = (
        "number",
        "summary_of",
        "difference",
        "part",
        "make_plan",
        "make_records",
        "write_study",
        "CHOICES",
        "NUMERIC",
    )
    return SimpleNamespace(**{name: globals()[name] for name in names})


@pytest.fixture(scope="session")
def made_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the whole study.

    5 noises x 2 seeds x 5 tuners, with few replicates and test groups, which is quicker.
    """
    plan = make_plan(replicates=3)
    notes = [
        ("bad item", "photos/17.jpg: truncated file"),
        ("warning", "4 near-duplicates straddle no split"),
    ]
    return write_study(
        tmp_path_factory.mktemp("studies") / "whole", plan, make_records(plan, groups=5, dim=12), notes=notes
    )


@pytest.fixture(scope="session")
def whole(made_study: Path) -> dict[str, Any]:
    """Its summary as JSON."""
    with Store(made_study / STORE) as store:
        summary = store.summary(store.meta("key") or "")
    assert summary is not None
    return summary


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Path]:
    """Write a small study: two noises, two tuners, three replicates, unless said otherwise."""

    def write(
        *,
        classes: Sequence[str] = CLASSES[:3],
        extras: bool = True,
        change: Any = None,
        choices: bool = True,
        plain: bool = False,
        notes: Sequence[tuple[str, str]] = (),
        **plan: Any,
    ) -> Path:
        if plain:
            plan["report"] = ReportSpec()
        planned = make_plan(
            **({"replicates": 3, "noises": (0, 0.3), "seeds": (0,), "tuners": ("mlp", "nmtune")} | plan)
        )
        records = make_records(planned, groups=4, classes=classes, extras=extras, dim=8)
        records = change(records) if change else records
        return write_study(tmp_path / "study", planned, records, choices=choices, notes=notes)

    return write
