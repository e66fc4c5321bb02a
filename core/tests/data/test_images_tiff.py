"""TIFF and PNG whose samples are not 8 bits of grey or RGB: the values that their specifications give."""

import struct
import zlib

import pytest

from burnish.data.images import decode_rgb


def tiff(data, *, bits, photometric, samples=1, extra=None):
    """Return an uncompressed TIFF of 8 x 2 pixels with the bytes of its one strip."""
    start = 8
    tags = {
        256: (4, [8]),
        257: (4, [2]),
        258: (3, [bits] * samples),
        259: (3, [1]),
        262: (3, [photometric]),
        273: (4, [start]),
        277: (3, [samples]),
        278: (4, [2]),
        279: (4, [len(data)]),
    }
    if extra is not None:
        tags[338] = (3, [extra])
    depths, directory = start + len(data), start + len(data) + 2 * samples
    entries = b""
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        inline = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", depths)
        entries += struct.pack("<HHI", tag, kind, len(values)) + inline
    more = struct.pack(f"<{samples}H", *[bits] * samples)
    header = b"II*\0" + struct.pack("<I", directory)
    return header + data + more + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)


@pytest.mark.parametrize(
    ("data", "bits", "photometric", "grey"),
    [
        (b"\xff" * 24, 12, 1, 255),
        (b"\x80\x08\x00" * 8, 12, 1, 128),
        (b"\xff" * 32, 16, 1, 255),
        (b"\0\x80" * 16, 16, 1, 128),
        (b"\0" * 32, 16, 0, 255),
        (b"\xff" * 32, 16, 0, 0),
        (b"\xff" * 16, 8, 1, 255),
        (b"\0" * 16, 8, 0, 255),
    ],
)
def test_the_largest_value_that_the_bits_hold_is_white(data, bits, photometric, grey):
    assert decode_rgb(tiff(data, bits=bits, photometric=photometric)).getpixel((3, 1)) == (grey,) * 3


@pytest.mark.parametrize(("fourth", "extra"), [(0, None), (0, 0), (255, 2), (255, None)])
def test_a_fourth_sample_is_transparency_only_where_the_file_says_so(fourth, extra):
    pixels = bytes([255, 0, 0, fourth]) * 16
    image = decode_rgb(tiff(pixels, bits=8, photometric=2, samples=4, extra=extra))
    assert image.getpixel((3, 1)) == (255, 0, 0)


def test_what_a_tiff_calls_transparent_is_white():
    image = decode_rgb(tiff(b"\xff\0\0\0" * 16, bits=8, photometric=2, samples=4, extra=2))
    assert image.getpixel((3, 1)) == (255, 255, 255)


@pytest.mark.parametrize(("bits", "value"), [(8, 156), (16, 40_000)])
def test_the_grey_that_a_png_calls_transparent_is_white(bits, value):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    code = "B" if bits == 8 else "H"
    row = b"\0" + struct.pack(f">2{code}", value, value // 2)
    data = b"\x89PNG\r\n\x1a\n"
    data += chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, bits, 0, 0, 0, 0))
    data += (
        chunk(b"tRNS", struct.pack(">H", value)) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    )
    image = decode_rgb(data)
    assert image.getpixel((0, 0)) == (255, 255, 255)
    assert image.getpixel((1, 0)) == (78, 78, 78)
