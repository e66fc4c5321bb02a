"""`burnish predict` and `burnish.load`: saved predictors on new inputs."""

from __future__ import annotations

import csv
import gc
import io
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

import burnish as package
from burnish.cli import main
from burnish.contracts import NewItem, Runtime, View
from burnish.data import Item, content_id, stack_ids
from burnish.engine.predict.new_items import new_items
from burnish.errors import DataError, ItemError, ModelFileError
from burnish.manager import get_manager, use_plugin_files

COLOURS = {"=red": (220, 40, 30), "green": (30, 200, 60), "blue": (40, 60, 210)}
TEXTS = '''
"""A backbone that counts letters."""

import burnish

BURNISH_API = 1


class Letters:
    dim, modality, views = 26, "text", False

    def __init__(self, config, runtime):
        pass

    def prepare(self, items, view, ids):
        import numpy as np

        texts = [item.payload.lower() for item in items]
        counts = [[text.count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
        return {"n": np.array(counts, dtype=np.float32)}

    def encode(self, inputs):
        import torch

        return torch.from_numpy(inputs["n"])


@burnish.hookimpl
def burnish_backbones():
    yield burnish.Backbone(
        name="letters",
        target=f"{__name__}:Letters",
        summary="Counts letters",
        needs={"text"},
        provides={"features"},
    )
'''


def pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(count) % len(COLOURS)
    pixels = np.array(list(COLOURS.values()))[y][:, None, None, :] + rng.normal(0, 25, (count, 12, 12, 3))
    return pixels.clip(0, 255).astype(np.uint8), y


@pytest.fixture(scope="module")
def place(burnish_of_module) -> Path:
    """A folder with three studies: `images`, `several` (multi-labels on features) and `texts`."""
    folder = burnish_of_module.folder
    x, y = pictures(90, 0)
    np.savez(folder / "images.npz", x=x, y=np.array(list(COLOURS))[y])
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 4)).astype(np.float32)
    np.savez(folder / "rows.npz", x=rows, y=(rows[:, :3] > 0).astype(np.int64))
    lines = [f"{word * 3} {number}" for number in range(30) for word in ("aba", "zyz")]
    (folder / "texts.csv").write_text("text,label\n" + "".join(f"{line},{line[0]}\n" for line in lines))
    (folder / "letters.py").write_text(TEXTS)
    runs = {
        "images": ("images.npz", "tiny", "ridge", "ce"),
        "several": ("rows.npz", "features", "linear:epochs=30,lr=0.1", "bce"),
        "texts": ("texts.csv", "letters", "ridge", "ce"),
    }
    for name, (data, backbone, tuner, loss) in runs.items():
        parts = (
            "--data",
            f"./{data}",
            "--backbone",
            backbone,
            "--tuner",
            tuner,
            "--loss",
            loss,
            "--replicates",
            "1",
            "--plugin",
            "letters.py",
            "-q",
        )
        ended = burnish_of_module("run", *parts, "--out", name)
        assert ended.code == 0, ended.err
    return folder


@pytest.fixture
def burnish(burnish_of_module, place):
    return burnish_of_module


@pytest.fixture(scope="module")
def photos(place: Path) -> list[Path]:
    """150 images that are new, in a folder and one below, in the order of their names."""
    x, _ = pictures(150, 1)
    (place / "photos" / "more").mkdir(parents=True)
    paths = [
        place / "photos" / ("more" if number % 3 == 0 else ".") / f"{number:03}.png"
        for number in range(len(x))
    ]
    for path, pixels in zip(paths, x, strict=True):
        Image.fromarray(pixels).save(path)
    return sorted(paths)


