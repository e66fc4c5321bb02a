"""What every source does last: which classes are known, and the data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from burnish.data import Classes, Supervision, role_of


def classes_of(names: Sequence[str], supervision: Supervision, splits: Sequence[str] | None) -> Classes:
    """Return the classes; one without a training item is not known.

    Args:
        names: C class names.
        supervision: N targets in source order.
        splits: N split names, or None where the source fixes none.
    """
    if splits is None:
        trainable = np.arange(len(supervision), dtype=np.int64)
    else:
        trainable = np.array([row for row, split in enumerate(splits) if role_of(split) == "train"], dtype=np.int64)
    counts = supervision.take(trainable).with_weights(None).counts(len(names))
    return Classes(tuple(names), tuple(names), counts > 0)
