"""Descriptors of the data sources and of the `features` backbone. Light: no torch, no numpy."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import burnish
from burnish.errors import ConfigError


@dataclass(frozen=True)
class FolderConfig:
    """Options of the source `folder`."""

    path: Path = field(
        metadata={
            "help": (
                "folder with a sub-folder a class, or with train, validation, test, test_<name> above the"
                " classes"
            )
        }
    )
    modality: Literal["image", "text"] = field(
        default="image", metadata={"help": "what the files are: images, or texts in .txt files"}
    )
    splits: Literal["auto", "yes", "no"] = field(
        default="auto", metadata={"help": "whether the first level names splits"}
    )
    nested: bool = field(
        default=False, metadata={"help": "whether folders inside a class folder belong to the class"}
    )
    unknown: str = field(default="", metadata={"help": "class folder whose items nobody labelled"})
    group: str = field(
        default="",
        metadata={
            "help": "regular expression on the path below `path`: items of equal first groups are never split"
        },
    )
    groups: Path | None = field(
        default=None, metadata={"help": "table with columns file and group, instead of `group`"}
    )
    endings: tuple[str, ...] = field(
        default=(), metadata={"help": "file endings of items instead of the usual ones, such as .jpg"}
    )
    encoding: str = field(default="utf-8", metadata={"help": "encoding of texts"})
    new_classes: bool = field(
        default=False, metadata={"help": "whether classes that only test items have are new, and no error"}
    )

    def __post_init__(self) -> None:
        if self.group and self.groups is not None:
            raise ConfigError("group and groups are both given", where="folder", todo="Leave one out")
        try:
            re.compile(self.group)
        except re.error as error:
            raise ConfigError(
                f"group {self.group!r} is no regular expression: {error}", where="folder"
            ) from error


@dataclass(frozen=True)
class CsvConfig:
    """Options of the source `csv`."""

    path: Path = field(metadata={"help": "CSV, TSV, JSON-lines or Parquet file with the trainable items"})
    validation: Path | None = field(
        default=None, metadata={"help": "file with the validation items, if they are fixed"}
    )
    test: Path | None = field(default=None, metadata={"help": "file with the test items, if they are fixed"})
    text: str = field(default="", metadata={"help": "column of texts; found by its name if not given"})
    image: str = field(default="", metadata={"help": "column of image paths; found by its name if not given"})
    label: str = field(
        default="", metadata={"help": "column of labels; found by its name if not given, - for none"}
    )
    group: str = field(
        default="", metadata={"help": "column of groups that are never split; found by its name, - for none"}
    )
    weight: str = field(
        default="", metadata={"help": "column of weights, at least 0; found by its name, - for none"}
    )
    split: str = field(default="", metadata={"help": "column of splits; found by its name, - for none"})
    truth: str = field(default="", metadata={"help": "column of clean labels beside noisy ones"})
    references: str = field(
        default="",
        metadata={"help": "column of acceptable answers, instead of labels, where answers are texts"},
    )
    references_separator: str = field(
        default="|",
        metadata={"help": "what stands between the answers of a cell; empty where a cell is one answer"},
    )
    labels: Literal["auto", "single", "multi"] = field(
        default="auto",
        metadata={"help": "single: a cell is one name as it stands; multi: several; auto: by notation"},
    )
    all_of: str = field(
        default="|", metadata={"help": "separator of classes that are all true; empty for none"}
    )
    one_of: str = field(
        default="?", metadata={"help": "separator of classes of which exactly one is true; empty for none"}
    )
    absent: str = field(
        default="!", metadata={"help": "mark before a class that is known to be absent; empty for none"}
    )
    share: str = field(
        default="=", metadata={"help": "mark between a class and its probability; empty for none"}
    )
    unnamed: Literal["auto", "absent", "unknown"] = field(
        default="auto",
        metadata={
            "help": "classes that a multi-label cell does not name; auto: unknown where any is marked absent"
        },
    )
    classes: tuple[str, ...] = field(
        default=(), metadata={"help": "all classes in order; sorted by name if not given"}
    )
    root: Path | None = field(
        default=None, metadata={"help": "folder that image paths start from; the table's own if not given"}
    )
    encoding: str = field(default="utf-8", metadata={"help": "encoding of text tables"})
    delimiter: str = field(
        default="",
        metadata={
            "help": "comma, tab, semicolon, pipe, space or the character; by the file's ending if not given"
        },
    )
    quote: str = field(default='"', metadata={"help": "quote character of text tables; empty for none"})
    header: bool = field(
        default=True, metadata={"help": "whether the first row names the columns; else they are 1, 2, ..."}
    )
    new_classes: bool = field(
        default=False, metadata={"help": "whether classes that only test items have are new, and no error"}
    )

    def __post_init__(self) -> None:
        if len(self.quote) > 1:
            raise ConfigError(
                f"quote {self.quote!r} is not one character",
                where="csv",
                possible="one character, or nothing",
            )
        marks = [mark for mark in (self.all_of, self.one_of, self.absent, self.share) if mark]
        if len(set(marks)) != len(marks):
            raise ConfigError("two of all_of, one_of, absent and share are the same", where="csv")
        if self.references and (self.label not in ("", "-") or self.truth or self.image):
            raise ConfigError(
                "references are answers to texts, and go with neither label, truth nor image",
                where="csv",
                todo="Leave them out",
            )


@dataclass(frozen=True)
class NpzConfig:
    """Options of the source `npz`."""

    path: Path = field(metadata={"help": ".npz, .npy or .safetensors file"})
    x: str = field(
        default="",
        metadata={
            "help": (
                "items: images uint8 (N, H, W[, 3]), features (N, D) or sparse by prefix, or bytes of image"
                " files"
            )
        },
    )
    y: str = field(
        default="",
        metadata={
            "help": (
                "array of labels: numbers or names (N,), or multi-labels (N, C) of 0 and 1; sparse by its"
                " prefix"
            )
        },
    )
    offsets: str = field(default="", metadata={"help": "array (N + 1,): where each image file begins in `x`"})
    rows: str = field(default="", metadata={"help": "rows of x to use, start:stop or start:stop:step"})
    x_test: str = field(
        default="", metadata={"help": "array of test items; found by its name only where x is"}
    )
    y_test: str = field(default="", metadata={"help": "array of their labels"})
    offsets_test: str = field(default="", metadata={"help": "array of their offsets"})
    rows_test: str = field(default="", metadata={"help": "rows of x_test to use"})
    new_classes: bool = field(
        default=False, metadata={"help": "whether classes that only test items have are new, and no error"}
    )
    group: str = field(default="", metadata={"help": "array (N,) of groups that are never split"})
    group_test: str = field(default="", metadata={"help": "array of the test items' groups"})
    weights: str = field(default="", metadata={"help": "array (N,) of weights, at least 0"})
    truth: str = field(default="", metadata={"help": "array of clean labels, shaped as y"})
    split: str = field(default="", metadata={"help": "array (N,) of split names"})
    classes: str = field(default="", metadata={"help": "array of class names"})
    names: tuple[str, ...] = field(default=(), metadata={"help": "class names, instead of `classes`"})
    labels_file: Path | None = field(
        default=None,
        metadata={"help": "another file to look for y, truth, group, weights, split and classes in first"},
    )
    unknown: int | None = field(default=None, metadata={"help": "number that means: nobody labelled it"})
    modality: Literal["auto", "image", "features"] = field(
        default="auto", metadata={"help": "what x is; auto: by dtype and shape"}
    )

    def __post_init__(self) -> None:
        if self.classes and self.names:
            raise ConfigError("classes and names are both given", where="npz", todo="Leave one out")


@dataclass(frozen=True)
class DigitsConfig:
    """Options of the source `digits`."""

    features: bool = field(default=False, metadata={"help": "64 raw pixels as features, instead of images"})


SOURCES: tuple[burnish.Source, ...] = (
    burnish.Source(
        name="folder",
        summary=(
            "Images (or .txt files) in a sub-folder a class, with or without train, validation and test above"
        ),
        target="burnish_basics.sources.folder:Folder",
        config=FolderConfig,
        fingerprint="burnish_basics.sources._light:folder_fingerprint",
        guess="burnish_basics.sources._light:folder_guess",
        provides="burnish_basics.sources._light:folder_provides",
    ),
    burnish.Source(
        name="csv",
        summary="CSV, TSV, JSON lines or Parquet: a column of texts or image paths, and one of labels",
        target="burnish_basics.sources.tables:Csv",
        config=CsvConfig,
        fingerprint="burnish_basics.sources._light:csv_fingerprint",
        guess="burnish_basics.sources._light:csv_guess",
        provides="burnish_basics.sources._light:csv_provides",
    ),
    burnish.Source(
        name="npz",
        summary="Arrays in a .npz, .npy or .safetensors file: images, image files as bytes, or features",
        target="burnish_basics.sources.arrays:Npz",
        config=NpzConfig,
        guess="burnish_basics.sources._light:npz_guess",
        provides="burnish_basics.sources._light:npz_provides",
    ),
    burnish.Source(
        name="digits",
        summary="1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn",
        target="burnish_basics.sources.digits:Digits",
        config=DigitsConfig,
        fingerprint="burnish_basics.sources._light:digits_fingerprint",
        provides="burnish_basics.sources._light:digits_provides",
    ),
)

BACKBONES: tuple[burnish.Backbone, ...] = (
    burnish.Backbone(
        name="features",
        summary="Passes given features through",
        target="burnish_basics.features:Features",
        needs=frozenset({"features"}),
        provides=frozenset({"features"}),
    ),
)
