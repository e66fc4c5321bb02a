"""The source `folder`."""

import os
from pathlib import Path

import numpy as np
import pytest

from burnish.data import content_id
from burnish.data.checks import require_usable, structure
from burnish.data.images import decode_rgb
from burnish.errors import ConfigError, DataError
from burnish_basics._data import FolderConfig
from burnish_basics.sources import _light
from burnish_basics.sources.folder import Folder


def load(path, **options):
    return Folder(FolderConfig(path=path, **options)).load()


def names_of(dataset, split):
    return sorted(dataset.classes.names[dataset.supervision.y[p]] for p in dataset.assigned[split])


def test_a_sub_folder_is_a_class(photos):
    root = photos({"dog": 3, "cat": 2})
    dataset = load(root)
    assert (dataset.name, dataset.modality, len(dataset), dataset.classes.names) == (
        "photos",
        "image",
        5,
        ("cat", "dog"),
    )
    assert dataset.assigned == {}
    for position in range(5):
        folder, name = Path(dataset.origin(position)).parts[-2:]
        raw = (root / folder / name).read_bytes()
        assert dataset.read(position) == raw
        assert dataset.ids[position].tobytes() == content_id("image", raw)
        assert dataset.classes.names[dataset.supervision.y[position]] == folder
        assert decode_rgb(dataset.read(position)).size == (6, 5)
    assert dataset.ids.tolist() == sorted(dataset.ids.tolist())


def test_whole_numbers_are_ordered_as_numbers(photos):
    assert load(photos({"10": 1, "2": 1, "1": 1})).classes.names == ("1", "2", "10")


def test_splits_above_the_classes(photos):
    root = photos(
        {
            "train/a": 3,
            "train/b": 2,
            "val/a": 1,
            "val/b": 1,
            "test/a": 1,
            "test/b": 1,
            "test_blur/b": 2,
            "test-sketch/a": 1,
        }
    )
    dataset = load(root)
    sizes = {name: len(index) for name, index in dataset.assigned.items()}
    assert sizes == {"train": 5, "validation": 2, "test": 2, "test:blur": 2, "test:sketch": 1}
    assert names_of(dataset, "train") == ["a", "a", "a", "b", "b"]
    assert names_of(dataset, "test:blur") == ["b", "b"]


def test_classes_may_be_called_train_and_test(photos):
    root = photos({"train": 2, "test": 2, "ship": 2})
    assert load(root).classes.names == ("ship", "test", "train")
    assert load(photos({"train/x": 1, "y/z": 1}, "odd"), splits="no", nested=True).classes.names == (
        "train",
        "y",
    )


def test_pool_and_unknown_have_no_labels(photos):
    root = photos({"train/a": 2, "train/b": 2, "train/unsorted": 1, "pool": 3, "test/a": 1, "test/b": 1})
    dataset = load(root, unknown="unsorted")
    assert dataset.classes.names == ("a", "b")
    assert (dataset.supervision.y[dataset.assigned["pool"]] == -1).all()
    assert int((~dataset.supervision.known).sum()) == 4


def test_hidden_files_are_passed_over_and_others_are_listed(photos):
    root = photos({"a": 2, "b": 2})
    (root / "a" / ".hidden.png").write_bytes(b"x")
    (root / "a" / "Thumbs.db").write_bytes(b"x")
    (root / ".git").mkdir()
    (root / "a" / "notes.docx").write_bytes(b"x")
    (root / "readme.png").write_bytes(b"x")
    dataset = load(root)
    assert len(dataset) == 4
    told = {finding.where: (finding.severity, finding.what) for finding in dataset.findings}
    assert told == {
        "readme.png": ("note", "left out: it lies in no class folder"),
        "a/notes.docx": ("note", "left out: its ending is not one of an item"),
    }


def test_odd_file_names_are_read_and_print_as_one_line(photos, picture):
    root = photos({"a": 1, "b": 1})
    odd = root / os.fsdecode(b"c\xe9\n")
    odd.mkdir()
    (odd / "0.png").write_bytes(picture(200))
    for seed, name in enumerate([b"new\nline.png", b"\xff\xfe.png", b" .png", "ü€.PNG".encode()]):
        (root / "a" / os.fsdecode(name)).write_bytes(picture(100 + seed))
    config = FolderConfig(path=root)
    dataset = Folder(config).load()
    assert len(dataset) == 7
    assert dataset.classes.names == ("a", "b", "c\\xe9")
    for position in range(7):
        assert decode_rgb(dataset.read(position)).size == (6, 5)
        assert "\n" not in dataset.origin(position)
        dataset.origin(position).encode()
    assert len(_light.folder_fingerprint(config)) == 64


