"""Which files of a folder are items, and of which class and split. Light."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from burnish.errors import DataError
from burnish_basics.sources._names import SPLIT_NAMES, class_order, printable, split_of

IMAGE_ENDINGS: Final = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".bmp",
        ".gif",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".jp2",
        ".avif",
    }
)
TEXT_ENDINGS: Final = frozenset({".txt"})

_HIDDEN: Final = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


@dataclass(frozen=True)
class Found:
    """One item: its path below the root, its split and its class.

    The split is empty where the folder has none, the class None for unlabelled.
    """

    path: str
    split: str
    label: str | None


@dataclass(frozen=True)
class Listing:
    """A folder's items in the order of their paths, its classes, and what was left out with the reason."""

    items: tuple[Found, ...]
    classes: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def has_splits(self) -> bool:
        """Whether the folder fixes splits."""
        return any(item.split for item in self.items)


@dataclass
class _Folder:
    """One folder: its path below the root, and the identities of it and the folders above.

    The path is empty for the root itself.
    """

    root: Path
    below: str = ""
    chain: tuple[tuple[int, int], ...] = ()
    folders: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        path = self.root / self.below
        where = printable(str(path))
        try:
            status = path.stat()
            identity = (status.st_dev, status.st_ino)
            if identity in self.chain:
                raise DataError(
                    "the link leads back to a folder that it lies in", where=where, todo="Remove the link"
                )
            self.chain = (*self.chain, identity)
            with os.scandir(path) as entries:
                for entry in sorted(entries, key=lambda e: e.name):
                    if not is_hidden(entry.name):
                        (self.folders if _is_folder(entry) else self.files).append(entry.name)
        except NotADirectoryError as error:
            raise DataError(
                "this is a file, not a folder",
                where=where,
                todo="Name the folder that holds one folder a class",
            ) from error
        except FileNotFoundError as error:
            raise DataError("there is no such folder", where=where, todo="Check the path") from error
        except OSError as error:
            raise DataError(
                f"the folder cannot be listed: {error.strerror or error}",
                where=where,
                todo="Check its permissions",
            ) from error

    def child(self, name: str) -> _Folder:
        return _Folder(self.root, self.path(name), self.chain)

    def path(self, name: str) -> str:
        return f"{self.below}/{name}" if self.below else name

    @property
    def where(self) -> str:
        return printable(str(self.root / self.below))


def is_hidden(name: str) -> bool:
    """Whether a file or folder is one that people do not see.

    A leading dot, or what file managers leave behind.
    """
    return name.startswith(".") or name.lower() in _HIDDEN


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads to itself is found again when the file is read


def list_items(
    root: Path,
    *,
    endings: frozenset[str] = IMAGE_ENDINGS,
    splits: Literal["auto", "yes", "no"] = "auto",
    nested: bool = False,
    unknown: str = "",
) -> Listing:
    """List the items of a folder that has a sub-folder a class, with or without split folders above them.

    Args:
        root: the folder.
        endings: lower-case file endings of items, with their dot.
        splits: whether the first level names splits; ``"auto"`` decides by names and by what lies in them.
        nested: whether a class folder's own sub-folders belong to the class.
        unknown: name of a class folder whose items nobody labelled.

    Raises:
        DataError: the folder is missing, empty, cannot be listed, is laid out otherwise or contains itself.
    """
    walk = _Walk(endings, nested, unknown)
    top = _Folder(Path(root))
    if _names_splits(top, splits):
        for name in top.folders:
            walk.split(top.child(name), split_of(name) or "")
        walk.leave_out(top, "it lies in no split folder")
    else:
        walk.classes_of(top, "")
    if not walk.items:
        raise DataError(
            "there is no item in any class folder",
            where=top.where,
            possible=f"files ending in {' '.join(sorted(endings))}",
        )
    items = tuple(sorted(walk.items, key=lambda item: item.path))
    return Listing(items, tuple(class_order(walk.names)), tuple(walk.left_out))


