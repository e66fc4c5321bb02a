"""The backbone: texts in, one vector a text out."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import torch

from burnish_sentence_transformers.folder import model_folder
from burnish_sentence_transformers.loading import load_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts import Prepared, Runtime, View
    from burnish.data import Item
    from burnish_sentence_transformers import SentenceConfig

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_STEP: Final = 8
"""Texts are encoded with those of about their length.

Padded to the next multiple of it, whatever else is in the batch.
"""


class SentenceEncoder:
    """A frozen sentence-transformers model (`burnish.contracts.backbone.Encodes`), its own text tower.

    Texts longer than the model's `max_seq_length` are cut there, as the model itself does: it is a part of
    its preprocessing.

    Args:
        config: which model.
        runtime: device, type the transformer computes in, and whether a hub may be asked.

    Raises:
        burnish.errors.ConfigError: there is no such model.
        burnish.errors.MachineError: the hub cannot be asked.
        burnish.errors.ModelFileError: the files are damaged, incomplete or of another architecture.
    """

    modality = "text"
    views = False

    def __init__(self, config: SentenceConfig, runtime: Runtime) -> None:
        self.model = load_model(model_folder(config, offline=runtime.offline), config.random_seed).to(
            runtime.device
        )
        # Pooling and what follows stay in float32.
        self.model[0].to(_DTYPES[runtime.dtype])
        self.dim = int(cast("int", self.model.get_embedding_dimension()))
        self._device = torch.device(runtime.device)
        self._prompt = _prompt(self.model, config.prompt)
        self._pads_on_the_left = self.model.tokenizer.padding_side == "left"
        self._tokenising = Lock()
        self._constants = self._tokenise(["a"])[1]

    @property
    def text_tower(self) -> SentenceEncoder:
        """The encoder itself (`burnish.contracts.towers.HasTextTower`)."""
        return self

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Tokenise B texts, with the model's prompt before each and cut at its `max_seq_length`.

        Args:
            items: B texts.
            view: the evaluation view; there is no other.
            ids: (B, 32) uint8 content ids, not used.

        Returns:
            What the model's tokenizer makes, such as ``{"input_ids": (B, L) int64, "attention_mask": (B, L)
            int64}``, padded to the longest.
        """
        del view, ids
        return self._tokenise([str(item.payload) for item in items])[0]

    def encode(self, inputs: Prepared) -> Tensor:
        """Return the model's vectors (B, D) float32 on the runtime's device.

        They have length 1 where the model ends with a normalisation.

        Args:
            inputs: what `prepare` returned.
        """
        with torch.inference_mode():
            features = torch.empty((len(inputs["attention_mask"]), self.dim), device=self._device)
            for rows, part in _by_length(inputs, on_the_left=self._pads_on_the_left):
                features[torch.from_numpy(rows).to(self._device)] = self._forward(part)
            return features

    def _tokenise(self, texts: list[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return what belongs to single texts, and what to all of them, such as the length of the prompt."""
        # A tokenizer keeps its settings inside and cannot be used by two threads at once.
        with self._tokenising:
            made = self.model[0].preprocess(texts, prompt=self._prompt)  # type: ignore[operator]
        arrays = {name: value.numpy() for name, value in made.items() if isinstance(value, torch.Tensor)}
        return arrays, {name: value for name, value in made.items() if name not in arrays}

    def _forward(self, part: dict[str, NDArray[Any]]) -> Tensor:
        batch: dict[str, Any] = {
            name: torch.from_numpy(array).to(self._device) for name, array in part.items()
        } | self._constants
        first, *others = self.model
        batch = first(batch)
        batch["token_embeddings"] = batch["token_embeddings"].float()
        for module in others:
            batch = module(batch)
        return cast("Tensor", batch["sentence_embedding"])


def _prompt(model: Any, given: str | None) -> str | None:
    if given is not None:
        return given or None
    return None if model.default_prompt_name is None else model.prompts[model.default_prompt_name] or None


def _by_length(
    inputs: Prepared, *, on_the_left: bool
) -> Iterator[tuple[NDArray[np.int64], dict[str, NDArray[Any]]]]:
    """Yield rows of texts of about the same length, and their inputs without what no text of them reaches.

    What a text is padded to then follows from its own length, but for the longest of a batch, and short texts
    do not pay for long ones.
    """
    mask = inputs["attention_mask"]
    longest = mask.shape[1]
    lengths = np.minimum(-(-mask.sum(axis=1) // _STEP) * _STEP, longest)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        columns = slice(longest - length, None) if on_the_left else slice(0, length)
        yield rows, {name: np.ascontiguousarray(array[rows, columns]) for name, array in inputs.items()}
