"""Small operations on one core: on a machine that others use too, several threads mostly wait for each other."""

import pytest
import torch

from burnish.blocks.threads import intra_op_threads


@pytest.fixture(autouse=True)
def one_core():
    with intra_op_threads(min(1, torch.get_num_threads())):
        yield
