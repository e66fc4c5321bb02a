"""The contract of corruptors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from burnish.contracts.noise import Corruption, CorruptionInput
from burnish.data import ROLES, Labels, MultiLabels
from burnish.errors import DataError
from burnish.testing.checks import expect, global_randomness_untouched
from burnish.testing.contract import PluginContract
from burnish.testing.data import blobs
from burnish.testing.outcomes import corruption_input


class CorruptorContract(PluginContract):
    """Tests of a corruptor on labels.

    Attributes:
        rate: the option that says how much is corrupted, from 0 for nothing; empty where there is none.
        nested: whether what is wrong at a low rate is wrong, in the same way, at a higher one.
        draws: False where nothing is drawn, so that every replicate is the same.
        reads_labels: whether which items are hit depends on their labels (noise between given classes,
            sampling by class).
        tolerance: how far the realised rate may be from the one asked for.
        items: N of the data the tests are run on.
        classes: C.
    """

    kind, key = "noise", "noise"
    rate: ClassVar[str] = "rate"
    nested: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = False
    draws: ClassVar[bool] = True
    tolerance: ClassVar[float] = 0.04
    items: ClassVar[int] = 600
    classes: ClassVar[int] = 4

    def expected_rate(self, rate: float) -> float:
        """Return the share of wrong labels that a rate should give.

        Override it where that is not the rate itself.
        """
        return rate

    # -- making inputs ---------------------------------------------------------------------------------------

    def given(self, replicate: int = 0, *, relabel: int = 0) -> CorruptionInput:
        """Return clean labels of which two thirds may change; a few are unknown.

        Args:
            replicate: whose draw.
            relabel: added to every label, modulo C: the same items with other labels.
        """
        features, y = blobs(self.items, 6, self.classes)
        y = (y + relabel) % self.classes
        y[::50] = -1
        index = np.flatnonzero(np.arange(self.items) % 3 > 0).astype(np.int64)
        return corruption_input(Labels(y=y), index, features, self.classes, replicate)

    def corrupt(self, folder: Path, given: CorruptionInput | None = None, /, **changes: Any) -> Corruption:
        """Return what a fresh corruptor makes of an input, with some options changed."""
        result: Corruption = self.make(folder, **changes).corrupt(given or self.given())
        return result

    # -- tests -----------------------------------------------------------------------------------------------

    def test_its_roles_are_roles_and_never_test(self, tmp_path: Path) -> None:
        """`roles` is a frozenset of roles; test sets stay clean."""
        roles = self.make(tmp_path).roles
        fine = isinstance(roles, frozenset) and bool(roles) and roles <= set(ROLES) - {"test"}
        expect(
            fine,
            f"roles is {roles!r}. Write a frozenset of {', '.join(role for role in ROLES if role != 'test')}",
        )

    def test_it_says_what_it_changed(self, tmp_path: Path) -> None:
        """`changed` is True exactly where the target differs.

        All that changed is within the items given, and labels stay in range.
        """
        given = self.given()
        result = self.corrupt(tmp_path, given)
        before, after = _labels(given.supervision), _labels(result.supervision)
        expect(after.shape == before.shape, f"{len(after)} targets come back for {len(before)} items")
        expect(
            np.array_equal(np.asarray(result.changed), before != after),
            "changed is not True exactly where the target differs",
        )
        outside = np.setdiff1d(np.arange(len(before)), given.index)
        expect(np.array_equal(before[outside], after[outside]), "items outside the given index are changed")
        expect(
            int(after.max(initial=-1)) < self.classes and int(after.min(initial=-1)) >= -1,
            f"a label is not in -1 to {self.classes - 1}",
        )
        expect(
            np.array_equal(result.supervision.known | (after == -1), np.ones(len(after), dtype=bool)),
            "unknown is written as -1",
        )
        expect(bool((after[before == -1] == -1).all()), "an unknown label becomes known")

    def test_what_it_keeps_is_a_part_of_what_it_is_given(self, tmp_path: Path) -> None:
        """`index` is int64, ascending, each position once, from the index given."""
        given = self.given()
        index = np.asarray(self.corrupt(tmp_path, given).index)
        expect(
            index.ndim == 1 and index.dtype == np.int64,
            f"index has shape {index.shape} and dtype {index.dtype}, not (K,) int64",
        )
        expect(bool((np.diff(index) > 0).all()), "index is not ascending with each position once")
        expect(bool(np.isin(index, given.index).all()), "index has positions that were not given")

    def test_the_same_draw_gives_the_same_labels(self, tmp_path: Path) -> None:
        """All randomness comes from `uniforms`.

        A second call agrees, global generators play no part, and another draw differs.
        """
        first = self.corrupt(tmp_path)
        state = np.random.get_state()
        np.random.seed(1)  # the old generator, which must not matter
        try:
            with global_randomness_untouched(f"noise {self.name}"):
                second = self.corrupt(tmp_path)
        finally:
            np.random.set_state(state)
        same = np.array_equal(_labels(first.supervision), _labels(second.supervision)) and np.array_equal(
            first.index, second.index
        )
        expect(same, "a second call gives other labels: use the uniforms it is given and no other randomness")
        other = self.corrupt(tmp_path, self.given(replicate=1))
        touched = bool(first.changed.any()) or len(first.index) < len(self.given().index)
        differs = not (
            np.array_equal(_labels(first.supervision), _labels(other.supervision))
            and np.array_equal(first.index, other.index)
        )
        expect(
            differs or not touched or not self.draws,
            "another replicate gives the same noise: it does not use the uniforms it is given",
        )

    def test_the_input_is_not_modified(self, tmp_path: Path) -> None:
        """Supervision and index are as they were."""
        given = self.given()
        before, index = given.supervision.fingerprint(), given.index.copy()
        self.corrupt(tmp_path, given)
        expect(
            given.supervision.fingerprint() == before,
            "it writes to the supervision it is given: copy the labels first",
        )
        expect(np.array_equal(given.index, index), "it writes to the index it is given")

    def test_rate_0_changes_nothing(self, tmp_path: Path) -> None:
        """At rate 0 every label stays and every item is kept."""
        if not self.rate:
            return
        result = self.corrupt(tmp_path, None, **{self.rate: 0.0})
        expect(not result.changed.any(), f"{int(result.changed.sum())} labels change at rate 0")
        expect(np.array_equal(result.index, self.given().index), "items are dropped at rate 0")

    def test_the_rate_is_realised(self, tmp_path: Path) -> None:
        """The share of wrong labels among the labelled items is the one asked for."""
        if not self.rate:
            return
        given = self.given()
        known = given.index[given.supervision.known[given.index]]
        for rate in (0.1, 0.4):
            share, wanted = (
                float(self.corrupt(tmp_path, given, **{self.rate: rate}).changed[known].mean()),
                self.expected_rate(rate),
            )
            expect(
                abs(share - wanted) <= self.tolerance,
                f"at rate {rate} a share of {share:.3f} is wrong, not {wanted:.3f}",
            )

    def test_noise_is_nested(self, tmp_path: Path) -> None:
        """What is wrong at a low rate is wrong, in the same way, at a higher one."""
        if not (self.rate and self.nested):
            return
        low, high = (self.corrupt(tmp_path, None, **{self.rate: rate}) for rate in (0.15, 0.4))
        expect(
            bool((high.changed | ~low.changed).all()),
            "an item that is wrong at rate 0.15 is right at 0.4: draw the same numbers at every rate",
        )
        where = low.changed
        same = np.array_equal(_labels(low.supervision)[where], _labels(high.supervision)[where])
        expect(same, "an item that is wrong at rates 0.15 and 0.4 is of different classes")

    def test_labels_play_no_part_in_which_items_are_hit(self, tmp_path: Path) -> None:
        """The same items with other labels: the same items are hit."""
        if self.reads_labels:
            return
        one, other = self.corrupt(tmp_path, self.given()), self.corrupt(tmp_path, self.given(relabel=1))
        same = np.array_equal(one.changed, other.changed) and np.array_equal(one.index, other.index)
        expect(same, "which items are hit depends on their labels; set reads_labels = True if so meant")

    def test_multi_labels_are_corrupted_or_refused(self, tmp_path: Path) -> None:
        """Multi-labels come back as multi-labels, or a DataError says that they do not fit."""
        given = self.given()
        positive: NDArray[np.bool_] = np.random.default_rng(0).random((self.items, self.classes)) < 0.3
        multi = replace(given, supervision=MultiLabels(positive=positive))
        result = self._corrupted_or_refused(tmp_path, multi, "multi-labels")
        same = result is None or (
            isinstance(result.supervision, MultiLabels) and len(result.supervision) == self.items
        )
        expect(same, "multi-labels come back as something else")

    def test_one_class_is_corrupted_or_refused(self, tmp_path: Path) -> None:
        """With a single class no label can be wrong: it stays, becomes unknown, or a DataError says so."""
        features, _ = blobs(self.items, 6, 1)
        given = corruption_input(
            Labels(y=np.zeros(self.items, dtype=np.int64)), self.given().index, features, 1
        )
        result = self._corrupted_or_refused(tmp_path, given, "one class")
        expect(
            result is None or int(_labels(result.supervision).max()) <= 0,
            "with one class there is a label of another class",
        )

    def _corrupted_or_refused(self, folder: Path, given: CorruptionInput, what: str) -> Corruption | None:
        try:
            return self.corrupt(folder, given)
        except DataError:
            return None
        except Exception as error:
            raise AssertionError(
                f"{what}: {type(error).__name__}: {error}. Corrupt them, or raise burnish.errors.DataError"
            ) from error


def _labels(supervision: Any) -> NDArray[np.int64]:
    expect(isinstance(supervision, Labels), f"labels come back as {type(supervision).__name__}")
    found: NDArray[np.int64] = supervision.y
    return found
