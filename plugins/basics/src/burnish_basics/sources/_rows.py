"""Rows of CSV, TSV and JSON-lines files, and which column plays which part.

Light; Parquet is read in `tables`.
"""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from burnish.errors import DataError, suggestion
from burnish_basics.sources._file_errors import explained
from burnish_basics.sources._json_lines import Record, keys_of, records_of
from burnish_basics.sources._names import NONE, find

if TYPE_CHECKING:
    from burnish_basics._data import CsvConfig

Row = tuple[int, Sequence[Any] | str]
"""A row's number as people count (the header is row 1), and its cells or why it cannot be read."""

DELIMITERS: Final = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "space": " "}
_BY_ENDING: Final = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
JSON_LINES: Final = frozenset({".jsonl", ".ndjson"})
PARQUET: Final = frozenset({".parquet", ".pq"})
TABLES: Final = frozenset(_BY_ENDING) | JSON_LINES | PARQUET

_LONGEST_CELL: Final = 64 << 20
_KNOWN: Final = {
    "text": [
        "text",
        "sentence",
        "utterance",
        "content",
        "comment",
        "review",
        "question",
        "query",
        "message",
        "title",
    ],
    "image": ["image", "image_path", "img", "img_path", "path", "file", "filename", "file_name", "filepath"],
    "label": ["label", "labels", "class", "category", "target", "intent", "class_name", "label_name", "y"],
    "group": ["group"],
    "weight": ["weight"],
    "split": ["split"],
}


@dataclass(frozen=True)
class Columns:
    """The column that plays each part; empty where none does. Exactly one of `text` and `image` is given."""

    text: str = ""
    image: str = ""
    label: str = ""
    group: str = ""
    weight: str = ""
    split: str = ""
    truth: str = ""
    references: str = ""

    @property
    def content(self) -> str:
        """The column of the items themselves."""
        return self.text or self.image

    def used(self) -> list[str]:
        """Return the columns that are read, each once."""
        return list(
            dict.fromkeys(name for name in (getattr(self, field.name) for field in fields(self)) if name)
        )


def delimiter_of(path: Path, given: str) -> str:
    """Return the delimiter of a text table; empty for JSON lines and Parquet.

    Raises:
        DataError: the file's ending says nothing and no delimiter is given, or it is not one character.
    """
    if given:
        one = DELIMITERS.get(given, given)
        if len(one) != 1 or one in '\r\n"':
            raise DataError(
                f"delimiter {given!r} is not one character",
                where=str(path),
                possible=f"{', '.join(DELIMITERS)}, or the character",
            )
        return one
    ending = path.suffix.lower()
    if ending in JSON_LINES | PARQUET:
        return ""
    if ending not in _BY_ENDING:
        what = (
            "this is a folder"
            if path.is_dir()
            else f"{ending!r} is not the ending of a table"
            if ending
            else "the file has no ending of a table"
        )
        todo = "For other text tables say delimiter=comma or delimiter=tab"
        raise DataError(what, where=str(path), possible=" ".join(sorted(TABLES)), todo=todo)
    return _BY_ENDING[ending]


def header_of(path: Path, config: CsvConfig) -> list[str]:
    """Return the column names of a text table or JSON-lines file.

    Raises:
        DataError: the file cannot be read, is empty, or has a column twice.
    """
    rows = _read(path, config)
    names: list[str] = next(rows)
    rows.close()
    return names


def rows_of(path: Path, config: CsvConfig) -> Iterator[Row]:
    """Stream the rows below the header.

    A row that is ragged or malformed comes with the reason instead of cells.

    Raises:
        DataError: the file cannot be read or decoded, or its quotes do not match.
    """
    yield from header_and_rows(path, config)[1]


def header_and_rows(path: Path, config: CsvConfig) -> tuple[list[str], Iterator[Row]]:
    """Return the column names and the rows of a file that is opened once, so that it may be a pipe.

    Raises:
        DataError: as `header_of` and, while the rows are taken, `rows_of`.
    """
    rows = _read(path, config)
    return next(rows), rows


