"""A burnish backbone of an open_clip model.

Images and texts into one space, prompts of embeddings, tokens or maps, the module on loan.

The model comes ready made, so that this module needs torch alone: plugins that ship or load open_clip models
import `OpenClip`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

import torch

from burnish.blocks.image_inputs import ImageInputs
from burnish.errors import PluginError
from burnish_openclip.sites import image_sites, is_transformer, text_sites
from burnish_openclip.text import OpenClipText

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from burnish.contracts import Prepared, Runtime, View
    from burnish.contracts.towers import Sites
    from burnish.data import Item

_DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class OpenClip:
    """A frozen open_clip model.

    Always `Encodes` (images) and `Projects`; `HasTextTower` where a tokenizer is given; `ComposesText` where
    the text tower is open_clip's own, too; `Attachable` where the visual tower is its vision transformer or
    its residual network (protocols of `burnish.contracts.towers`). Visual towers out of timm encode, and
    nothing more.

    In bfloat16 the weights are cast, save those of normalisation layers and the logit scale, as open_clip
    does; everything runs under autocast, so that parts in float32 can be put into the module.

    Args:
        model: an ``open_clip.CLIP``, ``CustomTextCLIP`` or ``CoCa``; it is frozen, put into evaluation mode
            and moved.
        transform: its evaluation transform, as of ``open_clip.create_model_and_transforms``.
        tokenizer: its tokenizer, as of ``open_clip.get_tokenizer``; None for images alone.
        runtime: device and numeric mode.
        where: its name, for errors.

    Raises:
        PluginError: transform or tokenizer are of a kind that open_clip does not make.
    """

    modality = "image"
    views = True

    def __init__(
        self, model: Any, transform: Any, tokenizer: Any, runtime: Runtime, where: str = "openclip"
    ) -> None:
        self._device, self._dtype, self._where = torch.device(runtime.device), _DTYPES[runtime.dtype], where
        self.module: nn.Module = _cast(model.eval().requires_grad_(False).to(self._device), self._dtype)
        self._images = ImageInputs(transform, self._device, where)
        self.dim = int(getattr(self._visual, "output_dim", 0)) or self._measured_dim()
        self._text = (
            None
            if tokenizer is None
            else OpenClipText(model, tokenizer, self.dim, self._device, self._dtype, where)
        )

    @property
    def _visual(self) -> Any:
        return self.module.visual

    def _measured_dim(self) -> int:
        """Return the width of the features of a tower that does not tell it."""
        return self.encode(
            {"image": torch.zeros((1, *self._images.size, 3), dtype=torch.uint8).numpy()}
        ).shape[1]

    def _numeric(self) -> AbstractContextManager[Any]:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._dtype == torch.bfloat16)

    # -- Encodes ---------------------------------------------------------------------------------------------

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Decode B images and bring them to the model's size, with open_clip's own steps.

        Args:
            items: B images: file bytes, or uint8 (H, W, 3).
            view: the view to make (`burnish.blocks.image_inputs.ImageInputs.prepare`).
            ids: (B, 32) uint8 content ids.

        Returns:
            ``{"image": (B, H, W, 3) uint8}``.

        Raises:
            burnish.errors.ItemError: an image cannot be decoded.
        """
        return {"image": self._images.prepare(items, view, ids)}

    def encode(self, inputs: Prepared) -> Tensor:
        """Return ``encode_image`` of the model, not normalised: (B, D) float32 on the runtime's device.

        Args:
            inputs: what `prepare` returned.
        """
        with torch.inference_mode():
            return self.forward(inputs)

    def _pixels(self, inputs: Prepared) -> Tensor:
        return self._images.normalise(inputs["image"]).to(self._dtype)

    # -- HasTextTower ----------------------------------------------------------------------------------------

    @property
    def text_tower(self) -> OpenClipText:
        """The encoder of texts.

        Raises:
            burnish.errors.PluginError: no tokenizer was given.
        """
        if self._text is None:
            raise PluginError(
                "it reads images alone: its tokenizer is not there",
                where=self._where,
                todo="Choose a model with its tokenizer",
            )
        return self._text

    # -- Projects --------------------------------------------------------------------------------------------

    @property
    def projection(self) -> Tensor:
        """The visual projection (w, D) float32.

        The identity of D where the tower has none of its own outside of its pooling.
        """
        if is_transformer(self._visual):
            weight: Tensor = self._visual.proj.detach().float()
            return weight
        return torch.eye(self.dim, device=self._device)

    @property
    def logit_scale(self) -> float:
        """What cosine similarities are multiplied with."""
        return float(self.module.logit_scale.detach().exp())  # type: ignore[operator]

    # -- ComposesText ----------------------------------------------------------------------------------------

    @property
    def context_length(self) -> int:
        """Most tokens L of a text."""
        return self.text_tower.context_length

    @property
    def text_width(self) -> int:
        """Width w of token embeddings."""
        return self.text_tower.width

    def tokenise(self, texts: Sequence[str]) -> Tensor:
        """Return token ids (`burnish_openclip.text.OpenClipText.tokenise`)."""
        return self.text_tower.tokenise(texts)

    def embed_tokens(self, ids: Tensor) -> Tensor:
        """Return token embeddings (`burnish_openclip.text.OpenClipText.embed_tokens`)."""
        return self.text_tower.embed_tokens(ids)

    def encode_embedded(self, embedded: Tensor, ids: Tensor) -> Tensor:
        """Return text features of embeddings.

        As `burnish_openclip.text.OpenClipText.encode_embedded` does.
        """
        return self.text_tower.encode_embedded(embedded, ids)

    # -- Attachable ------------------------------------------------------------------------------------------

    @property
    def sites(self) -> Sites:
        """Where parts can be put into the visual tower (`burnish_openclip.sites.image_sites`)."""
        return image_sites(self._visual, self._where)

    @property
    def text_sites(self) -> Sites | None:
        """Where parts can be put into the text tower; None where it is not open_clip's own."""
        return text_sites(self.module)

    def forward(self, inputs: Prepared, *, projected: bool = True) -> Tensor:
        """Return what `encode` gives, with gradient where it is on.

        Args:
            inputs: what `prepare` returned.
            projected: False for the pooled features before `projection`, (B, w); the same as True where that
                is the identity.
        """
        with self._numeric():
            pixels = self._pixels(inputs)
            if not projected and is_transformer(self._visual):
                pooled, _ = self._visual._pool(self._visual.transformer(self._visual._embeds(pixels)))
            else:
                pooled = self.module.encode_image(pixels, normalize=False)  # type: ignore[operator]
        features: Tensor = pooled.float()
        return features


def _cast(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return the model with its weights in another type, except where a few numbers matter much.

    Normalisation layers and the logit scale.
    """
    for module in model.modules():
        if not isinstance(module, torch.nn.LayerNorm | torch.nn.BatchNorm2d):
            for name, parameter in module.named_parameters(recurse=False):
                parameter.data = (
                    parameter.data if name in ("logit_scale", "logit_bias") else parameter.data.to(dtype)
                )
    return model
