"""A backbone, a data set and a spec for tests of cache and extraction.

Run as a script, one extraction in a process of its own.
"""

import errno
import json
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from burnish.data import Classes, Dataset, Labels, content_id
from burnish.engine.features.cache import FeatureCache
from burnish.engine.features.extract import ExtractRun, extract
from burnish.engine.features.spec import FeatureSpec
from burnish.errors import DataError, ItemError
from burnish.plan import Numeric, Part

DIM = 5


@dataclass
class FakeReader:
    """Rows in memory; some raise when they are read."""

    rows: list
    broken: dict = field(default_factory=dict)

    def read(self, row):
        if row in self.broken:
            raise self.broken[row]
        return self.rows[row]


def dataset(n, *, seed=0, repeat=(), broken=None, modality="text"):
    """Texts ``"seed-k"``; `repeat` adds further rows with the content of the given ones."""
    texts = [f"{seed}-{k}" for k in range(n)]
    texts += [texts[k] for k in repeat]
    return Dataset.build(
        name="fake",
        modality=modality,
        ids=[content_id("text", text) for text in texts],
        classes=Classes.of(["a", "b"]),
        supervision=Labels(y=np.zeros(len(texts), dtype=np.int64)),
        reader=FakeReader(texts, broken or {}),
        origins=[f"row {row}" for row in range(len(texts))],
    )


def broken(n):
    """Rows 3 and 70 cannot be read, texts 0-9 and 0-90 not be prepared, 0-20 and 0-140 have odd features."""
    rows = {3: OSError(errno.EIO, "Input/output error"), 70: DataError("the row is ragged")}
    values = {
        "0-20": np.array([0, np.nan, 0, 0, 0], np.float32),
        "0-140": np.array([0, 0, 0, np.inf, 0], np.float32),
    }
    data = dataset(n, broken=rows)
    return data, {"bad": frozenset({"0-9", "0-90"}), "values": values}


def expected(text, view=None):
    """The feature row that belongs to a text."""
    digest = np.frombuffer(content_id("text", f"{text}/{view}"), dtype=np.uint8)[:DIM]
    return digest.astype(np.float32) / 7


@dataclass
class FakeBackbone:
    """Features that follow from the text; counts what it is asked for and can fail on demand.

    `drift` adds the number of the row inside its batch: then features show in which cell, and where in it, an
    item was encoded.
    """

    modality: str = "text"
    views: bool = True
    dim: int = DIM
    drift: float = 0.0
    bad: frozenset = frozenset()
    values: dict = field(default_factory=dict)
    slow: float = 0.0
    encoded: list = field(default_factory=list)
    cells: list = field(default_factory=list)
    in_prepare: int = 0
    most_in_prepare: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self, items, view, ids):
        with self.lock:
            self.in_prepare += 1
            self.most_in_prepare = max(self.most_in_prepare, self.in_prepare)
        try:
            for item in items:
                if item.payload in self.bad:
                    raise ItemError(item.position, f"cannot decode {item.payload}")
            rows = [self.values.get(item.payload, expected(item.payload, view.number)) for item in items]
            return {"x": np.stack(rows), "text": np.array([item.payload for item in items])}
        finally:
            with self.lock:
                self.in_prepare -= 1

    def encode(self, inputs):
        import torch

        time.sleep(self.slow)
        with self.lock:
            self.cells.append(list(inputs["text"]))
            self.encoded += list(dict.fromkeys(inputs["text"]))
        drift = self.drift * np.arange(len(inputs["x"]), dtype=np.float32)[:, None]
        return torch.from_numpy(inputs["x"] + drift.astype(np.float32))


SPEC = FeatureSpec(
    backbone=Part(
        "backbone", "fake", "fake", {"size": 1, "nested": {"a": [1, 2]}}, "1.0", "abc", "fake:size=1"
    ),
    modality="text",
    view=None,
    numeric=Numeric("cpu", "float32", 2, "2.0"),
)


def with_option(spec, **options):
    return replace(spec, backbone=spec.backbone.with_options(options, "fake"))


def run(data, folder, *, backbone=None, positions=None, spec=SPEC, cache=None, **settings):
    """Extract into a cache folder; return what came out and the backbone."""
    backbone = backbone or FakeBackbone()
    with cache or FeatureCache(folder) as opened:
        at = np.arange(len(data)) if positions is None else positions
        return extract(data, at, spec, lambda: backbone, opened, ExtractRun(**settings)), backbone


def texts_of(data):
    return [data.read(position) for position in range(len(data))]


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    import burnish.engine.features.extract as module

    module.SHARD_ITEMS = options.get("shard_items", module.SHARD_ITEMS)
    made = FakeBackbone(drift=options.get("drift", 0.0), slow=options.get("slow", 0.0))

    def progress(done, total):
        print(done, flush=True)

    try:
        result, _ = run(dataset(options["n"]), Path(options["folder"]), backbone=made, progress=progress)
    except DataError as error:
        sys.exit(str(error))
    print("done", result.encoded, content_id("features", result.features.reshape(-1)).hex(), flush=True)
