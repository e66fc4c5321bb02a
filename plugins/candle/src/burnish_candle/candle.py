"""The tuner `candle`: trains `burnish_candle.model` on cached features of items and of class names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from burnish.blocks import (
    batch_rows,
    check_state,
    class_means,
    intra_op_threads,
    rows_in_last_batch,
    scale_of,
    steps_per_epoch,
)
from burnish.data import Labels
from burnish.errors import FitError, ModelFileError
from burnish_candle import CandleConfig
from burnish_candle.model import CandleModel, log_prior, threads_for, total_loss
from burnish_candle.predictor import CandlePredictor

if TYPE_CHECKING:
    from burnish.contracts.tuner import Task
    from burnish.data import Classes

_WHERE = "tuner candle"
_WARMUP_LR = 1e-5
_SPREAD = 0.05
"""Standard deviation around the mean prototype of virtual prototypes that start there."""


class _Rows(NamedTuple):
    """The training items that count.

    Attributes:
        x: (n, V, d) float32.
        y: (n,) int64.
        weights: (n,) float32 above 0.
        counts: (C,) weighted counts n_k.
    """

    x: Tensor
    y: Tensor
    weights: Tensor
    counts: Tensor


class Candle:
    """Candle (arXiv:2406.12638).

    A class that no training item has takes part by its name and a virtual prototype.

    Where the recipe asks for several views of a training item, each is a row of a batch and part of its
    class's prototype.

    Args:
        config: options.
    """

    def __init__(self, config: CandleConfig) -> None:
        self.config = config

    def fit(self, task: Task) -> CandlePredictor:
        """Train projections, attention and virtual prototypes.

        Raises:
            FitError: the targets are no labels, no item has a label and a positive weight, a feature is not
                finite, the width is no multiple of the number of heads, or the loss became NaN or infinite.
            burnish.errors.ConfigError: a template has no place for the name.
            burnish.errors.DataError: the classes have no names.
        """
        rows, device = _rows(task), task.run.device
        texts = torch.from_numpy(
            np.array(task.class_embeddings(self.config.templates), dtype=np.float32)
        ).mean(dim=0)
        dim = rows.x.shape[2]
        if texts.shape[1] != dim:
            raise FitError(
                f"texts have {texts.shape[1]} features, items {dim}",
                where=_WHERE,
                todo="Use a backbone with both in one space",
            )
        if dim % self.config.heads:
            todo = f"Set heads to one of {', '.join(str(h) for h in range(1, 17) if dim % h == 0)}"
            raise FitError(
                f"{dim} features cannot be split into {self.config.heads} heads", where=_WHERE, todo=todo
            )
        # Layers draw from torch's global generator; whoever else draws from it must not notice.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(task.seed)
            model = CandleModel(dim, len(task.classes), self.config, scale_of(task, self.config.scale))
            model.texts.copy_(texts)
            model.prototypes.copy_(_prototypes(rows, texts, self.config.virtual))
        with intra_op_threads(
            threads_for(min(len(rows.y), self.config.batch) * rows.x.shape[1], len(task.classes), dim)
        ):
            self._train(model.to(device).train(), rows, task)
        return CandlePredictor(self.config, model.cpu().eval(), task.classes)

    def _train(self, model: CandleModel, rows: _Rows, task: Task) -> None:
        config, device = self.config, task.run.device
        x, y, weights, counts = (tensor.to(device) for tensor in rows)
        prior, new = log_prior(counts), torch.nonzero(counts == 0).squeeze(1)
        virtual = nn.Parameter(model.prototypes[new].clone())
        optimiser = torch.optim.SGD(
            [*model.parameters(), virtual], lr=config.lr, momentum=0.9, weight_decay=config.weight_decay
        )
        order, n = int(task.generator("order").integers(2**63)), len(y)
        steps, views = steps_per_epoch(n, config.batch), x.shape[1]
        for epoch in range(config.epochs):
            optimiser.param_groups[0]["lr"] = learning_rate(config, epoch)
            batches = batch_rows(n, config.batch, order, epoch)
            total = torch.zeros((), device=device)
            for step in range(steps):
                chosen = (
                    batches[step]
                    if step < steps - 1
                    else batches[step][: rows_in_last_batch(n, config.batch)]
                )
                items = torch.from_numpy(chosen).to(device)
                found = model(x[items].flatten(0, 1), model.prototypes.index_copy(0, new, virtual))
                repeated = (y[items].repeat_interleave(views), weights[items].repeat_interleave(views))
                loss = total_loss(found, repeated[0], prior, repeated[1], config.tau)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                total += loss.detach()
                task.run.progress(epoch * steps + step + 1, config.epochs * steps)
            if not math.isfinite(float(total)):
                raise FitError(
                    f"the loss became {float(total)} in epoch {epoch + 1}",
                    where=_WHERE,
                    todo="Lower lr or scale",
                )
        model.prototypes.index_copy_(0, new, virtual.detach())

    def restore(
        self, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes
    ) -> CandlePredictor:
        """Return the predictor with this state.

        Raises:
            ModelFileError: names, shapes or numbers do not fit.
        """
        dim = info.get("dim")
        if (
            not isinstance(dim, int)
            or isinstance(dim, bool)
            or not 1 <= dim <= 2**20
            or dim % self.config.heads
        ):
            raise ModelFileError(
                f"the width of the features is given as {dim!r}",
                where=_WHERE,
                possible=f"a multiple of {self.config.heads}",
            )
        scale = info.get("scale")
        if not isinstance(scale, int | float) or isinstance(scale, bool) or not 0 < scale < math.inf:
            raise ModelFileError(
                f"the scale is given as {scale!r}", where=_WHERE, possible="a finite number above 0"
            )
        with torch.device("meta"):
            model = CandleModel(dim, len(classes), self.config, float(scale))
        check_state(state, model, _WHERE)
        model.load_state_dict(
            {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}, assign=True
        )
        return CandlePredictor(self.config, model.eval().requires_grad_(requires_grad=False), classes)


def learning_rate(config: CandleConfig, epoch: int) -> float:
    """Return the learning rate of an epoch from 0.

    A constant 1e-5 in the warm-up, then lr (1 + cos(pi e / epochs)) / 2, e from 0 after it.

    The cosine is as long as the whole training, so it does not come to its end: so it is in the released
    code.
    """
    after = epoch - config.warmup
    return _WARMUP_LR if after < 0 else 0.5 * config.lr * (1 + math.cos(math.pi * after / config.epochs))


def _rows(task: Task) -> _Rows:
    supervision = task.supervision.take(task.splits["train"].index)
    if not isinstance(supervision, Labels):
        raise FitError(
            f"prototypes have one class an item, not {supervision.word}", where=_WHERE, possible="labels"
        )
    weights = (
        np.ones(len(supervision), dtype=np.float32) if supervision.weights is None else supervision.weights
    )
    used = supervision.known & (weights > 0)
    if not used.any():
        raise FitError("no training item has a label and a positive weight", where=_WHERE)
    x = np.asarray(task.features("train"), dtype=np.float32)[used]
    if not np.isfinite(x).all():
        item = int(np.argmin(np.isfinite(x.reshape(len(x), -1)).all(axis=1)))
        raise FitError(
            f"a feature of labelled training item {item} is NaN or infinite",
            where=_WHERE,
            todo="Mend or remove the item",
        )
    y, kept = supervision.y[used], np.asarray(weights[used], dtype=np.float32)
    counts = np.bincount(y, weights=kept, minlength=len(task.classes)).astype(np.float32)
    return _Rows(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(kept), torch.from_numpy(counts))


def _prototypes(rows: _Rows, texts: Tensor, start: str) -> Tensor:
    """Return U (C, d): weighted class means, and what stands for the mean of a class without items.

    That is the class's text feature or a point near the mean prototype.
    """
    n, views, dim = rows.x.shape
    flat, y, weights = (
        rows.x.reshape(n * views, dim),
        rows.y.repeat_interleave(views),
        rows.weights.repeat_interleave(views),
    )
    means, new = class_means(flat, y, len(texts), weights), rows.counts == 0
    virtual = texts if start == "text" else means[~new].mean(dim=0) + _SPREAD * torch.randn_like(means)
    return torch.where(new.unsqueeze(1), virtual, means)
