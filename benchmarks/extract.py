"""Feature extraction against the bare forward of the same network.

From memory, from JPEG files, warm, and resumed.

    python benchmarks/extract.py [--quick] [--items 4096] [--out benchmarks/results/extract.json]

Both sides run in one process, alternating, with the same threads; ratios are medians over pairs. The network
is that of the plugin `tiny` (32 x 32 pixels), which is so light that everything around it shows; the images
are noise, saved as JPEG.

    bare      encode on cells that are ready, one after another, each on all cores; results copied to the host
    lanes     the same cells encoded as ours does it: one a core, side by side
    (`burnish.engine.features.lanes`) decode    read and prepare all cells in the same threads as ours, no
    encode memory    ours, from uint8 arrays, into an empty cache, written and synced
    jpeg      ours, from JPEG bytes; held against 1 / (1/decode + 1/lanes), for decoding and encoding share
    the cores warm      ours again, everything cached, against `memory`
    resumed   ours, half of it cached, against `memory`
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from burnish.contracts.backbone import Encodes, Runtime, View
from burnish.data import Classes, Dataset, Item, Labels, content_id
from burnish.engine.features.cache import FeatureCache
from burnish.engine.features.cells import Cell, Preparer
from burnish.engine.features.extract import Extracted, extract
from burnish.engine.features.lanes import Lanes
from burnish.engine.features.spec import FeatureSpec
from burnish.files import write_json
from burnish.plan import Numeric, Part

SIDE = 32


@dataclass
class MemoryReader:
    """Payloads in a list."""

    payloads: list[object]

    def read(self, row: int) -> object:
        """Return one payload."""
        return self.payloads[row]


@dataclass
class Setting:
    """What is measured on."""

    backbone: Encodes
    spec: FeatureSpec
    arrays: Dataset
    files: Dataset
    folder: Path

    def cells(self) -> list[NDArray[np.int64]]:
        """Return the positions of every cell."""
        index = np.arange(len(self.arrays))
        return [index[start : start + 64] for start in range(0, len(index), 64)]

    def ours(self, dataset: Dataset, name: str, *, fresh: bool = True, items: int | None = None) -> Extracted:
        """Extract into a cache; `fresh` empties it first."""
        folder = self.folder / name
        if fresh:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)
        with FeatureCache(folder) as cache:
            return extract(
                dataset,
                np.arange(len(dataset) if items is None else items),
                self.spec,
                lambda: self.backbone,
                cache,
            )


def make_setting(items: int, dtype: str, folder: Path) -> Setting:
    from burnish_tiny import TinyConfig
    from burnish_tiny.backbone import Tiny

    draw = np.random.default_rng(0)
    arrays: list[object] = list(draw.integers(0, 256, (items, SIDE, SIDE, 3), dtype=np.uint8))
    files: list[object] = [_jpeg(array) for array in arrays]
    numeric = Numeric("cpu", dtype, torch.get_num_threads(), torch.__version__)
    spec = FeatureSpec(
        Part("backbone", "tiny", "tiny", {}, "benchmark", "benchmark", "tiny"), "image", None, numeric
    )
    return Setting(
        Tiny(TinyConfig(), Runtime("cpu", dtype)),
        spec,
        _dataset("arrays", arrays),
        _dataset("files", files),
        folder,
    )


def _jpeg(array: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(array)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _dataset(name: str, payloads: list[object]) -> Dataset:
    return Dataset.build(
        name=name,
        modality="image",
        ids=[content_id("image", str(row).encode()) for row in range(len(payloads))],
        classes=Classes.of(["a", "b"]),
        supervision=Labels(y=np.zeros(len(payloads), np.int64)),
        reader=MemoryReader(payloads),
    )


@dataclass(frozen=True)
class Spent:
    """Seconds of wall clock, and of all cores together.

    On a machine that others use too, the second tells more.
    """

    wall: float
    cpu: float


def spent(function: Callable[[], object]) -> Spent:
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def bare(setting: Setting, ready: list[dict[str, NDArray[np.uint8]]]) -> NDArray[np.float32]:
    with torch.inference_mode():
        return np.concatenate([setting.backbone.encode(inputs).cpu().numpy() for inputs in ready])


def side_by_side(setting: Setting, ready: list[dict[str, NDArray[np.uint8]]]) -> int:
    cells = [Cell(index, inputs, ()) for index, inputs in zip(setting.cells(), ready, strict=True)]
    with Lanes(setting.backbone, setting.spec) as lanes:
        return sum(
            len(features)
            for part in [*(lanes.add(cell) for cell in cells), lanes.rest()]
            for _, features in part
        )


def decode(setting: Setting) -> int:
    return sum(
        len(cell.positions)
        for cell in Preparer(setting.files, setting.backbone, setting.spec, 0).prepared(setting.cells())
    )


def ready_cells(setting: Setting) -> list[dict[str, NDArray[np.uint8]]]:
    data = setting.arrays
    return [
        dict(
            setting.backbone.prepare([Item(int(p), data.read(int(p))) for p in cell], View(), data.ids[cell])
        )
        for cell in setting.cells()
    ]


def pairs(setting: Setting, count: int) -> dict[str, list[Spent]]:
    """Return seconds of every side, measured alternately."""
    ready = ready_cells(setting)
    bare(setting, ready[:4])
    seconds: dict[str, list[Spent]] = {
        name: [] for name in ("bare", "lanes", "decode", "memory", "jpeg", "warm", "resumed")
    }
    for _ in range(count):
        seconds["bare"].append(spent(lambda: bare(setting, ready)))
        seconds["lanes"].append(spent(lambda: side_by_side(setting, ready)))
        seconds["memory"].append(spent(lambda: setting.ours(setting.arrays, "memory")))
        seconds["decode"].append(spent(lambda: decode(setting)))
        seconds["jpeg"].append(spent(lambda: setting.ours(setting.files, "jpeg")))
        seconds["warm"].append(spent(lambda: setting.ours(setting.arrays, "memory", fresh=False)))
        setting.ours(setting.arrays, "half", items=len(setting.arrays) // 128 * 64)
        seconds["resumed"].append(spent(lambda: setting.ours(setting.arrays, "half", fresh=False)))
    return seconds


def same_answer(setting: Setting) -> dict[str, float | bool]:
    """Compare with the bare forward, and a resumed with an uninterrupted extraction."""
    plain = bare(setting, ready_cells(setting))
    whole = setting.ours(setting.arrays, "memory").features
    setting.ours(setting.arrays, "half", items=len(setting.arrays) // 128 * 64)
    half = setting.ours(setting.arrays, "half", fresh=False).features
    warm = setting.ours(setting.arrays, "memory", fresh=False)
    cosine = (plain * whole).sum(1) / (np.linalg.norm(plain, axis=1) * np.linalg.norm(whole, axis=1))
    return {
        "least cosine to the bare forward": round(float(cosine.min()), 6),
        "equal to the bare forward": bool(np.array_equal(plain, whole)),
        "resumed equals whole": whole.tobytes() == half.tobytes(),
        "forward calls when warm": warm.encoded,
    }


def peak_memory(setting: Setting) -> float:
    """Return MB of anonymous memory that extraction from JPEG adds at its peak, without the features."""
    stop, peak = threading.Event(), [0]

    def watch() -> None:
        while not stop.wait(0.002):
            peak[0] = max(peak[0], _anonymous())

    before = _anonymous()
    watcher = threading.Thread(target=watch)
    watcher.start()
    features = setting.ours(setting.files, "jpeg").features
    stop.set()
    watcher.join()
    return (peak[0] - before - features.nbytes) / 1e6


def _anonymous() -> int:
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon")
    )
    return int(line.split()[1]) * 1024


def summary(seconds: dict[str, list[Spent]], items: int) -> dict[str, float | list[float]]:
    """Return median rates (items/s) and median ratios over pairs: by wall clock, and by time of all cores."""
    found: dict[str, float | list[float]] = {
        f"{name}, items/s": round(items / statistics.median(side.wall for side in sides))
        for name, sides in seconds.items()
    }
    ratios: dict[str, Callable[[dict[str, float]], float]] = {
        "memory / bare (aim >= 0.95)": lambda t: t["bare"] / t["memory"],
        "memory / lanes (aim >= 0.95)": lambda t: t["lanes"] / t["memory"],
        "jpeg / 1/(1/decode + 1/lanes) (aim >= 0.9)": lambda t: (t["lanes"] + t["decode"]) / t["jpeg"],
        "warm time / memory time (aim <= 0.02)": lambda t: t["warm"] / t["memory"],
        "resumed time / memory time (aim <= 0.6)": lambda t: t["resumed"] / t["memory"],
    }
    for name, ratio in ratios.items():
        for clock in ("wall", "cpu"):
            values = [
                ratio({side: getattr(row, clock) for side, row in zip(seconds, rows, strict=True)})
                for rows in zip(*seconds.values(), strict=True)
            ]
            found[f"{name}, {clock}"] = round(statistics.median(values), 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few items, three pairs")
    parser.add_argument("--items", type=int, default=4096)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    options = parser.parse_args()
    items, count = (1024, 3) if options.quick else (options.items, options.pairs)
    with tempfile.TemporaryDirectory() as folder:
        setting = make_setting(items, options.dtype, Path(folder))
        found: dict[str, object] = {
            "items": items,
            "pairs": count,
            "dtype": options.dtype,
            "threads": torch.get_num_threads(),
        }
        found |= {
            "cores": len(os.sched_getaffinity(0)),
            "cpu": _cpu(),
            "torch": torch.__version__,
            "load before": os.getloadavg()[0],
        }
        bare(setting, ready_cells(setting)[:2])
        found["peak anonymous memory beside the features, MB (aim <= 200)"] = round(peak_memory(setting), 1)
        found |= same_answer(setting)
        found |= summary(pairs(setting, count), items)
    for name, value in found.items():
        print(f"{name:65} {value}")
    if options.out:
        write_json(options.out, found)


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )


if __name__ == "__main__":
    main()
