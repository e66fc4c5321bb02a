"""The source `folder`: a sub-folder a class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.source import NewItem
from burnish.data import Dataset, Finding, Labels
from burnish.data.supervision import UNKNOWN
from burnish.errors import DataError
from burnish_basics._data import CsvConfig, FolderConfig
from burnish_basics.sources._light import folder_files, folder_listing
from burnish_basics.sources._names import number_groups, printable
from burnish_basics.sources._rows import header_of, rows_of
from burnish_basics.sources.assemble import classes_of
from burnish_basics.sources.files import ImageFiles, TextFiles, check_modality

if TYPE_CHECKING:
    from burnish_basics.sources._walk import Found, Listing


class Folder:
    """Files in a sub-folder a class, with or without train, validation, test and test_<name> above them.

    Hidden files are passed over; what else is no item is left out and listed. A class folder must hold files
    only, unless `nested`. A file that cannot be read stays an item whose reading fails, so that
    `on_bad_input` decides.

    Args:
        config: where, and how it is laid out.
    """

    def __init__(self, config: FolderConfig) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Return the data set; every file is read once, for its content id.

        Raises:
            DataError: the folder is missing, empty, laid out otherwise, or a group cannot be told.
        """
        config, listing = self.config, folder_listing(self.config)
        root, paths = config.path.expanduser(), [item.path for item in listing.items]
        reader = self._reader(paths)
        number = {name: column for column, name in enumerate(listing.classes)}
        y = [UNKNOWN if item.label is None else number[item.label] for item in listing.items]
        supervision = Labels(y=np.array(y, dtype=np.int64))
        splits = [item.split for item in listing.items] if listing.has_splits else None
        groups = self._groups(listing.items)
        return Dataset.build(
            name=printable(config.path.name) or "folder",
            modality=config.modality,
            ids=reader.ids(),
            classes=classes_of(listing.classes, supervision, splits, config.new_classes),
            supervision=supervision,
            reader=reader,
            columns={} if groups is None else {"group": np.array(number_groups(groups), dtype=np.int64)},
            splits=splits,
            origins=[printable(str(root / path)) for path in paths],
            findings=_findings(listing),
        )

    def items(self, modality: str, column: str = "") -> Iterator[NewItem]:
        """Yield all files in the folder and below, by path (`burnish.contracts.GivesItems`).

        Class folders play no part.
        """
        where = printable(str(self.config.path))
        if column:
            raise DataError("a folder has no columns", where=where, todo="Leave out --column")
        check_modality(
            self.config.modality, modality, where, "For .txt files say folder:path=DIR,modality=text"
        )
        paths = folder_files(self.config)
        reader = self._reader(paths)
        for row, path in enumerate(paths):
            yield NewItem(path, partial(reader.read, row))

    def _reader(self, paths: list[str]) -> ImageFiles | TextFiles:
        root = self.config.path.expanduser()
        return (
            ImageFiles(root, paths, {})
            if self.config.modality == "image"
            else TextFiles(root, paths, self.config.encoding)
        )

    def _groups(self, items: tuple[Found, ...]) -> list[str] | None:
        if self.config.groups is not None:
            return self._groups_by_table(items)
        if not self.config.group:
            return None
        pattern, groups = re.compile(self.config.group), []
        for item in items:
            match = pattern.search(item.path)
            if match is None:
                where = printable(str(self.config.path / item.path))
                raise DataError(
                    f"group={self.config.group} does not match this path",
                    where=where,
                    todo="Mend the expression",
                )
            groups.append((match[1] if pattern.groups else match[0]) or "")
        return groups

    def _groups_by_table(self, items: tuple[Found, ...]) -> list[str]:
        path = self.config.groups
        assert path is not None  # noqa: S101 - the caller looked
        table = CsvConfig(path=path)
        names = header_of(path, table)
        if not {"file", "group"} <= set(names):
            raise DataError(
                "the table needs the columns file and group", where=str(path), possible=", ".join(names)
            )
        group_of: dict[str, str] = {}
        for number, cells in rows_of(path, table):
            if isinstance(cells, str):
                raise DataError(cells, where=f"{path}, row {number}")
            record: dict[str, Any] = dict(zip(names, cells, strict=True))
            group_of[str(record["file"])] = str(record["group"])
        for item in items:
            if item.path not in group_of:
                raise DataError(
                    f"there is no group for {printable(item.path)!r}",
                    where=str(path),
                    todo=f"Paths start from {self.config.path}",
                )
        return [group_of[item.path] for item in items]


def _findings(listing: Listing) -> list[Finding]:
    left_out = [Finding("note", "left-out", f"left out: {why}", where) for where, why in listing.left_out]
    filled = {item.label for item in listing.items}
    empty = [
        Finding(
            "error", "empty-class", "the class folder holds no item", f"class {name!r}", "Fill or remove it"
        )
        for name in listing.classes
        if name not in filled
    ]
    return left_out + empty
