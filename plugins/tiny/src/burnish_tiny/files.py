"""Weight files: the network as float16 safetensors, with batch normalisation's running statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from burnish.errors import ModelFileError
from burnish.files import write_atomic
from burnish_tiny.network import TinyResNet

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_COUNTER = "num_batches_tracked"


def save_network(network: TinyResNet, file: Path) -> None:
    """Write the weights and running statistics as float16, whole or not at all.

    Raises:
        MachineError: the file cannot be written.
    """
    tensors = {name: tensor.half().contiguous() for name, tensor in _wanted(network).items()}
    write_atomic(file, save(tensors))


def load_network(file: Path) -> TinyResNet:
    """Return the network of a weight file, in float32 on the CPU, in eval mode.

    Raises:
        ModelFileError: the file is missing, damaged, or does not hold exactly this network's tensors, all
            finite.
    """
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ModelFileError(
            f"the weights cannot be read: {error}",
            where=str(file),
            todo="Install burnish-tiny again, or pre-train again",
        ) from error
    network = TinyResNet()
    _check(tensors, _wanted(network), file)
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=False)
    return network.eval()


def _wanted(network: TinyResNet) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(_COUNTER)}


def _check(tensors: dict[str, Tensor], wanted: dict[str, Tensor], file: Path) -> None:
    todo = "Use a file that `burnish pretrain tiny` of this version made"
    odd = sorted(tensors.keys() ^ wanted.keys())
    if odd:
        raise ModelFileError(
            f"not the weights of this network: {odd[0]} is {'unknown' if odd[0] in tensors else 'missing'}",
            where=str(file),
            todo=todo,
        )
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape or not tensor.is_floating_point():
            raise ModelFileError(
                f"{name} is {tensor.dtype} {tuple(tensor.shape)}",
                where=str(file),
                possible=f"floating point {tuple(wanted[name].shape)}",
                todo=todo,
            )
        if not bool(torch.isfinite(tensor).all()):
            raise ModelFileError(f"{name} has values that are not finite", where=str(file), todo=todo)
