"""Tuners and predictors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from burnish.data import seeds
from burnish.errors import BurnishError, FitError, PluginError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts.backbone import Encodes, Prepared
    from burnish.contracts.language import Decoding
    from burnish.contracts.loss import Loss
    from burnish.contracts.noise import Assessment
    from burnish.contracts.scores import Scores
    from burnish.data import Classes, Split, Supervision


Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


def no_progress(done: int, total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Run:
    """How a fit runs: where, and whom it tells.

    Attributes:
        device: torch device string.
        progress: called with (steps done, steps in all).
    """

    device: str = "cpu"
    progress: Progress = no_progress


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


class Reads:
    """How the items of a task are read: one object a row of a study, which its replicates share.

    Positions are those of the data set. What a subclass cannot read it leaves as it is here: refused.
    """

    def features(self, training: bool) -> NDArray[Any]:
        """Return (N, V, D) float32 of all items: V training views, or (N, 1, D) of the evaluation view.

        The same array each time, so that trials which train together share it.
        """
        raise self._refused("features")

    def backbone(self) -> Any:
        """Return the backbone itself."""
        raise self._refused("a backbone to run")

    def inputs(self, index: NDArray[Any], replicate: int) -> SplitInputs:
        """Return the items at positions `index`, prepared when they are asked for."""
        raise self._refused("items to run a backbone on")

    def texts(self, index: NDArray[Any]) -> Sequence[str]:
        """Return the items at positions `index` as texts."""
        raise self._refused("texts")

    def class_embeddings(self, classes: Classes, templates: Sequence[str]) -> NDArray[Any]:
        """Return (P, C, D) float32 text features of the names of classes in P templates."""
        raise self._refused("a text tower")

    def logit_scale(self) -> float | None:
        """Return what the backbone multiplies cosine similarities of images and texts with, if it says."""
        return None

    def ask(
        self, index: NDArray[Any], prompts: Sequence[Sequence[str]], decoding: Decoding, seed: int
    ) -> NDArray[Any]:
        """Return (M, P) answers to P prompts for each of the M items at positions `index`."""
        raise self._refused("a language model to ask")

    def _refused(self, what: str) -> FitError:
        return FitError(f"this task has no {what}", where="tuner", todo="Declare it in the tuner's needs")


class FeaturesAlone(Reads):
    """Reads features that are there already, and nothing else.

    Args:
        table: (N, V, D) or (N, D) float32.
    """

    def __init__(self, table: NDArray[Any]) -> None:
        self.table = table if table.ndim == 3 else table[:, None, :]

    def features(self, training: bool) -> NDArray[Any]:
        """Return the table; its first view is the evaluation view."""
        return self.table if training else self.table[:, :1]


@dataclass(frozen=True, eq=False)
class Task:
    """All that a tuner may know. It holds no truth, no path, no name of a file.

    Attributes:
        classes: the classes.
        splits: ``train`` and, where there are any, ``validation``, ``calibration``, ``pool``, ``reference``;
            never a test set.
        supervision: of all N items as observed; items of test sets are unknown in it.
        assessment: of the recipe's assessor, already applied to `supervision`, its weights and the splits.
        loss: the recipe's loss.
        groups: further columns (N,), such as ``"group"``.
        reads: how the items are read; the methods below ask it.
        replicate: whose randomness.
        role: who is asking, ``"fit"`` or ``"assess"``: its randomness is its own.
        run: device and progress.
    """

    classes: Classes
    splits: Mapping[str, Split]
    supervision: Supervision
    assessment: Assessment | None
    loss: Loss | None
    groups: Mapping[str, NDArray[Any]]
    reads: Reads
    replicate: int = 0
    role: str = "fit"
    run: Run = field(default_factory=Run)

    @property
    def seed(self) -> int:
        """Seed of initialisation: from the replicate alone, so that its tuners are paired."""
        return seeds.seed("init", self.replicate)

    def generator(self, what: str) -> np.random.Generator:
        """Return a numpy Generator of this replicate and role for what is drawn, such as ``"order"``."""
        return seeds.generator(f"{self.role} {what}", self.replicate)

    def features(self, split: str) -> NDArray[Any]:
        """Return (M, V, D) float32 of a split: V views for train, one for the others."""
        table = self.reads.features(training=split == "train")
        return np.asarray(table[self._index(split)])

    def backbone(self) -> Any:
        """Return the backbone itself, of the protocols that the tuner's needs name.

        It is shared, so what is put into its module goes through a `burnish.blocks.Lease`.
        """
        return self.reads.backbone()

    def inputs(self, split: str) -> SplitInputs:
        """Return the items of a split to run the backbone on. For tuners that need ``module``."""
        return self.reads.inputs(self._index(split), self.replicate)

    def texts(self, split: str) -> Sequence[str]:
        """Return the M items of a split as texts. For tuners that need ``text``."""
        return self.reads.texts(self._index(split))

    def class_embeddings(self, templates: Sequence[str], at: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return (P, C, D) float32 of class names in P templates, as the text tower gives them.

        They are not normalised. For tuners that need ``text-tower``.

        Args:
            templates: ``{}`` stands for the name of a class, ``{description}`` for its first description.
            at: some classes alone, of which alone a template may then ask for a description.
        """
        classes = self.classes if at is None else self.classes.subset(at)
        return self.reads.class_embeddings(classes, templates)

    def logit_scale(self) -> float | None:
        """Return what the backbone multiplies cosine similarities of images and texts with, if it says."""
        return self.reads.logit_scale()

    def ask(self, split: str, prompts: Sequence[Sequence[str]], decoding: Decoding) -> NDArray[Any]:
        """Return what the backbone answers P prompts for each of the M items of a split.

        (M, P) object array of str; each item has its seed, and answers are kept. For tuners that need
        ``generate``.
        """
        index = self._index(split)
        if len(prompts) != len(index):
            raise PluginError(f"prompts for {len(prompts)} items of a split of {len(index)}", where="tuner")
        return self.reads.ask(index, prompts, decoding, self.seed)

    def _index(self, split: str) -> NDArray[np.int64]:
        if split not in self.splits:
            raise BurnishError(f"a tuner has no split {split!r}", possible=", ".join(self.splits))
        return self.splits[split].index


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
