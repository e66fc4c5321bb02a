"""Images: from the bytes of a file to RGB, the same way everywhere, and safely.

What is done, in this order: the size that the file declares is checked before anything is decoded; the first
frame is taken; grey values of more than 8 bits are scaled to 8; transparency is laid on white, and a fourth
sample that a TIFF does not call transparency is left out; CMYK, palette and grey become RGB; the EXIF
orientation is applied. Colour profiles are not: the pixel values are taken as sRGB.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np
from PIL import Image, ImageOps

from burnish.errors import DataError, ItemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.data.dataset import Item

DECODER: Final = 3
"""Version of what this module does to pixels; it is part of every feature key of images."""

MAX_PIXELS: Final = 89_478_485
"""The largest image that is decoded.

Where Pillow, too, begins to suspect a decompression bomb (about 268 MB as RGB).
"""

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""Formats that are read.

Others that Pillow knows start programs (EPS) or have no signature to know them by.
"""

Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]

_KIND = "JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, JPEG 2000 or AVIF"
_RESAMPLING: Final[dict[str, Image.Resampling]] = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_CROP_TRIES = 10

_BITS_PER_SAMPLE, _PHOTOMETRIC, _EXTRA_SAMPLES, _WHITE_IS_ZERO = 258, 262, 338, 0
"""Tags of TIFF 6.0, and the value of the second with which zero is white."""


def libraries() -> dict[str, str]:
    """Return the versions of everything that turns image files into pixels.

    Part of every feature key of images.
    """
    import PIL
    from PIL import features

    codecs = ("jpg", "libjpeg_turbo", "zlib", "zlib_ng", "webp", "jpg_2000", "avif", "libtiff")
    found = {name: features.version(name) for name in codecs if name in _known_features()}
    return {"burnish": str(DECODER), "pillow": PIL.__version__} | {
        name: version for name, version in found.items() if version
    }


def _known_features() -> set[str]:
    from PIL import features

    return {*features.modules, *features.codecs, *features.features}


def open_rgb(item: Item) -> Image.Image:
    """Return the image of an item as RGB.

    Args:
        item: its payload is a file's bytes, or uint8 (H, W, 3) or (H, W).

    Raises:
        ItemError: it cannot be decoded; the reason says why.
    """
    try:
        return decode_rgb(item.payload)
    except DataError as error:
        raise ItemError(item.position, error.what) from error


def decode_rgb(payload: bytes | NDArray[Any]) -> Image.Image:
    """Return an image as 8-bit RGB.

    Args:
        payload: a file's bytes, or uint8 (H, W, 3) or (H, W).

    Raises:
        DataError: it is empty, no image, truncated or damaged, too large, or of a kind without an agreed
            range of values.
    """
    if isinstance(payload, np.ndarray):
        return _from_array(payload)
    image = _open(payload)
    width, height = image.size
    if width < 1 or height < 1:
        raise DataError(f"the image is {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise DataError(
            f"the image declares {width:,} x {height:,} pixels",
            possible=f"at most {MAX_PIXELS // 10**6} million pixels",
            todo="Make it smaller",
        )
    return rgb_of(image)


def rgb_of(image: Image.Image) -> Image.Image:
    """Return an opened image as 8-bit RGB, as `decode_rgb` would have from its file.

    Raises:
        DataError: it is truncated or damaged, or of a kind without an agreed range of values.
    """
    try:
        image.load()
        return _upright(image, _to_rgb(image))
    except (DataError, MemoryError):
        raise
    except Exception as error:  # whatever a crafted or broken file makes a decoder raise
        raise DataError(f"the {image.format} image is truncated or damaged: {_told(error)}") from error


def _from_array(pixels: NDArray[Any]) -> Image.Image:
    if (
        pixels.dtype != np.uint8
        or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3))
        or 0 in pixels.shape
    ):
        raise DataError(f"the pixels are {pixels.dtype} {pixels.shape}", possible="uint8 (H, W, 3) or (H, W)")
    if pixels.shape[0] * pixels.shape[1] > MAX_PIXELS:
        raise DataError(
            f"the image is {pixels.shape[1]:,} x {pixels.shape[0]:,} pixels",
            possible=f"at most {MAX_PIXELS // 10**6} million pixels",
        )
    return Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")


