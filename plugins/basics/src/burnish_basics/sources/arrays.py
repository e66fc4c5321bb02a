"""The source `npz`: arrays in .npz, .npy and .safetensors files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import scipy.sparse as sp

from burnish.contracts.source import NewItem
from burnish.data import Dataset, content_id
from burnish.errors import DataError
from burnish_basics._data import NpzConfig
from burnish_basics.sources._light import npz_item_roles, npz_roles
from burnish_basics.sources._names import (
    NONE,
    SPLIT_NAMES,
    check_distinct,
    class_order,
    number_groups,
    printable,
    split_of,
)
from burnish_basics.sources._npy import rows_of
from burnish_basics.sources._roles import Roles, told
from burnish_basics.sources.array_files import Arrays
from burnish_basics.sources.array_labels import Multi, Part, Single, Targets, read_targets
from burnish_basics.sources.assemble import Places, classes_of
from burnish_basics.sources.files import check_modality

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Items(Protocol):
    """N items of one array."""

    def __len__(self) -> int: ...

    def read(self, row: int) -> Any:
        """Return the payload of a row; raise `DataError` where it is unusable."""

    def id(self, row: int) -> bytes:
        """Return the content id of a row."""


Block = tuple[Items, range]
"""One array of items, and the rows of it that are used."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """Image files, one after the other.

    Attributes:
        data: (B,) uint8.
        offsets: (N + 1,) int64, ascending, from 0 or later to at most B.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def read(self, row: int) -> bytes:
        """Return the bytes of an image file."""
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()

    def id(self, row: int) -> bytes:
        """Return the content id of a row."""
        return content_id("image", self.read(row))


@dataclass(frozen=True, eq=False)
class Pixels:
    """Images, uint8 (N, H, W), (N, H, W, 1) or (N, H, W, 3)."""

    array: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.array)

    def read(self, row: int) -> NDArray[np.uint8]:
        """Return an image, uint8 (H, W, 3)."""
        image = self.array[row]
        grey = image[:, :, None] if image.ndim == 2 else image
        return np.array(np.broadcast_to(grey, (*grey.shape[:2], 3)))

    def id(self, row: int) -> bytes:
        """Return the content id of a row."""
        return content_id("image", self.read(row).tobytes())


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """Rows of numbers, dense (N, D) or sparse; an item of more dimensions is flattened."""

    array: Any

    def __len__(self) -> int:
        return int(self.array.shape[0])

    def _row(self, row: int) -> NDArray[np.float32]:
        values = self.array[[row]].toarray() if sp.issparse(self.array) else self.array[row]
        with np.errstate(
            over="ignore"
        ):  # what is too large for float32 becomes infinite, and is refused as such
            return np.asarray(values).astype(np.float32).reshape(-1)

    def read(self, row: int) -> NDArray[np.float32]:
        """Return a row, float32 (D,).

        Raises:
            DataError: it holds NaN or infinity.
        """
        values = self._row(row)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            more = f" (and {len(bad) - 1} more of the row)" if len(bad) > 1 else ""
            raise DataError(f"feature {bad[0]} is {values[bad[0]]}{more}")
        return values

    def id(self, row: int) -> bytes:
        """Return the content id of a row."""
        return content_id("features", self._row(row))


@dataclass(frozen=True, eq=False)
class Blocks:
    """Reads rows of several arrays, each with the rows of it that are used."""

    blocks: Sequence[Block]
    starts: tuple[int, ...]

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> Blocks:
        """Return a reader that numbers the rows of all blocks in turn."""
        lengths = [len(rows) for _, rows in blocks]
        return cls(blocks, tuple(sum(lengths[:at]) for at in range(len(blocks))))

    def _find(self, row: int) -> tuple[Items, int]:
        block = bisect_right(self.starts, row) - 1
        items, rows = self.blocks[block]
        return items, rows[row - self.starts[block]]

    def read(self, row: int) -> Any:
        """Return the payload of a row."""
        items, at = self._find(row)
        return items.read(at)

    def ids(self) -> list[bytes]:
        """Return every row's content id."""
        return [items.id(row) for items, rows in self.blocks for row in rows]


