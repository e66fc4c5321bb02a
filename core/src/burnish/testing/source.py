"""The contract of data sources."""

from __future__ import annotations

import copy
import json
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from burnish.config import to_options
from burnish.contracts import GivesItems
from burnish.data import Dataset, Labels, canonical_order, content_id
from burnish.errors import DataError
from burnish.testing.checks import expect, global_randomness_untouched
from burnish.testing.contract import PluginContract
from burnish.testing.probe import ask

_loaded: dict[type, Dataset] = {}
"""The data set of each contract: most tests only look at it."""

_TYPES: dict[str, tuple[type[Any], ...]] = {
    "image": (bytes, np.ndarray),
    "text": (str,),
    "features": (np.ndarray,),
}


class SourceContract(PluginContract):
    """Tests of a data source; `options` writes the files it reads.

    Attributes:
        readable: how many items are read, spread over the data set.
    """

    kind, key = "source", "source"
    readable: ClassVar[int] = 12

    def load(self, folder: Path) -> Dataset:
        """Return the data set of a fresh source."""
        dataset: Dataset = self.make(folder).load()
        return dataset

    def loaded(self, folder: Path) -> Dataset:
        """Return the data set that the first test loaded."""
        if type(self) not in _loaded:
            _loaded[type(self)] = self.load(folder)
        return _loaded[type(self)]

    def _some(self, dataset: Dataset) -> list[int]:
        return [
            int(position)
            for position in np.unique(np.linspace(0, len(dataset) - 1, self.readable).astype(int))
        ]

    # -- tests -----------------------------------------------------------------------------------------------

    def test_items_are_in_canonical_order(self, tmp_path: Path) -> None:
        """`Dataset.build` made it: items are in the order of their content ids."""
        dataset = self.loaded(tmp_path)
        expect(
            isinstance(dataset, Dataset) and len(dataset) > 0,
            f"load returns {type(dataset).__name__}, not a Dataset with items",
        )
        raw = [row.tobytes() for row in dataset.ids]
        expect(
            raw == sorted(raw),
            "items are not in the order of their ids: make the data set with Dataset.build",
        )
        expect(
            len(set(raw)) < len(raw) or np.array_equal(canonical_order(dataset.ids), np.arange(len(dataset))),
            "items are not in canonical order",
        )
        expect(
            np.array_equal(np.sort(dataset.rows), np.arange(len(dataset))),
            "rows is no permutation of the rows of the source",
        )

    def test_loading_twice_gives_the_same(self, tmp_path: Path) -> None:
        """A fresh source gives the same items, order, targets and splits.

        Nothing is drawn from global generators.
        """
        first = self.loaded(tmp_path)
        with global_randomness_untouched(f"source {self.name}"):
            second = self.load(tmp_path)
        expect(first.fingerprint() == second.fingerprint(), "a second load gives another data set")

    def test_items_are_of_its_modality(self, tmp_path: Path) -> None:
        """Items can be read.

        Images as file bytes or uint8 (H, W, 3), texts as str, features as finite float32 rows of one width.
        """
        dataset = self.loaded(tmp_path)
        expect(dataset.modality in _TYPES, f"modality is {dataset.modality!r}. Possible: {', '.join(_TYPES)}")
        widths = set()
        for position in self._some(dataset):
            payload = dataset.read(position)
            kinds = _TYPES[dataset.modality]
            expect(
                isinstance(payload, kinds),
                f"an item of modality {dataset.modality} is a {type(payload).__name__}",
            )
            if isinstance(payload, np.ndarray):
                wanted = np.uint8 if dataset.modality == "image" else np.float32
                expect(
                    payload.dtype == wanted, f"an item is an array of {payload.dtype}, not {np.dtype(wanted)}"
                )
                widths.add(payload.shape if dataset.modality == "features" else ())
                expect(
                    dataset.modality == "image" or bool(np.isfinite(payload).all()), "a feature is not finite"
                )
        expect(len(widths) <= 1, f"feature rows have several widths: {sorted(widths)}")

    def test_reading_twice_gives_the_same(self, tmp_path: Path) -> None:
        """An item has the same content every time, and from a copy of the reader: it holds no open file."""
        dataset = self.loaded(tmp_path)
        reader = copy.deepcopy(dataset.reader)
        for position in self._some(dataset):
            first, second, third = (
                dataset.read(position),
                dataset.read(position),
                reader.read(int(dataset.rows[position])),
            )
            expect(
                _same(first, second) and _same(first, third),
                f"item {position} is another one the second time it is read",
            )

    def test_items_without_labels_are_those_of_the_data_set(self, tmp_path: Path) -> None:
        """A source with `items` gives the payloads that `load` gives, named, and refuses another modality."""
        dataset, source = self.loaded(tmp_path), self.make(tmp_path)
        if not isinstance(source, GivesItems):
            return
        ids = {row.tobytes() for row in dataset.ids}
        for item in islice(source.items(dataset.modality), self.readable):
            expect(bool(item.name), "an item has no name")
            follows = content_id(dataset.modality, _raw(dataset.modality, item.read())) in ids
            expect(follows, f"items gives {item.name!r}, and load gives no item of its content")
        other = next(name for name in _TYPES if name != dataset.modality)
        try:
            given = len(list(islice(source.items(other), 1)))
        except DataError:
            return
        expect(not given, f"items gives something of modality {other}, and the data is {dataset.modality}")

    def test_ids_follow_from_content(self, tmp_path: Path) -> None:
        """An item's id is `burnish.data.content_id` of what is read (of an image array: of its bytes)."""
        dataset = self.loaded(tmp_path)
        for position in self._some(dataset):
            payload = dataset.read(position)
            raw = _raw(dataset.modality, payload)
            follows = content_id(dataset.modality, raw) == dataset.ids[position].tobytes()
            expect(follows, f"the id of item {position} is not content_id(modality, payload)")

    def test_targets_are_in_range(self, tmp_path: Path) -> None:
        """One target an item, labels within the classes; some are known."""
        dataset = self.loaded(tmp_path)
        for what, supervision in (("supervision", dataset.supervision), ("truth", dataset.truth)):
            if supervision is None:
                continue
            expect(
                len(supervision) == len(dataset),
                f"{what} has {len(supervision)} targets for {len(dataset)} items",
            )
            if isinstance(supervision, Labels):
                inside = int(supervision.y.max(initial=-1)) < len(dataset.classes)
                expect(
                    inside,
                    f"{what} has the label {int(supervision.y.max())}, and there are {len(dataset.classes)}"
                    " classes",
                )
        expect(bool(dataset.supervision.known.any()), "no item has a known target")

    def test_splits_do_not_overlap(self, tmp_path: Path) -> None:
        """Splits that the source fixes are ascending positions, and none overlaps another."""
        dataset = self.loaded(tmp_path)
        for name, index in dataset.assigned.items():
            ascending = index.dtype == np.int64 and bool((np.diff(index) > 0).all())
            inside = not len(index) or (index.min() >= 0 and index.max() < len(dataset))
            expect(ascending and bool(inside), f"split {name!r} is not ascending int64 positions")
        every = np.concatenate([*dataset.assigned.values(), np.empty(0, dtype=np.int64)])
        expect(len(np.unique(every)) == len(every), "two splits share an item")

    def test_groups_do_not_straddle_fixed_splits(self, tmp_path: Path) -> None:
        """A group of training items has no item in a test set."""
        dataset = self.loaded(tmp_path)
        if "group" not in dataset.columns or "train" not in dataset.assigned:
            return
        groups = dataset.columns["group"].astype(str)
        trained = set(groups[dataset.assigned["train"]])
        for name in (n for n in dataset.assigned if n.startswith("test")):
            shared = trained & set(groups[dataset.assigned[name]])
            expect(not shared, f"{len(shared)} groups are in train and in {name!r}")

    def test_it_provides_what_its_descriptor_says(self, tmp_path: Path) -> None:
        """`provides` has the modality and the kind of targets.

        It has ``groups`` exactly where there is a column ``group``.
        """
        dataset = self.loaded(tmp_path)
        provided = set(self._light(tmp_path)["provides"][0])
        wanted = {dataset.modality, dataset.supervision.word} | (
            {"groups"} if "group" in dataset.columns else set()
        )
        missing = wanted - provided
        expect(not missing, f"the data has {sorted(missing)}, and the descriptor's provides does not say so")
        claimed = (
            provided & {*_TYPES, "groups"}
        ) - wanted  # both kinds of targets: which one it is may be in the files only
        expect(not claimed, f"the descriptor's provides says {sorted(claimed)}, and the data has none")

    def test_its_fingerprint_is_light_and_repeats(self, tmp_path: Path) -> None:
        """The fingerprint needs neither torch nor numpy, and two processes agree."""
        answer = self._light(tmp_path)
        expect(
            not answer["heavy"],
            f"provides or fingerprint imports {answer['heavy']}: compute it in a module without them",
        )
        again = ask(
            "component",
            self.plugin,
            self.kind,
            self.name,
            self.key,
            json.dumps([to_options(self.config(tmp_path))] * 2),
        )
        same = {*answer["fingerprints"], *again["fingerprints"]}
        expect(
            len(same) == 1 and all(isinstance(text, str) for text in same),
            f"fingerprints of the same data differ: {sorted(map(str, same))}",
        )

    def _light(self, folder: Path) -> dict[str, Any]:
        return ask(
            "component",
            self.plugin,
            self.kind,
            self.name,
            self.key,
            json.dumps([to_options(self.config(folder))]),
        )


def _raw(modality: str, payload: Any) -> Any:
    """Return what a payload's content id is made from."""
    return payload.tobytes() if modality == "image" and isinstance(payload, np.ndarray) else payload


def _same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(one, other)) if isinstance(one, np.ndarray) else bool(one == other)
