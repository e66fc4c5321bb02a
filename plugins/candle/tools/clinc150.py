"""Writes a cut of CLINC150 as a table for the recipe candle-texts.

``python clinc150.py data_full.json texts.csv``.

CLINC150 (Larson et al. 2019, arXiv:1909.02027; CC BY 3.0) is a JSON file of lists of [text, intent] for each
split. Some intents are drawn, of each the first texts of ``train`` and of ``test`` are taken, and underscores
in names become spaces. Out-of-scope queries are left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from pathlib import Path


def rows(
    source: dict[str, list[list[str]]], intents: int, train: int, test: int, seed: int
) -> list[tuple[str, str, str]]:
    """Return (text, label, split) of a draw of intents.

    Args:
        source: the parsed file.
        intents: how many are drawn.
        train: training texts of each.
        test: test texts of each.
        seed: of the draw of intents.
    """
    chosen = set(random.Random(seed).sample(sorted({intent for _, intent in source["train"]}), intents))
    found = []
    for split, most in (("train", train), ("test", test)):
        taken = dict.fromkeys(chosen, 0)
        for text, intent in source[split]:
            if intent in chosen and taken[intent] < most:
                taken[intent] += 1
                found.append((text, intent.replace("_", " "), split))
    return found


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--intents", type=int, default=50)
    parser.add_argument("--train", type=int, default=60)
    parser.add_argument("--test", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    table = rows(
        json.loads(given.source.read_text("utf-8")), given.intents, given.train, given.test, given.seed
    )
    with given.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label", "split"))
        writer.writerows(table)


if __name__ == "__main__":
    main()
