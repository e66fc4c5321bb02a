"""Finding the background of a photograph and making another one.

The photographs show a hand before white or grey paper, lit unevenly. Light and shade change how bright the
paper is, not its colour; skin differs from it in colour wherever it is. So the segmentation looks at ratios
of the channels, relative to their median along the border, and needs no training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_fill_holes, gaussian_filter, label

from burnish.data.content import uniforms
from burnish_signs.draws import standard_normals

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Added to every channel before the logarithm, so that the colour of nearly black pixels does not run away.
_DARK_OFFSET = 8.0
# A pixel this far (natural logarithm) below the border's median brightness is sleeve, bracelet or nail,
# whatever its colour.
_DARK = 1.0
# Patches smaller than this many pixels are speckle, in either direction.
_SPECKLE = 8
_HISTOGRAM_BINS = 128


def foreground(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where hand, arm and sleeve are, (N, H, W) bool, for photographs (N, H, W, 3) uint8.

    A pixel's redness is log(R / B) + log(R / G), less its median along the border. It is foreground where its
    redness is above Otsu's threshold of its photograph or where it is much darker than the border. Speckle is
    removed; paper that shows through a ring of fingers stays background.
    """
    smooth = np.log(
        gaussian_filter(images.astype(np.float32), sigma=(0, 0.6, 0.6, 0), mode="nearest") + _DARK_OFFSET
    )
    red, green, blue = np.moveaxis(smooth, -1, 0)
    border = _border(images.shape[1], images.shape[2])
    redness = _relative(2.0 * red - green - blue, border)
    brightness = _relative((red + green + blue) / 3.0, border)
    thresholds = np.array([otsu_threshold(one) for one in redness])
    raw = (redness > thresholds[:, None, None]) | (brightness < -_DARK)
    return np.stack([_without_speckle(mask) for mask in raw]) if len(raw) else raw


def background_alpha(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return how much of each pixel is background, (N, H, W) float64 in [0, 1].

    The outline is softened over about a pixel.
    """
    kept: NDArray[np.float64] = gaussian_filter(
        foreground(images).astype(np.float64), sigma=(0, 0.6, 0.6), mode="nearest"
    )
    return 1.0 - kept


def texture(ids: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float64]:
    """Return a texture an item, (N, height, width, 3) float64 in [0, 1].

    It follows from the content ids (N, 32) uint8.

    Smooth noise of three scales (standard deviations of 1, 3 and 8 pixels) chooses between two colours, which
    differ by 0.35 to 0.65 of the range in every channel.
    """
    first = uniforms(ids, "signs", "texture", "first", k=3)[:, None, None, :]
    step = 0.35 + 0.3 * uniforms(ids, "signs", "texture", "second", k=3)[:, None, None, :]
    mix = _smooth_noise(ids, height, width)[..., None]
    return first + mix * ((first + step) % 1.0 - first)


def otsu_threshold(values: NDArray[np.float32]) -> float:
    """Return the threshold that parts values into two classes of most variance between them (Otsu 1979)."""
    counts, edges = np.histogram(values, _HISTOGRAM_BINS)
    centres = (edges[1:] + edges[:-1]) / 2
    below, total = np.cumsum(counts)[:-1], counts.sum()
    above = total - below
    moment = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (moment[:-1] / below - (moment[-1] - moment[:-1]) / above) ** 2
    return float(edges[1 + int(np.argmax(np.nan_to_num(between)))])


def _border(height: int, width: int) -> NDArray[np.bool_]:
    """Three pixels along the top and the upper part of both sides: the arm enters from below."""
    border = np.zeros((height, width), dtype=np.bool_)
    border[:3] = True
    border[: height * 5 // 8, :3] = True
    border[: height * 5 // 8, -3:] = True
    return border


def _relative(values: NDArray[np.float32], border: NDArray[np.bool_]) -> NDArray[np.float32]:
    return values - np.median(values[:, border], axis=1)[:, None, None]


def _without_speckle(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    mask = _large_patches(mask)
    holes = binary_fill_holes(mask) & ~mask
    return np.asarray(mask | (holes & ~_large_patches(holes)))


def _large_patches(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    patches, _ = label(mask)
    large = np.bincount(patches.ravel()) >= _SPECKLE
    large[0] = False
    return np.asarray(large[patches])


def _smooth_noise(ids: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float64]:
    """Smooth noise (N, height, width) in [0, 1], spread over all of it."""
    white = standard_normals(ids, "texture", height, width)
    field = np.zeros_like(white)
    for sigma in (1.0, 3.0, 8.0):
        octave = gaussian_filter(white, sigma=(0, sigma, sigma), mode="wrap")
        octave -= octave.mean(axis=(1, 2), keepdims=True)
        field += octave / octave.std(axis=(1, 2), keepdims=True)
    # The sum has a standard deviation of about 2, so that most of the field lies near one of the two ends.
    return 0.5 + 0.5 * np.tanh(0.5 * field)
