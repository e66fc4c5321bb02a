"""Whether a saved state is the one that is wanted."""

import pytest
import torch

from burnish.blocks import check_state
from burnish.errors import ModelFileError

WANTED = {"weight": (2, 3), "steps": torch.empty((), dtype=torch.int64, device="meta")}


def state(**changes):
    whole = {"weight": torch.ones(2, 3), "steps": torch.tensor(4)} | changes
    return {name: tensor for name, tensor in whole.items() if tensor is not None}


def test_what_is_wanted_passes():
    check_state(state(), WANTED)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"weight": None}, "tuner mine: tensor 'weight' is missing. Possible: steps, weight."),
        ({"bias": torch.ones(2)}, "tensor 'bias' is not part of this model"),
        (
            {"weight": torch.ones(3, 2)},
            r"'weight' is \(3, 2\) torch.float32. Possible: \(2, 3\)",
        ),
        ({"weight": torch.ones(2, 3).double()}, "torch.float64"),
        ({"steps": torch.tensor(4.0)}, r"'steps' is \(\) torch.float32. Possible: \(\) torch.int64"),
        ({"weight": torch.full((2, 3), torch.nan)}, "'weight' has values that are NaN or infinite"),
    ],
)
def test_the_first_difference_is_told(changes, told):
    with pytest.raises(ModelFileError, match=told):
        check_state(state(**changes), WANTED, "tuner mine")
