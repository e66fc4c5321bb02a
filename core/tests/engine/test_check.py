"""`burnish.engine.check`: what is there and what is wrong, on data sets made by hand."""

import io
import json

import numpy as np
import pytest
import scipy.sparse as sp
from PIL import Image

from burnish.data import Classes, Dataset, Finding, Labels, MultiLabels, content_id
from burnish.data.checks import require_usable, structure, trainable
from burnish.engine.check import check
from burnish.errors import DataError


class Rows:
    """A reader of a list; an exception in it is raised."""

    def __init__(self, payloads):
        self.payloads = payloads
        self.most = 0

    def read(self, row):
        payload = self.payloads[row]
        if isinstance(payload, Exception):
            raise payload
        return payload


def build(payloads, labels, modality="text", classes=("a", "b"), **further):
    ids = [
        content_id(modality, p) if not isinstance(p, Exception) else content_id("text", f"bad {row}")
        for row, p in enumerate(payloads)
    ]
    return Dataset.build(
        name="things",
        modality=modality,
        ids=ids,
        classes=Classes.of(classes),
        supervision=Labels(y=np.array(labels, dtype=np.int64)) if not hasattr(labels, "word") else labels,
        reader=Rows(payloads),
        origins=[f"things, row {row}" for row in range(len(payloads))],
        **further,
    )


def texts(n, start=0):
    return [f"text {number}" for number in range(start, start + n)]


def told(found, kind):
    return [(f.severity, f.where, f.what) for f in found.findings if f.kind == kind]


def png(seed, size=(4, 3)):
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(
        out, "PNG"
    )
    return out.getvalue()


def test_nothing_wrong():
    found = check(build(texts(12), [0, 1] * 6))
    assert found.ok
    assert found.findings == ()
    assert (found.items, found.labelled, found.classes, found.splits) == (
        12,
        12,
        ("a", "b"),
        {"trainable": 12},
    )
    assert found.counts == {"trainable": (6, 6)}
    assert found.sizes == {"least": (6,), "median": (6,), "most": (7,)}
    json.dumps(found.record())


def test_unreadable_items_are_named_in_the_order_of_rows():
    payloads = [
        *texts(5),
        DataError("2 cells where the header has 3"),
        *texts(5, 5),
        OSError(5, "Input/output error"),
        "  ",
    ]
    found = check(build(payloads, [0, 1] * 6 + [0]))
    assert not found.ok
    assert told(found, "unreadable") == [
        ("error", "things, row 5", "2 cells where the header has 3"),
        ("error", "things, row 11", "the file cannot be read: Input/output error"),
        ("error", "things, row 12", "the text is empty"),
    ]