def model(place: Path, study: str) -> Path:
    (folder,) = (place / study / "predictors").iterdir()
    return folder


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_folder_of_images_in_order_with_the_probabilities_of_the_head_on_the_backbones_features(
    burnish, place, photos
) -> None:
    ended = burnish("predict", "images", "photos")
    assert ended.code == 0, ended.err
    rows = rows_of(ended.out)
    assert [row["item"] for row in rows] == [str(path.relative_to(place)) for path in photos]
    assert list(rows[0]) == ["item", "prediction", "confidence", "p:=red", "p:blue", "p:green"]

    from burnish_tiny import TinyConfig
    from burnish_tiny.backbone import Tiny

    tiny, saved = Tiny(TinyConfig(), Runtime()), package.load(model(place, "images"))
    expected = []
    for path in photos:  # one by one, by hand
        content = path.read_bytes()
        features = tiny.encode(
            tiny.prepare([Item(0, content)], View(), stack_ids([content_id("image", content)]))
        )
        expected.append(saved.predictor.predict(features.numpy()).probabilities()[0])
    given = np.array([[float(row[name]) for name in list(row)[3:]] for row in rows])
    np.testing.assert_allclose(given, np.array(expected), atol=2e-5)
    names = np.array(saved.classes.names)[np.argmax(expected, axis=1)]
    assert [row["prediction"].removeprefix("'") for row in rows] == list(names)
    assert [float(row["confidence"]) for row in rows] == pytest.approx(given.max(axis=1))


def test_python_takes_paths_bytes_arrays_and_pillow_images_alike(place, photos) -> None:
    saved = package.load(model(place, "images"))
    some = photos[:70]
    wanted = saved.predict(some)
    for other in (
        [p.read_bytes() for p in some],
        [np.asarray(Image.open(p)) for p in some],
        [Image.open(p) for p in some],
    ):
        np.testing.assert_array_equal(saved.predict(other).values, wanted.values)
    assert len(saved.predict([])) == 0


def test_a_transparent_pillow_image_is_what_its_file_is(place, tmp_path) -> None:
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 60))
    clear.save(tmp_path / "clear.png")
    saved = package.load(model(place, "images"))
    np.testing.assert_array_equal(
        saved.predict([clear]).values, saved.predict([tmp_path / "clear.png"]).values
    )


def test_what_stands_beside_an_item_does_not_matter(place, photos) -> None:
    saved = package.load(model(place, "images"))
    together = saved.predict(photos).values
    np.testing.assert_array_equal(
        np.concatenate([saved.predict([path]).values for path in photos[60:70]]), together[60:70]
    )


def test_json_lines_the_most_probable_first_and_abstaining(burnish) -> None:
    middle = float(
        np.median([float(row["confidence"]) for row in rows_of(burnish("predict", "images", "photos").out)])
    )
    ended = burnish(
        "predict", "images", "photos", "--out", "a.jsonl", "--top", "2", "--min-confidence", str(middle)
    )
    assert (ended.code, ended.out) == (0, ""), ended.err
    records = [json.loads(line) for line in (burnish.folder / "a.jsonl").read_text().splitlines()]
    assert len(records) == 150
    assert {record["abstained"] for record in records} == {True, False}
    for record in records:
        first, second = record["probabilities"].values()
        assert first >= second
        assert record["confidence"] == first
        assert record["abstained"] == (first < middle) == (record["prediction"] is None)


def test_the_columns_of_the_most_probable_classes(burnish) -> None:
    rows = rows_of(burnish("predict", "images", "photos/001.png", "--top", "2", "--min-confidence", "1").out)
    assert list(rows[0]) == [
        "item",
        "prediction",
        "confidence",
        "abstained",
        "class_1",
        "p_1",
        "class_2",
        "p_2",
    ]
    assert (rows[0]["prediction"], rows[0]["abstained"]) == ("", "true")
    assert float(rows[0]["p_1"]) >= float(rows[0]["p_2"])


def test_a_multi_label_predictor_names_every_class_from_one_half_on(burnish, place) -> None:
    x = np.random.default_rng(5).normal(size=(80, 4)).astype(np.float32)
    np.save(place / "new.npy", x)
    rows = rows_of(burnish("predict", "several", "new.npy").out)
    p = package.load(model(place, "several")).predict(x).probabilities()
    wanted = ["|".join(np.array(["0", "1", "2"])[row >= 0.5]) for row in p]
    assert [row["prediction"] for row in rows] == wanted
    assert len(set(wanted)) > 5
    assert [float(row["confidence"]) for row in rows] == pytest.approx(
        np.maximum(p, 1 - p).min(axis=1), rel=1e-4
    )
    assert [row["item"] for row in rows] == [str(number) for number in range(1, 81)]
    records = [
        json.loads(line)
        for line in burnish("predict", "several", "new.npy", "--format", "jsonl").out.splitlines()
    ]
    assert [record["prediction"] for record in records] == [
        text.split("|") if text else [] for text in wanted
    ]


