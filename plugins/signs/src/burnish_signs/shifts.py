"""Six fixed changes of a photograph: the shifted test sets.

Each shift is a function of a stack of photographs (N, 64, 64, 3) uint8 and their content ids (N, 32) uint8,
and returns a new stack of the same shape and dtype. One severity each, chosen before any result was seen.
Whatever is random in a shift follows from the content id alone, so that a photograph looks the same in every
data set, process and order of items. The severities are in pixels of the 64 x 64 photograph and in fractions
of the range 0 to 255. Any change of a result here needs a new `burnish_signs.SHIFTS_VERSION`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from burnish.data.content import uniforms
from burnish_signs.background import background_alpha, texture
from burnish_signs.draws import standard_normals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Images = NDArray[np.uint8]
    Ids = NDArray[np.uint8]
    Shift = Callable[[Images, Ids], Images]

BLUR_SIGMA: Final = 1.5
"""Standard deviation of the blur in pixels."""

NOISE_SIGMA: Final = 0.15
"""Standard deviation of the noise as a fraction of 255, before clipping."""

CONTRAST: Final = 0.4
"""What is left of each channel's deviation from its mean over the photograph."""

ROTATION_DEGREES: Final = 30.0
"""Angle of the rotation, to either side."""

# Half of the bounding box of a square of side 64 turned by 30 degrees is 43.7, so 12 pixels beyond the edge
# suffice; one more for the interpolation.
_ROTATION_MARGIN = 13


def blur(images: Images, ids: Ids) -> Images:
    """Gaussian blur with a standard deviation of 1.5 pixels; the edge is continued."""
    smooth = gaussian_filter(images.astype(np.float32), sigma=(0, BLUR_SIGMA, BLUR_SIGMA, 0), mode="nearest")
    return _to_uint8(smooth)


def noise(images: Images, ids: Ids) -> Images:
    """Add Gaussian noise with a standard deviation of 0.15 x 255 to every pixel and channel, and clip."""
    out = np.empty_like(images)
    # Item by item: the normal numbers of all photographs at once would be eight times the size of the
    # photographs.
    for row, image in enumerate(images):
        out[row] = _to_uint8(
            image + 255.0 * NOISE_SIGMA * standard_normals(ids[row : row + 1], "noise", *image.shape)[0]
        )
    return out


def contrast(images: Images, ids: Ids) -> Images:
    """Shrink each channel's deviation from its mean over the photograph to 0.4 of itself."""
    mean = images.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    return _to_uint8(mean + CONTRAST * (images - mean))


def rotation(images: Images, ids: Ids) -> Images:
    """Rotate about the centre by +30 degrees (anticlockwise) or -30, by a fair coin an item.

    Edge pixels are continued outwards.
    """
    margin = _ROTATION_MARGIN
    padded = np.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="edge")
    out = np.empty_like(images)
    height, width = images.shape[1:3]
    for image, angle, target in zip(padded, rotation_angles(ids), out, strict=True):
        turned = Image.fromarray(image).rotate(float(angle), resample=Image.Resampling.BILINEAR)
        target[...] = np.asarray(turned)[margin : margin + height, margin : margin + width]
    return out


def rotation_angles(ids: Ids) -> NDArray[np.float64]:
    """Return the angle (N,) float64 in degrees by which `rotation` turns each item: 30 or -30."""
    return np.where(uniforms(ids, "signs", "rotation")[:, 0] < 0.5, ROTATION_DEGREES, -ROTATION_DEGREES)


def inversion(images: Images, ids: Ids) -> Images:
    """The photographic negative: 255 minus the value."""
    return 255 - images


def background(images: Images, ids: Ids) -> Images:
    """Replace what is not hand, arm or sleeve by a texture in two colours; see `burnish_signs.background`."""
    alpha = background_alpha(images)[..., None]
    return _to_uint8((1.0 - alpha) * images + alpha * 255.0 * texture(ids, images.shape[1], images.shape[2]))


SHIFTS: Final[Mapping[str, Shift]] = MappingProxyType(
    {
        "blur": blur,
        "noise": noise,
        "contrast": contrast,
        "rotation": rotation,
        "inversion": inversion,
        "background": background,
    }
)
"""Every shift by the name of its test set, ``test:<name>``."""


def _to_uint8(values: NDArray[np.floating]) -> Images:
    out: Images = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return out