def test_a_file_that_cannot_be_read_stays_an_item_whose_reading_fails(photos, by_origin):
    root = photos({"a": 2, "b": 2})
    (root / "a" / "gone.png").symlink_to(root / "nowhere.png")
    (root / "a" / "loop.png").symlink_to(root / "a" / "loop.png")
    (root / "a" / "empty.png").write_bytes(b"")
    os.mkfifo(root / "a" / "pipe.png")
    (root / "b" / "twin-gone.png").symlink_to(root / "nowhere.png")
    dataset = load(root)
    at = by_origin(dataset)
    assert len(dataset) == 9
    assert len(np.unique(dataset.ids, axis=0)) == 9
    for name, reason in [
        ("gone.png", "the link leads nowhere"),
        ("pipe.png", "it is no regular file"),
        ("loop.png", "the file cannot be read: "),
    ]:
        with pytest.raises(DataError, match=reason):
            dataset.read(at[name])
    with pytest.raises(DataError, match="the file is empty"):
        decode_rgb(dataset.read(at["empty.png"]))
    assert len(_light.folder_fingerprint(FolderConfig(path=root))) == 64


def _link_loop(root):
    (root / "a" / "again").symlink_to(root, target_is_directory=True)


LAYOUTS = [
    ("nothing there", {}, None, {}, "photos: there is no such folder. Check the path."),
    (
        "empty",
        {"": 0},
        None,
        {},
        "photos: there is no folder in it. Make one folder a class and put the files into them.",
    ),
    ("no class folder", {"": 2}, None, {}, "photos: there is no folder in it. Make one folder a class"),
    (
        "only empty classes",
        {"a": 0, "b": 0},
        None,
        {},
        "photos: there is no item in any class folder. Possible: files ending in .avif .bmp",
    ),
    (
        "nested",
        {"a/x": 1, "b": 1},
        None,
        {},
        (
            "a: class folder 'a' holds a folder, 'x'. Name the folder right above the classes, or say"
            " nested=true"
        ),
    ),
    (
        "a link that leads back",
        {"a": 1, "b": 1},
        _link_loop,
        {"nested": True},
        "again: the link leads back to a folder that it lies in. Remove the",
    ),
    (
        "a class beside splits",
        {"train/a": 1, "dogs/a": 1},
        None,
        {},
        "photos: folder 'dogs' is no split but lies beside split folders. Possible: tr",
    ),
    (
        "no train",
        {"test/a": 1, "val/a": 1},
        None,
        {"splits": "yes"},
        "photos: there is no folder train among the splits. Add it, or say splits=no",
    ),
    (
        "group does not match",
        {"a": 1, "b": 1},
        None,
        {"group": "(q.)"},
        "0.png: group=(q.) does not match this path. Mend the expression.",
    ),
]


