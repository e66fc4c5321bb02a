"""Images and folders of images that are not as they should be.

Refused with the file named, or set aside and listed.
"""

import io
import os
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

IMAGES = ("--data", "./photos", "--backbone", "tiny")


def picture(seed, mode="RGB", size=(24, 20)):
    channels = {"RGB": 3, "CMYK": 4}.get(mode, 1)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], channels), dtype=np.uint8)
    return Image.fromarray(pixels if channels > 1 else pixels[:, :, 0], mode if channels > 1 else "L")


def encoded(form, seed=99, **options):
    buffer = io.BytesIO()
    picture(seed, options.pop("mode", "RGB")).save(buffer, form, **options)
    return buffer.getvalue()


def photos(folder, classes=("cat", "dog"), items=8):
    """Write a folder of small images, a sub-folder a class."""
    for at, name in enumerate(classes):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(items):
            picture(1000 * at + number).save(folder / "photos" / name / f"{number}.png")
    return folder / "photos"


def huge_png():
    """A PNG of a few bytes that declares 60,000 x 60,000 pixels."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 64)),
        (b"IEND", b""),
    ]
    packed = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def wide_grey():
    buffer = io.BytesIO()
    Image.fromarray(np.ones((8, 8), dtype=np.float32)).save(buffer, "TIFF")
    return buffer.getvalue()


BAD_IMAGES = [
    pytest.param("bad.png", b"", "the file is empty", id="zero-byte"),
    pytest.param(
        "bad.png", encoded("PNG")[:200], "the PNG image is truncated or damaged", id="truncated-png"
    ),
    pytest.param(
        "bad.jpg", encoded("JPEG")[:400], "the JPEG image is truncated or damaged", id="truncated-jpeg"
    ),
    pytest.param("bad.jpg", b"<html>not found</html>", "this is not an image", id="web-page-called-jpg"),
    pytest.param(
        "bad.png", huge_png(), "the image declares 60,000 x 60,000 pixels", id="declared-60000-x-60000"
    ),
    pytest.param("bad.tif", wide_grey(), "no agreed range of values", id="32-bit-float"),
    pytest.param("bad.png", "nowhere", "the link leads nowhere", id="link-to-nowhere"),
    pytest.param(
        "bad.png", "bad.png", "cannot be read: Too many levels of symbolic links", id="link-to-itself"
    ),
    pytest.param("bad.png", None, "it is no regular file", id="named-pipe"),
]


def put(folder, name, content):
    """Write a file; a text is the target of a link, and None stands for a named pipe."""
    path = photos(folder) / "cat" / name
    if content is None:
        os.mkfifo(path)
    elif isinstance(content, str):
        path.symlink_to(content)
    else:
        path.write_bytes(content)


@pytest.mark.parametrize(("name", "content", "reason"), BAD_IMAGES)
def test_a_bad_image_ends_the_run_with_its_name(refused, small_run, tmp_path, name, content, reason):
    put(tmp_path, name, content)
    refused(*small_run, *IMAGES, fragments=[f"photos/cat/{name}: ", reason, "on_bad_input: skip"], code=1)


@pytest.mark.parametrize(("name", "content", "reason"), BAD_IMAGES)
def test_a_bad_image_is_set_aside_and_listed(burnish, accepted, small_run, tmp_path, name, content, reason):
    put(tmp_path, name, content)
    accepted(*small_run, *IMAGES, "-s", "on_bad_input=skip")
    notes = burnish("results", "study", "--json").out
    assert re.search(f"photos/cat/{name}.*{reason}", notes), notes
    assert f"photos/cat/{name}" in (tmp_path / "study" / "report.html").read_text("utf-8")


def test_after_the_image_is_mended_the_same_command_runs(refused, accepted, small_run, tmp_path):
    put(tmp_path, "bad.png", b"")
    refused(*small_run, *IMAGES, fragments=["the file is empty"], code=1)
    (tmp_path / "photos" / "cat" / "bad.png").write_bytes(encoded("PNG"))
    accepted(*small_run, *IMAGES)


def animated(form):
    buffer = io.BytesIO()
    picture(1).save(buffer, form, save_all=True, append_images=[picture(2), picture(3)])
    return buffer.getvalue()


def sixteen_bits():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 2**16, (20, 24), dtype=np.uint16)).save(
        buffer, "PNG"
    )
    return buffer.getvalue()


def see_through():
    buffer = io.BytesIO()
    image = picture(4).convert("P")
    image.save(buffer, "PNG", transparency=0)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("odd.jpg", encoded("JPEG", mode="CMYK"), id="cmyk"),
        pytest.param("odd.png", sixteen_bits(), id="16-bit"),
        pytest.param("odd.gif", animated("GIF"), id="animated-gif"),
        pytest.param("odd.webp", animated("WEBP"), id="animated-webp"),
        pytest.param("odd.png", see_through(), id="palette-with-transparency"),
        pytest.param("odd.JPG", encoded("PNG"), id="another-ending-than-its-kind"),
    ],
)
def test_an_unusual_image_is_an_image(accepted, small_run, tmp_path, name, content):
    put(tmp_path, name, content)
    accepted(*small_run, *IMAGES)


# -- folders -------------------------------------------------------------------------------------------------


def empty_folder(folder):
    (folder / "photos").mkdir()


def no_images(folder):
    for name in ("cat", "dog"):
        (folder / "photos" / name).mkdir(parents=True)
        (folder / "photos" / name / "notes.doc").write_bytes(b"x")


def one_class(folder):
    photos(folder, ["cat"])


def empty_class(folder):
    (photos(folder) / "owl").mkdir()


def class_only_in_test(folder):
    for split, names in (("train", ["cat", "dog"]), ("test", ["cat", "dog", "owl"])):
        photos(folder / split, names)
        (folder / "photos").mkdir(exist_ok=True)
        (folder / split / "photos").rename(folder / "photos" / split)
        (folder / split).rmdir()


def circle(folder):
    (photos(folder) / "cat" / "again").symlink_to(folder / "photos", target_is_directory=True)


def folders_in_class(folder):
    (photos(folder) / "cat" / "tabby").mkdir()


def a_file(folder):
    (folder / "photos").write_bytes(b"x")


@pytest.mark.parametrize(
    ("make", "code", "fragments"),
    [
        pytest.param(
            lambda folder: None,
            2,
            ["--data", "no file or folder .*photos", "Name a path"],
            id="no-such-folder",
        ),
        pytest.param(
            empty_folder,
            1,
            ["photos", "there is no folder in it", "Make one folder a class"],
            id="empty-folder",
        ),
        pytest.param(
            no_images,
            1,
            ["photos", "there is no item in any class folder", "Possible: files ending in .*jpg"],
            id="no-image-in-it",
        ),
        pytest.param(
            one_class, 1, ["photos", "there is only one class, 'cat'", "at least two"], id="one-class"
        ),
        pytest.param(
            empty_class,
            1,
            ["class 'owl'", "the class folder holds no item", "Fill or remove it"],
            id="empty-class",
        ),
        pytest.param(
            class_only_in_test,
            1,
            ["class 'owl'", "8 items in test.* none to train on", "Add items to train"],
            id="class-only-in-test",
        ),
        pytest.param(
            circle, 1, ["photos/cat", "holds a folder, 'again'", "nested=true"], id="link-to-a-folder-above"
        ),
        pytest.param(
            folders_in_class,
            1,
            ["photos/cat", "holds a folder, 'tabby'", "nested=true"],
            id="folder-in-a-class-folder",
        ),
        pytest.param(
            a_file, 2, ["--data", "no source reads .*photos", "Name the source"], id="file-for-a-folder"
        ),
    ],
)
def test_a_bad_folder_is_refused(refused, small_run, tmp_path, make, code, fragments):
    make(tmp_path)
    refused(*small_run, *IMAGES, fragments=fragments, code=code)


def test_links_that_lead_in_a_circle_are_found(refused, small_run, tmp_path):
    circle(tmp_path)
    data = ("--data", "folder:path=photos,nested=true", "--backbone", "tiny")
    refused(
        *small_run,
        *data,
        fragments=["photos/cat/again", "leads back to a folder that it lies in", "Remove the link"],
        code=1,
    )


def test_names_of_files_may_be_anything(accepted, small_run, tmp_path):
    folder = photos(tmp_path, ["-rf", "a:b,c=[d]"])
    os.rename(folder / "-rf" / "0.png", os.fsencode(folder / "-rf") + b"/\xff\xfe 'quoted\" \n<b>.png")  # noqa: PTH104 - the name is no text
    os.rename(folder / "a:b,c=[d]", os.fsencode(folder) + b"/k\xc3\xa4se \xff")  # noqa: PTH104
    accepted(*small_run, *IMAGES)


def test_a_bad_image_with_an_odd_name_is_told_in_one_line(refused, small_run, tmp_path):
    folder = photos(tmp_path)
    with open(os.fsencode(folder / "cat") + b"/\xff\n<script>.png", "wb"):  # noqa: PTH123 - the name is no text
        pass
    refused(*small_run, *IMAGES, fragments=["photos/cat/.*<script>.png: the file is empty"], code=1)


def test_the_report_escapes_names(accepted, small_run, tmp_path):
    (photos(tmp_path, ["cat", "<script>alert(1)"]) / "cat" / "<script>alert(2).png").write_bytes(b"")
    accepted(*small_run, *IMAGES, "-s", "on_bad_input=skip", "--evaluate", "per-class")
    report = (tmp_path / "study" / "report.html").read_text("utf-8")
    assert "alert(" in report
    assert "<script>alert(" not in report