def test_texts_a_line_or_a_row_each(burnish, place) -> None:
    (place / "new.txt").write_bytes(b"\xef\xbb\xbfabab\r\nzzzz\nbaba")
    (place / "new.csv").write_text('id,text\n1,"ab,\nab"\n2,zzzz\n')
    lines = rows_of(burnish("predict", "texts", "new.txt", "--plugin", "letters.py").out)
    assert [(row["item"], row["prediction"]) for row in lines] == [("1", "a"), ("2", "z"), ("3", "a")]
    table = rows_of(burnish("predict", "texts", "new.csv", "--plugin", "letters.py").out)
    assert [row["prediction"] for row in table] == ["a", "z"]
    (place / "odd.csv").write_text("id,satz\n1,abab\n")
    ended = burnish("predict", "texts", "odd.csv", "--plugin", "letters.py")
    assert ended.code == 1
    assert "Possible: id, satz. Say --column NAME." in ended.err
    assert (
        rows_of(burnish("predict", "texts", "odd.csv", "--column", "satz", "--plugin", "letters.py").out)[0][
            "prediction"
        ]
        == "a"
    )


def test_tables_of_other_notations(burnish, place) -> None:
    """They are no plain lines: what stands around a text is not predicted."""
    (place / "new.tab").write_text("id\ttext\n1\tabab\n2\tzzzz\n")
    (place / "new.jsonl").write_text(
        '\ufeff{"id": 1, "text": "abab"}\n\n{"text": "zzzz"}\n[1]\n{"id": 3}\n{"text": 7}\nno\n'
    )
    table = rows_of(burnish("predict", "texts", "new.tab", "--plugin", "letters.py").out)
    assert [(row["item"], row["prediction"]) for row in table] == [("1", "a"), ("2", "z")]
    lines = rows_of(
        burnish("predict", "texts", "new.jsonl", "--plugin", "letters.py", "--on-bad-input", "skip").out
    )
    assert [(row["item"], row["prediction"]) for row in lines[:2]] == [("1", "a"), ("2", "z")]
    assert [row["error"].partition(":")[0] for row in lines[2:]] == [
        "the line is no JSON object",
        "the text is empty",
        "",  # a number is a text, as it is in training
        "the line is no JSON object",
    ]
    (place / "broken.jsonl").write_text('no\n{"text": "abab"}\n')
    ended = burnish("predict", "texts", "broken.jsonl", "--plugin", "letters.py", "--on-bad-input", "skip")
    assert [row["prediction"] for row in rows_of(ended.out)] == ["", "a"]
    (place / "zero.jsonl").write_text('{"image": "a\\u0000b.png"}\n')
    assert (
        "path holds a zero byte" in burnish("predict", "images", "zero.jsonl", "--on-bad-input", "skip").out
    )
    assert (
        "burnish: 3: the line is no JSON object."
        in burnish("predict", "texts", "new.jsonl", "--plugin", "letters.py").err
    )
    (place / "new.parquet").write_bytes(b"PAR1")
    refused = burnish("predict", "texts", "new.parquet", "--plugin", "letters.py")
    assert (refused.code, refused.out) == (1, "")
    assert "this is no whole Parquet file" in refused.err
    (place / "new.xlsx").write_bytes(b"PK")
    refused = burnish("predict", "texts", "new.xlsx", "--plugin", "letters.py")
    assert (refused.code, refused.out) == (1, "")
    assert "no text inputs can be read from it" in refused.err
    assert "such as csv:path=FILE" in refused.err


def test_what_trains_can_be_predicted(burnish, place, photos) -> None:
    """Tables without a column of a plain name, endings of images, Parquet, a folder of texts."""
    letters = ("--plugin", "letters.py")
    (place / "reviews.csv").write_text("review,label\nabab,a\nzzzz,z\n")
    rows = rows_of(burnish("predict", "texts", "reviews.csv", *letters).out)
    assert [row["prediction"] for row in rows] == ["a", "z"]
    table = pa.table({"id": [1, 2], "review": ["abab", "zzzz"]})
    pa.parquet.write_table(table, place / "reviews.parquet")
    rows = rows_of(burnish("predict", "texts", "reviews.parquet", *letters).out)
    assert [(row["item"], row["prediction"]) for row in rows] == [("1", "a"), ("2", "z")]
    (place / "notes" / "a").mkdir(parents=True)
    (place / "notes" / "a" / "1.txt").write_text("abab")
    rows = rows_of(burnish("predict", "texts", "notes", *letters).out)
    assert [(row["item"], row["prediction"]) for row in rows] == [("notes/a/1.txt", "a")]
    (place / "maps").mkdir()
    for photo in photos[:3]:
        Image.open(photo).save(place / "maps" / f"{photo.stem}.pnm", format="ppm")
    told = rows_of(burnish("predict", "images", "maps").out)
    assert [row["item"] for row in told] == [f"maps/{photo.stem}.pnm" for photo in sorted(photos[:3])]
    alone = rows_of(burnish("predict", "images", photos[0]).out)[0]
    assert {row["item"]: row for row in told}[f"maps/{photos[0].stem}.pnm"]["confidence"] == alone[
        "confidence"
    ]


