"""Draw the sample of the test sets for the documentation: `python draw_signs.py OUT.png`.

Ten signers, a row a test set.
"""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from burnish.data import content_id, stack_ids
from burnish_signs.shifts import SHIFTS
from burnish_signs.source import Photographs

SIDE, GAP, LABEL = 64, 3, 104
COLOURS = 144
DIGITS = 10


def draw(out: str) -> None:
    """Write the picture as a PNG with a palette."""
    photographs = Photographs.load()
    signers = photographs.test_groups[np.linspace(0, len(photographs.test_groups) - 1, DIGITS).astype(int)]
    rows = np.array(
        [
            np.flatnonzero((photographs.groups == signer) & (photographs.labels == digit))[0]
            for digit, signer in enumerate(signers)
        ]
    )
    images, ids = (
        photographs.pixels(rows),
        stack_ids([content_id("image", photographs.read(int(row))) for row in rows]),
    )
    sets = {"test": images} | {f"test:{name}": shift(images, ids) for name, shift in SHIFTS.items()}
    picture = Image.new("RGB", (LABEL + DIGITS * (SIDE + GAP) + GAP, len(sets) * (SIDE + GAP) + GAP), "white")
    pen = ImageDraw.Draw(picture)
    for row, (name, photos) in enumerate(sets.items()):
        top = GAP + row * (SIDE + GAP)
        pen.text((5, top + SIDE // 2 - 8), name, fill=(40, 40, 40), font=ImageFont.load_default(12))
        for column, photo in enumerate(photos):
            picture.paste(Image.fromarray(photo), (LABEL + column * (SIDE + GAP), top))
    picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT).save(out, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: draw_signs.py OUT.png")
    draw(sys.argv[1])
