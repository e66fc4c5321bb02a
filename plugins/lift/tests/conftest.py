"""Tiny tensors are no work for several threads."""

import torch

torch.set_num_threads(1)
