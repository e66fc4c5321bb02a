"""Files of arrays that are not as they should be."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest

N = 24


def arrays(**changes):
    """Write a good file of features with some arrays changed; None leaves one out."""

    def make(folder):
        draw = np.random.default_rng(0)
        y = np.arange(N) % 3
        good = {"x": (draw.normal(size=(N, 4)) + y[:, None]).astype(np.float32), "y": y}
        kept = {name: array for name, array in {**good, **changes}.items() if array is not None}
        np.savez(
            folder / "data.npz",
            **{
                name: change(good[name].copy()) if callable(change) else change
                for name, change in kept.items()
            },
        )

    return make


def at(row, value):
    def change(x):
        x[row] = value
        return x

    return change


def raw(content):
    def make(folder):
        (folder / "data.npz").write_bytes(content)

    return make


def cut(folder):
    arrays()(folder)
    whole = (folder / "data.npz").read_bytes()
    (folder / "data.npz").write_bytes(whole[: len(whole) // 2])


def flipped(folder):
    """One bit of the features is wrong: the archive's own checksum tells."""
    arrays()(folder)
    whole = bytearray((folder / "data.npz").read_bytes())
    whole[whole.index(b"\x93NUMPY") + 200] ^= 1
    (folder / "data.npz").write_bytes(whole)