class Npz:
    """Arrays: images, image files as bytes, or features; labels as numbers, names or multi-labels.

    Nothing is unpickled. Test items come from arrays of their own (`x_test`), or from an array of split
    names. Where `truth` is given, the labels of `x_test` count as clean.

    Args:
        config: the file, and which array plays which part.
    """

    def __init__(self, config: NpzConfig) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Return the data set; arrays that are stored uncompressed are mapped, not read.

        Raises:
            DataError: the file is damaged, an array is missing, holds Python objects, has another length or
                shape, or a label is out of range.
        """
        config, roles = self.config, npz_roles(self.config)
        main = Arrays(config.path.expanduser())
        other = Arrays(config.labels_file.expanduser(), main) if config.labels_file is not None else main
        blocks = self._blocks(main, roles)
        where = self._origins(roles, blocks)
        targets = self._targets(other, blocks, (roles.y, roles.y_test), where)
        # Beside a clean twin of the training labels, those of the test arrays count as clean themselves.
        truth = self._targets(other, blocks, (config.truth, roles.y_test), where) if config.truth else None
        if truth is not None and type(truth) is not type(targets):
            raise DataError("y and truth are not of one type", where=str(config.path))
        names, given = self._names(other, [part for part in (targets, truth) if part is not None])
        supervision = targets.supervision(names, given, self._weights(other, blocks, where))
        splits = self._splits(other, blocks, where)
        reader = Blocks.of(blocks)
        return Dataset.build(
            name=printable(config.path.stem),
            modality=roles.modality,
            ids=reader.ids(),
            classes=classes_of(names, supervision, splits, config.new_classes),
            supervision=supervision,
            truth=None if truth is None else truth.supervision(names, given, None),
            reader=reader,
            columns=self._groups(other, blocks),
            splits=splits,
            origins=where,
        )

    def items(self, modality: str, column: str = "") -> Iterator[NewItem]:
        """Yield the rows of the items' arrays (`burnish.contracts.GivesItems`)."""
        roles, arrays = npz_item_roles(self.config, column), Arrays(self.config.path.expanduser())
        where = f"{self.config.path}, {roles.x} {told(roles.x, arrays.headers)}"
        check_modality(roles.modality, modality, where, "Say --column NAME for another array")
        reader = Blocks.of(self._blocks(arrays, roles))
        for row in range(sum(len(rows) for _, rows in reader.blocks)):
            yield NewItem(str(row + 1), partial(reader.read, row))

    def _blocks(self, main: Arrays, roles: Roles) -> list[Block]:
        config, train = self.config, self._items(main, roles, roles.x, roles.offsets)
        blocks: list[Block] = [(train, rows_of(config.rows, len(train), f"{config.path}, {roles.x}"))]
        if roles.x_test:
            test = self._items(main, roles, roles.x_test, roles.offsets_test)
            blocks.append((test, rows_of(config.rows_test, len(test), f"{config.path}, {roles.x_test}")))
        return blocks

    def _items(self, arrays: Arrays, roles: Roles, name: str, offsets: str) -> Items:
        if roles.layout == "sparse":
            return FeatureRows(arrays.sparse(name))
        array = arrays.get(name)
        if roles.layout == "encoded":
            return Encoded(array, _offsets(arrays.get(offsets), len(array), arrays.where(offsets)))
        return Pixels(array) if roles.layout == "pixels" else FeatureRows(array)

    def _origins(self, roles: Roles, blocks: Sequence[Block]) -> Places:
        return Places(
            [
                (f"{self.config.path}, {name} row", rows)
                for name, (_, rows) in zip((roles.x, roles.x_test), blocks, strict=False)
            ]
        )

    def _targets(
        self, arrays: Arrays, blocks: Sequence[Block], labels: Sequence[str], where: Sequence[str]
    ) -> Targets:
        parts = []
        for (items, rows), name in zip(blocks, labels, strict=False):
            if not name:
                parts.append(Part(np.full(len(items), ""), rows, str(self.config.path)))
                continue
            values = arrays.sparse(name) if arrays.is_sparse(name) else arrays.get(name)
            _check_length(values, items, arrays.where(name), "labels")
            parts.append(Part(values, rows, arrays.where(name)))
        return read_targets(parts, self.config.unknown, where)

    def _names(self, arrays: Arrays, targets: Sequence[Targets]) -> tuple[list[str], bool]:
        """Return the class names, and whether they were given."""
        config = self.config
        given = list(config.names)
        if config.classes:
            values = arrays.get(config.classes)
            if values.ndim != 1 or values.dtype.kind not in "US":
                raise DataError(
                    f"class names are {values.dtype} {values.shape}",
                    where=arrays.where(config.classes),
                    possible="texts (C,)",
                )
            given = [
                printable(str(name))
                for name in (np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values)
            ]
        if given:
            check_distinct(given, str(config.path))
            return given, True
        first = targets[0]
        if isinstance(first, Multi):
            return [str(column) for column in range(first.positive.shape[1])], False
        names = class_order(name for part in targets if isinstance(part, Single) for name in part.named)
        if not names:
            raise DataError(
                "no item has a label, and no classes are given",
                where=str(config.path),
                todo="Say y=NAME, or names=[a, b]",
            )
        return names, False

    def _weights(
        self, arrays: Arrays, blocks: Sequence[Block], where: Sequence[str]
    ) -> NDArray[np.float32] | None:
        if not self.config.weights:
            return None
        values = self._column(arrays, blocks, (self.config.weights, ""), 1.0)
        if values.dtype.kind not in "iubf":
            raise DataError(
                f"weights are {values.dtype}",
                where=arrays.where(self.config.weights),
                possible="numbers of at least 0",
            )
        weights = values.astype(np.float32)
        bad = np.flatnonzero(~np.isfinite(weights) | (weights < 0))
        if len(bad):
            raise DataError(f"the weight {values[bad[0]]} is not a number of at least 0", where=where[bad[0]])
        return weights

    def _groups(self, arrays: Arrays, blocks: Sequence[Block]) -> dict[str, NDArray[np.int64]]:
        if not self.config.group:
            if self.config.group_test:
                raise DataError("group_test is given without group", where=str(self.config.path))
            return {}
        names = self._column(arrays, blocks, (self.config.group, self.config.group_test), "")
        return {"group": np.array(number_groups(names.astype(str).tolist()), dtype=np.int64)}

    def _splits(self, arrays: Arrays, blocks: Sequence[Block], where: Sequence[str]) -> list[str] | None:
        if self.config.split and self.config.split != NONE:
            given = self._column(arrays, blocks, (self.config.split, ""), "test").astype(str).tolist()
            splits = [split_of(name) for name in given]
            for row, split in enumerate(splits):
                if split is None:
                    raise DataError(f"{given[row]!r} is no split", where=where[row], possible=SPLIT_NAMES)
            return [split for split in splits if split]
        if len(blocks) == 1:
            return None
        return ["train"] * len(blocks[0][1]) + ["test"] * len(blocks[1][1])

    def _column(
        self, arrays: Arrays, blocks: Sequence[Block], names: Sequence[str], filler: Any
    ) -> NDArray[Any]:
        """Return one value per used row; the filler for a block without an array."""
        parts = []
        for (items, rows), name in zip(blocks, names, strict=False):
            values = arrays.get(name) if name else np.full(len(items), filler)
            if values.ndim != 1:
                raise DataError(
                    f"the array has the shape {values.shape}",
                    where=arrays.where(name),
                    possible="one value an item (N,)",
                )
            _check_length(values, items, arrays.where(name), "values")
            parts.append(values[rows.start : rows.stop : rows.step])
        return (
            np.concatenate(parts)
            if len({part.dtype.kind for part in parts}) == 1
            else np.concatenate([part.astype(str) for part in parts])
        )


def _check_length(values: Any, items: Items, where: str, what: str) -> None:
    n = values.shape[0] if getattr(values, "shape", ()) else 0
    if n != len(items):
        raise DataError(
            f"{n} {what} for {len(items)} items", where=where, todo="Both arrays need one row an item"
        )


def _offsets(offsets: NDArray[Any], size: int, where: str) -> NDArray[np.int64]:
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or len(offsets) < 2:
        raise DataError(
            f"offsets are {offsets.dtype} {offsets.shape}", where=where, possible="whole numbers (N + 1,)"
        )
    numbers = offsets.astype(np.int64)
    falling = np.flatnonzero(np.diff(numbers) < 0)
    if len(falling):
        raise DataError("the offset is smaller than the one before it", where=f"{where} row {falling[0] + 1}")
    if numbers[0] < 0 or numbers[-1] > size:
        raise DataError(
            f"offsets run from {numbers[0]} to {numbers[-1]}, but there are {size} bytes", where=where
        )
    return numbers
