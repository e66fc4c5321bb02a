"""A target that changes the process when it is imported."""

import torch
from messy_targets import Loss

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)

__all__ = ["Loss"]
