"""A vision-language model with learnt prompts in both towers: what `deft` and `small-loss` train."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from burnish.blocks import LearntContext, Lease, ModuleBatch, prepared_batches, train_module
from burnish.blocks.adapters import visual_prompts
from burnish.errors import FitError
from burnish_deft import DeFTConfig, SmallLossConfig
from burnish_deft.items import Judged

if TYPE_CHECKING:
    from burnish.contracts.backbone import Prepared
    from burnish.contracts.tuner import Task


class Prompted:
    """The towers while they are prompted.

    Args:
        lease: the backbone's module on loan.
        task: whose backbone and randomness.
        judged: whose classes.
        config: numbers of prompts, and how they are trained.
        prompts: names of the text prompts.
        where: who prompts, for messages.
    """

    def __init__(
        self,
        lease: Lease,
        task: Task,
        judged: Judged,
        config: DeFTConfig | SmallLossConfig,
        prompts: Sequence[str],
        where: str,
    ) -> None:
        self._lease, self._task, self._judged, self._config, self._where = lease, task, judged, config, where
        self._backbone: Any = task.backbone()
        self.scale = float(self._backbone.logit_scale)
        self._texts: dict[str, LearntContext] = {}
        for name in prompts:
            part = LearntContext(
                self._backbone, judged.classes, config.context, _generator(task, name), chunk=config.chunk
            )
            lease.add(name, part)
            self._texts[name] = part
        if config.visual:
            self._prompt_image_tower()

    def _prompt_image_tower(self) -> None:
        try:
            visual_prompts(
                self._lease,
                self._backbone.sites,
                count=self._config.visual,
                generator=_generator(self._task, "visual"),
            )
        except FitError as error:
            raise FitError(
                error.what,
                where=self._where,
                todo="Give visual=0, which learns prompts of the text tower alone",
            ) from error

    def image(self, inputs: Prepared) -> Tensor:
        """Return features of images (B, D)."""
        features: Tensor = self._backbone.forward(inputs)
        return features

    def texts(self) -> tuple[Tensor, ...]:
        """Return features of the classes (C, D) by each of the text prompts."""
        return tuple(part() for part in self._texts.values())

    def train(self, loss: Callable[[ModuleBatch], Tensor]) -> None:
        """Minimise a loss over the items.

        Raises:
            burnish.errors.FitError: it became NaN or infinite, or the device has too little memory.
        """
        order = int(self._task.generator("order").integers(2**63))
        train_module(
            self._lease.parameters().values(),
            self._task.inputs("train"),
            self._judged.rows,
            self._config,
            loss,
            order=order,
            run=self._task.run,
            views=self._backbone.views,
            where=self._where,
        )

    def plain(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield places among the items (B,) and the features of their evaluation views (B, D).

        In order, and without gradient.
        """
        places = np.arange(len(self._judged.rows))
        batches = np.split(places, range(self._config.batch, len(places), self._config.batch))
        for at, inputs in prepared_batches(self._task.inputs("train"), self._judged.rows, batches):
            with torch.no_grad():
                yield torch.from_numpy(at), self.image(inputs)


@contextmanager
def prompting(
    task: Task, judged: Judged, config: DeFTConfig | SmallLossConfig, prompts: Sequence[str], where: str
) -> Iterator[Prompted]:
    """Prompt a task's backbone for the length of the block.

    Raises:
        burnish.errors.DataError: the classes have no names, or a name is too long beside the context.
        burnish.errors.FitError: the image tower takes no prompts, and visual ones are asked for.
    """
    with Lease(task.backbone().module) as lease:
        yield Prompted(lease, task, judged, config, prompts, where)


def _generator(task: Task, role: str) -> torch.Generator:
    return torch.Generator().manual_seed(int(task.generator(role).integers(2**63)))