def test_a_table_longer_than_memory_is_read_as_it_is_predicted(place) -> None:
    """Rows of a pipe that never ends: nothing waits for the last one."""
    pipe = place / "endless.csv"
    os.mkfifo(pipe)
    ended = threading.Event()

    def write() -> None:
        with suppress(BrokenPipeError), pipe.open("w") as file:
            file.write("review,label\n")
            while not ended.is_set():
                file.write("abab,a\n" * 500)

    writer = threading.Thread(target=write)
    writer.start()
    use_plugin_files([place / "letters.py"])
    saved = package.load(model(place, "texts"))
    stream = saved.stream(new_items(str(pipe), "text", get_manager()), workers=1)
    for _ in range(3):
        assert len(next(stream).items) == saved.numeric.grid
    stream.close()
    ended.set()
    gc.collect()
    writer.join(10)
    use_plugin_files(())
    assert not writer.is_alive()


def test_a_source_gives_its_items_in_its_own_order(burnish, place) -> None:
    rows = rows_of(burnish("predict", "images", "npz:path=images.npz").out)
    _, y = pictures(90, 0)
    assert len(rows) == 90
    right = [
        row["prediction"].removeprefix("'") == list(COLOURS)[label]
        for row, label in zip(rows, y, strict=True)
    ]
    assert np.mean(right) > 0.9
    assert [row["prediction"] for row in rows_of(burnish("predict", "images", "images.npz").out)] == [
        row["prediction"] for row in rows
    ]


def test_nothing_a_spreadsheet_would_run(burnish, place, photos) -> None:
    (place / "odd").mkdir()
    for name in ("=1+1.png", "@x.png", "-2.png"):
        shutil.copy(photos[0], place / "odd" / name)
    shutil.copy(place / "odd" / "=1+1.png", place / "+sum.png")
    out = (
        burnish("predict", "images", "./+sum.png").out
        + burnish("predict", "images", "npz:path=images.npz").out
    )
    cells = [cell for row in csv.reader(io.StringIO(out)) for cell in row]
    assert "'=red" in cells
    assert "'+sum.png" in cells
    assert not [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell]


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_a_file_name_that_is_no_text(burnish, photos, tmp_path, name) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    try:
        shutil.copy(photos[0], folder / b"\xff.png".decode("utf-8", "surrogateescape"))
    except OSError:
        pytest.skip("this file system takes only names that are text")
    assert burnish("predict", "images", folder, "--out", tmp_path / name).code == 0
    text = (tmp_path / name).read_text("utf-8")
    assert r"\udcff.png" in text


