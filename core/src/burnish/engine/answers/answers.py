"""What language models answer, asked once.

``<cache>/answers/<spec key>.sqlite`` keeps each answer under prompt, decoding and seed.

The spec is the model: backbone with its options, code and weights (or address and revision), and the numeric
mode. As with features, neither data set nor split plays a part. Every few answers are committed, so a kill,
or a server that goes away, loses no more than those that were being made. The likeliest answer depends on no
seed, so that replicates share it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from burnish.contracts.language import Decoding
from burnish.data import uniforms
from burnish.errors import CacheError, PluginError
from burnish.files import ensure_folder, translate_os_errors
from burnish.plan import Numeric, Part, merkle

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_ONCE: Final = 16
"""Prompts that a model is given in one call; their answers are committed together."""

ANSWERS: Final = "answers"
"""Folder of the answers within the cache's."""

SUFFIX: Final = ".sqlite"
"""End of the name of a file of answers."""

DAMAGED: Final = ".damaged"
"""End of the name of one that was set aside, after its own."""

_FORMAT: Final = 1
_LOOKED_UP: Final = 500
_checked: set[Path] = set()


@dataclass(frozen=True)
class AnswerSpec:
    """Everything that decides an answer, but prompt, decoding and seed.

    Attributes:
        backbone: the language model with options, code identity and fingerprint.
        numeric: the numeric mode; None for a service, which does not compute here.
    """

    backbone: Part
    numeric: Numeric | None

    def key(self) -> str:
        """Return the spec's key: 64 hex digits."""
        numeric = None if self.numeric is None else self.numeric.record()
        return merkle(
            "answer-spec", {"format": _FORMAT, "backbone": self.backbone.identity(), "numeric": numeric}
        )


def item_seeds(ids: NDArray[np.uint8], seed: int) -> list[int]:
    """Return one seed in [0, 2**31) an item, from its content id (M, 32) and the seed of a fit alone."""
    return [int(draw * 2**31) for draw in uniforms(ids, "answer", seed)[:, 0]]


@dataclass(eq=False)
class AnswerCache:
    """The answers of one model.

    Attributes:
        folder: the cache's folder.
        spec: the model.
        warnings: lines about what was damaged and set aside.
    """

    folder: Path
    spec: AnswerSpec
    warnings: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / ANSWERS / f"{self.spec.key()}{SUFFIX}"

    def find(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """Return the answers that are there, by key.

        Raises:
            MachineError: the cache cannot be read.
        """
        found: dict[bytes, str] = {}
        with self._open() as db:
            for start in range(0, len(keys), _LOOKED_UP):
                part = keys[start : start + _LOOKED_UP]
                marks = ",".join("?" * len(part))
                rows = db.execute(f"SELECT key, text FROM answers WHERE key IN ({marks})", part)  # noqa: S608
                found |= {bytes(key): bytes(text).decode("utf-8", "surrogatepass") for key, text in rows}
        return found

    def add(self, answers: Iterable[tuple[bytes, str]]) -> None:
        """Keep answers; where two processes made one, the first stays.

        Raises:
            MachineError: the cache cannot be written.
        """
        with self._open() as db:
            rows = [(key, text.encode("utf-8", "surrogatepass")) for key, text in answers]
            with db:
                db.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", rows)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        path = self.path
        ensure_folder(path.parent)
        if path not in _checked and path.exists() and not answers_whole(path):
            aside = path.with_name(path.name + DAMAGED)
            with translate_os_errors(path, "set aside"):
                path.rename(aside)
            self.warnings.append(f"{path}: damaged answers are set aside, and asked for again")
        _checked.add(path)
        try:
            with translate_os_errors(path), closing(sqlite3.connect(path, timeout=30)) as db:
                db.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, text BLOB NOT NULL) WITHOUT"
                    " ROWID"
                )
                db.execute(
                    "CREATE TABLE IF NOT EXISTS model (one INTEGER PRIMARY KEY CHECK (one = 0), text TEXT"
                    " NOT NULL)"
                )
                if db.execute("SELECT 1 FROM model").fetchone() is None:
                    with db:
                        db.execute("INSERT OR IGNORE INTO model VALUES (0, ?)", (self.spec.backbone.text,))
                yield db
        except sqlite3.DatabaseError as error:
            _checked.discard(path)
            raise CacheError(
                f"kept answers cannot be used: {error}",
                where=str(path),
                todo="Free some space, or remove the file",
            ) from error


def answers_whole(path: Path) -> bool:
    """Return whether a file of answers can be read."""
    try:
        with closing(sqlite3.connect(path, timeout=30)) as db:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.OperationalError:  # in use, or it cannot be opened: the next step says so
        return True
    except sqlite3.DatabaseError:
        return False


def ask(
    model: Callable[[], Any],
    prompts: Sequence[Sequence[str]],
    decoding: Decoding,
    seeds: Sequence[int],
    kept: AnswerCache | None = None,
) -> NDArray[Any]:
    """Return answers (M, P) object array of str: those that are kept, and the others from the model.

    Args:
        model: gives the model (`burnish.contracts.language.Generates`); called only where something is
            missing.
        prompts: P prompts for each of M items.
        decoding: how answers are made.
        seeds: M seeds; all prompts of an item share one.
        kept: where answers are kept; None keeps none.

    Raises:
        PluginError: the numbers do not match, or the model gives something else than one text a prompt.
        DataError: a prompt is longer than the model's context.
    """
    sizes = {len(row) for row in prompts}
    if len(prompts) != len(seeds) or len(sizes) > 1:
        raise PluginError(
            f"{len(prompts)} lists of {sorted(sizes)} prompts for {len(seeds)} items", where="prompts"
        )
    drawn = decoding.temperature > 0
    asked = [
        (prompt, seed if drawn else 0) for row, seed in zip(prompts, seeds, strict=True) for prompt in row
    ]
    how = json.dumps(asdict(decoding), sort_keys=True)
    keys = [_key(prompt, how, seed) for prompt, seed in asked]
    wanted = dict(zip(keys, asked, strict=True))
    found = kept.find(list(wanted)) if kept is not None else {}
    missing = [(key, *pair) for key, pair in wanted.items() if key not in found]
    for start in range(0, len(missing), AT_ONCE):
        part = missing[start : start + AT_ONCE]
        made = _checked_answers(
            model().generate([prompt for _, prompt, _ in part], decoding, [seed for *_, seed in part]),
            len(part),
        )
        answers = [(key, text) for (key, *_), text in zip(part, made, strict=True)]
        if kept is not None:
            kept.add(answers)
        found |= dict(answers)
    table = np.empty((len(prompts), sizes.pop() if sizes else 0), dtype=object)
    table[...] = np.array([found[key] for key in keys], dtype=object).reshape(table.shape)
    return table


def _key(prompt: str, decoding: str, seed: int) -> bytes:
    return hashlib.sha256(json.dumps([prompt, decoding, seed]).encode()).digest()


def _checked_answers(made: Any, count: int) -> list[str]:
    if not isinstance(made, list) or len(made) != count or not all(isinstance(text, str) for text in made):
        raise PluginError(
            f"a language model does not give one text for each of {count} prompts", where="backbone"
        )
    return made
