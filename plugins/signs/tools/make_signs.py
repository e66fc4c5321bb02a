"""Make the packaged files of burnish-signs from a copy of the data set: `python make_signs.py RAW.npz`.

The raw file holds ``jpeg`` (the bytes of all photographs), ``off`` (N + 1 offsets), ``y`` (N labels) and
``name`` (N file names). The same raw file and the same versions of the libraries give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save

from burnish.data import canonical_order, content_id, stack_ids
from burnish_signs import DATA_FILE, PROVENANCE_FILE, SHIFTS_VERSION
from burnish_signs.background import foreground
from burnish_signs.source import Photographs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TEST_SHARE = 0.3
TEST_SALT = "burnish-signs test 1"
# Shares of a photograph that the foreground may fill; outside them its segmentation counts as failed.
PLAUSIBLE_SHARE = (0.08, 0.85)
# A repeated label this many numbers after the last photograph is another signer's.
GAP = 5
CLASSES = 10

SOURCE = {
    "name": "Sign Language Digits Dataset",
    "by": (
        "Turkey Ankara Ayrancı Anadolu High School's students; project executives Zeynep Dikle and Arda Mavi"  # noqa: RUF001 (Turkish)
    ),
    "licence": "Apache-2.0, Copyright 2017 Arda Mavi",
    "url": "https://github.com/ardamavi/Sign-Language-Digits-Dataset",
    "cite": (
        "A. Mavi (2020), A New Dataset and Proposed Convolutional Neural Network Architecture for"
        " Classification of American Sign Language Digits, arXiv:2011.08927"
    ),
    "changes": (
        "Before they came here the photographs of 100 x 100 pixels were reduced to 64 x 64 and compressed as"
        " JPEG, which loses detail: numbers on them are not comparable with published ones. Those JPEG bytes"
        " are packaged unchanged. Signers' numbers and the test set were added, file names left out."
    ),
}
CERTAINTY = (
    "Almost sure, not certain: the source says that 218 students gave ten photographs each, and does not say"
    " which are whose. All groups were looked at: hand, nails, bracelets, sleeves and paper agree within"
    " them; in groups 4, 97, 140, 198 and 203 the light or the distance changes part-way. The evidence below"
    " agrees. Nothing shows whether somebody was photographed in two runs."
)
DOUBTFUL = [
    {"group": 121, "label": 3, "shows": 7, "note": "the second photograph with this label in its group"},
    {"group": 128, "label": 2, "shows": 3, "note": "the second photograph with this label in its group"},
]


def derive_groups(numbers: Sequence[int], labels: Sequence[int]) -> list[int]:
    """Return the signer of each photograph, numbered from 0 in the order of the photographs' numbers.

    A signer was photographed showing 0 to 9 in turn, mostly. In the order of the numbers, a photograph begins
    a new signer when the signer before has shown a 9 and it shows a 0 or a number shown already; or, without
    a 9, when it shows a number shown already and five or more numbers are missing before it.

    Args:
        numbers: N distinct numbers from the file names.
        labels: N labels 0 to 9.
    """
    order = sorted(range(len(numbers)), key=lambda row: numbers[row])
    groups = [0] * len(numbers)
    shown: set[int] = set()
    group, previous = 0, None
    for row in order:
        label, number = int(labels[row]), int(numbers[row])
        again = label in shown
        far = previous is not None and number - previous >= GAP
        if (again or label == 0) if CLASSES - 1 in shown else (again and far):
            group, shown = group + 1, set()
        shown.add(label)
        groups[row], previous = group, number
    return groups


def choose_test_groups(groups: int) -> NDArray[np.int16]:
    """Return the signers of the test set.

    The 30 % with the smallest salted hashes of their numbers, ascending.
    """
    ranked = sorted(
        range(groups), key=lambda group: hashlib.sha256(f"{TEST_SALT}\0{group}".encode()).digest()
    )
    return np.array(sorted(ranked[: round(TEST_SHARE * groups)]), dtype=np.int16)


def irregular(
    labels: NDArray[np.int64], groups: NDArray[np.int64], numbers: NDArray[np.int64]
) -> dict[str, dict[str, str]]:
    """Return the labels, in the order taken, of the groups that are not 0 to 9, by what is odd about them."""
    found: dict[str, dict[str, str]] = {"not each number once": {}, "another order": {}}
    for group in range(groups.max() + 1):
        rows = np.flatnonzero(groups == group)
        taken = labels[rows[np.argsort(numbers[rows])]].tolist()
        if taken != list(range(CLASSES)):
            kind = "another order" if sorted(taken) == list(range(CLASSES)) else "not each number once"
            found[kind][str(group)] = " ".join(map(str, taken))
    return found


def skin_variances(
    images: NDArray[np.uint8],
    masks: NDArray[np.bool_],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    numbers: NDArray[np.int64],
) -> list[float]:
    """Return the variance of the skin's colour within groups whose borders are moved by 0 to 9 photographs.

    The colour of skin is the median of log(R/B) and log(R/G) over the foreground, less the mean of its class.
    """
    logs = np.log(images.astype(np.float64) + 8.0)
    medians = np.stack([np.median(one[mask], axis=0) for one, mask in zip(logs, masks, strict=True)])
    colour = medians[:, [0]] - medians[:, [2, 1]]
    colour -= np.stack([colour[labels == label].mean(axis=0) for label in range(CLASSES)])[labels]
    order = np.argsort(numbers)
    colour, runs = colour[order], groups[order]

    def within(ids: NDArray[np.int64]) -> float:
        parts = [colour[ids == group] for group in np.unique(ids)]
        return float(sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts) / (len(ids) - len(parts)))

    return [float(f"{within(np.roll(runs, shift)):.2e}") for shift in range(CLASSES)]


def describe_groups(
    images: NDArray[np.uint8],
    masks: NDArray[np.bool_],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    numbers: NDArray[np.int64],
) -> dict[str, Any]:
    """Return what the provenance says of the groups."""
    odd = irregular(labels, groups, numbers)
    return {
        "rule": " ".join((derive_groups.__doc__ or "").split("\n\n")[1].split()),
        "certainty": CERTAINTY,
        "evidence": {
            "what": "variance of the skin's colour within groups, their borders moved by 0 to 9 photographs",
            "variance": skin_variances(images, masks, labels, groups, numbers),
        },
        "odd_count": sum(map(len, odd.values())),
        "odd": odd,
        "test": (
            f"the {TEST_SHARE:.0%} of groups with the smallest SHA-256 of '{TEST_SALT}', a zero byte and the"
            " group's number"
        ),
    }


def describe_masks(masks: NDArray[np.bool_]) -> dict[str, Any]:
    """Return what the provenance says of the foreground that the shift `background` keeps."""
    shares = masks.mean(axis=(1, 2))
    return {
        "what": "share of each photograph that is foreground, over all photographs",
        "min": round(float(shares.min()), 3),
        "median": round(float(np.median(shares)), 3),
        "max": round(float(shares.max()), 3),
        "failed": int(((shares < PLAUSIBLE_SHARE[0]) | (shares > PLAUSIBLE_SHARE[1])).sum()),
        "failed_means": "below {:.0%} or above {:.0%}".format(*PLAUSIBLE_SHARE),
        "looked_at": (
            "48 at random, the 24 smallest and the 24 largest: no finger lost, no paper kept beyond a pixel"
            " along the outline"
        ),
    }


def make(raw: Path, folder: Path) -> None:
    """Write the data file and its provenance into a folder."""
    with np.load(raw, allow_pickle=False) as file:
        jpeg, offsets, labels, names = (file[key] for key in ("jpeg", "off", "y", "name"))
    numbers = np.array([int(re.fullmatch(r"IMG_(\d+)\.JPG", name)[1]) for name in names.tolist()])  # type: ignore[index]
    payloads = [jpeg[start:stop].tobytes() for start, stop in pairwise(offsets)]
    # In the order of the contents, the file says nothing more about the names than the groups do.
    order = canonical_order(stack_ids([content_id("image", payload) for payload in payloads]))
    payloads, labels, numbers = (
        [payloads[row] for row in order],
        labels[order].astype(np.int64),
        numbers[order],
    )
    groups = np.array(derive_groups(numbers.tolist(), labels.tolist()), dtype=np.int64)
    photographs = Photographs(
        jpeg=np.frombuffer(b"".join(payloads), dtype=np.uint8),
        offsets=np.cumsum([0, *map(len, payloads)], dtype=np.int64),
        labels=labels.astype(np.uint8),
        groups=groups.astype(np.int16),
        test_groups=choose_test_groups(int(groups.max()) + 1),
    )
    images = photographs.pixels(np.arange(len(photographs)))
    if images.shape != (len(labels), 64, 64, 3):
        sys.exit(f"{raw}: the photographs are {images.shape}, not (N, 64, 64, 3)")
    data = save(vars(photographs))
    masks = foreground(images)
    provenance = {
        "source": SOURCE,
        "file": {"name": DATA_FILE, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()},
        "raw": {
            "bytes": raw.stat().st_size,
            "sha256": hashlib.sha256(raw.read_bytes()).hexdigest(),
            "made_by": "tools/make_signs.py",
        },
        "counts": {
            "photographs": len(photographs),
            "left_out": len(names) - len(photographs),
            "per_label": np.bincount(labels, minlength=CLASSES).tolist(),
            "groups": int(groups.max()) + 1,
            "test_groups": len(photographs.test_groups),
            "test_photographs": int(np.isin(groups, photographs.test_groups).sum()),
        },
        "groups": describe_groups(images, masks, labels, groups, numbers),
        "labels": {"as": "given by the source, not corrected", "wrong_to_the_eye": DOUBTFUL},
        "shifts": {"version": SHIFTS_VERSION, "foreground": describe_masks(masks)},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DATA_FILE).write_bytes(data)
    (folder / PROVENANCE_FILE).write_text(
        json.dumps(provenance, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    print(f"{len(photographs)} photographs, {len(data):,} bytes -> {folder}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: make_signs.py RAW.npz [FOLDER]")
    default = Path(__file__).resolve().parents[1] / "src" / "burnish_signs" / "data"
    make(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else default)
