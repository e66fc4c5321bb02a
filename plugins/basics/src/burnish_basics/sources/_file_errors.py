"""What went wrong with a text file, in one line. Light."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from burnish.errors import DataError


@contextmanager
def explained(path: Path, encoding: str) -> Iterator[None]:
    """Turn errors of reading into one line with file and row."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError("there is no such file", where=str(path), todo="Check the path") from error
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror or error}", where=str(path)) from error
    except LookupError as error:
        raise DataError(
            f"{encoding!r} is no encoding",
            where=str(path),
            possible="utf-8, latin-1, cp1252, utf-16, gb18030, ...",
        ) from error
    except UnicodeError as error:
        raise DataError(
            f"the file is not {encoding}: {getattr(error, 'reason', error)}",
            where=f"{path}{_bad_line(path, encoding)}",
            todo="Say which encoding it has, such as encoding=cp1252",
        ) from error


def _bad_line(path: Path, encoding: str) -> str:
    """Return which line cannot be decoded, empty where lines cannot be told apart."""
    if encoding.lower().replace("-", "").replace("_", "").startswith(("utf16", "utf32")):
        return ""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeError:
                return f", line {number}"
    return ""