@pytest.mark.parametrize(
    ("layout", "change", "options", "message"),
    [case[1:] for case in LAYOUTS],
    ids=[case[0] for case in LAYOUTS],
)
def test_a_folder_that_cannot_be_used_is_one_line(photos, tmp_path, layout, change, options, message):
    root = photos(layout) if layout else tmp_path / "photos"
    if change:
        change(root)
    with pytest.raises(DataError) as caught:
        load(root, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(root) in caught.value.where


def test_a_file_is_no_folder(table):
    with pytest.raises(DataError, match="this is a file, not a folder"):
        load(table("x", "photos.zip"))


def test_inner_folders_belong_to_the_class_where_that_is_said(photos):
    dataset = load(photos({"a/2023": 2, "a/2024/may": 1, "b": 1}), nested=True)
    assert dataset.supervision.counts(2).tolist() == [3, 1]


UNUSABLE = [
    ({"a": 3}, "photos: there is only one class, 'a'. A classifier needs at least two."),
    ({"a": 2, "b": 2, "c": 0}, "class 'c': the class folder holds no item. Fill or remove it."),
    (
        {"train/a": 2, "train/b": 2, "test/a": 1, "test/c": 2},
        (
            "class 'c': 2 items in test or other fixed splits, and none to train on. Add items to train, or"
            " remove the class."
        ),
    ),
]


@pytest.mark.parametrize(
    ("layout", "message"), UNUSABLE, ids=["one class", "an empty class", "a class only in test"]
)
def test_a_folder_that_cannot_be_learnt_from_loads_and_is_refused(photos, layout, message):
    dataset = load(photos(layout))
    assert [str(finding) for finding in structure(dataset)] == [message]
    with pytest.raises(DataError) as caught:
        require_usable(dataset)
    assert str(caught.value) == message


def test_a_class_without_training_items_is_new_where_that_is_meant_and_an_error_elsewhere(photos):
    root = photos({"train/a": 2, "train/b": 2, "test/a": 1, "test/c": 2})
    meant = load(root, new_classes=True)
    assert dict(zip(meant.classes.names, meant.classes.known.tolist(), strict=True)) == {
        "a": True,
        "b": True,
        "c": False,
    }
    require_usable(meant)
    with pytest.raises(DataError, match="2 items in test or other fixed splits, and none to train on"):
        require_usable(load(root))


def test_groups_by_expression_and_by_table(tmp_path, picture):
    root = tmp_path / "p"
    for number, folder in enumerate("ab"):
        (root / folder).mkdir(parents=True)
        for person in (1, 2):
            for shot in (1, 2):
                (root / folder / f"person{person}_{shot}.png").write_bytes(
                    picture(100 * number + 10 * person + shot)
                )
    dataset = load(root, group=r"person(\d)")
    person = [int(dataset.origin(p).rsplit("person", 1)[1][0]) for p in range(8)]
    assert len({(a, b) for a, b in zip(person, dataset.columns["group"].tolist(), strict=True)}) == 2
    files = tmp_path / "groups.csv"
    files.write_text(
        "file,group\n" + "".join(f"{f}/person{p}_{s}.png,{p}\n" for f in "ab" for p in (1, 2) for s in (1, 2))
    )
    assert load(root, groups=files).columns["group"].tolist() == dataset.columns["group"].tolist()
    files.write_text("file,group\na/person1_1.png,1\n")
    with pytest.raises(DataError, match=r"groups\.csv: there is no group for 'a/person1_2\.png'"):
        load(root, groups=files)
    files.write_text("path,group\n")
    with pytest.raises(DataError, match="the table needs the columns file and group"):
        load(root, groups=files)


def test_text_files(tmp_path):
    for label, texts in {"ham": ["hello", "see you"], "spam": ["buy now", ""]}.items():
        (tmp_path / "mail" / label).mkdir(parents=True)
        for number, text in enumerate(texts):
            (tmp_path / "mail" / label / f"{number}.txt").write_text(text)
    (tmp_path / "mail" / "ham" / "latin.txt").write_bytes("café".encode("cp1252"))
    dataset = load(tmp_path / "mail", modality="text")
    read = {}
    for position in range(len(dataset)):
        name = "/".join(Path(dataset.origin(position)).parts[-2:])
        try:
            read[name] = dataset.read(position)
            assert dataset.ids[position].tobytes() == content_id("text", read[name])
        except DataError as error:
            read[name] = str(error)
    assert read == {
        "ham/0.txt": "hello",
        "ham/1.txt": "see you",
        "spam/0.txt": "buy now",
        "spam/1.txt": "the text is empty.",
        "ham/latin.txt": (
            "the text is not utf-8: unexpected end of data. Say which encoding it has, such as"
            " encoding=cp1252."
        ),
    }
    decoded = load(tmp_path / "mail", modality="text", encoding="cp1252")
    assert next(decoded.read(p) for p in range(5) if "latin" in decoded.origin(p)) == "café"


def test_options_that_do_not_go_together(tmp_path):
    with pytest.raises(ConfigError, match="is no regular expression"):
        FolderConfig(path=tmp_path, group="(")
    with pytest.raises(ConfigError, match="group and groups are both given"):
        FolderConfig(path=tmp_path, group="x", groups=tmp_path)


def test_the_fingerprint_follows_content_names_and_classes(photos, picture):
    root = photos({"a": 2, "b": 2})
    config = FolderConfig(path=root)
    first = _light.folder_fingerprint(config)
    (root / "a" / ".hidden").write_bytes(b"x")
    (root / "a" / "notes.txt").write_bytes(b"x")
    os.utime(root / "a" / "0.png", (1, 1))
    assert _light.folder_fingerprint(config) == first
    seen = {first}
    (root / "a" / "0.png").write_bytes(picture(77))
    seen.add(_light.folder_fingerprint(config))
    (root / "a" / "0.png").rename(root / "b" / "9.png")
    seen.add(_light.folder_fingerprint(config))
    (root / "c").mkdir()
    seen.add(_light.folder_fingerprint(config))
    assert len(seen) == 4


def test_the_order_does_not_follow_class_or_path(photos):
    dataset = load(photos({"a": 60, "b": 60}))
    firsts = dataset.supervision.y[:60]
    assert 15 < int(firsts.sum()) < 45


def test_guess(photos, tmp_path, table):
    root = photos({"a": 1})
    assert _light.folder_guess(root) == {"path": str(root)}
    assert _light.folder_guess(table("x", "t.csv")) is None
    (tmp_path / "texts" / "a").mkdir(parents=True)
    (tmp_path / "texts" / "a" / "0.txt").write_text("x")
    assert _light.folder_guess(tmp_path / "texts") == {"path": str(tmp_path / "texts"), "modality": "text"}
    assert _light.folder_provides(FolderConfig(path=root, group="x")) == {"image", "labels", "groups"}


@pytest.mark.parametrize("other", ["a  b", "a b ", "a\tb"])
def test_folders_that_read_the_same_are_told_and_not_merged(photos, other):
    root = photos({"a b": 2, "c": 2})
    (root / "c").rename(root / other)
    with pytest.raises(DataError, match="two class folders read as 'a b': their names differ in white space"):
        load(root)
