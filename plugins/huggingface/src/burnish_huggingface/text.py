"""BERT, RoBERTa and encoders like them: text features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from burnish.contracts.towers import Sites
from burnish.errors import ItemError
from burnish_huggingface import CLIP_TYPES, TEXT_TYPES, TextConfig
from burnish_huggingface.loading import computing, load, on_device
from burnish_huggingface.pooling import pool
from burnish_huggingface.sites import find_sites
from burnish_huggingface.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts import Prepared, Runtime, View
    from burnish.data import Item

_WITH_POOLER = ("bert", "roberta", "xlm-roberta", "camembert", "mpnet")


class Text:
    """A frozen encoder of texts (`burnish.contracts.backbone.Encodes`, `burnish.contracts.towers`).

    It is its own text tower.

    Args:
        config: which weights, and how tokens are pooled.
        runtime: device and numeric mode.

    Raises:
        burnish.errors.ModelFileError: the files are missing, damaged or of another architecture.
        burnish.errors.MachineError: the hub is needed and cannot be asked.
    """

    modality = "text"
    views = False

    def __init__(self, config: TextConfig, runtime: Runtime) -> None:
        elsewhere = dict.fromkeys(CLIP_TYPES, "Use hf-clip for it") | dict.fromkeys(
            ("gpt2", "llama", "t5", "bart"), "Use hf-lm for it"
        )
        loaded = load(config, runtime, TEXT_TYPES, elsewhere=elsewhere, arguments_of=_arguments)
        self._runtime, self._pooling = runtime, config.pooling
        self._texts = Texts(loaded.folder, loaded.config, loaded.where, truncate=config.truncate)
        self.dim = int(loaded.config.hidden_size)
        self.module = loaded.model.to(runtime.device)
        self.sites = find_sites(self.module, "", width=self.dim)
        self.text_sites: Sites | None = self.sites

    @property
    def text_tower(self) -> Text:
        """Itself."""
        return self

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Return ``{"input_ids": (B, T) int64, "attention_mask".

        (B, T) int64}`` of B texts, padded to the longest.

        Raises:
            burnish.errors.ItemError: a text is longer than the context, unless `truncate` is set.
        """
        del ids
        if view.number is not None:
            raise ItemError(items[0].position, "texts have no augmented views")
        return self._texts.prepare(items)

    @torch.inference_mode()
    def encode(self, inputs: Prepared) -> Tensor:
        """Return features (B, D) float32, on the runtime's device."""
        return self.forward(inputs)

    def forward(self, inputs: Prepared, *, projected: bool = True) -> Tensor:
        """Return features (B, D) float32 with gradient.

        There is no projection, so that `projected` changes nothing.
        """
        del projected
        ids, mask = (on_device(inputs[name], self._runtime) for name in ("input_ids", "attention_mask"))
        with computing(self._runtime):
            tokens: Tensor = self.module(input_ids=ids, attention_mask=mask).last_hidden_state
        return pool(tokens, mask, self._pooling)


def _arguments(model_type: str) -> dict[str, Any]:
    # The pooler is a layer of its own that many files lack; features do not use it.
    return {"add_pooling_layer": False} if model_type in _WITH_POOLER else {}