def test_images_that_cannot_be_decoded():
    whole = png(1)
    payloads = [
        png(0),
        whole,
        whole[: len(whole) // 2],
        b"",
        b"text",
        np.zeros((3, 4), np.float32),
        *(png(seed, (8, 6)) for seed in range(2, 8)),
    ]
    ids = [content_id("text", str(row)) for row in range(12)]
    dataset = Dataset.build(
        name="pictures",
        modality="image",
        ids=ids,
        classes=Classes.of(("a", "b")),
        supervision=Labels(y=np.arange(12) % 2),
        reader=Rows(payloads),
    )
    found = check(dataset, workers=2)
    reasons = [what for _, _, what in told(found, "unreadable")]
    assert len(reasons) == 4
    starts = [
        "the PNG image is truncated or damaged",
        "the file is empty",
        "this is not an image",
        "the pixels are float32",
    ]
    for reason, start in zip(reasons, starts, strict=True):
        assert reason.startswith(start)
    assert found.sizes == {"least": (4, 3), "median": (8, 6), "most": (8, 6)}


def test_copies_and_conflicts():
    payloads = [*texts(10), "text 0", "text 1", "text 1", "text 2"]
    labels = [0, 1] * 5 + [0, 0, 1, -1]
    found = check(build(payloads, labels))
    assert told(found, "duplicate") == [
        ("warning", "things, row 0", "the same content as things, row 10"),
        ("warning", "things, row 1", "the same content as things, row 11, things, row 12"),
        ("warning", "things, row 2", "the same content as things, row 13"),
    ]
    assert told(found, "conflict") == [
        (
            "warning",
            "things, row 1, things, row 11, things, row 12",
            "copies have different labels: 'b' and 'a'",
        ),
    ]
    assert told(found, "unlabelled") == [("note", "things", "1 item has no label")]
    assert not found.ok


def test_unreadable_items_are_no_copies():
    dataset = build(["", "", *texts(10)], [0, 1] * 6)
    found = check(dataset)
    assert told(found, "duplicate") == []
    assert len(told(found, "unreadable")) == 2


def test_copies_and_groups_that_straddle_fixed_splits():
    payloads = [*texts(12), "text 0", "text 3"]
    splits = ["train"] * 10 + ["validation", "test", "test", "test:far"]
    group = np.array([0, 1, 1, 3, 4, 5, 6, 7, 8, 9, 1, 11, 0, 3])
    found = check(build(payloads, [0, 1] * 7, splits=splits, columns={"group": group}))
    assert told(found, "straddling") == [
        ("warning", "things, row 0", "copies of one item lie in test and train"),
        ("warning", "things, row 3", "copies of one item lie in test:far and train"),
        ("warning", "things, row 0", "2 items of one group lie in test and train"),
        ("warning", "things, row 1", "3 items of one group lie in train and validation"),
        ("warning", "things, row 3", "2 items of one group lie in test:far and train"),
    ]
    assert found.splits == {"train": 10, "validation": 1, "test": 2, "test:far": 1}
    assert found.groups == 10


def test_test_sets_may_share_groups_and_items():
    payloads = [*texts(12), "text 10", "text 11"]
    splits = ["train"] * 10 + ["test"] * 2 + ["test:far"] * 2
    found = check(
        build(payloads, [0, 1] * 7, splits=splits, columns={"group": np.array([*range(12), 10, 11])})
    )
    assert told(found, "straddling") == []


def test_a_class_whose_items_cannot_be_read_is_in_no_test_set():
    found = check(
        build(
            [*texts(6), OSError(5, "Input/output error"), OSError(5, "Input/output error")], [0] * 6 + [1] * 2
        )
    )
    assert told(found, "only-in-test") == []
    assert told(found, "unusable-class") == [("warning", "class 'b'", "none of its 2 items can be used")]


def test_small_and_missing_classes():
    labels = [0] * 8 + [1] * 4 + [2]
    found = check(build(texts(13), labels, classes=("a", "b", "c", "d"), splits=["train"] * 12 + ["test"]))
    assert told(found, "small-class") == [("warning", "class 'b'", "4 items to train on")]
    assert told(found, "only-in-test") == [
        ("error", "class 'c'", "1 item in test or other fixed splits, and none to train on")
    ]
    assert told(found, "empty-class") == [("warning", "class 'd'", "it has no item")]
    assert [f.severity for f in found.findings] == ["error", "warning", "warning"]


@pytest.mark.parametrize(
    ("labels", "classes", "splits", "message"),
    [
        ([0, 0], ("a",), None, "things: there is only one class, 'a'. A classifier needs at least two."),
        ([-1, -1], ("a", "b"), None, "things: no item to train on has a label."),
        (
            [0, 1, 2],
            ("a", "b", "c"),
            ["train", "test", "test"],
            (
                "class 'b': 1 item in test or other fixed splits, and none to train on. Add items to train,"
                " or remove the class. There is 1 error more: burnish check lists them."
            ),
        ),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(labels, classes, splits, message):
    dataset = build(texts(len(labels)), labels, classes=classes, splits=splits)
    with pytest.raises(DataError) as caught:
        require_usable(dataset)
    assert str(caught.value) == message
    assert any(f.severity == "error" for f in check(dataset).findings)


def test_multi_labels_may_lack_positives():
    positive = sp.csr_array(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=bool))
    dataset = build(
        texts(3), MultiLabels(positive=positive), classes=("a", "b", "c"), splits=["train", "train", "test"]
    )
    require_usable(dataset)
    assert [(f.severity, f.where) for f in structure(dataset)] == [("warning", "class 'c'")]
    assert check(dataset).supervision == "multi-labels"


@pytest.mark.parametrize(
    ("names", "how"),
    [
        (("Cat", "cat"), "They differ in capitals"),
        (("caf\u00e9", "cafe\u0301"), r"written 'cafe\u0301' and 'caf\xe9'"),
        (("bar", "bar\u200b"), r"'bar\u200b'"),
        (("a  b", "a b"), "They are written"),
    ],
)
def test_names_that_look_the_same_are_told(names, how):
    found = check(build(texts(4), [0, 1, 0, 1], classes=names))
    (finding,) = [f for f in found.findings if f.kind == "names-alike"]
    assert finding.severity == "warning"
    assert how in finding.todo
    assert "names-alike" not in {
        f.kind for f in check(build(texts(2), [0, 1], classes=("cat", "car"))).findings
    }


def test_what_the_source_found_comes_along():
    left_out = Finding("note", "left-out", "left out: no image", "x.txt")
    findings = [left_out, Finding("error", "empty-class", "the class folder holds no item", "class 'b'")]
    dataset = build(texts(6), [0] * 6, findings=findings)
    found = check(dataset)
    assert told(found, "left-out") == [("note", "x.txt", "left out: no image")]
    assert told(found, "empty-class") == [("error", "class 'b'", "the class folder holds no item")]


def test_features():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 5)).astype(np.float32)
    x[:, 1] = 0
    x[:, 3] = 1e6 + 1e-2 * x[:, 3]
    rows = list(x)
    rows[7] = np.array([1, 2, np.nan, 4, 5], dtype=np.float32)
    rows[9] = np.zeros(4, dtype=np.float32)
    found = check(build(rows, [0, 1] * 300, modality="features"))
    assert told(found, "unreadable") == [
        ("error", "things, row 7", "feature 2 is nan"),
        ("error", "things, row 9", "it has 4 features where others have 5"),
    ]
    assert told(found, "constant-features") == [
        ("warning", "things", "2 of 5 features are constant or nearly so: 1, 3")
    ]
    assert found.sizes == {"width": (5,)}
    constant = check(build([np.ones(3, np.float32)] * 12, [0, 1] * 6, modality="features"))
    assert ("error", "things", "3 of 3 features are constant or nearly so: 0, 1, 2") in told(
        constant, "constant-features"
    )


