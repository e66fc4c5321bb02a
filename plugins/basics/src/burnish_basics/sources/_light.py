"""What sources do before a run: guess, say what they provide, and hash what they read. Light."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from burnish.errors import DataError
from burnish.fingerprint import of_files, of_path
from burnish_basics._data import CsvConfig, DigitsConfig, FolderConfig, NpzConfig
from burnish_basics.sources._names import NONE
from burnish_basics.sources._npy import headers
from burnish_basics.sources._roles import Roles, roles_of
from burnish_basics.sources._rows import PARQUET, TABLES, columns_of, header_of, rows_of
from burnish_basics.sources._walk import (
    IMAGE_ENDINGS,
    TEXT_ENDINGS,
    Listing,
    is_hidden,
    list_files,
    list_items,
)

IMAGE_IDS = b"image\0"
"""Prefix with which hashes of files are content ids of images, so that each file is hashed once."""

_LOOKED_AT = 10_000


# -- folder --------------------------------------------------------------------------------------------------


def folder_listing(config: FolderConfig) -> Listing:
    """Return the items of the folder that a config names."""
    return list_items(
        config.path.expanduser(),
        endings=_endings(config),
        splits=config.splits,
        nested=config.nested,
        unknown=config.unknown,
    )


def folder_files(config: FolderConfig) -> list[str]:
    """Return the paths of all files in the folder and below that could be items, whatever their class."""
    return list_files(config.path.expanduser(), _endings(config))


def _endings(config: FolderConfig) -> frozenset[str]:
    usual = IMAGE_ENDINGS if config.modality == "image" else TEXT_ENDINGS
    given = (ending.lower() for ending in config.endings)
    return frozenset(ending if ending.startswith(".") else f".{ending}" for ending in given) or usual


def folder_fingerprint(config: FolderConfig) -> str:
    """Return a hash of the paths and contents of all items, of the empty classes and of the groups."""
    listing = folder_listing(config)
    root = config.path.expanduser()
    contents = of_files([root / item.path for item in listing.items], IMAGE_IDS)
    digest = _hash_of(
        f"{item.path}\0{content.hex() if content else '?'}"
        for item, content in zip(listing.items, contents, strict=True)
    )
    digest.update("\0".join(listing.classes).encode())
    if config.groups is not None:
        digest.update(of_path(config.groups, "option groups").encode())
    return digest.hexdigest()


def folder_provides(config: FolderConfig) -> set[str]:
    """Return what the folder's items are, and whether they have groups."""
    return {config.modality, "labels"} | ({"groups"} if config.group or config.groups is not None else set())


def folder_guess(path: str | Path) -> dict[str, Any] | None:
    """Return options for a folder.

    Texts where it has .txt files and no image among the first ten thousand files.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        return None
    texts = False
    for seen, name in enumerate(_file_names(folder)):
        ending = Path(name).suffix.lower()
        if ending in IMAGE_ENDINGS:
            return {"path": str(path)}
        texts = texts or ending in TEXT_ENDINGS
        if seen > _LOOKED_AT:
            break
    return {"path": str(path), "modality": "text"} if texts else {"path": str(path)}


def _file_names(folder: Path) -> Iterable[str]:
    for _, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not is_hidden(name)]
        yield from names


# -- csv -----------------------------------------------------------------------------------------------------


def table_files(config: CsvConfig) -> dict[str, Path]:
    """Return the tables by the split that their rows are in.

    The empty name where a column or the recipe decides.
    """
    fixed = {"validation": config.validation, "test": config.test}
    tables = {split: path.expanduser() for split, path in fixed.items() if path is not None}
    return {("train" if tables else ""): config.path.expanduser(), **tables}


def image_root(config: CsvConfig, table: Path) -> Path:
    """Return the folder that a table's image paths start from."""
    return config.root.expanduser() if config.root is not None else table.parent