def _read(path: Path, config: CsvConfig) -> Generator[Any, None, None]:
    """Yield the header (a list of names), then the rows."""
    delimiter = delimiter_of(path, config.delimiter)
    with explained(path, config.encoding):
        rows = _delimited(path, config, delimiter) if delimiter else _json_lines(path, config)
        names = next(rows, None)
        if names is None:
            raise DataError(
                "the table is empty",
                where=str(path),
                todo="It needs a header and rows" if config.header else "",
            )
        check_header(names, path)
        yield names
        yield from rows


def check_header(names: Sequence[str], path: Path) -> None:
    """Raise where a header names a column twice.

    Raises:
        DataError: it does.
    """
    for column, name in enumerate(names):
        if name in names[:column]:
            raise DataError(
                f"column {name!r} stands twice in the header, as column {names.index(name) + 1} and"
                f" {column + 1}",
                where=f"{path}, row 1",
            )


def _delimited(path: Path, config: CsvConfig, delimiter: str) -> Iterator[Any]:
    quoting = csv.QUOTE_MINIMAL if config.quote else csv.QUOTE_NONE
    options: dict[str, Any] = {
        "delimiter": delimiter,
        "quoting": quoting,
        "quotechar": config.quote or None,
        "strict": True,
    }
    with path.open(encoding=_encoding(config), newline="") as file, _long_cells():
        reader = csv.reader(file, **options)
        names: list[str] | None = None
        number = 0
        while True:
            start = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                todo = "Mend the quotes, or say quote= (empty) if quotes are plain characters in this file"
                raise DataError(
                    f"the row is malformed: {error}", where=f"{path}, line {start}", todo=todo
                ) from error
            if cells is None:
                return
            number += 1
            if not cells:
                continue
            if names is None:
                names = (
                    [name.strip() for name in cells]
                    if config.header
                    else [str(column + 1) for column in range(len(cells))]
                )
                width, names = len(names), _without_margin(names)
                yield names
                if config.header:
                    continue
            yield number, _cells_or_why(cells, names, width)


def _without_margin(names: list[str]) -> list[str]:
    """Return a header without the several nameless columns that a spreadsheet writes at the right."""
    if names.count("") < 2:
        return names
    width = next((at for at in range(len(names), 0, -1) if names[at - 1]), len(names))
    return names[:width]


def _cells_or_why(cells: Sequence[str], names: Sequence[str], width: int) -> Sequence[str] | str:
    """Return the cells of the named columns, or why a row has none.

    Args:
        cells: of the row.
        names: the columns that are read.
        width: cells that a row has, those right of the named columns too.
    """
    if len(cells) != width:
        return f"{'1 cell' if len(cells) == 1 else f'{len(cells)} cells'} where the header has {width}"
    for column in range(len(names), width):
        if cells[column].strip():
            return f"column {column + 1} has no name, and the cell {cells[column]!r}"
    return cells[: len(names)]


def _json_lines(path: Path, config: CsvConfig) -> Iterator[Any]:
    """Yield the keys of all records, then the records: what one of them lacks is missing in it alone."""
    with path.open(encoding=_encoding(config)) as file:
        records: Iterable[Record] = records_of(file)
        if not file.seekable():  # a pipe is read once
            records = list(records)
        names, first = keys_of(records)
        if first and not names:
            raise DataError("no line is a JSON object", where=f"{path}, line {first}")
        if not first:
            return
        yield names
        if file.seekable():
            file.seek(0)
            records = records_of(file)
        for number, record in records:
            yield number, record if isinstance(record, str) else [record.get(name) for name in names]


def _encoding(config: CsvConfig) -> str:
    return "utf-8-sig" if config.encoding.lower() in {"utf-8", "utf8"} else config.encoding


