"""Tests that share a module beside them find it, and their small tensors are no work for several threads."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(1)