@pytest.fixture
def mixed(place, photos, tmp_path) -> Path:
    """Three images, of which the second is none."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(photos[0], folder / "a.png")
    (folder / "b.png").write_bytes(b"no image")
    shutil.copy(photos[1], folder / "c.png")
    return folder


def test_a_bad_image_is_named_and_nothing_is_written(burnish, mixed, tmp_path) -> None:
    ended = burnish("predict", "images", mixed, "--out", tmp_path / "out.csv")
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "b.png: this is not an image" in ended.err
    assert "--on-bad-input skip" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mixed"]


def test_a_bad_image_is_skipped_with_its_reason(burnish, mixed, place) -> None:
    rows = rows_of(burnish("predict", "images", mixed, "--on-bad-input", "skip").out)
    assert [bool(row["prediction"]) for row in rows] == [True, False, True]
    assert [bool(row["error"]) for row in rows] == [False, True, False]
    alone = rows_of(burnish("predict", "images", mixed / "c.png").out)
    assert alone[0]["confidence"] == rows[2]["confidence"]
    with pytest.raises(ItemError, match="item 1"):
        package.load(model(place, "images")).predict([mixed / "a.png", b"no image"])


def test_bad_rows_of_features_and_bad_lines_are_skipped(burnish, place) -> None:
    np.save(place / "nan.npy", np.array([[0, 1, 2, 3], [0, np.nan, 2, 3]]))
    rows = rows_of(burnish("predict", "several", "nan.npy", "--on-bad-input", "skip").out)
    assert [row["error"] for row in rows] == ["", "feature 1 is nan"]
    (place / "bad.txt").write_bytes(b"abab\n\n\xff\n")
    ended = burnish("predict", "texts", "bad.txt", "--plugin", "letters.py", "--on-bad-input", "skip")
    assert [row["error"] for row in rows_of(ended.out)] == [
        "",
        "the line is empty",
        "the line is no UTF-8: invalid start byte",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("images", "nowhere"), "unknown source 'nowhere'"),
        (("images", "rows.npz"), "x f4 (120, 4): its items are features, and the predictor reads image"),
        (("several", "photos"), "photos: its items are image, and the predictor reads features"),
        (("several", "images.npz"), "x u1 (90, 12, 12, 3): its items are image"),
        (("several", "rows.npz", "--column", "z"), "there is no array 'z'"),
        (("several", "digits"), "digits: its items are image, and the predictor reads features"),
        (
            ("texts", "semi.csv", "--plugin", "letters.py"),
            "the only column is 'text;id': ';' seems to separate its columns",
        ),
        (("photos", "photos"), "there is no predictor here"),
        (("images", "empty"), "there is no item in it or below"),
        (("images", "broken.npz"), "this is no whole .npz, .npy or .safetensors file"),
        (("images", "photos", "--out", "photos"), "a folder stands there"),
        (("several", "rows.npz", "--out", "rows.npz"), "written over the inputs"),
        (("several", "rows.npz", "--out", "no/such/a.csv"), "a folder of this path is missing"),
        (("several", "narrow.npy"), "features of shape (2, 3)"),
    ],
)
def test_errors_are_one_line(burnish, place, photos, arguments, said) -> None:
    (place / "empty").mkdir(exist_ok=True)
    (place / "broken.npz").write_bytes((place / "rows.npz").read_bytes()[:300])
    np.save(place / "narrow.npy", np.zeros((2, 3)))
    (place / "semi.csv").write_text("text;id\nabab;1\n")
    ended = burnish("predict", *arguments)
    assert ended.code in (1, 2)
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert not list(place.glob(".part-*"))


def test_every_write_that_fails_leaves_what_was_there(burnish, place) -> None:
    target = place / "kept.csv"
    target.write_text("before\n")
    operations = burnish(
        "predict", "several", "rows.npz", "--out", "kept.csv", fail_at={"number": 99, "code": "ENOSPC"}
    ).log
    assert len(operations) > 3
    for number in range(len(operations) - 1):  # the last one is the folder's own flush, after the rename
        target.write_text("before\n")
        ended = burnish(
            "predict",
            "several",
            "rows.npz",
            "--out",
            "kept.csv",
            fail_at={"number": number, "code": "ENOSPC"},
        )
        assert ended.code == 1
        assert "no space is left" in ended.err
        assert target.read_text() == "before\n"
        assert not list(place.glob(".part-*"))


def test_other_weights_than_it_was_trained_with_are_refused(burnish, place, tmp_path) -> None:
    import burnish_tiny

    shipped = Path(burnish_tiny.__file__).parent / "weights"
    weights = place / "own"
    weights.mkdir()
    shutil.copy(shipped / "noise-0-seed-0.safetensors", weights / "weights.safetensors")
    parts = (
        "--data",
        "./images.npz",
        "--backbone",
        "tiny:weights=own",
        "--tuner",
        "ridge",
        "--replicates",
        "1",
        "-q",
    )
    assert burnish("run", *parts, "--out", "own-study").code == 0
    assert burnish("predict", "own-study", "photos/001.png").code == 0
    shutil.copy(shipped / "noise-0.3-seed-1.safetensors", weights / "weights.safetensors")
    ended = burnish("predict", "own-study", "photos/001.png")
    assert ended.code == 1
    assert "have the fingerprint" in ended.err
    assert "it was trained with" in ended.err
    (weights / "weights.safetensors").unlink()
    ended = burnish("predict", "own-study", "photos/001.png")
    assert (ended.code, ended.err.count("\n")) == (1, 1)


def crafted(place: Path, folder: Path, change) -> Path:
    shutil.copytree(model(place, "several"), folder)
    meta = json.loads((folder / "predictor.json").read_text())
    change(meta)
    (folder / "predictor.json").write_text(json.dumps(meta))
    return folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda meta: meta.update(format=1), "format 1"),
        (lambda meta: meta.pop("classes"), "lacks or garbles 'classes'"),
        (lambda meta: meta["tuner"]["options"].update(epochs="many"), "epochs"),
        (lambda meta: meta["tuner"].update(name="../x"), "cannot be used"),
        (lambda meta: meta["tuner"].update(version="9.0"), "9.0"),
        (lambda meta: meta["backbone"]["options"].update(sneaky=1), "sneaky"),
        (lambda meta: meta["info"].update(dim=5), "weight"),
        (lambda meta: meta["classes"].update(names=["a", "b"], ids=["a", "b"], known=[True, True]), "weight"),
        (lambda meta: meta["classes"].update(known=[True]), "1 known flags"),
        (lambda meta: meta["numeric"].update(grid=10**9), "grid"),
    ],
)
def test_a_crafted_file_is_refused_in_one_line(place, tmp_path, change, said) -> None:
    with pytest.raises(ModelFileError, match=r"(?s).+") as caught:
        package.load(crafted(place, tmp_path / "model", change))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_of_a_study_with_several_predictors_one_must_be_named(burnish, place) -> None:
    parts = (
        "--data",
        "./rows.npz",
        "--backbone",
        "features",
        "--tuner",
        "ridge",
        "--tuner",
        "nothing",
        "--replicates",
        "1",
        "-q",
    )
    assert burnish("run", *parts, "--out", "two").code == 0
    ended = burnish("predict", "two", "rows.npz")
    assert ended.code == 1
    assert "the study has 2 predictors" in ended.err


def test_only_a_few_cells_are_read_ahead(place) -> None:
    saved = package.load(model(place, "several"))
    read = 0

    def endless() -> Iterator[NewItem]:
        nonlocal read
        while True:
            read += 1
            yield NewItem("", lambda: np.zeros(4, dtype=np.float32))

    stream = saved.stream(endless(), workers=2)
    for _ in range(5):
        next(stream)
    assert read <= (5 + 3) * saved.numeric.grid
    stream.close()


def test_threads_are_those_of_every_command(place, monkeypatch, capsys) -> None:
    seen: list[int] = []
    monkeypatch.setattr("burnish.numeric.use_threads", seen.append)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    np.save(place / "four.npy", np.ones((4, 4)))
    for further in ([], ["--threads", "3"]):
        with pytest.raises(SystemExit) as ended:
            main(["predict", str(model(place, "several")), str(place / "four.npy"), *further])
        assert ended.value.code == 0, capsys.readouterr().err
    assert seen == [2, 3]


def test_inputs_of_another_kind_are_refused(place) -> None:
    saved = package.load(model(place, "several"))
    with pytest.raises(DataError, match="features"):
        saved.predict(np.array([["a", "text"]]))
    with pytest.raises(DataError, match="not finite"):
        saved.predict(np.full((2, 4), np.nan))
    with pytest.raises(DataError, match=r"item 0: features are .* Mend or remove it\.$"):
        saved.predict(["a text"])


@pytest.mark.parametrize(
    "one", ["a text", b"bytes", Path("a.png"), Image.new("RGB", (4, 4)), np.zeros((4, 4, 3), dtype=np.uint8)]
)
def test_one_item_is_no_list_of_items(place, one) -> None:
    """The characters of a text are no texts, and the rows of an image no images."""
    with pytest.raises(
        DataError, match=r"one \w+ is given, and many items are wanted\. Put it into a list\."
    ):
        package.load(model(place, "images")).predict(one)


def test_a_frame_of_features_is_an_array(place) -> None:
    class Frame:
        def __init__(self, rows: np.ndarray) -> None:
            self.rows = rows

        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return self.rows

    saved, rows = package.load(model(place, "several")), np.arange(8).reshape(2, 4)
    assert np.array_equal(saved.predict(Frame(rows)).values, saved.predict(rows).values)
