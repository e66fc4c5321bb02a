"""Images as a model takes them, through its own image processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
import transformers
from PIL import Image
from transformers.models.auto import image_processing_auto

from burnish.blocks.image_inputs import VIEW_SCALE
from burnish.data.images import MAX_PIXELS, Interpolation, open_rgb, random_resized_crop_flip
from burnish.errors import ItemError, ModelFileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts import Prepared, View
    from burnish.data import Item

PROCESSOR: Final = "preprocessor_config.json"

_PROCESSORS: Final[Any] = image_processing_auto  # which is not typed
_INTERPOLATIONS: Final[dict[Any, Interpolation]] = {
    Image.Resampling.NEAREST: "nearest",
    Image.Resampling.BOX: "box",
    Image.Resampling.BILINEAR: "bilinear",
    Image.Resampling.BICUBIC: "bicubic",
    Image.Resampling.LANCZOS: "lanczos",
}


class Images:
    """Decodes images and gives them to the image processor that the model came with, one at a time.

    Of the library's two implementations the one with Pillow is taken: its resizing is that of the images the
    models were trained on, and does not change with the version of torchvision. Resizing and cropping are the
    processor's; scaling and normalisation, with its numbers, follow on the device, so that pixels travel as
    bytes.

    Args:
        folder: folder with the processor's file; None for the standard processor of the architecture.
        config: configuration of the model or its vision tower.
        where: what errors call the model.
        model_type: type of the whole model.

    Raises:
        burnish.errors.ModelFileError: there is no processor, or it does not make what the model takes.
    """

    def __init__(self, folder: Path | None, config: Any, where: str, model_type: str) -> None:
        self._processor = _processor(folder, where, model_type)
        resample = getattr(self._processor, "resample", None)
        self._interpolation: Interpolation = _INTERPOLATIONS[
            Image.Resampling.BICUBIC if resample is None else Image.Resampling(resample)
        ]
        self.size = self._check(where)
        own = config.image_size
        wanted = (own, own) if isinstance(own, int) else tuple(own)
        if wanted != self.size and not model_type.startswith("dinov2"):  # which interpolate their positions
            height, width = self.size
            what = (
                f"its image processor makes images of {width} x {height} pixels, the model takes {wanted[1]}"
                f" x {wanted[0]}"
            )
            raise ModelFileError(what, where=where, todo=f"Mend {PROCESSOR}")

    def _check(self, where: str) -> tuple[int, int]:
        """Return (height, width) of the pixels, the same for any image.

        That is, if resizing and normalisation together are all the processor does.
        """
        sizes = set()
        for shape in ((48, 64, 3), (64, 48, 3)):
            image = Image.fromarray(np.arange(64 * 48 * 3, dtype=np.uint32).astype(np.uint8).reshape(shape))
            pixels, whole = (
                self._pixels(image),
                torch.from_numpy(np.asarray(self._processor(image)["pixel_values"][0], dtype=np.float32)),
            )
            sizes.add(pixels.shape[1:])
            if not torch.allclose(
                self.normalised(torch.from_numpy(pixels)[None])[0], whole, rtol=1e-5, atol=1e-5
            ):
                raise ModelFileError(
                    f"its image processor {type(self._processor).__name__} does more than resize, crop and"
                    " normalise",
                    where=where,
                )
        if len(sizes) != 1:
            raise ModelFileError(
                "its image processor makes images of no fixed size",
                where=where,
                todo=f"Set size or crop_size in {PROCESSOR}",
            )
        height, width = sizes.pop()
        return height, width

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Return ``{"pixels": (B, 3, H, W) uint8}``.

        Args:
            items: B images: file bytes, or uint8 (H, W, 3).
            view: the evaluation view as the processor makes it; a numbered one is a random part of at least
                half of the image, at the model's size, mirrored half of the time.
            ids: (B, 32) uint8 content ids.

        Raises:
            burnish.errors.ItemError: an image cannot be decoded, or is far too long for its width.
        """
        pixels = np.empty((len(items), 3, *self.size), dtype=np.uint8)
        seeds = None if view.number is None else view.seeds(ids)
        for row, item in enumerate(items):
            image = open_rgb(item)
            # Resizing the shorter side of a thread of an image makes the longer one too large for memory.
            if max(self.size) ** 2 * max(image.size) > MAX_PIXELS * min(image.size):
                raise ItemError(
                    item.position,
                    f"the image is {image.size[0]:,} x {image.size[1]:,} pixels: too long for its width",
                )
            pixels[row] = self._pixels(image) if seeds is None else self._view(image, int(seeds[row]))
        return {"pixels": pixels}

    def _view(self, image: Image.Image, seed: int) -> NDArray[np.uint8]:
        height, width = self.size
        part = random_resized_crop_flip(
            image, (width, height), seed, VIEW_SCALE, interpolation=self._interpolation
        )
        return np.asarray(part).transpose(2, 0, 1)

    def _pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return an image, resized and cropped, as uint8 (3, H, W)."""
        pixels: NDArray[np.uint8] = np.asarray(
            self._processor(image, do_rescale=False, do_normalize=False)["pixel_values"][0]
        )
        return pixels

    def normalised(self, pixels: Tensor) -> Tensor:
        """Return pixels (B, 3, H, W) uint8 as the model's float32, on their device."""
        processor, x = self._processor, pixels.float()
        if processor.do_rescale:
            x = x * processor.rescale_factor
        if processor.do_normalize:
            mean, deviation = (
                torch.tensor(values, dtype=torch.float32, device=x.device).reshape(-1, 1, 1)
                for values in (processor.image_mean, processor.image_std)
            )
            x = (x - mean) / deviation
        return x


def _processor(folder: Path | None, where: str, model_type: str) -> Any:
    if folder is None:
        return getattr(transformers, _PROCESSORS.IMAGE_PROCESSOR_MAPPING_NAMES[model_type]["pil"])()
    if not (folder / PROCESSOR).is_file():
        what = f"there is no {PROCESSOR}: how images are resized and normalised is not said"
        raise ModelFileError(what, where=where, todo="Save it beside config.json")
    try:
        processor = _PROCESSORS.AutoImageProcessor.from_pretrained(
            folder, backend="pil", local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, TypeError, KeyError, ImportError) as error:
        raise ModelFileError(f"{PROCESSOR} cannot be used: {error}", where=where) from error
    if getattr(processor, "backend", "") != "pil":
        raise ModelFileError(
            f"its image processor {type(processor).__name__} has no implementation with Pillow", where=where
        )
    return processor
