"""The contract of tuners and of the predictors they return."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch

from burnish.blocks.lease import frozen_digest
from burnish.config import to_options
from burnish.contracts.scores import Scores
from burnish.contracts.tuner import Run
from burnish.data import MultiLabels
from burnish.errors import BurnishError, FitError, ModelFileError
from burnish.heads.stacked import fit_heads, head_job
from burnish.heads.tuner import trains_in_stacks
from burnish.testing.checks import expect, global_randomness_untouched, nothing_written, refused
from burnish.testing.contract import PluginContract, manager_of
from burnish.testing.data import Practice, practice, practice_on_pictures
from burnish.testing.probe import ask
from burnish.testing.prompts import practice_on_texts
from burnish.testing.stand_ins import CrossEntropy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.heads.predictor import HeadPredictor

_fitted: dict[type, tuple[Practice, Any]] = {}
"""The usual task of each contract and its predictor: most tests only look at them."""


class TunerContract(PluginContract):
    """Tests of a tuner on features of labelled items.

    Attributes:
        learns: whether it gets most of an easy test set right; False for a tuner that ignores the features.
        least_accuracy: share of that test set it must get right if so.
        needs_labels: False for a tuner that trains on nothing, such as a zero-shot classifier.
    """

    kind, key = "tuner", "tuner"
    learns: ClassVar[bool] = True
    least_accuracy: ClassVar[float] = 0.8
    needs_labels: ClassVar[bool] = True

    # -- making inputs ---------------------------------------------------------------------------------------

    def views(self, folder: Path) -> int:
        """Return how many views of a training item its descriptor asks for."""
        if not self.component().descriptor.views:
            return 1
        options = to_options(self.config(folder))
        found: int = ask("component", self.plugin, self.kind, self.name, self.key, json.dumps([options]))[
            "views"
        ][0]
        return found

    def practice(self, folder: Path, classes: int = 3, **options: Any) -> Practice:
        """Return a task to fit.

        Options are those of `burnish.testing.data.practice`, or of `practice_on_pictures` where it needs a
        module, or of `burnish.testing.prompts.practice_on_texts` where it needs ``generate``.
        """
        if "generate" in self.component().descriptor.needs:
            return practice_on_texts(classes, **options)
        if "module" in self.component().descriptor.needs:
            return practice_on_pictures(classes, loss=CrossEntropy(), **options)
        return practice(classes, views=self.views(folder), loss=CrossEntropy(), **options)

    def fit(self, folder: Path, given: Practice) -> Any:
        """Return the predictor of a fresh tuner."""
        return self.make(folder).fit(given.task)

    def fitted(self, folder: Path) -> tuple[Practice, Any]:
        """Return the usual task and the predictor that the first test fitted to it."""
        if type(self) not in _fitted:
            given = self.practice(folder)
            _fitted[type(self)] = (given, self.fit(folder, given))
        return _fitted[type(self)]

    # -- tests -----------------------------------------------------------------------------------------------

    def test_scores_are_finite_and_one_row_an_item(self, tmp_path: Path) -> None:
        """`predict` gives (M, C) float32 of known meaning, for any number of items.

        `embed` gives one row an item or None.
        """
        given, predictor = self.fitted(tmp_path)
        rows = given.read_by(predictor)
        for m in (len(rows), 1, 0):
            scores = predictor.predict(rows[:m])
            expect(
                isinstance(scores, Scores),
                f"predict returns {type(scores).__name__}, not burnish.contracts.scores.Scores",
            )
            expect(
                scores.values.shape == (m, 3),
                f"scores of {m} items and 3 classes have the shape {scores.values.shape}",
            )
            expect(scores.values.dtype == np.float32, f"scores are {scores.values.dtype}, not float32")
            expect(bool(np.isfinite(scores.values).all()), "a score is not finite")
        expect(
            predictor.classes.names == given.task.classes.names,
            "the predictor has other classes than the task",
        )
        embedded = predictor.embed(rows)
        expect(
            embedded is None or len(embedded) == len(rows),
            "embed gives another number of rows than there are items",
        )

    def test_it_learns(self, tmp_path: Path) -> None:
        """It gets most of an easy test set right."""
        if not self.learns:
            return
        given, predictor = self.fitted(tmp_path)
        right = float((predictor.predict(given.read_by(predictor)).top() == given.test_labels).mean())
        enough = right >= self.least_accuracy
        expect(
            enough,
            f"{right:.0%} of an easy test set are right, less than {self.least_accuracy:.0%}; set learns ="
            " False if so meant",
        )

    def test_a_fit_is_repeated_bit_for_bit(self, tmp_path: Path) -> None:
        """The same task gives the same state, whatever the global generators are at.

        And it draws nothing from them.
        """
        _, first = self.fitted(tmp_path)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(12345)
            with global_randomness_untouched(f"fitting {self.name}"):
                second = self.fit(tmp_path, self.practice(tmp_path))
        _same_state(first.state(), second.state(), "a second fit on the same task")

    def test_an_items_scores_do_not_depend_on_the_others(self, tmp_path: Path) -> None:
        """Predicted alone, or in another order, an item gets the same scores."""
        if "transductive" in manager_of(self.plugin).provides(self.component(), self.config(tmp_path)):
            return
        given, predictor = self.fitted(tmp_path)
        rows = given.read_by(predictor)
        together, backwards = (
            predictor.predict(rows).values,
            predictor.predict(rows[::-1].copy()).values[::-1],
        )
        alone = np.concatenate([predictor.predict(rows[i : i + 1]).values for i in range(5)])
        expect(
            np.allclose(together[:5], alone, atol=1e-5), "an item alone gets other scores than among others"
        )
        expect(np.allclose(together, backwards, atol=1e-5), "scores depend on the order of the items")

    def test_alone_is_the_same_as_stacked(self, tmp_path: Path) -> None:
        """A head trained beside others has the bits that it has alone.

        Of tuners that core trains: one with a `fit` of its own is fitted by it, alone.
        """
        tuner = self.make(tmp_path)
        if not trains_in_stacks(tuner):
            return
        jobs = [head_job(self.make(tmp_path), self.practice(tmp_path, replicate=r).task) for r in range(3)]
        together = fit_heads(jobs, Run())
        for replicate in range(3):
            own = fit_heads(
                [head_job(self.make(tmp_path), self.practice(tmp_path, replicate=replicate).task)], Run()
            )[0]
            states = []
            for where, result in (("in a stack", together[replicate]), ("alone", own)):
                expect(result.predictor is not None, f"{where} it cannot be trained: {result.error}")
                states.append(cast("HeadPredictor", result.predictor).state())
            _same_state(states[0], states[1], f"trial {replicate} of a stack of 3")

    def test_state_and_info_restore_the_predictor(self, tmp_path: Path) -> None:
        """`restore` of state and info, which passes through JSON, gives the same scores bit for bit."""
        given, predictor = self.fitted(tmp_path)
        state = {name: tensor.clone() for name, tensor in predictor.state().items()}
        odd = [
            name
            for name, tensor in state.items()
            if not isinstance(tensor, torch.Tensor) or tensor.requires_grad
        ]
        expect(not odd, f"state {odd} is no plain tensor: use .detach()")
        again = self.make(tmp_path).restore(
            state, json.loads(json.dumps(dict(predictor.info()))), given.task.classes
        )
        same = np.array_equal(
            again.predict(given.read_by(again)).values, predictor.predict(given.read_by(predictor)).values
        )
        expect(same, "the restored predictor gives other scores")
        _same_state(predictor.state(), again.state(), "a restored predictor")

    def test_a_crafted_state_is_refused(self, tmp_path: Path) -> None:
        """Crafted tensors and an empty info end in a ModelFileError.

        The tensors are missing, extra, misshapen, mistyped or non-finite.
        """
        given, predictor = self.fitted(tmp_path)
        state, info, classes = dict(predictor.state()), dict(predictor.info()), given.task.classes

        def restore(crafted: Mapping[str, Any], told: Mapping[str, Any] = info) -> Callable[[], object]:
            return lambda: self.make(tmp_path).restore(crafted, told, classes)

        refused("an extra tensor", ModelFileError, restore(state | {"extra": torch.zeros(1)}))
        for name, tensor in state.items():
            refused(
                f"a state without {name!r}",
                ModelFileError,
                restore({other: t for other, t in state.items() if other != name}),
            )
            refused(
                f"{name!r} with one dimension more",
                ModelFileError,
                restore(state | {name: tensor.unsqueeze(0)}),
            )
            mistyped = tensor.to(torch.int32 if tensor.is_floating_point() else torch.float32)
            refused(f"{name!r} as {mistyped.dtype}", ModelFileError, restore(state | {name: mistyped}))
            if tensor.is_floating_point() and tensor.numel():
                refused(
                    f"{name!r} with NaN",
                    ModelFileError,
                    restore(state | {name: torch.full_like(tensor, torch.nan)}),
                )
        if info:
            refused("an info without entries", ModelFileError, restore(state, {}))

    def test_it_never_asks_for_a_test_set(self, tmp_path: Path) -> None:
        """It asks for features of the splits it is given, and of no other."""
        given, _ = self.fitted(tmp_path)
        beyond = sorted(set(given.asked) - set(given.task.splits))
        expect(not beyond, f"it asks for features of {', '.join(beyond)}")

    def test_labels_that_are_not_shown_play_no_part(self, tmp_path: Path) -> None:
        """What stands at positions of no split changes nothing."""
        (_, predictor), other = self.fitted(tmp_path), self.practice(tmp_path)
        y = other.task.supervision.y.copy()  # type: ignore[attr-defined]
        hidden = np.setdiff1d(
            np.arange(len(y)), np.concatenate([split.index for split in other.task.splits.values()])
        )
        y[hidden] = 0
        object.__setattr__(other.task.supervision, "y", y)
        _same_state(
            predictor.state(),
            self.fit(tmp_path, other).state(),
            "a fit where other labels stand at hidden positions",
        )

    def test_poor_supervision_is_learnt_from_or_refused(self, tmp_path: Path) -> None:
        """Two classes, one class, a class without items, unknown labels: a fit, or a FitError in one line."""
        for what, classes, relabel in _CASES:
            given = self.practice(tmp_path, classes, relabel=relabel)
            try:
                predictor = self.fit(tmp_path, given)
                scores = predictor.predict(given.read_by(predictor))
            except FitError:
                continue
            except BurnishError as error:
                raise AssertionError(
                    f"{what}: {type(error).__name__}: {error}. Raise FitError where it cannot be trained"
                ) from error
            except Exception as error:
                raise AssertionError(
                    f"{what}: {type(error).__name__}: {error}. Fit, or raise burnish.errors.FitError"
                ) from error
            shape = (len(given.test_features), classes)
            expect(
                scores.values.shape == shape and bool(np.isfinite(scores.values).all()),
                f"{what}: scores are not finite, or not of shape {shape}",
            )

    def test_multi_labels_are_learnt_from_or_refused(self, tmp_path: Path) -> None:
        """Several classes an item, some entries unknown.

        A fit whose scores are those of independent classes, or a FitError.
        """
        given = self.practice(tmp_path)
        shape, rng = (len(given.task.supervision), 3), np.random.default_rng(0)
        observed = rng.random(shape) < 0.9
        task = replace(
            given.task,
            supervision=MultiLabels(positive=(rng.random(shape) < 0.4) & observed, observed=observed),
        )
        try:
            predictor = self.make(tmp_path).fit(task)
            scores = predictor.predict(given.read_by(predictor))
        except FitError:
            return
        except Exception as error:
            raise AssertionError(
                f"multi-labels: {type(error).__name__}: {error}. Fit, or raise burnish.errors.FitError"
            ) from error
        expect(bool(np.isfinite(scores.values).all()), "multi-labels: a score is not finite")
        independent = scores.activation == "sigmoid" or scores.meaning != "logits"
        expect(
            independent,
            "multi-labels: logits become probabilities by softmax, as if one class excluded the others:"
            " activation='sigmoid'",
        )

    def test_nothing_to_learn_from_is_refused(self, tmp_path: Path) -> None:
        """Without a single label a fit ends in a FitError."""
        if not self.needs_labels:
            import pytest

            pytest.skip("it learns from no label")
        given = self.practice(tmp_path, relabel=lambda y: np.full_like(y, -1))
        refused("a task without a label", FitError, lambda: self.fit(tmp_path, given))

    def test_it_writes_no_file_and_changes_no_input(self, tmp_path: Path) -> None:
        """Fitting and predicting write nothing to disk and leave supervision and features as they are."""
        given = self.practice(tmp_path)
        self.make(tmp_path)  # options that name files are written here, not below
        tuner, features, before = (
            self.make(tmp_path),
            given.test_features.copy(),
            given.task.supervision.fingerprint(),
        )
        with nothing_written(f"fitting {self.name}"):
            predictor = tuner.fit(given.task)
            predictor.predict(given.read_by(predictor))
        expect(np.array_equal(features, given.test_features), "predict changes the features it is given")
        expect(before == given.task.supervision.fingerprint(), "fit changes the supervision it is given")

    def test_the_frozen_weights_stay_what_they_are(self, tmp_path: Path) -> None:
        """A backbone has the same bits after a fit, even one that broke off.

        It has them while and after its predictor adapted it, too.
        """
        if "module" not in self.component().descriptor.needs:
            return
        given = self.practice(tmp_path)
        module, before = given.backbone.module, frozen_digest(given.backbone.module)
        predictor = self.fit(tmp_path, given)
        expect(frozen_digest(module) == before, "a fit changed the frozen weights: use burnish.blocks.lease")
        given.read_by(predictor)
        expect(frozen_digest(module) == before, "adapting the backbone changed its frozen weights for good")

        def stop(done: int, total: int) -> None:
            raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            self.make(tmp_path).fit(replace(given.task, run=Run(progress=stop)))
        expect(frozen_digest(module) == before, "a fit that broke off left the frozen weights changed")
        expect(
            all(not m._forward_hooks and not m._forward_pre_hooks for m in module.modules()),
            "a fit that broke off left hooks in the module",
        )


def _without_last(y: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(y == y.max(), 0, y)


def _some_unknown(y: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(np.arange(len(y)) % 3 == 0, -1, y)


_CASES: tuple[tuple[str, int, Callable[[NDArray[np.int64]], NDArray[np.int64]]], ...] = (
    ("two classes", 2, lambda y: y),
    ("one class", 1, lambda y: y),
    ("a class without items", 3, _without_last),
    ("all items of one class", 3, lambda y: np.zeros_like(y)),
    ("unknown labels", 3, _some_unknown),
)


def _same_state(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor], what: str) -> None:
    expect(set(first) == set(second), f"{what} has the tensors {sorted(second)}, not {sorted(first)}")
    for name, tensor in first.items():
        expect(
            torch.equal(tensor, second[name]),
            f"{what} differs in {name!r}: draw from task.generator or task.seed only",
        )
