"""Drawing scenes: one object in one colour on one background, at one of five places, in one of four styles.

A scene is 32 x 32 pixels. Its object fills a square of 22 pixels: a hand sign cut out of its photograph, or
one of scikit-learn's 8 x 8 handwritten digits, enlarged. Everything here is a function of arrays that say
what to draw; what is random comes in as uniform numbers, so that a scene is the same on every machine. Any
change of a result needs a new `burnish_signs.SCENES_VERSION`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.special import ndtri

from burnish_signs import STYLES
from burnish_signs.background import foreground
from burnish_signs.source import NUMBERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SIDE: Final = 32
"""Height and width of a scene in pixels."""

BOX: Final = 22
"""Height and width of the square that holds the object, in pixels."""

OBJECTS: Final = tuple(f"hand sign {n}" for n in NUMBERS) + tuple(f"digit {n}" for n in NUMBERS)
COLOURS: Final = ("red", "green", "blue", "yellow", "purple", "cyan")
BACKGROUNDS: Final = ("plain", "striped", "checked", "speckled")
POSITIONS: Final = (
    "in the middle",
    "at the top left",
    "at the top right",
    "at the bottom left",
    "at the bottom right",
)

RANDOM: Final = 10
"""Uniform numbers that a scene takes beside the pixels' noise."""

NOISE_SIGMA: Final = 0.12
"""Standard deviation of the noise of the style "noisy", as a fraction of the range."""

_RGB = (
    np.array(
        [(220, 45, 45), (40, 170, 60), (55, 85, 230), (235, 210, 40), (165, 55, 195), (45, 200, 215)],
        dtype=np.float32,
    )
    / 255
)
_CORNERS = np.array([(5, 5), (1, 1), (1, 9), (9, 1), (9, 9)], dtype=np.int64)
# Resolution at which outlines and hatching are found before they are made smaller: a line is then about a
# pixel wide.
_FINE = 66


@dataclass(frozen=True, eq=False)
class Shapes:
    """Objects ready to be drawn: how much of each pixel they cover, and how light they are there.

    Attributes:
        cover: (M, styles, 22, 22) float32 in [0, 1].
        shade: (M, styles, 22, 22) float32, multiplies the colour.
    """

    cover: Floats
    shade: Floats


def sign_shapes(photographs: NDArray[np.uint8]) -> Shapes:
    """Return the hand signs of photographs (M, 64, 64, 3) uint8, cut out, the arm's lower end left away."""
    masks = foreground(photographs)
    fine = [_cut(image, mask) for image, mask in zip(photographs, masks, strict=True)]
    return _styled(np.stack([mask for mask, _ in fine]), np.stack([light for _, light in fine]))


def digit_shapes(digits: NDArray[np.float64]) -> Shapes:
    """Return handwritten digits (M, 8, 8) in 0 to 16 as shapes."""
    masks = np.stack([_resized(np.pad(digit / 16, 1).astype(np.float32), _FINE) for digit in digits])
    masks = np.clip((masks - 0.25) / 0.4, 0, 1)
    return _styled(masks, np.ones_like(masks))


def draw(
    shapes: Shapes,
    which: NDArray[np.int64],
    colour: NDArray[np.int64],
    background: NDArray[np.int64],
    position: NDArray[np.int64],
    style: NDArray[np.int64],
    random: NDArray[np.float64],
    noise: NDArray[np.float64],
) -> NDArray[np.uint8]:
    """Draw N scenes.

    Args:
        shapes: the objects to choose from.
        which: (N,) row of `shapes`.
        colour: (N,) index into `COLOURS`, and so on for the next three.
        background: (N,) index into `BACKGROUNDS`.
        position: (N,) index into `POSITIONS`.
        style: (N,) index into `STYLES`.
        random: (N, RANDOM) uniform numbers in [0, 1).
        noise: (N, 32, 32) uniform numbers in (0, 1), for the speckles and for the noise.

    Returns:
        (N, 32, 32, 3) uint8.
    """
    canvas = np.repeat(_backgrounds(background, random[:, :5], noise)[..., None], 3, axis=-1)
    corner = _CORNERS[position] + np.floor(3 * random[:, 5:7]).astype(np.int64) - 1
    ink = _RGB[colour] * (0.85 + 0.3 * random[:, 7:8]).astype(np.float32)
    noisy = STYLES.index("noisy")
    out = np.empty((len(which), SIDE, SIDE, 3), dtype=np.uint8)
    for row, (shape, kind, (top, left)) in enumerate(zip(which, style, corner, strict=True)):
        part = canvas[row, top : top + BOX, left : left + BOX]
        cover = shapes.cover[shape, kind][..., None]
        part += cover * (shapes.shade[shape, kind][..., None] * ink[row] - part)
        if kind == noisy:
            canvas[row] += NOISE_SIGMA * ndtri(noise[row])[..., None].astype(np.float32)
        out[row] = np.clip(np.rint(255 * canvas[row]), 0, 255)
    return out


