import io
import random
import struct
import threading
import warnings
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, features

from burnish.data import Item, images
from burnish.data.images import (
    FORMATS,
    MAX_PIXELS,
    decode_rgb,
    libraries,
    open_rgb,
    random_resized_crop_flip,
    resize,
)
from burnish.errors import DataError, ItemError

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def quadrants(size=16):
    """Red, green over blue, grey: no turn or mirror of it looks the same."""
    half = size // 2
    pixels = np.empty((size, size, 3), dtype=np.uint8)
    pixels[:half, :half], pixels[:half, half:], pixels[half:, :half], pixels[half:, half:] = (
        RED,
        GREEN,
        BLUE,
        GREY,
    )
    return Image.fromarray(pixels)


def saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width, height, depth=8, colour=2, data=None):
    """A PNG made by hand, which may declare anything."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data or b""))
        + chunk(b"IEND", b"")
    )


def corners(image):
    pixels = np.asarray(image).astype(int)
    h, w = pixels.shape[0] // 4, pixels.shape[1] // 4
    return [tuple(pixels[y, x]) for y in (h, 3 * h) for x in (w, 3 * w)]


# -- what is read --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP", "JPEG2000", "AVIF"])
def test_formats(kind):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    options = (
        {"lossless": True}
        if kind == "WEBP"
        else {"quality": 100, "subsampling": "4:4:4"}
        if kind == "AVIF"
        else {}
    )
    image = decode_rgb(saved(quadrants(), kind, **options))
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image).astype(int) - np.asarray(quadrants())).max() <= (
        8 if kind == "AVIF" else 0
    )


def test_jpeg_is_what_pillow_decodes():
    data = saved(quadrants(), "JPEG")
    assert np.array_equal(decode_rgb(data), Image.open(io.BytesIO(data)))


def test_arrays_pass_through():
    pixels = np.asarray(quadrants())
    assert np.array_equal(decode_rgb(pixels), pixels)
    assert np.array_equal(decode_rgb(pixels[..., 0]), np.repeat(pixels[..., :1], 3, axis=2))
    assert np.array_equal(decode_rgb(pixels[::2, ::-1]), pixels[::2, ::-1])


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LA", "RGBA"])
def test_modes_become_rgb(mode):
    kind = {"CMYK": "TIFF", "YCbCr": "TIFF"}.get(mode, "PNG")
    data = saved(quadrants().convert(mode), kind)
    expected = Image.open(io.BytesIO(data)).convert("RGB")
    assert np.array_equal(decode_rgb(data), expected)


def test_cmyk_jpeg_is_not_inverted():
    image = decode_rgb(saved(quadrants().convert("CMYK"), "JPEG", quality=100, subsampling=0))
    assert np.abs(np.subtract(corners(image), [RED, GREEN, BLUE, GREY])).max() < 30


def test_transparency_is_laid_on_white():
    layer = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    layer.putpixel((1, 1), (10, 20, 30, 255))
    layer.putpixel((2, 2), (0, 0, 0, 127))
    image = decode_rgb(saved(layer))
    assert image.getpixel((0, 0)) == (255, 255, 255)
    assert image.getpixel((1, 1)) == (10, 20, 30)
    assert image.getpixel((2, 2)) == (128, 128, 128)


def test_a_transparent_colour_is_laid_on_white():
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.putpixel((1, 0), 1)
    for data in (
        saved(palette, "PNG", transparency=0),
        saved(palette, "GIF", transparency=0),
        saved(palette, "PNG", transparency=b"\0\xff"),
    ):
        image = decode_rgb(data)
        assert [image.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (10, 20, 30)]
    keyed = Image.new("RGB", (2, 1), (10, 20, 30))
    keyed.putpixel((0, 0), (1, 2, 3))
    assert [decode_rgb(saved(keyed, transparency=(1, 2, 3))).getpixel((x, 0)) for x in (0, 1)] == [
        (255, 255, 255),
        (10, 20, 30),
    ]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_not_clipped(kind):
    values = np.array([[0, 128, 257, 32_896, 65_535]], dtype=np.uint16)
    image = decode_rgb(saved(Image.fromarray(values), kind))
    expected = np.round(values / 65_535 * 255).astype(np.uint8)
    assert np.array_equal(np.asarray(image), np.repeat(expected[..., None], 3, axis=2))


def test_16_bit_colour_keeps_the_high_byte():
    rows = b"\0" + struct.pack(">6H", 0, 0x8001, 0xFFFF, 0x1234, 0x00FF, 0x0100)
    assert np.asarray(decode_rgb(png(2, 1, depth=16, data=rows))).tolist() == [
        [[0, 0x80, 0xFF], [0x12, 0, 1]]
    ]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_an_animation(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert getattr(Image.open(io.BytesIO(data)), "n_frames", 1) == 3
    assert corners(decode_rgb(data)) == [RED] * 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    data = saved(quadrants(), kind, exif=exif, **options)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    image = decode_rgb(data)
    assert np.array_equal(image, expected)
    if orientation == 6:
        assert np.abs(np.subtract(corners(image), [BLUE, RED, GREY, GREEN])).max() < 16


def test_a_damaged_exif_block_costs_no_image():
    data = saved(quadrants(), "JPEG", exif=b"Exif\0\0" + b"MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert decode_rgb(data).size == (16, 16)


# -- what is refused -----------------------------------------------------------------------------------------


def told(payload):
    with pytest.raises(DataError) as caught:
        decode_rgb(payload)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing():
    assert told(b"") == "the file is empty."


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"hello",
        b"%PDF-1.7",
        b"\xff",
        b"<svg></svg>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    ],
)
def test_no_image(data):
    assert (
        told(data)
        == "this is not an image. Possible: JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, JPEG 2000 or AVIF."
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated(kind, share):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = saved(Image.fromarray(pixels), kind)
    assert "truncated or damaged" in told(data[: int(len(data) * share)])


def test_declared_60000_by_60000():
    assert (
        told(png(60_000, 60_000))
        == "the image declares 60,000 x 60,000 pixels. Possible: at most 89 million pixels. Make it smaller."
    )


def test_just_too_large():
    side = int(MAX_PIXELS**0.5)
    assert "declares" in told(png(side + 1, side + 1))
    assert "truncated" in told(png(side, side)), "the largest that is decoded: this one has no pixels"


def test_a_bomb_of_compressed_text():
    bomb = b"zTXt" + b"k\0\0" + zlib.compress(b"a" * (64 << 20))
    chunk = struct.pack(">I", len(bomb) - 4) + bomb + struct.pack(">I", zlib.crc32(bomb))
    data = saved(quadrants())
    assert "truncated or damaged" in told(data[:33] + chunk + data[33:])


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_arrays_of_another_kind(pixels):
    assert f"the pixels are {pixels.dtype} {pixels.shape}" in told(pixels)


def test_float_pixels_have_no_range():
    assert "mode F (32 bits) have no agreed range" in told(saved(Image.new("F", (2, 2)), "TIFF"))


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"]), data=st.data())
def test_no_damage_raises_anything_but_data_error(kind, data):
    content = bytearray(saved(quadrants(), kind))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Pillow's remarks about odd tags
        with suppress(DataError):
            assert decode_rgb(bytes(content[: data.draw(st.integers(0, len(content)))])).mode == "RGB"


def test_items_are_named_by_position():
    with pytest.raises(ItemError) as caught:
        open_rgb(Item(7, b"no"))
    assert (caught.value.position, caught.value.reason) == (7, "this is not an image")
    assert open_rgb(Item(7, np.asarray(quadrants()))).size == (16, 16)


def test_threads_decode_alike():
    data, results = saved(quadrants(), "JPEG"), []
    threads = [
        threading.Thread(target=lambda: results.append(np.asarray(decode_rgb(data)).tobytes()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1
    assert len(results) == 8


def test_libraries_name_what_decodes():
    found = libraries()
    assert {"burnish", "pillow", "jpg"} <= set(found)
    assert set(FORMATS) <= set(Image.OPEN) | {"AVIF"}


# -- views ---------------------------------------------------------------------------------------------------


def test_resize_keeps_proportions():
    image = Image.new("RGB", (90, 60))
    assert resize(image, 30).size == (45, 30)
    assert resize(image, (7, 9)).size == (7, 9)
    assert resize(image, 60) is image
    assert resize(Image.new("RGB", (1000, 3)), 2).size == (667, 2)


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    seed=st.integers(0, 2**64 - 1),
    side=st.integers(1, 40),
)
def test_a_fixed_view_follows_from_its_seed(size, seed, side):
    image = Image.effect_noise(size, 60).convert("RGB")
    first, second = (random_resized_crop_flip(image, side, seed) for _ in range(2))
    assert first.size == (side, side)
    assert np.array_equal(first, second)
    assert np.array_equal(first, random_resized_crop_flip(image, side, np.uint64(seed)))
    assert random_resized_crop_flip(image, (side, side + 3), seed).size == (side, side + 3)


def test_fixed_views_are_pinned():
    """Golden values: a change of the draw changes every cached view, and must raise `DECODER`."""
    parts = [images._part(random.Random(seed), (64, 48), (0.8, 1.0), (3 / 4, 4 / 3)) for seed in range(4)]
    assert parts == [(6, 0, 55, 48), (6, 0, 56, 46), (2, 1, 62, 47), (2, 0, 55, 45)]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
def test_pixels_beside_the_part_play_no_role(interpolation):
    """The same part out of two images that differ everywhere else."""
    for seed in range(8):
        left, top, width, height = images._part(random.Random(seed), (64, 48), (0.2, 0.4), (3 / 4, 4 / 3))
        inside = Image.effect_noise((width, height), 60).convert("RGB")
        views = []
        for colour in ("black", "white"):
            image = Image.new("RGB", (64, 48), colour)
            image.paste(inside, (left, top))
            views.append(
                np.asarray(random_resized_crop_flip(image, 20, seed, (0.2, 0.4), interpolation=interpolation))
            )
        assert np.array_equal(*views), seed


def test_half_of_the_views_are_mirrored_and_areas_lie_in_the_scale():
    """A horizontal ramp shows where a part lies: its ends are its first and last columns."""
    ramp = Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (200, 1)))
    mirrored, widths = 0, []
    for seed in range(400):
        row = np.asarray(
            random_resized_crop_flip(ramp, 50, seed, scale=(0.5, 0.6), ratio=(1, 1), interpolation="nearest")
        )[0].astype(int)
        mirrored += row[0] > row[-1]
        widths.append(abs(row[-1] - row[0]) / 49 * 50)
    assert 160 <= mirrored <= 240
    assert 200 * 0.5**0.5 - 3 <= min(widths) < 200 * 0.51**0.5
    assert 200 * 0.59**0.5 < max(widths) <= 200 * 0.6**0.5 + 3
