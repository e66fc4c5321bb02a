"""Encoding cells side by side.

On a CPU a few threads encode a cell each, with an equal share of the cores. That keeps small networks busy,
which one cell at a time does not, and spares them waiting for each other inside every operation: on two cores
that other programs use too, a residual network for 32 x 32 pixels was ten times as fast. On a GPU one thread
launches cells and a few wait to be fetched. How many are in flight changes no bit; how many cores a cell has
does, and follows from the threads of the numeric mode.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self

from burnish.contracts.backbone import Encodes, Prepared
from burnish.engine.features.cells import Cell
from burnish.engine.features.spec import FeatureSpec
from burnish.errors import MachineError, PluginError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

MOST_LANES: Final = 4
"""Cells that a CPU encodes side by side at most: each needs memory for its activations."""

IN_FLIGHT_ON_A_GPU: Final = 4

Encoded = tuple[Cell, "NDArray[np.float32]"]


class Lanes:
    """Encodes cells and gives them back in order; a context manager.

    Args:
        backbone: encodes; on a CPU from several threads at once.
        spec: device, threads and grid.
    """

    def __init__(self, backbone: Encodes, spec: FeatureSpec) -> None:
        import torch

        self._torch: Any = torch
        self._backbone, self._spec = backbone, spec
        on_cpu, threads = spec.numeric.device == "cpu", max(1, spec.numeric.threads)
        lanes = min(threads, MOST_LANES) if on_cpu else 1
        self._share = threads // lanes if on_cpu else 0
        self._most = lanes if on_cpu else IN_FLIGHT_ON_A_GPU
        self._threads_before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="burnish-encode", initializer=self._start)
        self._waiting: deque[tuple[Cell, Future[Tensor]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._share:
            # A lane's own number also became that of all threads to come.
            self._torch.set_num_threads(self._threads_before)

    def _start(self) -> None:
        if self._share:
            self._torch.set_num_threads(self._share)

    @property
    def short_of_memory(self) -> bool:
        """Whether memory ran out, so that only one cell is in flight from now on."""
        return self._most == 0

    def add(self, cell: Cell) -> Iterator[Encoded]:
        """Take a cell, and yield those that are to be kept before the next is taken.

        Args:
            cell: the cell; one without inputs keeps its place in the order.

        Yields:
            Cells in order, with the features (n, D) float32 of their n positions.

        Raises:
            MachineError: out of memory with one cell.
            PluginError: the backbone returns something else than it says.
        """
        self._waiting.append((cell, self._pool.submit(self._forward, cell.inputs)))
        while len(self._waiting) > self._most:
            yield self._next()

    def rest(self) -> Iterator[Encoded]:
        """Yield the cells that are still in flight; as `add`."""
        while self._waiting:
            yield self._next()

    def _next(self) -> Encoded:
        cell, future = self._waiting.popleft()
        try:
            features = future.result()
        except Exception as error:
            if not _out_of_memory(error):
                raise
            features = self._alone(cell.inputs)
        return cell, features.cpu().numpy()[: len(cell.positions)]

    def _forward(self, inputs: Prepared | None) -> Tensor:
        if inputs is None:
            nothing: Tensor = self._torch.empty(0, self._backbone.dim)
            return nothing
        with self._torch.inference_mode():
            features = self._backbone.encode(inputs)
        wanted = (self._spec.numeric.grid, self._backbone.dim)
        if tuple(features.shape) != wanted or features.dtype != self._torch.float32:
            raise PluginError(
                f"encode returned {features.dtype} {tuple(features.shape)}",
                where=self._spec.backbone.text,
                possible=f"torch.float32 {wanted}",
            )
        return features

    def _alone(self, inputs: Prepared | None) -> Tensor:
        """Encode a cell with no other in flight.

        Cells stay what they are, for their size is part of the numbers.
        """
        self._most = 0
        for _, other in self._waiting:
            other.exception()  # waits; what went wrong is told when its turn comes
        if self._torch.cuda.is_initialized():
            self._torch.cuda.empty_cache()
        try:
            return self._pool.submit(self._forward, inputs).result()
        except Exception as error:
            if not _out_of_memory(error):
                raise
            raise MachineError(
                f"out of memory with a single cell of {self._spec.numeric.grid} items on"
                f" {self._spec.numeric.device}",
                where=self._spec.backbone.text,
                todo="Choose a smaller backbone, or close other programs on the device",
            ) from error


def _out_of_memory(error: Exception) -> bool:
    """Return whether an exception says that memory ran out, of the host or of a device."""
    import torch

    # torch's CPU allocator raises a bare RuntimeError.
    on_cpu = isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    return on_cpu or isinstance(error, MemoryError | torch.OutOfMemoryError)
