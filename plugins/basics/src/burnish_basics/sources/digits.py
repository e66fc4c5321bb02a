"""The source `digits`: scikit-learn's bundled handwritten digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.data import Classes, Dataset, Labels, content_id
from burnish_basics._data import DigitsConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Rows:
    """Reads rows of an array: uint8 images (H, W, 3) or float32 features (D,)."""

    array: NDArray[Any]

    def read(self, row: int) -> NDArray[Any]:
        """Return one row."""
        item: NDArray[Any] = self.array[row]
        return item


class Digits:
    """1,797 digits by 43 people, 8 x 8 pixels of 17 grey levels (Alpaydin and Kaynak 1998).

    They are the test part of UCI's optical digits.

    Args:
        config: images, or their 64 raw pixels (0 to 16) as features.
    """

    def __init__(self, config: DigitsConfig | None = None) -> None:
        self.config = config or DigitsConfig()

    def load(self) -> Dataset:
        """Return the data set; it fixes no splits."""
        from sklearn.datasets import load_digits

        bunch = load_digits()
        if self.config.features:
            modality, array = "features", bunch.data.astype(np.float32)
            ids = [content_id("features", row) for row in array]
        else:
            grey = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
            modality, array = "image", np.repeat(grey[:, :, :, None], 3, axis=3)
            ids = [content_id("image", image.tobytes()) for image in array]
        array.setflags(write=False)
        return Dataset.build(
            name="digits",
            modality=modality,
            ids=ids,
            classes=Classes.of([str(digit) for digit in range(10)]),
            supervision=Labels(y=bunch.target.astype(np.int64)),
            reader=Rows(array),
        )