def _open(data: bytes) -> Image.Image:
    """Read the header. `Image.open` is not used.

    It warns of large images, and warnings cannot be caught in threads.
    """
    if not data:
        raise DataError("the file is empty")
    Image.init()
    for name in FORMATS:
        factory, accept = Image.OPEN.get(name, (None, None))
        if factory is None or accept is None:  # this Pillow was built without it
            continue
        try:
            if accept(data[:16]) is not True:
                continue
            image = factory(io.BytesIO(data), "")
        except MemoryError:
            raise
        except Exception as error:  # as below: any decoder, any broken header
            raise DataError(f"the {name} image is truncated or damaged: {_told(error)}") from error
        return cast("Image.Image", image)
    raise DataError("this is not an image", possible=_KIND)


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM", "JPEG2000")):
        return _deep_grey(image)
    if image.mode in ("I", "F"):
        raise DataError(
            f"pixels of mode {image.mode} (32 bits) have no agreed range of values",
            todo="Save it with 8 or 16 bits",
        )
    if image.mode in ("RGBA", "LA") and image.format == "TIFF" and not _has_alpha(image):
        return image.convert(image.mode.removesuffix("A")).convert("RGB")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _deep_grey(image: Image.Image) -> Image.Image:
    """Return grey of more than 8 bits as RGB, scaled by the largest value that its bits can hold."""
    values = np.asarray(image).astype(np.uint32)
    tags = _tiff_tags(image)
    bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
    largest = 2 ** min(bits, 16) - 1
    grey = (np.minimum(values, largest) * 255 + largest // 2) // largest
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey
    if isinstance(clear := image.info.get("transparency"), int):
        grey = np.where(values == clear, 255, grey)
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def _has_alpha(image: Image.Image) -> bool:
    """Return whether a TIFF calls its last sample transparency (TIFF 6.0, ExtraSamples 1 or 2)."""
    return any(kind in (1, 2) for kind in _tiff_tags(image).get(_EXTRA_SAMPLES, ()))


def _tiff_tags(image: Image.Image) -> Mapping[int, Any]:
    return cast("Mapping[int, Any]", getattr(image, "tag_v2", {}))


def _upright(image: Image.Image, rgb: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; a damaged EXIF block counts as none, for the pixels are whole."""
    if "exif" not in image.info and "Raw profile type exif" not in image.info:
        return rgb
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:
        return rgb
    turn = _TURNS.get(orientation)
    return rgb if turn is None else rgb.transpose(turn)


_TURNS: Final[dict[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def resize(
    image: Image.Image, size: int | tuple[int, int], interpolation: Interpolation = "bicubic"
) -> Image.Image:
    """Return an image resized with antialiasing.

    Args:
        image: any 8-bit image.
        size: an int for the shorter side, which keeps the proportions; or (width, height).
        interpolation: the filter.
    """
    if isinstance(size, int):
        short = min(image.size)
        width, height = (
            size if side == short else max(size, round(side * size / short)) for side in image.size
        )
        size = (width, height)
    return image if image.size == size else image.resize(size, _RESAMPLING[interpolation])


def random_resized_crop_flip(
    image: Image.Image,
    size: int | tuple[int, int],
    seed: int,
    scale: tuple[float, float] = (0.8, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
    interpolation: Interpolation = "bicubic",
) -> Image.Image:
    """Return a random part of an image at a fixed size, mirrored half of the time.

    A *fixed view*, the same for the same seed.

    The part is drawn as in Szegedy et al., "Going deeper with convolutions" (CVPR 2015), section 6: its share
    of the area is uniform in `scale`, the logarithm of its width over its height uniform in that of `ratio`;
    after ten parts that do not fit, the largest central part whose shape lies within `ratio`.

    Args:
        image: any 8-bit image.
        size: of the result in pixels: an int for a square, or (width, height).
        seed: uint64, mostly of `burnish.contracts.backbone.View.seeds`.
        scale: least and largest share of the image's area.
        ratio: least and largest width over height.
        interpolation: the filter.
    """
    draw = random.Random(int(seed))
    left, top, width, height = _part(draw, image.size, scale, ratio)
    # Cut first: with `box` Pillow's filters also reach the pixels beside the part.
    whole = (size, size) if isinstance(size, int) else size
    part = resize(image.crop((left, top, left + width, top + height)), whole, interpolation)
    return ImageOps.mirror(part) if draw.random() < 0.5 else part


def _part(
    draw: random.Random, size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[int, int, int, int]:
    full_width, full_height = size
    for _ in range(_CROP_TRIES):
        area = full_width * full_height * draw.uniform(*scale)
        shape = math.exp(draw.uniform(math.log(ratio[0]), math.log(ratio[1])))
        width, height = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < width <= full_width and 0 < height <= full_height:
            return (
                math.floor(draw.random() * (full_width - width + 1)),
                math.floor(draw.random() * (full_height - height + 1)),
                width,
                height,
            )
    width = min(full_width, max(1, round(full_height * ratio[1])))
    height = min(full_height, max(1, round(full_width / ratio[0])))
    return (full_width - width) // 2, (full_height - height) // 2, width, height
