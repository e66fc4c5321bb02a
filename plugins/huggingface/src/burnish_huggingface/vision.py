"""ViT, DeiT and DINOv2: image features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch

from burnish.contracts.towers import Sites
from burnish.errors import PluginError
from burnish_huggingface import CLIP_TYPES, VISION_TYPES, VisionConfig
from burnish_huggingface.images import Images
from burnish_huggingface.loading import computing, load, on_device
from burnish_huggingface.sites import find_sites

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts import Encodes, Prepared, Runtime, View
    from burnish.data import Item

_ELSEWHERE: Final = dict.fromkeys(CLIP_TYPES, "Use hf-clip for it")


class Vision:
    """A frozen vision transformer.

    It is `burnish.contracts.backbone.Encodes` and `burnish.contracts.towers.Attachable`.

    Features are the class token after the last normalisation, or the mean of the patches' tokens.

    Args:
        config: which weights, and how tokens are pooled.
        runtime: device and numeric mode.

    Raises:
        burnish.errors.ModelFileError: the files are missing, damaged or of another architecture.
        burnish.errors.MachineError: the hub is needed and cannot be asked.
    """

    modality = "image"
    views = True
    text_sites: Sites | None = None

    def __init__(self, config: VisionConfig, runtime: Runtime) -> None:
        loaded = load(config, runtime, VISION_TYPES, elsewhere=_ELSEWHERE, arguments_of=_arguments)
        self._runtime, self._pooling, self._where = runtime, config.pooling, loaded.where
        self._images = Images(loaded.folder, loaded.config, loaded.where, loaded.config.model_type)
        self.dim = int(loaded.config.hidden_size)
        self.module = loaded.model.to(runtime.device)
        self.sites = find_sites(
            self.module,
            "",
            width=self.dim,
            prefix=_prefix(loaded.config),
            patch=int(loaded.config.patch_size),
        )

    @property
    def text_tower(self) -> Encodes:
        """There is none.

        Raises:
            burnish.errors.PluginError: always.
        """
        raise PluginError(
            "a vision-only model has no text tower",
            where=self._where,
            possible="hf-clip, with a CLIP or SigLIP model",
        )

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Decode B images and resize them as the model's image processor does.

        See `burnish_huggingface.images.Images.prepare`.
        """
        return self._images.prepare(items, view, ids)

    @torch.inference_mode()
    def encode(self, inputs: Prepared) -> Tensor:
        """Return features (B, D) float32, on the runtime's device."""
        return self.forward(inputs)

    def forward(self, inputs: Prepared, *, projected: bool = True) -> Tensor:
        """Return features (B, D) float32 with gradient.

        There is no projection, so that `projected` changes nothing.
        """
        del projected
        pixels = self._images.normalised(on_device(inputs["pixels"], self._runtime))
        with computing(self._runtime):
            tokens: Tensor = self.module(pixel_values=pixels).last_hidden_state
            features = tokens[:, 0] if self._pooling == "cls" else tokens[:, self.sites.prefix :].mean(1)
        return features.float()


def _arguments(model_type: str) -> dict[str, Any]:
    # The pooler is a layer of its own that many files lack; features do not use it.
    return {} if model_type.startswith("dinov2") else {"add_pooling_layer": False}


def _prefix(config: Any) -> int:
    """Return how many tokens stand before the patches.

    The class token, and DeiT's distillation token or DINOv2's registers.
    """
    return {"deit": 2, "dinov2_with_registers": 1 + getattr(config, "num_register_tokens", 0)}.get(
        config.model_type, 1
    )