def test_the_truth_tells_how_many_labels_are_wrong():
    truth = Labels(y=np.array([0, 1] * 5 + [1, -1]))
    assert check(build(texts(12), [0, 1] * 6, truth=truth)).wrong_labels == pytest.approx(1 / 11)


def test_items_are_streamed():
    class Counting(Rows):
        alive = 0

        def read(self, row):
            return f"{row}" + "x" * 10_000

    dataset = build(texts(2_000), [0, 1] * 1_000)
    object.__setattr__(dataset, "reader", Counting([]))
    import tracemalloc

    seen = []
    tracemalloc.start()
    check(dataset, progress=lambda done, total: seen.append((done, total)), workers=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen[-1] == (2_000, 2_000)
    assert peak < 10_000_000  # the payloads are 20 MB together


def test_trainable_is_what_no_split_has():
    free = build(texts(4), [0, 1, 0, 1])
    assert trainable(free).tolist() == [0, 1, 2, 3]
    fixed = build(texts(4), [0, 1, 0, 1], splits=["train", "train", "test", "validation"])
    assert trainable(fixed).tolist() == fixed.assigned["train"].tolist()


def test_a_row_that_cannot_be_read_does_not_count_as_unlabelled():
    found = check(build([*texts(11), DataError("1 cell where the header has 2")], [0, 1] * 5 + [0, -1]))
    assert told(found, "unlabelled") == []
    assert (found.items, found.labelled, found.splits) == (12, 11, {"trainable": 11})