def list_files(root: Path, endings: frozenset[str]) -> list[str]:
    """Return the paths, below a folder, of all files in it and below that end so, in order.

    Raises:
        DataError: the folder is missing, holds none, cannot be listed or contains itself.
    """
    walk, top = _Walk(endings, nested=True, unknown=""), _Folder(Path(root))
    for folder in walk.below(top):
        walk.take(folder, "", None)
    if not walk.items:
        raise DataError(
            "there is no item in it or below",
            where=top.where,
            possible=f"files ending in {' '.join(sorted(endings))}",
        )
    return sorted((item.path for item in walk.items), key=lambda path: path.split("/"))


def _names_splits(top: _Folder, splits: str) -> bool:
    """Whether the first level stands for splits, not classes."""
    if not top.folders:
        raise DataError(
            "there is no folder in it",
            where=top.where,
            todo="Make one folder a class and put the files into them",
        )
    if splits == "no":
        return False
    named = [name for name in top.folders if split_of(name)]
    if splits == "auto" and not any(split_of(name) == "train" and top.child(name).folders for name in named):
        return False  # classes may be called "train" and "test": they hold files then
    others = [printable(name) for name in top.folders if name not in named]
    if others:
        raise DataError(
            f"folder {others[0]!r} is no split but lies beside split folders",
            where=top.where,
            possible=SPLIT_NAMES,
            todo="Rename it, or say splits=no if these are classes",
        )
    if not any(split_of(name) == "train" for name in named):
        raise DataError(
            "there is no folder train among the splits",
            where=top.where,
            todo="Add it, or say splits=no if these are classes",
        )
    return True


class _Walk:
    """Collects items, classes and what is left out."""

    def __init__(self, endings: frozenset[str], nested: bool, unknown: str) -> None:
        self.endings, self.nested, self.unknown = endings, nested, unknown
        self.items: list[Found] = []
        self.names: dict[str, str] = {}
        """Classes, and the folder name that each was read from."""
        self.left_out: list[tuple[str, str]] = []

    def split(self, folder: _Folder, split: str) -> None:
        if split == "pool":  # unlabelled items need no class folder
            self.take(folder, split, None)
        else:
            self.leave_out(folder, "it lies in no class folder")
        for name in folder.folders:
            self._class(folder.child(name), split, name)

    def classes_of(self, top: _Folder, split: str) -> None:
        self.leave_out(top, "it lies in no class folder")
        for name in top.folders:
            self._class(top.child(name), split, name)

    def _class(self, folder: _Folder, split: str, name: str) -> None:
        label = None if self.unknown and name == self.unknown else printable(name)
        if label is not None and self.names.setdefault(label, name) != name:
            raise DataError(
                f"two class folders read as {label!r}: their names differ in white space alone",
                where=folder.where,
                todo="Rename one, or put the items of both into one folder",
            )
        for below in self.below(folder):
            self.take(below, split, label)

    def below(self, folder: _Folder) -> Iterator[_Folder]:
        yield folder
        if folder.folders and not self.nested:
            raise DataError(
                f"class folder {printable(Path(folder.below).name)!r} holds a folder,"
                f" {printable(folder.folders[0])!r}",
                where=folder.where,
                todo=(
                    "Name the folder right above the classes, or say nested=true if inner folders belong to"
                    " the class"
                ),
            )
        for name in folder.folders:
            yield from self.below(folder.child(name))

    def take(self, folder: _Folder, split: str, label: str | None) -> None:
        for name in folder.files:
            if self._is_item(name):
                self.items.append(Found(folder.path(name), split, label))
            else:
                self.left_out.append((printable(folder.path(name)), "its ending is not one of an item"))

    def leave_out(self, folder: _Folder, why: str) -> None:
        self.left_out += [(printable(folder.path(name)), why) for name in folder.files]

    def _is_item(self, name: str) -> bool:
        return os.path.splitext(name)[1].lower() in self.endings  # noqa: PTH122 - Path is slow for a million names


def why_unreadable(path: Path) -> str:
    """Return why a file cannot be read as one, empty where it can: only its status is looked at."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "the link leads nowhere" if path.is_symlink() else "there is no such file"
    except OSError as error:
        return f"the file cannot be read: {error.strerror or error}"
    return "" if stat.S_ISREG(mode) else "it is no regular file"
