"""What a plan is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal

from burnish.config import say_value
from burnish.notation.part_text import parse_text

FORMAT: Final = 1
"""Version of keys and plan files: raising it makes every earlier key another one."""


def merkle(*parts: object) -> str:
    """Return the SHA-256 hex digest of parts written as canonical JSON."""
    text = json.dumps(
        [FORMAT, *parts], sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Part:
    """A component with all its options.

    Attributes:
        kind: the recipe key it stands under: ``data backbone noise assess tuner loss evaluate summarise``.
        plugin: name of the plugin that provides it.
        name: name of the component.
        options: every option, defaults filled in, as JSON values.
        code: identity of the code: the component's revision in an installed wheel, a hash of the package's
            files where it is editable or a local file.
        fingerprint: hash of the files and weights it reads; empty where it reads none.
        text: as a person would write it, with the options that differ from their defaults.
        paths: dotted names of the options that are paths. What lies there is in the fingerprint; where it
            lies identifies nothing.
        running: names of the options that say how it runs, such as a timeout, and change no number: they
            identify nothing.
    """

    kind: str
    plugin: str
    name: str
    options: Mapping[str, Any] = field(hash=False)
    code: str
    fingerprint: str
    text: str
    paths: tuple[str, ...] = ()
    running: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return what makes the part again, as JSON: everything but the text."""
        return {
            "kind": self.kind,
            "plugin": self.plugin,
            "name": self.name,
            "options": dict(self.options),
            "code": self.code,
            "fingerprint": self.fingerprint,
        }

    def identity(self) -> dict[str, Any]:
        """Return what identifies the part in keys.

        The record without `running`, and without places of files that the fingerprint is of.
        """
        left_out = (*self.paths, *self.running) if self.fingerprint else self.running
        return self.record() | {"options": _without(self.options, left_out)}

    @cached_property
    def digest(self) -> str:
        """Hash of the identity."""
        return merkle("part", self.identity())

    def with_options(self, options: Mapping[str, Any], text: str | None = None) -> Part:
        """Return the part with some options changed, by dotted name.

        Args:
            options: JSON values.
            text: the new text; None for the old one with these options.
        """
        changed = dict(self.options)
        for dotted, value in options.items():
            _set(changed, dotted.split("."), value)
        return replace(self, options=changed, text=self._text_with(options) if text is None else text)

    def _text_with(self, options: Mapping[str, Any]) -> str:
        use = parse_text(self.text)
        shown = {**_flat(use.options), **options}
        return (
            f"{use.name}:" + ",".join(f"{name}={say_value(value)}" for name, value in shown.items())
            if shown
            else use.name
        )

    def text_with_folders(self, depth: int) -> str:
        """Return the text with that many last parts of every path in it.

        They stand where the text has the file's or folder's name alone.
        """
        shown = _flat(parse_text(self.text).options)
        tails = {name: _tail(self.option(name), depth) for name in self.paths if name in shown}
        return self._text_with(tails) if tails else self.text

    def option(self, dotted: str) -> Any:
        """Return an option by its dotted name; None where there is no such option."""
        return _flat(self.options).get(dotted)

    def option_names(self) -> tuple[str, ...]:
        """Return the dotted names of all options."""
        return tuple(_flat(self.options))

    def has(self, dotted: str) -> bool:
        """Return whether the part has an option."""
        return dotted in _flat(self.options)


def _tail(value: Any, depth: int) -> Any:
    if isinstance(value, list):
        return [_tail(item, depth) for item in value]
    return "/".join(value.rstrip("/").split("/")[-depth:]) if isinstance(value, str) else value


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def _without(options: Mapping[str, Any], names: tuple[str, ...], prefix: str = "") -> dict[str, Any]:
    return {
        name: _without(value, names, f"{prefix}{name}.") if isinstance(value, Mapping) else value
        for name, value in options.items()
        if prefix + name not in names
    }


def _set(options: dict[str, Any], names: list[str], value: Any) -> None:
    head, *rest = names
    if rest:
        inner = dict(options[head])
        _set(inner, rest, value)
        value = inner
    options[head] = value


@dataclass(frozen=True)
class SplitSpec:
    """How train, validation and, where the source fixes none, test are drawn.

    Attributes:
        validation: share of the trainable items.
        test: share of all items, drawn once and for all where the source fixes no test set.
        calibration: share of the trainable items, 0 for none.
    """

    validation: float = field(
        default=0.2, metadata={"help": "share of the trainable items", "range": (0, 0.9)}
    )
    test: float = field(
        default=0.2,
        metadata={"help": "share of all items, where the source fixes no test set", "range": (0, 0.9)},
    )
    calibration: float = field(
        default=0.0, metadata={"help": "share of the trainable items", "range": (0, 0.9)}
    )

    def record(self) -> dict[str, float]:
        """Return it as JSON."""
        return {"validation": self.validation, "test": self.test, "calibration": self.calibration}


@dataclass(frozen=True)
class TuneSpec:
    """How options are tuned: every tuner gets the same budget, and sees validation alone.

    Attributes:
        budget: settings tried.
        space: values by dotted option, such as ``{"tuner.lr": (1e-3, 1e-2)}``; options a tuner does not have
            are left out for it.
        per: ``"row"`` chooses for every row; ``"tuner"`` once for each tuner (with its loss and assessor)
            over all its rows.
        replicates: replicates 0 to this - 1 are used for it.
    """

    budget: int
    space: Mapping[str, tuple[Any, ...]]
    per: Literal["row", "tuner"] = "row"
    replicates: int = 1

    def record(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "budget": self.budget,
            "space": {k: list(v) for k, v in self.space.items()},
            "per": self.per,
            "replicates": self.replicates,
        }


