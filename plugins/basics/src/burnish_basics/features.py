"""The backbone `features`: for data that already are features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from burnish import NoConfig
from burnish.contracts.backbone import Prepared, Runtime, View
from burnish.errors import ItemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.data import Item


class Features:
    """Passes given feature rows through.

    Args:
        config: it has no options.
        runtime: the device that features leave on; the numeric mode changes nothing, as nothing is computed.
    """

    modality = "features"
    views = False

    def __init__(self, config: NoConfig, runtime: Runtime) -> None:
        self.runtime = runtime
        self.dim = 0
        """Width D of the rows; 0 until the first ones were prepared."""

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Return ``{"x": (B, D) float32}``.

        Args:
            items: B items with float32 rows of one width.
            view: the evaluation view; given features have no others.
            ids: not needed.

        Raises:
            ItemError: a row has another width or shape than those before it, or a value that is no finite
                number.
            ValueError: another view is asked for.
        """
        if view.number is not None:
            raise ValueError("given features have no augmented views")
        rows = [np.asarray(item.payload, dtype=np.float32) for item in items]
        for item, row in zip(items, rows, strict=True):
            self.dim = self.dim or row.size
            if row.shape != (self.dim,):
                raise ItemError(
                    item.position, f"its features have the shape {row.shape}, those before it ({self.dim},)"
                )
            bad = np.flatnonzero(~np.isfinite(row))
            if len(bad):
                raise ItemError(item.position, f"feature {bad[0]} is {row[bad[0]]}")
        return {"x": np.stack(rows)}

    def encode(self, inputs: Prepared) -> torch.Tensor:
        """Return the rows, (B, D) float32 on the runtime's device."""
        return torch.as_tensor(inputs["x"], dtype=torch.float32, device=self.runtime.device)
