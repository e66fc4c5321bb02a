"""Which array of a file plays which part. Light."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from burnish.errors import DataError, suggestion
from burnish_basics.sources._names import NONE, find
from burnish_basics.sources._npy import Header

if TYPE_CHECKING:
    from burnish_basics._data import NpzConfig

Layout = Literal["encoded", "pixels", "features", "sparse"]
"""How items lie: bytes of image files end to end, uint8 pixels, rows of numbers or of a sparse matrix."""

SPARSE: Final = ("data", "indices", "indptr", "shape")
"""Endings of the four arrays of a matrix in compressed rows, as ``train_y_data``."""

_X: Final = ["x", "train_x", "x_train", "train_jpeg", "jpeg", "features", "embeddings", "images"]
_Y: Final = ["y", "train_y", "y_train", "labels", "label", "targets"]
_OFFSETS: Final = ["offsets", "train_offsets", "offsets_train", "train_off", "off"]


@dataclass(frozen=True)
class Roles:
    """The array that plays each part, empty where none does, and how items and labels lie."""

    x: str
    y: str
    offsets: str
    x_test: str
    y_test: str
    offsets_test: str
    layout: Layout
    image: bool
    multi: bool

    @property
    def modality(self) -> Literal["image", "features"]:
        """What an item is."""
        return "image" if self.image else "features"


def roles_of(
    config: NpzConfig, arrays: Mapping[str, Header], labels: Mapping[str, Header], *, labelled: bool = True
) -> Roles:
    """Return the parts: what the config names, else arrays with well-known names.

    Args:
        config: the options.
        arrays: headers of the main file.
        labels: headers that y and what belongs to labels is looked for in.
        labelled: whether the test items need labels.

    Raises:
        DataError: an array is not there, cannot be told from the names, or is none that can be read.
    """
    where = str(config.path)
    x = _part("x", config.x, _X, arrays, where)
    y = _part("y", config.y, _Y, labels, str(config.labels_file or where))
    x = x or (next(iter(arrays)) if len(arrays) == 1 else "")
    if not x:
        raise DataError(
            "which array holds the items cannot be told",
            where=where,
            possible=_listed(arrays),
            todo="Say x=NAME",
        )
    layout, image = _layout(x, config, arrays, where)
    offsets = _offsets("offsets", config.offsets, _OFFSETS, x, layout, arrays, where)
    # An array of items that was named is taken as it is; the test twin is looked for only beside one that was
    # found.
    x_test = _part("x_test", config.x_test, [] if config.x else _twin(x), arrays, where)
    y_test = offsets_test = ""
    if x_test:
        y_test = _part("y_test", config.y_test, _twin(y), arrays, where)
        if labelled and not y_test:
            raise DataError(
                f"there are no labels for {x_test}",
                where=where,
                possible=_listed(arrays),
                todo=f"Say y_test=NAME, or x_test={NONE}",
            )
        test_layout = _layout(x_test, config, arrays, where)
        if test_layout != (layout, image):
            raise DataError(
                f"{x_test} is laid out otherwise than {x}",
                where=where,
                possible=f"{told(x, arrays)} as {told(x_test, arrays)}",
            )
        offsets_test = _offsets(
            "offsets_test", config.offsets_test, _twin(offsets), x_test, layout, arrays, where
        )
    multi = bool(y) and (y not in labels or (len(labels[y].shape) == 2 and labels[y].shape[1] != 1))
    return Roles(x, y, offsets, x_test, y_test, offsets_test, layout, image, multi)


def _twin(name: str) -> list[str]:
    """Return the names that the test twin of a training array goes by."""
    twin = re.sub(r"(?i)train", "test", name)
    return [twin] if twin != name else [f"{name}_test", f"test_{name}"]


def is_sparse(name: str, arrays: Mapping[str, Header]) -> bool:
    """Whether the four arrays of a sparse matrix go by this prefix."""
    return all(f"{name}_{part}" in arrays for part in SPARSE)


def _part(part: str, given: str, known: list[str], arrays: Mapping[str, Header], where: str) -> str:
    if given == NONE:
        return ""
    names = [*arrays, *(name.removesuffix("_indptr") for name in arrays if name.endswith("_indptr"))]
    if given:
        if given in arrays or is_sparse(given, arrays):
            return given
        raise DataError(
            f"there is no array {given!r} for {part}. {suggestion(given, names)}".strip(),
            where=where,
            possible=_listed(arrays),
        )
    found = [name for name in find(known, names) if name in arrays or is_sparse(name, arrays)]
    return found[0] if found else ""


def _offsets(
    part: str, given: str, known: list[str], x: str, layout: Layout, arrays: Mapping[str, Header], where: str
) -> str:
    if layout != "encoded":
        if given:
            raise DataError(
                f"{part} is given, but {x} is {told(x, arrays)}",
                where=where,
                possible="offsets into one row of uint8 bytes",
            )
        return ""
    name = _part(part, given, known, arrays, where)
    if not name:
        raise DataError(
            f"{x} is one row of bytes without offsets",
            where=where,
            possible=_listed(arrays),
            todo=f"Say {part}=NAME",
        )
    return name


def _layout(name: str, config: NpzConfig, arrays: Mapping[str, Header], where: str) -> tuple[Layout, bool]:
    """Return how the items of one array lie, and whether they are images."""
    if name not in arrays:
        if config.modality == "image":
            raise DataError(f"{name} is sparse and cannot be images", where=where)
        return "sparse", False
    header = arrays[name]
    refuse_objects(name, header, where)
    is_bytes = header.dtype == "|u1"
    if is_bytes and len(header.shape) == 1 and config.modality != "features":
        return "encoded", True
    pixels = is_bytes and (len(header.shape) == 3 or (len(header.shape) == 4 and header.shape[3] in (1, 3)))
    if pixels and config.modality != "features":
        return "pixels", True
    if (
        header.kind in "fiub"
        and len(header.shape) == 2
        and header.shape[1] > 0
        and config.modality != "image"
    ):
        return "features", False
    if pixels:
        return "features", False
    raise DataError(
        f"{name} is {told(name, arrays)}{_why_no_images(header)}",
        where=where,
        possible=(
            "images uint8 (N, H, W), (N, H, W, 1) or (N, H, W, 3); features (N, D); bytes of image files"
            " uint8 (B,) with offsets"
        ),
    )


def _why_no_images(header: Header) -> str:
    if len(header.shape) == 4 and header.shape[1] in (1, 3):
        return ", channels first"
    if len(header.shape) != 4:
        return ""
    return f", {header.shape[3]} channels" if header.dtype == "|u1" else ", not uint8"


def refuse_objects(name: str, header: Header, where: str) -> None:
    """Raise where an array can only be read by running code.

    Raises:
        DataError: the array holds Python objects or records.
    """
    if header.kind in "OV":
        raise DataError(
            f"array {name!r} holds Python objects, which only pickle reads, and nothing is ever unpickled"
            " here",
            where=where,
            todo="Save it as numbers, or texts as an array of str",
        )


def told(name: str, arrays: Mapping[str, Header]) -> str:
    """Return an array's type and shape, for messages."""
    if name not in arrays:
        return "sparse"
    return f"{arrays[name].dtype.lstrip('<|=')} {arrays[name].shape}"


def _listed(arrays: Mapping[str, Header]) -> str:
    shown = [f"{name} {told(name, arrays)}" for name in list(arrays)[:20]]
    return ", ".join(shown) + (f", ... ({len(arrays)} arrays)" if len(arrays) > 20 else "")
