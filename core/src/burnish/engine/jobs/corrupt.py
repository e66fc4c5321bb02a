"""The corrupt job: one replicate's splits and the supervision that noise left of the clean one."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.noise import Corruption, CorruptionInput, Corruptor
from burnish.data import Dataset, Labels, Split, Supervision, uniforms
from burnish.engine.jobs.splits import Splits
from burnish.errors import DataError, PluginError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Corrupted:
    """What a corrupt job leaves. The engine keeps it; components get `supervision` and `splits` only.

    Attributes:
        splits: as drawn, with what sampling noise left of them.
        supervision: of all N items as observed; items of test sets and of the pool are unknown in it.
        truth: of all N items: clean targets, which only test sets and evaluators that declare it are measured
            with.
        judged: (N,) bool, the clean target is known; elsewhere the label stands for it.
        changed: (N,) bool, True where noise changed the target.
        rates: realised share of changed items by role.
    """

    splits: Splits
    supervision: Supervision
    truth: Supervision
    judged: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    rates: Mapping[str, float]


def corrupt(
    dataset: Dataset,
    splits: Splits,
    corruptors: Sequence[tuple[str, Corruptor]],
    replicate: int,
    salt: str = "",
) -> Corrupted:
    """Apply corruptors in order, each once per role it speaks of; test sets are never touched.

    Args:
        dataset: the data set.
        splits: of this replicate.
        corruptors: (component name, corruptor) pairs.
        replicate: whose draw it is.
        salt: a further word of the draw. Without one, whoever can tell an item's content id can replay what
            was drawn for it.

    Raises:
        DataError: a corruptor does not fit the targets, or changed what it must not.
    """
    supervision, parts = dataset.supervision, dict(splits.splits)
    used: Counter[str] = Counter()
    for name, corruptor in corruptors:
        used[name] += 1
        word = name if used[name] == 1 else f"{name} {used[name]}"  # the second of a kind draws anew
        for split_name, split in list(parts.items()):
            if split.role == "test" or split.role not in corruptor.roles or not len(split):
                continue
            given = _input(dataset, supervision, split, word, replicate, salt)
            result = corruptor.corrupt(given)
            _check(name, given, result)
            supervision = result.supervision
            parts[split_name] = Split(split_name, np.sort(result.index))
    changed = dataset.supervision.differs(supervision)
    unlabelled = [split.index for split in parts.values() if split.role in ("test", "pool")]
    noisy = [split for split in parts.values() if split.role not in ("test", "pool") and len(split)]
    rates: dict[str, float] = {split.role: float(changed[split.index].mean()) for split in noisy}
    hidden = _hidden(supervision, np.concatenate([*unlabelled, np.empty(0, dtype=np.int64)]))
    truth = _truth(dataset)
    judged = (dataset.truth or dataset.supervision).known
    return Corrupted(Splits(parts, splits.notes), hidden, truth, judged, changed, rates)


def _hidden(supervision: Supervision, positions: NDArray[np.int64]) -> Supervision:
    """Return the supervision without the targets at `positions` (M,) int64.

    Raises:
        PluginError: the record leaves a target there: it would reach tuners.
    """
    hidden = supervision.hide(positions)
    if hidden.known[positions].any():
        raise PluginError(
            f"{type(supervision).__name__}.hide leaves targets known", todo="Tell who wrote this record"
        )
    return hidden


def _truth(dataset: Dataset) -> Supervision:
    """Return the clean targets; where the source knows none of an item, its label stands for it."""
    if isinstance(dataset.truth, Labels) and isinstance(dataset.supervision, Labels):
        return replace(dataset.truth, y=np.where(dataset.truth.known, dataset.truth.y, dataset.supervision.y))
    return dataset.truth or dataset.supervision


def study_salt(dataset: Dataset) -> str:
    """Return a text that follows from the content ids of all items.

    Nobody knows it who is not shown the test sets. An assessor or tuner is shown features of other items
    only. Where these are the items themselves, it could make their content ids from them; with this salt in
    the draw that is not enough to replay which labels are wrong.
    """
    return hashlib.sha256(dataset.ids.tobytes()).hexdigest()


def _input(
    dataset: Dataset, supervision: Supervision, split: Split, name: str, replicate: int, salt: str
) -> CorruptionInput:
    ids = dataset.ids[split.index]
    words = ("noise", replicate, name, salt) if salt else ("noise", replicate, name)

    def draws(k: int) -> NDArray[np.float64]:
        return uniforms(ids, *words, k=k)

    return CorruptionInput(
        supervision=supervision,
        index=split.index,
        role=split.role,
        classes=dataset.classes,
        uniforms=draws,
        pixels=_pixels(dataset, split.index),
        rows=_rows(dataset, split.index),
    )


def _pixels(dataset: Dataset, index: NDArray[np.int64]) -> Callable[[int], NDArray[Any]]:
    def pixels(side: int) -> NDArray[Any]:
        if dataset.modality != "image":
            raise DataError(
                f"this noise looks at pixels, and the items are {dataset.modality}", where=dataset.name
            )
        from burnish.data.images import decode_rgb

        return np.stack(
            [np.asarray(decode_rgb(item.payload).resize((side, side))) for item in dataset.items(index)]
        )

    return pixels


def _rows(dataset: Dataset, index: NDArray[np.int64]) -> Callable[[], NDArray[Any]]:
    def rows() -> NDArray[Any]:
        if dataset.modality != "features":
            raise DataError(
                f"this noise looks at feature rows, and the items are {dataset.modality}", where=dataset.name
            )
        return np.stack([np.asarray(item.payload, dtype=np.float32) for item in dataset.items(index)])

    return rows


def _check(name: str, given: CorruptionInput, result: Corruption) -> None:
    where, supervision, index = f"noise {name}", result.supervision, result.index
    try:
        changed = given.supervision.differs(supervision)
    except DataError as error:
        raise DataError(f"returned {error.what}", where=where) from error
    if not np.array_equal(changed, result.changed):
        raise DataError("says that it changed other items than it did", where=where)
    outside = changed.copy()
    outside[given.index] = False
    if outside.any() or not np.isin(index, given.index).all() or len(np.unique(index)) != len(index):
        raise DataError(f"touched items outside the role {given.role!r}", where=where)
    if isinstance(supervision, Labels):
        top = int(supervision.y.max(initial=-1))
        if top >= len(given.classes):
            raise DataError(
                f"returned the label {top}", where=where, possible=f"-1 to {len(given.classes) - 1}"
            )