def array_header(shape, descr="<f4"):
    """A .npy file that declares a shape and holds nothing."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def declared(shape):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.npy", array_header(shape))
        labels = io.BytesIO()
        np.save(labels, np.arange(N) % 3)
        archive.writestr("y.npy", labels.getvalue())
    return raw(buffer.getvalue())


def safetensors(header, content=b""):
    def make(folder):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        (folder / "data.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + content)

    return make


OBJECTS = np.array([{"a": 1}] * N, dtype=object)
NPZ = "npz:path=data.npz"
TENSORS = "npz:path=data.safetensors"


@pytest.mark.parametrize(
    ("make", "data", "fragments"),
    [
        pytest.param(arrays(y=lambda y: y[:-1]), NPZ, ["data.npz", "23", "24"], id="mismatched-lengths"),
        pytest.param(
            arrays(x=at((5, 2), np.nan)),
            NPZ,
            ["data.npz.*row 5", "nan", "on_bad_input: skip"],
            id="nan-feature",
        ),
        pytest.param(
            arrays(x=at((5, 2), np.inf)),
            NPZ,
            ["data.npz.*row 5", "inf", "on_bad_input: skip"],
            id="infinite-feature",
        ),
        pytest.param(arrays(y=OBJECTS), NPZ, ["data.npz", "objects|object", "y"], id="labels-are-objects"),
        pytest.param(arrays(x=OBJECTS), NPZ, ["data.npz", "objects|object", "x"], id="items-are-objects"),
        pytest.param(
            arrays(y=at(3, 7), names=np.array(["a", "b", "c"])),
            NPZ + ",classes=names",
            ["data.npz.*row 3", "7.*out of range", "0 to 2"],
            id="label-out-of-range",
        ),
        pytest.param(arrays(y=at(3, -2)), NPZ, ["data.npz.*row 3", "-2"], id="negative-label"),
        pytest.param(arrays(y=lambda y: y + 0.5), NPZ, ["data.npz", "y", "0.5"], id="labels-with-fractions"),
        pytest.param(arrays(y=lambda y: y * 0), NPZ, ["only one class", "at least two"], id="one-class"),
        pytest.param(
            arrays(x=lambda x: x[:, 0]), NPZ, ["data.npz", "x", r"\(24,\)|shape"], id="items-of-no-dimension"
        ),
        pytest.param(
            arrays(x=lambda x: np.ones_like(x)),
            NPZ,
            ["data", "all 24 items have the same content", "Add items"],
            id="all-features-constant",
        ),
        pytest.param(
            arrays(x=lambda x: x[:, :0]),
            NPZ,
            ["data.npz", r"x is f4 \(24, 0\)", r"features \(N, D\)"],
            id="features-of-width-zero",
        ),
        pytest.param(arrays(y=None), NPZ, ["data.npz", "y", "Possible|label"], id="no-labels"),
        pytest.param(
            arrays(),
            NPZ + ",x=pixels",
            ["data.npz", "'pixels'", "Possible: x f4"],
            id="array-that-is-not-there",
        ),
        pytest.param(arrays(), NPZ + ",rows=9:3", ["data.npz|npz", "rows=9:3"], id="rows-that-are-none"),
        pytest.param(
            arrays(truth=np.arange(5)),
            NPZ + ",truth=truth",
            ["data.npz", "5.*24|24.*5"],
            id="truth-of-another-length",
        ),
        pytest.param(raw(b""), NPZ, ["data.npz"], id="empty-file"),
        pytest.param(
            raw(b"no archive at all"), NPZ, ["data.npz", "no .npz|not a|no zip|archive"], id="no-archive"
        ),
        pytest.param(cut, NPZ, ["data.npz"], id="truncated-archive"),
        pytest.param(flipped, NPZ, ["data.npz"], id="damaged-archive"),
        pytest.param(declared((10**12, 512)), NPZ, ["data.npz", "x"], id="declares-more-than-there-is"),
        pytest.param(declared("(-1, 4)"), NPZ, ["data.npz", "x"], id="declares-a-negative-shape"),
        pytest.param(
            safetensors(b"{" * 40), TENSORS, ["data.safetensors"], id="safetensors-with-a-broken-header"
        ),
        pytest.param(
            safetensors({"x": {"dtype": "F32", "shape": [24, 4], "data_offsets": [0, 384]}}),
            TENSORS,
            ["data.safetensors"],
            id="safetensors-cut-off",
        ),
        pytest.param(
            lambda f: (f / "data.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}"),
            TENSORS,
            ["data.safetensors", "header"],
            id="safetensors-huge-header",
        ),
        pytest.param(
            lambda f: (f / "data.safetensors").write_bytes(b"\x80\x04\x95cos\nsystem\n(S'true'\ntR."),
            TENSORS,
            ["data.safetensors"],
            id="pickle-called-safetensors",
        ),
    ],
)
def test_a_bad_file_of_arrays_is_refused(refused, small_run, tmp_path, make, data, fragments):
    make(tmp_path)
    refused(*small_run, "--data", data, fragments=fragments, code=1)


def test_features_that_are_not_finite_are_set_aside_and_listed(burnish, accepted, small_run, tmp_path):
    arrays(x=at((5, 2), np.nan))(tmp_path)
    accepted(*small_run, "--data", NPZ, "-s", "on_bad_input=skip")
    assert "row 5" in burnish("results", "study", "--json").out


def test_features_that_are_constant_are_told(burnish, accepted, small_run, tmp_path):
    arrays(x=lambda x: x * np.array([1, 0, 0, 0], dtype=np.float32))(tmp_path)
    accepted(*small_run, "--data", NPZ)
    assert "3 of 4 features are the same for all 24 items" in burnish("results", "study", "--json").out


def test_a_good_file_is_a_study(accepted, small_run, tmp_path):
    arrays()(tmp_path)
    assert "nearest-class-mean" in accepted(*small_run, "--data", NPZ).out


def test_nothing_is_unpickled(refused, small_run, tmp_path):
    """A crafted pickle would leave a file behind if anything read it."""
    trap = b"cos\nsystem\n(S'touch trapped'\ntR."
    npy = (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", 118)
        + b"{'descr': '|O', 'fortran_order': False, 'shape': (24,), }".ljust(117)
        + b"\n"
        + trap
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.npy", npy)
        archive.writestr("y.npy", npy)
    (tmp_path / "data.npz").write_bytes(buffer.getvalue())
    refused(*small_run, "--data", NPZ, fragments=["data.npz", "object"], code=1)
    assert not (tmp_path / "trapped").exists()