def csv_fingerprint(config: CsvConfig) -> str:
    """Return a hash of the tables, and of the image files that they name."""
    digest = hashlib.sha256()
    for split, table in table_files(config).items():
        option = split if split in {"validation", "test"} else "path"
        digest.update(f"{split}\0{of_path(table, f'csv, option {option}')}\0".encode())
        for path, content in _named_images(config, table):
            digest.update(f"{path}\0{content.hex() if content else '?'}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _named_images(config: CsvConfig, table: Path) -> Iterable[tuple[str, bytes | None]]:
    """Return the images of a table with their hashes.

    Of a Parquet table, whose rows need numpy, every image below its folder.
    """
    root = image_root(config, table)
    if table.suffix.lower() in PARQUET:
        if not config.image:
            return []
        paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS)
        names: Sequence[str] = [str(path.relative_to(root)) for path in paths]
    else:
        header = header_of(table, config)
        columns = columns_of(header, config, str(table))
        if not columns.image:
            return []
        at = header.index(columns.image)
        names = [str(cells[at]).strip() for _, cells in rows_of(table, config) if not isinstance(cells, str)]
    return list(zip(names, of_files([root / name for name in names], IMAGE_IDS), strict=True))


def csv_provides(config: CsvConfig) -> set[str]:
    """Return what the table's items are.

    Labels and multi-labels both where only reading all cells would tell.
    """
    words = (
        {"texts"}
        if config.references
        else {"single": {"labels"}, "multi": {"multi-labels"}, "auto": {"labels", "multi-labels"}}[
            config.labels
        ]
    )
    if config.path.suffix.lower() in PARQUET:
        content, group = ("image" if config.image else "text"), config.group
    else:
        columns = columns_of(header_of(config.path.expanduser(), config), config, str(config.path))
        content, group = ("image" if columns.image else "text"), columns.group
    return (
        words
        | {content}
        | ({"groups"} if group and group != NONE else set())
        | ({"truth"} if config.truth else set())
    )


def csv_guess(path: str | Path) -> dict[str, Any] | None:
    """Return options for a table whose ending is one of a table."""
    return (
        {"path": str(path)}
        if Path(path).suffix.lower() in TABLES and not Path(path).expanduser().is_dir()
        else None
    )


# -- npz -----------------------------------------------------------------------------------------------------


def npz_roles(config: NpzConfig) -> Roles:
    """Return which array of the config's files plays which part."""
    arrays = headers(config.path.expanduser())
    other = headers(config.labels_file.expanduser()) if config.labels_file is not None else {}
    return roles_of(config, arrays, {**arrays, **other})


def npz_item_roles(config: NpzConfig, column: str) -> Roles:
    """Return which arrays hold items, where nobody asks for labels.

    Args:
        config: the options.
        column: the array of all items, instead of those of the options.
    """
    alone = replace(config, x=column, x_test=NONE, offsets_test="") if column else config
    arrays = headers(config.path.expanduser())
    return roles_of(replace(alone, y=NONE, y_test=""), arrays, {}, labelled=False)


def npz_provides(config: NpzConfig) -> set[str]:
    """Return what the arrays hold."""
    roles = npz_roles(config)
    extra = {word for word, given in (("groups", config.group), ("truth", config.truth)) if given}
    return {roles.modality, "multi-labels" if roles.multi else "labels"} | extra


def npz_guess(path: str | Path) -> dict[str, Any] | None:
    """Return options for a file of arrays."""
    return (
        {"path": str(path)}
        if Path(path).suffix.lower() in {".npz", ".npy", ".safetensors"}
        and not Path(path).expanduser().is_dir()
        else None
    )


# -- digits --------------------------------------------------------------------------------------------------


def digits_provides(config: DigitsConfig) -> set[str]:
    """Return images or features, and labels."""
    return {"features" if config.features else "image", "labels"}


def digits_fingerprint(config: DigitsConfig) -> str:
    """Return the hash of scikit-learn's file of digits, without importing scikit-learn."""
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise DataError(
            "scikit-learn is not installed", where="digits", todo="Install it: pip install scikit-learn"
        )
    return of_path(Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz", "digits")


def _hash_of(lines: Iterable[str]) -> hashlib._Hash:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode("utf-8", "surrogateescape") + b"\0")
    return digest
