"""CLIP and SigLIP: image features, a text tower, and what joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch

from burnish.contracts.towers import Sites
from burnish.errors import ItemError
from burnish_huggingface import CLIP_TYPES, ClipConfig
from burnish_huggingface.images import Images
from burnish_huggingface.loading import Loaded, computing, load, on_device
from burnish_huggingface.sites import find_sites
from burnish_huggingface.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts import Prepared, Runtime, View
    from burnish.data import Item

_NO_TEXT: Final = "It has no text tower: use hf-vision, or a whole model"
_ELSEWHERE: Final = {
    "clip_vision_model": _NO_TEXT,
    "siglip_vision_model": _NO_TEXT,
    "vit": _NO_TEXT,
    "deit": _NO_TEXT,
    "dinov2": _NO_TEXT,
    "dinov2_with_registers": _NO_TEXT,
}


class Clip:
    """A frozen CLIP or SigLIP model (`burnish.contracts.backbone.Encodes`, `burnish.contracts.towers`).

    Features are those of the library's ``get_image_features`` and ``get_text_features``: projected, not
    normalised. SigLIP has no projection behind its pooling, so that its `projection` is the identity, and a
    bias beside its logit scale, which cosine classifiers do not need.

    Args:
        config: which weights.
        runtime: device and numeric mode.

    Raises:
        burnish.errors.ModelFileError: the files are missing, damaged or of another architecture.
        burnish.errors.MachineError: the hub is needed and cannot be asked.
    """

    modality = "image"
    views = True

    def __init__(self, config: ClipConfig, runtime: Runtime) -> None:
        loaded = load(config, runtime, CLIP_TYPES, elsewhere=_ELSEWHERE)
        vision = loaded.config.vision_config
        self._runtime, self._loaded, self._truncate = runtime, loaded, config.truncate
        self._images = Images(loaded.folder, vision, loaded.where, loaded.config.model_type)
        self._projects = loaded.config.model_type == "clip"
        self._tower: TextTower | None = None
        self.module = loaded.model.to(runtime.device)
        self.projection: Tensor = _projection(self.module)
        self.dim = int(self.projection.shape[1])
        self.logit_scale = float(self.module.logit_scale.exp())
        prefix = 1 if self._projects else 0
        self.sites = find_sites(
            self.module, "vision_model", width=vision.hidden_size, prefix=prefix, patch=int(vision.patch_size)
        )
        self.text_sites: Sites | None = find_sites(
            self.module, "text_model", width=loaded.config.text_config.hidden_size
        )

    @property
    def text_tower(self) -> TextTower:
        """The encoder of texts; its tokenizer is read on first use.

        Raises:
            burnish.errors.ModelFileError: the model came without a tokenizer.
        """
        if self._tower is None:
            self._tower = TextTower(self.module, self._loaded, self._runtime, truncate=self._truncate)
        return self._tower

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Decode B images and resize them as the model's image processor does.

        See `burnish_huggingface.images.Images.prepare`.
        """
        return self._images.prepare(items, view, ids)

    @torch.inference_mode()
    def encode(self, inputs: Prepared) -> Tensor:
        """Return image features (B, D) float32, on the runtime's device."""
        return self.forward(inputs)

    def forward(self, inputs: Prepared, *, projected: bool = True) -> Tensor:
        """Return image features (B, D) float32 with gradient, or pooled ones (B, w) before the projection."""
        pixels = self._images.normalised(on_device(inputs["pixels"], self._runtime))
        with computing(self._runtime):
            pooled: Tensor = self.module.vision_model(pixel_values=pixels).pooler_output
        # The projection is cheap, and in float32 it does not round what classes differ in.
        return (
            self.module.visual_projection(pooled.float()) if projected and self._projects else pooled.float()
        )


class TextTower:
    """The texts' half of a CLIP or SigLIP model (`burnish.contracts.backbone.Encodes`).

    Texts are padded to the context, as in training, so that a feature does not depend on the other texts of
    its batch.

    Args:
        module: the whole model, on its device.
        loaded: where it came from.
        runtime: device and numeric mode.
        truncate: cut texts that are longer than the context.
    """

    modality = "text"
    views = False

    def __init__(self, module: Any, loaded: Loaded, runtime: Runtime, *, truncate: bool) -> None:
        self._runtime, self._module = runtime, module
        self._projects = loaded.config.model_type == "clip"
        self._texts = Texts(loaded.folder, loaded.config.text_config, loaded.where, truncate=truncate)
        self._length = int(loaded.config.text_config.max_position_embeddings)
        self.dim = int(_projection(module).shape[1])

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Return ``{"input_ids": (B, L) int64}`` of B texts, padded to the context's L tokens.

        Raises:
            burnish.errors.ItemError: a text is longer than the context.
        """
        del ids
        if view.number is not None:
            raise ItemError(items[0].position, "texts have no augmented views")
        return {"input_ids": self._texts.prepare(items, length=self._length)["input_ids"]}

    @torch.inference_mode()
    def encode(self, inputs: Prepared) -> Tensor:
        """Return text features (B, D) float32, on the runtime's device."""
        ids = on_device(inputs["input_ids"], self._runtime)
        with computing(self._runtime):
            pooled: Tensor = self._module.text_model(input_ids=ids).pooler_output
        return self._module.text_projection(pooled.float()) if self._projects else pooled.float()


def _projection(module: Any) -> Tensor:
    """Return the visual projection (w, D) float32, the identity where there is none."""
    if module.config.model_type == "clip":
        weight: Tensor = module.visual_projection.weight
        return weight.detach().float().T.contiguous()
    return torch.eye(module.config.vision_config.hidden_size, device=module.logit_scale.device)
