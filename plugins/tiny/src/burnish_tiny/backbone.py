"""The backbone: images in, 96 pooled features out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from burnish_tiny.files import load_network
from burnish_tiny.inputs import jitter, prepare_images
from burnish_tiny.network import DIM, TinyResNet, fold, normalise
from burnish_tiny.weights import weight_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts import Prepared, Runtime, View
    from burnish.data import Item
    from burnish_tiny import TinyConfig

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Tiny:
    """A frozen small ResNet (`burnish.contracts.backbone.Encodes`).

    Args:
        config: which weights.
        runtime: device, and the type the network computes in.

    Raises:
        burnish.errors.ModelFileError: the weight file is missing, damaged or of another network.
    """

    dim = DIM
    modality = "image"
    views = True

    def __init__(self, config: TinyConfig, runtime: Runtime) -> None:
        self.network = _frozen(load_network(weight_file(config)), runtime)
        self._device = torch.device(runtime.device)
        self._dtype = _DTYPES[runtime.dtype]

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Decode B images and bring them to 32 x 32.

        The evaluation view has no randomness; a numbered view is flipped and shifted by up to 4 pixels, as in
        pre-training.

        Args:
            items: B images: file bytes, or uint8 (H, W, 3).
            view: the view to make.
            ids: (B, 32) uint8 content ids.

        Returns:
            ``{"image": (B, 32, 32, 3) uint8}``.

        Raises:
            burnish.errors.ItemError: an image cannot be decoded.
        """
        images = prepare_images(items)
        return {"image": images if view.number is None else jitter(images, view.seeds(ids))}

    @torch.inference_mode()
    def encode(self, inputs: Prepared) -> Tensor:
        """Return features (B, 96) float32, at least 0 (they follow a ReLU), on the runtime's device.

        Args:
            inputs: what `prepare` returned.
        """
        images = torch.from_numpy(inputs["image"]).to(self._device)
        features: Tensor = self.network(normalise(images, self._dtype))
        return features.float()


def _frozen(network: TinyResNet, runtime: Runtime) -> TinyResNet:
    """Return the network with batch normalisation folded into its convolutions.

    It is on the runtime's device and in its type.
    """
    network = fold(network.eval()).requires_grad_(False)
    return network.to(device=runtime.device, dtype=_DTYPES[runtime.dtype], memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
