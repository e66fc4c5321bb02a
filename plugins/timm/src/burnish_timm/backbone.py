"""The backbone: images in, features before the classifier out."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from torch import nn

from burnish.blocks.image_inputs import ImageInputs
from burnish.errors import ConfigError
from burnish_timm.families import family
from burnish_timm.loading import load_model
from burnish_timm.sites import sites

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts import Prepared, Runtime, View
    from burnish.contracts.towers import Sites
    from burnish.data import Item
    from burnish_timm import TimmConfig

_DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Timm:
    """A frozen timm model.

    Always `Encodes`; `Attachable` where it is a vision transformer, ResNet, RegNet or ConvNeXt (protocols of
    `burnish.contracts`).

    In bfloat16 the weights of linear layers and convolutions are cast, and everything runs under autocast, so
    that parts in float32 can be put into the module.

    Args:
        config: which model.
        runtime: device, numeric mode, and whether a hub may be asked.

    Raises:
        burnish.errors.ConfigError: there is no such model.
        burnish.errors.MachineError: the hub cannot be asked.
        burnish.errors.ModelFileError: the files are damaged, or the weights are not those of the
            architecture.
    """

    modality = "image"
    views = True
    text_sites = None

    def __init__(self, config: TimmConfig, runtime: Runtime) -> None:
        model, self._name = load_model(config, offline=runtime.offline)
        self._device, self._dtype, self._family = (
            torch.device(runtime.device),
            _DTYPES[runtime.dtype],
            family(self._name),
        )
        data = resolve_model_data_config(model)  # type: ignore[no-untyped-call]
        if data["input_size"][0] != 3:
            raise ConfigError(
                f"{self._name} reads images of {data['input_size'][0]} channels",
                where="timm",
                possible="3: RGB",
            )
        self._images = ImageInputs(
            create_transform(**data, is_training=False), self._device, f"timm {self._name}"
        )
        self.module: nn.Module = _cast(model, self._dtype).to(self._device)
        self.dim = self._measured_dim()

    def _measured_dim(self) -> int:
        """Return the width of the features: models do not all tell it."""
        features = self.encode({"image": np.zeros((1, *self._images.size, 3), dtype=np.uint8)})
        if features.ndim != 2:
            raise ConfigError(
                f"the features of {self._name} are not pooled: {tuple(features.shape[1:])}",
                where="timm",
                possible="a vector an image",
            )
        return int(features.shape[1])

    def _numeric(self) -> AbstractContextManager[Any]:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._dtype == torch.bfloat16)

    # -- Encodes ---------------------------------------------------------------------------------------------

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Decode B images and bring them to the model's size by the steps of timm's evaluation transform.

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
        """Return the features (B, D) float32 before the classifier, on the runtime's device.

        They are ``forward_head(forward_features(x), pre_logits=True)``.

        Args:
            inputs: what `prepare` returned.
        """
        with torch.inference_mode():
            return self.forward(inputs)

    def forward(self, inputs: Prepared, *, projected: bool = True) -> Tensor:
        """Return what `encode` gives, with gradient where it is on.

        There is no projection, so `projected` changes nothing.
        """
        del projected
        model: Any = self.module
        with self._numeric():
            pooled: Tensor = model.forward_head(model.forward_features(self._pixels(inputs)), pre_logits=True)
        return pooled.float()

    def _pixels(self, inputs: Prepared) -> Tensor:
        return self._images.normalise(inputs["image"])

    # -- Attachable ------------------------------------------------------------------------------------------

    @property
    def sites(self) -> Sites:
        """Where parts can be put into the model (`burnish_timm.sites.sites`)."""
        return sites(self.module, self._family, self._name)


def _cast(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return the model with the weights in another type that autocast would cast on every call.

    Of linear layers and convolutions.
    """
    for module in model.modules():
        if type(module) in (nn.Linear, nn.Conv1d, nn.Conv2d):
            module.to(dtype)
    return model
