"""Tuners and predictors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from burnish.errors import FitError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts.backbone import Encodes, Prepared
    from burnish.contracts.language import Decoding
    from burnish.contracts.loss import Loss
    from burnish.contracts.noise import Assessment
    from burnish.contracts.scores import Scores
    from burnish.data import Classes, Split, Supervision


Tell = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


def untold(done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Run:
    """How a fit runs: where, and whom it tells.

    Attributes:
        device: torch device string.
        progress: called with (steps done, steps in all).
    """

    device: str = "cpu"
    progress: Tell = untold


class SplitInputs(Protocol):
    """The items of one split as a backbone prepares them.

    For tuners that run the backbone while they train.
    """

    def __len__(self) -> int:
        """Return the number M of items."""

    def prepared(self, rows: NDArray[Any], draw: int | None = None) -> Prepared:
        """Return prepared inputs of items of the split.

        Args:
            rows: (B,) int64 places in the split, 0 to M - 1.
            draw: None for the evaluation view; k for the k-th augmented view of this replicate: an epoch that
                augments once takes its number.

        Raises:
            burnish.errors.ItemError: an item cannot be read.
        """


class ClassEmbeddings(Protocol):
    """What a backbone's text tower makes of class names (`Task.class_embeddings`)."""

    def __call__(self, templates: Sequence[str], at: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return (P, C, D) float32.

        (P, K, D) of the K classes at `at` alone, of which alone a template may then ask for a description.
        """


def _none(*_: object, **__: object) -> NoReturn:
    raise FitError("this task has features alone, and no backbone to run", where="tuner")


@dataclass(frozen=True, eq=False)
class Task:
    """All that a tuner may know. It holds no truth, no path, no name of a file.

    Attributes:
        classes: the classes.
        splits: ``train`` and, where there are any, ``validation``, ``calibration``, ``pool``, ``reference``;
            never a test set.
        supervision: of all N items as observed; items of test sets are unknown in it.
        assessment: the assessment of the recipe's assessor, already applied to `supervision` and its weights.
        loss: the recipe's loss.
        groups: further columns (N,), such as ``"group"``.
        features: ``features(split name) -> (M, V, D) float32``; V views for train, 1 for the others.
        generator: ``generator(role) -> numpy Generator`` of this replicate.
        seed: seed of initialisation, from the replicate alone, so that two tuners of one replicate are
            paired.
        run: device and progress.
        class_embeddings: ``class_embeddings(templates, at=None) -> (P, C, D) float32``: features that the
            backbone's text tower gives the name of every class in every template, as they come, not
            normalised; ``{}`` in a template stands for the name, ``{description}`` for its first description.
            ``at`` asks for some classes alone. For tuners that need ``text-tower``.
        logit_scale: ``logit_scale()``: what the backbone multiplies cosine similarities of images and texts
            with; None where it says nothing of it.
        backbone: ``backbone()``: the backbone itself, of the protocols that the tuner's needs name; shared,
            so what is put into its module goes through a `burnish.blocks.lease.Lease`.
        inputs: ``inputs(split name)``: the items to run it on. For tuners that need ``module``.
        texts: ``texts(split name)``: the M items of a split as texts. For tuners that need ``text``.
        ask: ``ask(split name, prompts, decoding) -> (M, P) object array of str``: what the backbone answers P
            prompts for each of the M items of a split; each item has its seed, and the engine keeps the
            answers. For tuners that need ``generate``.
    """

    classes: Classes
    splits: Mapping[str, Split]
    supervision: Supervision
    assessment: Assessment | None
    loss: Loss | None
    groups: Mapping[str, NDArray[Any]]
    features: Callable[[str], NDArray[Any]]
    generator: Callable[[str], Any]
    seed: int
    run: Run
    class_embeddings: ClassEmbeddings = _none
    logit_scale: Callable[[], float | None] = lambda: None
    backbone: Callable[[], Any] = _none
    inputs: Callable[[str], SplitInputs] = _none
    texts: Callable[[str], Sequence[str]] = _none
    ask: Callable[[str, Sequence[Sequence[str]], Decoding], NDArray[Any]] = _none


class Tuner(Protocol):
    """Adapts to a task. Most tuners are a `burnish.blocks.HeadTuner`, which core trains many at once."""

    def fit(self, task: Task) -> Predictor:
        """Train on the task's train split and return the result.

        Raises:
            burnish.errors.FitError: it cannot be trained.
        """

    def restore(self, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes) -> Predictor:
        """Return the predictor that has this state and info.

        The inverse of `Predictor.state` and `Predictor.info`.

        Raises:
            burnish.errors.ModelFileError: the tensors do not have the names and shapes that this tuner's
                config gives.
        """


class Predictor(Protocol):
    """What a tuner returns. Its answer for an item does not depend on the other items of the call.

    It writes no file: the engine saves `state` as safetensors and `info` as JSON, and names the component,
    never a Python path.
    """

    classes: Classes

    def predict(self, features: NDArray[Any]) -> Scores:
        """Return scores of M items from features (M, D) float32."""

    def embed(self, features: NDArray[Any]) -> NDArray[Any] | None:
        """Return (M, E) float32, what the last layer reads, for diagnostics.

        None where there is no such thing.
        """

    def state(self) -> Mapping[str, Tensor]:
        """Return everything learnt, by name."""

    def info(self) -> Mapping[str, Any]:
        """Return what `Tuner.restore` needs beside the state, as JSON values."""


class Adapted(ABC):
    """What a predictor also is whose tuner changed the backbone: it reads features of the changed one."""

    @abstractmethod
    def adapt(self, backbone: Any) -> AbstractContextManager[Encodes]:
        """Put what was learnt into a backbone and return an encoder; leaving takes it out again.

        `Predictor.predict` reads the features of the encoder. The encoder prepares items as the predictor
        wants them: crops of test-time ensembling belong to its inputs, and what it gives for them to a row of
        its features. Within, it is called as any `Encodes`: from several threads, in any order of items.
        """


class Prompted(ABC):
    """What a predictor also is whose items a language model answers.

    `Predictor.predict` reads the answers, (M, P) object array of str.

    It asks nothing itself: the engine does, gives each item its seed, and keeps the answers.

    Attributes:
        names: P names of what an item is asked, such as of variants of a prompt.
        decoding: how answers are made.
        seed: what the seeds of the items follow from, beside their content; that of the task.
    """

    names: tuple[str, ...]
    decoding: Decoding
    seed: int

    @abstractmethod
    def prompts(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """Return P prompts for each of M texts; those of a text do not depend on the others."""
