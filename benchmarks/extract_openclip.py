"""Feature extraction by an open_clip model against the model's bare forward on tensors that are ready.

    python benchmarks/extract_openclip.py [--quick] [--model ViT-B-16] [--items 128] [--dtype bfloat16] [--out
    FILE]

Weights are random: they do not change how long anything takes. Both sides run in one process, alternating,
with the same threads; ratios are medians over pairs.

    bare      the library's encode_image on normalised tensors of 64 images, one after another, each on all
    cores; results copied to the host lanes     prepared pictures of the same cells, encoded as ours does it
    (`burnish.engine.features.lanes`); normalisation is part of it memory    ours, from uint8 arrays, into an
    empty cache, written and synced decode    read and prepare all cells from JPEG bytes, no encode
    jpeg      ours, from JPEG bytes; held against 1 / (1/decode + 1/lanes), for decoding and encoding share
    the cores
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from extract import Setting, Spent, _cpu, _dataset, _jpeg, decode, ready_cells, side_by_side, spent
from numpy.typing import NDArray
from torch import Tensor

from burnish.contracts.backbone import Runtime
from burnish.engine.features.spec import FeatureSpec
from burnish.files import write_json
from burnish.plan import Numeric, Part
from burnish_openclip import OpenClipConfig
from burnish_openclip.loading import load
from burnish_openclip.towers import OpenClip


def make_setting(model: str, items: int, dtype: str, folder: Path) -> Setting:
    backbone = load(OpenClipConfig(model=model, random_seed=0), Runtime("cpu", dtype))
    draw, side = np.random.default_rng(0), backbone._images.size
    arrays: list[object] = [draw.integers(0, 256, (*side, 3), dtype=np.uint8) for _ in range(items)]
    files: list[object] = [_jpeg(array) for array in arrays]
    numeric = Numeric("cpu", dtype, torch.get_num_threads(), torch.__version__)
    spec = FeatureSpec(
        Part("backbone", "openclip", "openclip", {}, "benchmark", "benchmark", "openclip"),
        "image",
        None,
        numeric,
    )
    return Setting(backbone, spec, _dataset("arrays", arrays), _dataset("files", files), folder)


def bare(backbone: OpenClip, ready: list[Tensor]) -> NDArray[np.float32]:
    with torch.inference_mode(), backbone._numeric():
        return np.concatenate([backbone.module.encode_image(pixels).float().numpy() for pixels in ready])


def pairs(setting: Setting, tensors: list[Tensor], count: int) -> dict[str, list[Spent]]:
    """Return seconds of every side, measured alternately."""
    cells, backbone = ready_cells(setting), setting.backbone
    assert isinstance(backbone, OpenClip)
    sides: dict[str, Callable[[], object]] = {
        "bare": lambda: bare(backbone, tensors),
        "lanes": lambda: side_by_side(setting, cells),
        "memory": lambda: setting.ours(setting.arrays, "memory"),
        "decode": lambda: decode(setting),
        "jpeg": lambda: setting.ours(setting.files, "jpeg"),
    }
    seconds: dict[str, list[Spent]] = {name: [] for name in sides}
    for _ in range(count):
        for name, side in sides.items():
            seconds[name].append(spent(side))
    return seconds


def summary(seconds: dict[str, list[Spent]], items: int) -> dict[str, float]:
    """Return median rates (images/s) and median ratios over pairs.

    By wall clock, and by time of all cores.
    """
    found = {
        f"{name}, images/s": round(items / statistics.median(side.wall for side in sides), 2)
        for name, sides in seconds.items()
    }
    ratios: dict[str, Callable[[dict[str, float]], float]] = {
        "memory / bare (aim >= 0.95)": lambda t: t["bare"] / t["memory"],
        "memory / lanes (aim >= 0.95)": lambda t: t["lanes"] / t["memory"],
        "jpeg / 1/(1/decode + 1/lanes) (aim >= 0.9)": lambda t: (t["lanes"] + t["decode"]) / t["jpeg"],
    }
    for name, ratio in ratios.items():
        for clock in ("wall", "cpu"):
            rows = zip(*seconds.values(), strict=True)
            values = [
                ratio({side: getattr(row, clock) for side, row in zip(seconds, one, strict=True)})
                for one in rows
            ]
            found[f"{name}, {clock}"] = round(statistics.median(values), 4)
    return found


def same_answer(setting: Setting, plain: NDArray[np.float32]) -> dict[str, float | bool]:
    """Compare with the bare forward."""
    ours = setting.ours(setting.arrays, "memory").features
    cosine = (plain * ours).sum(1) / (np.linalg.norm(plain, axis=1) * np.linalg.norm(ours, axis=1))
    return {
        "least cosine to the bare forward (aim >= 0.999)": round(float(cosine.min()), 6),
        "equal to it": bool(np.array_equal(plain, ours)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smaller model, one cell, one pair")
    parser.add_argument("--model", default="ViT-B-16")
    parser.add_argument("--items", type=int, default=128)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    options = parser.parse_args()
    model, items, count = (
        ("ViT-B-32", 64, 1) if options.quick else (options.model, options.items, options.pairs)
    )
    with tempfile.TemporaryDirectory() as folder:
        setting = make_setting(model, items, options.dtype, Path(folder))
        backbone = setting.backbone
        assert isinstance(backbone, OpenClip)
        tensors = [backbone._pixels(inputs) for inputs in ready_cells(setting)]
        found: dict[str, object] = {
            "model": model,
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
        found |= same_answer(setting, bare(backbone, tensors))
        found |= summary(pairs(setting, tensors, count), items)
    for name, value in found.items():
        print(f"{name:60} {value}")
    if options.out:
        write_json(options.out, found)


if __name__ == "__main__":
    main()