@contextmanager
def _long_cells() -> Iterator[None]:
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def columns_of(names: Sequence[str], config: CsvConfig, where: str) -> Columns:
    """Return which column plays which part: the one that the config names, else one with a well-known name.

    Raises:
        DataError: a named column is not there, or text, image or label cannot be told from the names.
    """
    parts = ("text", "image", "label", "group", "weight", "split", "truth", "references")
    chosen = {part: _named(part, getattr(config, part), names, where) for part in parts}
    answers = bool(config.references)
    if chosen["text"] and chosen["image"]:
        raise DataError("text and image are both given; an item is one of the two", where=where)
    if not (chosen["text"] or chosen["image"]):
        chosen |= _content(names, config, chosen, where)
    for part in ("group", "weight", "split") if answers else ("label", "group", "weight", "split"):
        if not chosen[part] and getattr(config, part) != NONE:
            free = [name for name in find(_KNOWN[part], names) if name not in chosen.values()]
            chosen[part] = free[0] if free else ""
    if not chosen["label"] and config.label != NONE and not answers:
        todo = f"Say label=COLUMN, or label={NONE} if nothing is labelled"
        raise DataError(
            "which column is the label cannot be told from the names",
            where=where,
            possible=_listed(names),
            todo=todo,
        )
    return Columns(**chosen)


def content_of(names: Sequence[str], config: CsvConfig, modality: str, column: str, where: str) -> Columns:
    """Return which column holds items of a modality; nothing else of a row is wanted.

    The one given, else the one that the config names, else one with a well-known name, else the only one.

    Raises:
        DataError: there is no such column, it cannot be told from the names, or the config says that items
            are of another modality.
    """
    other = "image" if modality == "text" else "text"
    given = column or getattr(config, modality).removeprefix(NONE)
    if not given and getattr(config, other) not in ("", NONE):
        raise DataError(f"its items are {other}, and the predictor reads {modality}", where=where)
    found = [_named(modality, given, names, where)] if given else find(_KNOWN[modality], names)
    if not found and len(names) == 1:
        _refuse_other_delimiter(names[0], where)
        found = list(names)
    if not found:
        raise DataError(
            f"which column is the {modality} cannot be told from the names",
            where=where,
            possible=_listed(names),
            todo="Say --column NAME",
        )
    return Columns(**{modality: found[0]})


def _refuse_other_delimiter(name: str, where: str) -> None:
    if word := _delimiter_in(name):
        todo = f"Say csv:path=FILE,delimiter={word}, or --column NAME where it is one column"
        raise DataError(
            f"the only column is {name!r}: {DELIMITERS[word]!r} seems to separate its columns",
            where=where,
            todo=todo,
        )


def _delimiter_in(name: str) -> str:
    """Return the word of the delimiter that stands in a column's name; empty where none does."""
    return next((word for word, mark in DELIMITERS.items() if mark != " " and mark in name), "")


def _named(part: str, given: str, names: Sequence[str], where: str) -> str:
    if not given or given == NONE:
        return ""
    if given not in names:
        raise DataError(
            f"there is no column {given!r} for {part}. {suggestion(given, names)}".strip(),
            where=where,
            possible=_listed(names),
        )
    return given


def _content(names: Sequence[str], config: CsvConfig, chosen: dict[str, str], where: str) -> dict[str, str]:
    taken = [name for name in chosen.values() if name]
    found = {
        part: [n for n in find(_KNOWN[part], names) if n not in taken]
        for part in ("text", "image")
        if getattr(config, part) != NONE
    }
    parts = [part for part, hits in found.items() if hits]
    if len(parts) == 1:
        return {parts[0]: found[parts[0]][0]}
    what = "both a text and an image column" if parts else "neither a text nor an image column"
    todo = "Say text=COLUMN or image=COLUMN; features are read from an .npz file"
    if len(names) == 1 and (word := _delimiter_in(names[0])):
        todo = f"Say delimiter={word} if that separates them"
    raise DataError(f"the names tell of {what}", where=where, possible=_listed(names), todo=todo)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    return f"{shown}, ... ({len(names)} columns)" if len(names) > 20 else shown
