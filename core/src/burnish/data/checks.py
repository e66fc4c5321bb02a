"""Whether a data set can be learnt from at all: cheap, from its labels and splits alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from burnish.data.dataset import Dataset
from burnish.data.findings import Finding
from burnish.data.supervision import Labels
from burnish.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def trainable(dataset: Dataset) -> NDArray[np.int64]:
    """Return the positions (M,) int64 from which train and validation are drawn.

    The split `train`, or all that no split has.
    """
    if "train" in dataset.assigned:
        return dataset.assigned["train"]
    taken = np.concatenate([*dataset.assigned.values(), np.empty(0, dtype=np.int64)])
    return np.setdiff1d(np.arange(len(dataset), dtype=np.int64), taken)


def class_counts(dataset: Dataset, index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (C,) int64 how many of the items at `index` (M,) have each class, whatever their weights."""
    return dataset.supervision.take(index).with_weights(None).counts(len(dataset.classes)).astype(np.int64)


def structure(dataset: Dataset) -> list[Finding]:
    """Return what the source found, and what is wrong with classes and splits.

    An error is: fewer than two classes, no labelled item to train on, a class that only test items have and
    that the source does not call new (`burnish.data.Classes.known`). With multi-labels a class may be without
    positives: that is a warning, and so are classes whose names look the same.
    """
    train, names = trainable(dataset), dataset.classes.names
    findings = [*dataset.findings, *_alike(names)]
    told = {finding.where for finding in findings if finding.kind == "empty-class"}
    single = isinstance(dataset.supervision, Labels)
    if single and len(names) < 2:
        findings.append(
            Finding(
                "error",
                "one-class",
                f"there is only one class, {names[0]!r}",
                dataset.name,
                "A classifier needs at least two",
            )
        )
    if not dataset.supervision.take(train).known.any():
        findings.append(Finding("error", "no-label", "no item to train on has a label", dataset.name))
    everywhere = class_counts(dataset, np.arange(len(dataset), dtype=np.int64))
    in_train = class_counts(dataset, train)
    fixed = np.concatenate(
        [
            np.empty(0, dtype=np.int64),
            *(index for split, index in dataset.assigned.items() if split != "train"),
        ]
    )
    elsewhere = class_counts(dataset, fixed)
    for name, known, total, apart, usable in zip(
        names, dataset.classes.known, everywhere, elsewhere, in_train, strict=True
    ):
        where = f"class {name!r}"
        if not total and where not in told:
            findings.append(
                Finding("warning", "empty-class", "it has no item", where, "Remove it, or add items")
            )
        if apart and not usable and known:
            what = (
                f"{apart} item{'s' if apart > 1 else ''} in test or other fixed splits, and none to train on"
            )
            findings.append(
                Finding(
                    "error" if single else "warning",
                    "only-in-test",
                    what,
                    where,
                    "Add items to train, or remove the class",
                )
            )
        elif total and not apart and not usable:
            findings.append(
                Finding(
                    "warning",
                    "unusable-class",
                    f"none of its {total} items can be used",
                    where,
                    "Mend them, or remove the class",
                )
            )
    return findings


def _alike(names: Sequence[str]) -> list[Finding]:
    """Return the classes whose names people cannot tell apart."""
    seen: dict[str, str] = {}
    findings = []
    for name in names:
        other = seen.setdefault(_looks(name), name)
        if other != name:
            where, what = f"class {name!r}", f"its name looks like that of class {other!r}"
            how = f"{_difference(name, other)}. If they are one class, give them one name"
            findings.append(Finding("warning", "names-alike", what, where, how))
    return findings


def _looks(name: str) -> str:
    """Return a name without what is hard to see: case, invisible characters, how accents are written."""
    whole = unicodedata.normalize("NFKC", name)
    visible = "".join(character for character in whole if unicodedata.category(character) != "Cf")
    return " ".join(visible.casefold().split())


def _difference(name: str, other: str) -> str:
    if name.casefold() == other.casefold():
        return "They differ in capitals"
    return f"They are written {name!a} and {other!a}"


def require_usable(dataset: Dataset) -> None:
    """Raise where a data set cannot be learnt from.

    Raises:
        DataError: `structure` finds an error; the first one, and how many more there are.
    """
    errors = [finding for finding in structure(dataset) if finding.severity == "error"]
    if errors:
        first, more = errors[0], len(errors) - 1
        rest = (
            f"There {'is 1 error' if more == 1 else f'are {more} errors'} more: burnish check lists them"
            if more
            else ""
        )
        raise DataError(first.what, where=first.where, todo=". ".join(filter(None, [first.todo, rest])))
