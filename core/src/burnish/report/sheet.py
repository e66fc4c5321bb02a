"""A table to be shown, and its plain-text, markdown and HTML forms. Light."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from burnish.errors import one_line

_GAP: Final = "  "
_NARROWEST: Final = 10
_MARKDOWN: Final = re.compile(r"([\\|<>*_\[\]`~])")


@dataclass(frozen=True)
class Column:
    """A column.

    Numbers are right-aligned and never broken, text is left-aligned and broken where space is short.
    """

    title: str
    numeric: bool = True


@dataclass(frozen=True)
class Section:
    """Rows under a heading; no heading where `title` is empty."""

    title: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Sheet:
    """A table to be shown.

    Attributes:
        name: what it is, such as ``"results"``.
        title: its heading.
        columns: the first ones that are text stand again wherever the table is continued.
        sections: the rows.
        notes: footnotes.
        over: what stands over the numeric columns together, such as the name of x.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()
    over: str = ""

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """All rows."""
        return [row for section in self.sections for row in section.rows]


# -- text ----------------------------------------------------------------------------------------------------


def to_text(sheet: Sheet, width: int) -> str:
    """Return a sheet as aligned text; what does not fit beside each other stands below each other.

    Args:
        sheet: the table.
        width: columns of the terminal.
    """
    titles = [one_line(column.title) for column in sheet.columns]
    cells = [[one_line(cell) for cell in row] for row in sheet.rows]
    indent = 2 if any(section.title for section in sheet.sections) else 0
    natural = [
        max([columns_of(titles[i]), *(columns_of(row[i]) for row in cells)]) for i in range(len(titles))
    ]
    natural[0] = max(natural[0], max(columns_of(row[0]) for row in cells) + indent if cells else 0)
    widths = _shrunk(natural, [not column.numeric for column in sheet.columns], width)
    lines = [*fill(sheet.title, width)]
    for block in _blocks(sheet.columns, widths, width):
        lines += ["", *_block(sheet, block, widths, indent, width)]
    for note in sheet.notes:
        lines += ["", *fill(note, width)] if note == sheet.notes[0] else fill(note, width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def columns_of(text: str) -> int:
    """Return how many terminal columns a text takes."""
    return sum(map(_columns_of_one, text))


def _columns_of_one(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fill(text: str, width: int, indent: str = "") -> list[str]:
    """Return a paragraph broken at white space, or inside a word that is longer than a line."""
    return [indent + line for line in broken(one_line(text), max(width - len(indent), 1), " ")]


def _shrunk(natural: Sequence[int], text: Sequence[bool], width: int) -> list[int]:
    """Return column widths.

    The widest text columns are narrowed until the table fits or they cannot be narrower.
    """
    widths = list(natural)
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        wide = [i for i, is_text in enumerate(text) if is_text and widths[i] > max(_NARROWEST, width // 4)]
        if not wide:
            break
        widths[max(wide, key=lambda i: widths[i])] -= 1
    return widths


def _blocks(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[list[int]]:
    """Return the columns that stand beside each other, the leading text columns in every block."""
    head = next((i for i, column in enumerate(columns) if column.numeric), len(columns))
    blocks, current = [], list(range(head))
    for i in range(head, len(columns)):
        if len(current) > head and sum(widths[k] + len(_GAP) for k in current) + widths[i] > width:
            blocks.append(current)
            current = list(range(head))
        current.append(i)
    return [*blocks, current]


def _block(sheet: Sheet, block: Sequence[int], widths: Sequence[int], indent: int, width: int) -> list[str]:
    columns = [sheet.columns[i] for i in block]
    at = [widths[i] for i in block]
    lines = []
    if sheet.over:
        head = sum(w + len(_GAP) for w, column in zip(at, columns, strict=True) if not column.numeric)
        lines.append(" " * head + one_line(sheet.over).rjust(sum(at) + len(_GAP) * (len(at) - 1) - head))
    lines += _row([one_line(column.title) for column in columns], columns, at, 0)
    lines.append(_GAP.join("─" * w for w in at))
    for section in sheet.sections:
        if section.title:
            lines += fill(section.title, width)
        for row in section.rows:
            lines += _row([one_line(row[i]) for i in block], columns, at, indent)
    return lines


def _row(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], indent: int) -> list[str]:
    """Return the lines of one row: text cells may be broken, numbers stand on the first line."""
    cells_lines = []
    for i, (cell, column, width) in enumerate(zip(cells, columns, widths, strict=True)):
        inset = indent if i == 0 else 0
        parts = [cell] if column.numeric else broken(cell, width - inset)
        cells_lines.append([" " * inset + part for part in parts] or [""])
    lines = []
    for k in range(max(map(len, cells_lines))):
        parts = [lines_[k] if k < len(lines_) else "" for lines_ in cells_lines]
        lines.append(
            _GAP.join(
                _padded(part, width, column.numeric)
                for part, width, column in zip(parts, widths, columns, strict=True)
            )
        )
    return lines


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * max(width - columns_of(text), 0)
    return space + text if right else text + space


def broken(text: str, width: int, after: str = " ,:/=+-") -> list[str]:
    """Return a text in lines of at most a width.

    Each is broken after one of the characters in `after` where there is one.
    """
    lines = []
    while columns_of(text) > width:
        fits = 0
        while columns_of(text[: fits + 1]) <= width:
            fits += 1
        fits = max(fits, 1)
        # A white space just behind the line is a place to break, too.
        cut = (
            fits if text[fits] == " " else next((i for i in range(fits, 0, -1) if text[i - 1] in after), fits)
        )
        lines.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*lines, text] if text or not lines else lines


# -- markdown ------------------------------------------------------------------------------------------------


def to_markdown(sheet: Sheet) -> str:
    """Return a sheet as markdown: a table a section."""
    lines = [f"**{_escaped(sheet.title)}**", ""]
    titles = [_escaped(column.title) for column in sheet.columns]
    rule = ["---:" if column.numeric else "---" for column in sheet.columns]
    for section in sheet.sections:
        lines += [f"{_escaped(section.title)}", ""] if section.title else []
        rows = [[_escaped(cell) for cell in row] for row in section.rows]
        lines += ["| " + " | ".join(cells) + " |" for cells in (titles, rule, *rows)]
        lines.append("")
    lines += [part for note in sheet.notes for part in (_escaped(note), "")]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Return a text that markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\1", one_line(text))


# -- HTML ----------------------------------------------------------------------------------------------------


def to_html(sheet: Sheet) -> str:
    """Return a sheet as a plain HTML table, for notebooks."""
    from html import escape

    def line(cells: Sequence[str], tag: str) -> str:
        styles = [' style="text-align:right"' if column.numeric else "" for column in sheet.columns]
        filled = zip(styles, cells, strict=True)
        return (
            "<tr>"
            + "".join(f"<{tag}{style}>{escape(one_line(cell))}</{tag}>" for style, cell in filled)
            + "</tr>"
        )

    lines = [f"<table><caption>{escape(one_line(sheet.title))}</caption>"]
    lines.append(line([column.title for column in sheet.columns], "th"))
    for section in sheet.sections:
        if section.title:
            lines.append(
                f'<tr><th colspan="{len(sheet.columns)}">{escape(one_line(section.title))}</th></tr>'
            )
        lines += [line(row, "td") for row in section.rows]
    lines.append("</table>")
    return "\n".join([*lines, *(f"<p>{escape(one_line(note))}</p>" for note in sheet.notes)])