def _backgrounds(kind: NDArray[np.int64], random: NDArray[np.float64], noise: NDArray[np.float64]) -> Floats:
    """Return grey backgrounds (N, 32, 32): two levels of grey and a pattern between them."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    base = 0.2 + 0.6 * random[:, 0]
    step = np.where(base > 0.5, -1, 1) * (0.15 + 0.1 * random[:, 1])
    period = (4 + 2 * np.floor(2 * random[:, 2]))[:, None, None]
    phase = np.floor(8 * random[:, 3])[:, None, None]
    upright = (random[:, 4] < 0.5)[:, None, None]
    across = np.where(upright, columns, rows)
    stripes = (across + phase) // (period / 2) % 2
    checks = ((rows + phase) // (period / 2) + (columns + phase) // (period / 2)) % 2
    patterns = np.stack([np.zeros_like(stripes), stripes, checks, noise > 0.85])
    levels: Floats = (
        base[:, None, None] + step[:, None, None] * patterns[kind, np.arange(len(kind))]
    ).astype(np.float32)
    return levels


def _cut(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return mask and lightness (66, 66) of the hand: the square around it, from its upper end."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left, right = (
        (int(rows[0]), int(columns[0]), int(columns[-1]) + 1) if len(rows) else (0, 0, image.shape[1])
    )
    height = min(image.shape[0] - top, max(right - left, round(0.85 * (image.shape[0] - top))))
    side = max(height, right - left) + 2
    grey = image.astype(np.float32).mean(axis=-1) / 255
    inside = grey[mask].mean() if mask.any() else 0.5
    frame = [np.zeros((side, side), dtype=np.float32) for _ in range(2)]
    shift = (side - (right - left)) // 2
    for target, source in zip(frame, (mask.astype(np.float32), grey / max(float(inside), 0.05)), strict=True):
        target[1 : 1 + height, shift : shift + right - left] = source[top : top + height, left:right]
    return np.clip(_resized(frame[0], _FINE), 0, 1), np.clip(_resized(frame[1], _FINE), 0, 1.5)


def _styled(masks: Floats, light: Floats) -> Shapes:
    """Return shapes in all styles, in the order of `STYLES`, of masks and lightness (M, 66, 66)."""
    shade = np.clip(0.35 + 0.65 * light, 0.3, 1.25)
    lit = gaussian_filter(masks * shade, sigma=(0, 0.6, 0.6))
    edges = np.clip(6.0 * np.hypot(*np.gradient(lit, axis=(1, 2))) - 0.2, 0, 1)
    rows, columns = np.mgrid[:_FINE, :_FINE]
    hatching = masks * ((rows + columns) // 3 % 3 == 0)
    sketch = np.maximum(0.8 * edges, hatching)
    ones = np.ones_like(masks)
    cover = np.stack([masks, edges, sketch, masks], axis=1)
    return Shapes(_small(cover), _small(np.stack([shade, ones, ones, shade], axis=1)))


def _small(fine: Floats) -> Floats:
    step = _FINE // BOX
    mean: Floats = fine.reshape(*fine.shape[:-2], BOX, step, BOX, step).mean(axis=(-3, -1)).astype(np.float32)
    return mean


def _resized(array: Floats, side: int) -> Floats:
    return np.asarray(Image.fromarray(array).resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)