@dataclass(frozen=True)
class SelectSpec:
    """The measure that tuning maximises or minimises, always on validation as observed.

    Attributes:
        measure: name of the measure; empty for the first evaluator's first.
        split: ``"validation"``, and nothing else.
    """

    measure: str = ""
    split: Literal["validation"] = "validation"

    def record(self) -> dict[str, str]:
        """Return it as JSON."""
        return {"measure": self.measure, "split": self.split}


@dataclass(frozen=True)
class ReportSpec:
    """How a study is drawn.

    Attributes:
        x: dotted option that is the x axis and the columns of the table, such as ``"backbone.noise"``.
        lines: recipe key whose values are the lines, mostly ``"tuner"``.
        panels: named groups of splits, such as ``{"in": ("test",), "out": ("test:blur", "test:noise")}``; a
            group is averaged, over those of its splits that a row has.
        measure: the measure of tables and figures; empty for the first evaluator's first.
        baseline: text or name of the line that the others are compared with; empty for none.
    """

    x: str = ""
    lines: Literal["data", "backbone", "noise", "assess", "tuner", "loss"] = "tuner"
    panels: Mapping[str, tuple[str, ...]] | None = None
    measure: str = ""
    baseline: str = ""

    def record(self) -> dict[str, Any]:
        """Return it as JSON."""
        panels = None if self.panels is None else {name: list(splits) for name, splits in self.panels.items()}
        return {
            "x": self.x,
            "lines": self.lines,
            "panels": panels,
            "measure": self.measure,
            "baseline": self.baseline,
        }


@dataclass(frozen=True)
class Row:
    """One row of the result table: all axes but the replicate.

    Attributes:
        views: fixed augmented views of each training item; 1 is the evaluation view alone.
        views_vary: whether the recipe compares numbers of views, which are then among the axes. It
            identifies nothing.
        reads_features: whether anything reads features of the backbone: not where a language model is only
            asked. It follows from the parts.
    """

    data: Part
    backbone: Part
    noise: tuple[Part, ...]
    assess: Part | None
    tuner: Part
    loss: Part | None
    views: int
    views_vary: bool = False
    reads_features: bool = True

    def feature_views(self) -> list[int | None]:
        """Return the views whose features the row reads, the evaluation view (None) first."""
        if not self.reads_features:
            return []
        return [None] if self.views <= 1 else [None, *range(self.views)]

    def record(self) -> dict[str, Any]:
        """Return what makes the row again, as JSON."""
        return {
            "data": self.data.record(),
            "backbone": self.backbone.record(),
            "noise": [p.record() for p in self.noise],
            "assess": self.assess.record() if self.assess else None,
            "tuner": self.tuner.record(),
            "loss": self.loss.record() if self.loss else None,
            "views": self.views,
        }

    @cached_property
    def digest(self) -> str:
        """Hash of the identities of all parts."""
        named = {key: [part.digest for part in parts] for key, parts in self.parts().items()}
        return merkle("row", named, self.views)

    def parts(self) -> dict[str, tuple[Part, ...]]:
        """Return the parts by recipe key."""
        return {
            "data": (self.data,),
            "backbone": (self.backbone,),
            "noise": self.noise,
            "assess": (self.assess,) if self.assess else (),
            "tuner": (self.tuner,),
            "loss": (self.loss,) if self.loss else (),
        }

    def axes(self) -> dict[str, str]:
        """Return the text of every axis by recipe key; of ``views`` where they vary."""
        views = {"views": f"fixed:{self.views}"} if self.views_vary else {}
        return (
            {"data": self.data.text, "backbone": self.backbone.text}
            | views
            | {
                "noise": " + ".join(p.text for p in self.noise) or "none",
                "assess": self.assess.text if self.assess else "none",
                "tuner": self.tuner.text,
                "loss": self.loss.text if self.loss else "own",
            }
        )

    def option(self, dotted: str) -> Any:
        """Return an option by its dotted name, such as ``"backbone.noise"``.

        None where the part has no such option.
        """
        key, _, name = dotted.partition(".")
        return next((part.option(name) for part in self.parts().get(key, ()) if part.has(name)), None)

    def with_options(self, options: Mapping[str, Any]) -> Row:
        """Return the row with options of its tuner, loss or assessor changed, such as ``{"tuner.lr".

        1e-3}``.
        """
        changed: dict[str, Part] = {}
        for dotted, value in options.items():
            key, _, name = dotted.partition(".")
            part = changed.get(key) or self.parts()[key][0]
            changed[key] = part.with_options({name: value})
        return replace(self, **changed)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Trial:
    """A row in one replicate.

    Attributes:
        row: the row; for a candidate of tuning, with the candidate's options.
        replicate: 0, 1, ...
        tuned: key of the choice that fills in the tuner's options before the fit; empty where nothing is
            tuned, and for candidates.
    """

    row: Row
    replicate: int
    tuned: str = ""


@dataclass(frozen=True)
class Choice:
    """One decision of tuning: the candidates, each a list of trials whose validation measures are averaged.

    Attributes:
        key: key of the choice.
        candidates: options, such as ``{"tuner.lr": 1e-3}``, with the trials that try them.
        text: what is tuned, for people.
    """

    key: str
    candidates: tuple[tuple[Mapping[str, Any], tuple[Trial, ...]], ...]
    text: str
