"""The source `npz`: arrays in .npz and .safetensors files."""

import numpy as np
import pytest
import scipy.sparse as sp
from safetensors.numpy import save_file

from burnish.data import Labels, MultiLabels, content_id
from burnish.data.images import decode_rgb
from burnish.errors import ConfigError, DataError
from burnish_basics._data import NpzConfig
from burnish_basics.sources import _light
from burnish_basics.sources._npy import headers
from burnish_basics.sources.arrays import Npz

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4))
Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def arrays(tmp_path):
    """Write arrays and return the path of the file."""

    def write(name="a.npz", *, compressed=False, **content):
        path = tmp_path / name
        if name.endswith(".safetensors"):
            save_file({key: np.ascontiguousarray(value) for key, value in content.items()}, path)
        else:
            (np.savez_compressed if compressed else np.savez)(path, **content)
        return path

    return write


def load(path, **options):
    return Npz(NpzConfig(path=path, **options)).load()


def in_order(dataset):
    """Return positions in the order of the source's rows."""
    return np.argsort(dataset.rows)


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors"])
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i4", "u1", "?"])
def test_features(arrays, name, dtype):
    x = (X * 10).astype(dtype)
    dataset = load(arrays(name, x=x, y=Y))
    assert (dataset.modality, len(dataset), dataset.classes.names) == ("features", 6, ("0", "1", "2"))
    for row, position in enumerate(in_order(dataset)):
        payload = dataset.read(position)
        assert payload.dtype == np.float32
        np.testing.assert_array_equal(payload, x[row].astype(np.float32))
        assert dataset.supervision.y[position] == Y[row]
        assert dataset.ids[position].tobytes() == content_id("features", payload)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_large_arrays_are_mapped_or_read_alike(arrays, compressed, order):
    x = np.asarray(RNG.normal(size=(3_000, 100)).astype(np.float32), order=order)
    path = arrays(x=x, y=np.arange(3_000) % 3, compressed=compressed)
    dataset = load(path)
    mapped = isinstance(dataset.reader.blocks[0][0].array, np.memmap)
    assert mapped is (not compressed and order == "C")
    np.testing.assert_array_equal(np.stack([dataset.read(p) for p in in_order(dataset)]), x)


@pytest.mark.parametrize("shape", [(6, 5, 4), (6, 5, 4, 1), (6, 5, 4, 3)])
def test_images(arrays, shape):
    x = RNG.integers(0, 256, shape, dtype=np.uint8)
    dataset = load(arrays(x=x, y=Y))
    assert dataset.modality == "image"
    for row, position in enumerate(in_order(dataset)):
        payload = dataset.read(position)
        assert payload.shape == (5, 4, 3)
        np.testing.assert_array_equal(payload, np.broadcast_to(x[row].reshape(5, 4, -1), (5, 4, 3)))
        assert decode_rgb(payload).size == (4, 5)


def test_images_as_features(arrays):
    x = RNG.integers(0, 256, (6, 5, 4), dtype=np.uint8)
    dataset = load(arrays(x=x, y=Y), modality="features")
    np.testing.assert_array_equal(np.stack([dataset.read(p) for p in in_order(dataset)]), x.reshape(6, -1))


def encoded(picture, n, seed=0):
    files = [picture(seed + i) for i in range(n)]
    return files, np.frombuffer(b"".join(files), np.uint8), np.cumsum([0, *map(len, files)])


def test_image_files_as_bytes_with_test_arrays_and_rows(arrays, picture):
    train, train_x, train_off = encoded(picture, 6)
    test, test_x, test_off = encoded(picture, 3, 50)
    y = Y.astype(np.uint8)
    path = arrays(
        train_jpeg=train_x, train_off=train_off, train_y=y, test_jpeg=test_x, test_off=test_off, test_y=y[:3]
    )
    named = {"x": "train_jpeg", "offsets": "train_off", "y": "train_y"}
    alone = load(path, **named, rows="1:5")
    assert [alone.read(p) for p in in_order(alone)] == train[1:5]
    assert alone.assigned == {}
    assert alone.classes.names == ("0", "1", "2")
    assert alone.origin(in_order(alone)[0]).endswith("a.npz, train_jpeg row 1")
    both = load(path, **named, x_test="test_jpeg", offsets_test="test_off", y_test="test_y")
    found = load(path)
    assert both.fingerprint() == found.fingerprint()
    assert sorted(both.read(p) for p in both.assigned["test"]) == sorted(test)
    assert sorted(both.read(p) for p in both.assigned["train"]) == sorted(train)
    assert load(path, x_test="-").assigned == {}


def csr(name, matrix):
    matrix = sp.csr_array(matrix)
    return {
        f"{name}_data": matrix.data,
        f"{name}_indices": matrix.indices,
        f"{name}_indptr": matrix.indptr,
        f"{name}_shape": np.array(matrix.shape),
    }


def test_sparse_features_and_multi_labels(arrays):
    x = np.where(RNG.random((6, 7)) < 0.5, RNG.normal(size=(6, 7)), 0).astype(np.float32)
    y = (RNG.random((6, 3)) < 0.5).astype(np.int8)
    path = arrays(
        **csr("train_x", x),
        **csr("train_y", y),
        **csr("test_x", x[:2] + 1),
        **csr("test_y", y[:2]),
        labels=np.array(["a", "b", "c"]),
    )
    dataset = load(path, classes="labels")
    assert dataset.classes.names == ("a", "b", "c")
    order = in_order(dataset)
    np.testing.assert_array_equal(np.stack([dataset.read(p) for p in order]), np.concatenate([x, x[:2] + 1]))
    np.testing.assert_array_equal(
        dataset.supervision.positive.toarray()[order], np.concatenate([y, y[:2]]).astype(bool)
    )
    assert dataset.supervision.observed is None
    assert _light.npz_provides(NpzConfig(path=path)) == {"features", "multi-labels"}


def test_multi_labels_with_unknown_entries(arrays):
    y = np.array([[1, 0, -1], [0, 1, 1], [-1, -1, -1], [0, 0, 0], [1, 1, 1], [0, 0, 1]])
    dataset = load(arrays(x=X, y=y), unknown=-1)
    assert isinstance(dataset.supervision, MultiLabels)
    order = in_order(dataset)
    np.testing.assert_array_equal(dataset.supervision.positive.toarray()[order], y == 1)
    np.testing.assert_array_equal(dataset.supervision.observed.toarray()[order], y != -1)
    assert dataset.classes.names == ("0", "1", "2")


@pytest.mark.parametrize("sparse", [False, True])
def test_multi_labels_of_which_only_what_is_present_was_observed(arrays, sparse):
    y = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 0], [1, 1, 1], [0, 0, 1]])
    path = arrays(**csr("x", X), **csr("y", y)) if sparse else arrays(x=X, y=y)
    supervision = load(path, unknown=0).supervision
    np.testing.assert_array_equal(supervision.observed.toarray(), supervision.positive.toarray())
    assert supervision.positive.sum() == 7
    assert supervision.known.sum() == 4
    assert load(path).supervision.observed is None
    with pytest.raises(DataError, match="unknown=1, but in multi-labels 1 says that a class is present"):
        load(path, unknown=1)


def test_names_unknown_labels_groups_weights_and_truth(arrays):
    y, truth = np.array(["b", "", "a", "b", "a", "b"]), np.array(["b", "b", "a", "a", "a", "b"])
    path = arrays(x=X, y=y, truth=truth, g=np.array([5, 5, 7, 7, 9, 9]), w=np.arange(6.0))
    dataset = load(path, truth="truth", group="g", weights="w")
    order = in_order(dataset)
    assert dataset.supervision.y[order].tolist() == [1, -1, 0, 1, 0, 1]
    assert dataset.truth.y[order].tolist() == [1, 1, 0, 0, 0, 1]
    assert dataset.columns["group"][order].tolist() == [0, 0, 1, 1, 2, 2]
    assert dataset.supervision.weights[order].tolist() == [0, 1, 2, 3, 4, 5]
    numbers = load(arrays("b.npz", x=X, y=np.array([0, -1, 1, 2, 1, 0])), unknown=-1, names=("p", "q", "r"))
    assert numbers.supervision.y[in_order(numbers)].tolist() == [0, -1, 1, 2, 1, 0]
    assert numbers.classes.names == ("p", "q", "r")


def test_labels_from_another_file_beside_clean_ones(arrays, picture):
    _, x, off = encoded(picture, 6)
    _, x_test, off_test = encoded(picture, 3, 70)
    main = arrays(
        "images.npz",
        train_jpeg=x,
        train_off=off,
        train_y=Y,
        test_jpeg=x_test,
        test_off=off_test,
        test_y=Y[:3],
    )
    noisy = arrays("noisy.npz", worse=(Y + 1) % 3, clean=Y)
    dataset = load(main, labels_file=noisy, y="worse", truth="clean", y_test="test_y")
    order = in_order(dataset)
    assert dataset.supervision.y[order].tolist() == [*((Y + 1) % 3), *Y[:3]]
    assert dataset.truth.y[order].tolist() == [*Y, *Y[:3]]


def test_a_split_array(arrays):
    split = np.array(["train", "train", "val", "test", "test_far", "train"])
    dataset = load(arrays(x=X, y=Y, s=split), split="s")
    assert {name: dataset.rows[index].tolist() for name, index in dataset.assigned.items()} == {
        "train": sorted(dataset.rows[dataset.assigned["train"]].tolist(), key=dataset.rows.tolist().index),
        "validation": [2],
        "test": [3],
        "test:far": [4],
    }
    with pytest.raises(DataError, match=r"x row 5: 'later' is no split"):
        load(arrays(x=X, y=Y, s=np.array(["train"] * 5 + ["later"])), split="s")


def test_brain_floats(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch

    path = tmp_path / "a.safetensors"
    values = torch.tensor(X, dtype=torch.bfloat16)
    save_torch({"x": values, "y": torch.tensor(Y)}, path)
    dataset = load(path)
    np.testing.assert_array_equal(
        np.stack([dataset.read(p) for p in in_order(dataset)]), values.float().numpy()
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, r"feature 2 is nan"), (np.inf, r"feature 2 is inf"), (1e300, r"feature 2 is inf")],
    ids=["nan", "inf", "too large"],
)
def test_a_row_that_is_not_finite_fails_when_it_is_read(arrays, value, reason):
    x = X.copy()
    x[3, 2] = value
    dataset = load(arrays(x=x, y=Y))
    position = in_order(dataset)[3]
    assert dataset.origin(position).endswith("x row 3")
    with pytest.raises(DataError, match=reason):
        dataset.read(position)


OFF = np.array([0, 3, 6])
BAD = [
    (
        "no such array",
        {"x": X, "y": Y},
        {"x": "features"},
        "a.npz: there is no array 'features' for x. Possible: x f8 (6, 4), y i8 (6,).",
    ),
    (
        "no items",
        {"a": X, "y": Y},
        {},
        "a.npz: which array holds the items cannot be told. Possible: a f8 (6, 4), y i8 (6,). Say x=NAME.",
    ),
    (
        "objects",
        {"x": np.array([[1], [2, 3]], dtype=object), "y": Y},
        {},
        "a.npz: array 'x' holds Python objects, which only pickle reads, and noth",
    ),
    (
        "objects as labels",
        {"x": X, "y": np.array([1, "a"] * 3, dtype=object)},
        {},
        "a.npz: array 'y' holds Python objects, which only pickle reads",
    ),
    ("records", {"x": np.zeros(6, dtype=[("a", "f4")]), "y": Y}, {}, "a.npz: array 'x' holds Python objects"),
    (
        "lengths",
        {"x": X, "y": Y[:5]},
        {},
        "a.npz, y: 5 labels for 6 items. Both arrays need one row an item.",
    ),
    ("lengths of truth", {"x": X, "y": Y, "t": Y[:5]}, {"truth": "t"}, "a.npz, t: 5 labels for 6 items."),
    ("lengths of weights", {"x": X, "y": Y, "w": Y[:5]}, {"weights": "w"}, "a.npz, w: 5 values for 6 items."),
    (
        "weights below 0",
        {"x": X, "y": Y, "w": -Y},
        {"weights": "w"},
        "a.npz, x row 1: the weight -1 is not a number of at least 0.",
    ),
    (
        "label below 0",
        {"x": X, "y": Y - 1},
        {},
        "a.npz, y row 0: label -1 is out of range. Possible: 0 or more. If it means that nobody labelled th",
    ),
    (
        "label too large",
        {"x": X, "y": Y},
        {"names": ("a", "b")},
        "a.npz, x row 2: label 2 is out of range. Possible: 0 to 1.",
    ),
    ("label no whole number", {"x": X, "y": Y + 0.5}, {}, "a.npz, y row 0: label 0.5 is not a whole number."),
    (
        "label NaN",
        {"x": X, "y": np.where(Y == 1, np.nan, Y)},
        {},
        "a.npz, y row 1: label nan is not a whole number.",
    ),
    (
        "unknown name",
        {"x": X, "y": np.array(list("abcabd"))},
        {"names": ("a", "b", "c")},
        "a.npz, x row 5: there is no class 'd'. Possible: a, b, c",
    ),
    (
        "class names twice",
        {"x": X, "y": Y},
        {"names": ("a", "a", "b")},
        "a.npz: class 'a' stands twice in classes.",
    ),
    ("soft labels", {"x": X, "y": np.full((6, 3), 1 / 3)}, {}, "a.npz, y row 0, column 0: the entry 0.333"),
    (
        "labels of 3 dimensions",
        {"x": X, "y": np.zeros((6, 2, 2))},
        {},
        "labels have shapes that do not go together",
    ),
    (
        "channels first",
        {"x": np.zeros((6, 3, 5, 5), np.uint8), "y": Y},
        {},
        "a.npz: x is u1 (6, 3, 5, 5), channels first. Possible: images uint8",
    ),
    (
        "float images",
        {"x": np.zeros((6, 5, 5, 3)), "y": Y},
        {},
        "a.npz: x is f8 (6, 5, 5, 3), not uint8. Possible: images uint8",
    ),
    ("texts", {"x": np.array(list("abcdef")), "y": Y}, {}, "a.npz: x is U1 (6,). Possible: images uint8"),
    (
        "bytes without offsets",
        {"x": np.zeros(6, np.uint8), "y": Y},
        {},
        "a.npz: x is one row of bytes without offsets.",
    ),
    (
        "offsets fall",
        {"x": np.zeros(9, np.uint8), "off": OFF[::-1].copy(), "y": Y[:2]},
        {},
        "a.npz, off row 1: the offset is smaller than the one b",
    ),
    (
        "offsets too large",
        {"x": np.zeros(5, np.uint8), "off": OFF, "y": Y[:2]},
        {},
        "a.npz, off: offsets run from 0 to 6, but there are 5 bytes.",
    ),
    (
        "offsets of features",
        {"x": X, "off": OFF, "y": Y},
        {"offsets": "off"},
        "a.npz: offsets is given, but x is f8 (6, 4). Possible: offsets into",
    ),
    ("rows of nothing", {"x": X, "y": Y}, {"rows": "6:9"}, "a.npz, x: rows=6:9 names none of the 6 rows."),
    (
        "rows misspelt",
        {"x": X, "y": Y},
        {"rows": "5"},
        "a.npz, x: rows=5 is not of the form start:stop or start:stop:step. For example rows=0:25000",
    ),
    ("no test labels", {"x": X, "y": Y, "x_test": X}, {}, "a.npz: there are no labels for x_test."),
    (
        "test of another shape",
        {"x": X, "y": Y, "x_test": X[:, :, None], "y_test": Y},
        {},
        "a.npz: x_test is f8 (6, 4, 1)",
    ),
    ("no items at all", {"x": X[:0], "y": Y[:0]}, {}, "no item has a label, and no classes are given"),
    (
        "sparse parts",
        {**csr("x", X), "y": Y, "x_indptr": np.array([0, 1])},
        {"x": "x"},
        "a.npz, x: the parts of the sparse matrix do not fit togeth",
    ),
    (
        "sparse outside",
        {**csr("x", X), "y": Y, "x_indices": np.full(24, 99)},
        {"x": "x"},
        "a.npz, x: the parts of the sparse matrix point outside o",
    ),
]


@pytest.mark.parametrize(
    ("content", "options", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_a_file_that_cannot_be_used_is_one_line(arrays, content, options, message):
    path = arrays(**content)
    with pytest.raises(DataError) as caught:
        load(path, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_files(arrays, tmp_path):
    with pytest.raises(DataError, match=r"b\.npz: there is no such file"):
        load(tmp_path / "b.npz")
    path = arrays(x=X, y=Y)
    whole = path.read_bytes()
    for raw in (b"", b"no zip", whole[:-40], whole[:200]):
        path.write_bytes(raw)
        with pytest.raises(DataError, match=r"a\.npz: this is no whole \.npz, \.npy or \.safetensors file"):
            load(path)
    path.write_bytes(whole.replace(X.tobytes()[:8], b"\0" * 8))
    with pytest.raises(DataError, match=r"a\.npz.*: Bad CRC-32"):
        load(path)
    large = np.arange(300_000.0).reshape(3_000, 100)
    path = arrays(x=large, y=np.arange(3_000) % 2)
    path.write_bytes(path.read_bytes().replace(np.float64(299_000).tobytes(), b"\0" * 8))
    with pytest.raises(DataError, match=r"a\.npz, x: the array cannot be read: Bad CRC-32"):
        load(path)
    tensors = arrays("a.safetensors", x=X, y=Y)
    for raw in (b"", b"\xff" * 40, tensors.read_bytes()[:30]):
        tensors.write_bytes(raw)
        with pytest.raises(DataError, match="this is no whole"):
            load(tensors)


def test_a_crafted_header_runs_nothing(tmp_path):
    import zipfile

    header = b"{'descr': __import__('os').system('true'), 'fortran_order': False, 'shape': (1,), }"
    raw = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", raw)
    with pytest.raises(DataError, match="this is no whole"):
        load(tmp_path / "a.npz")


def test_headers_say_what_numpy_says(arrays):
    content = {
        "a": X,
        "b": Y.astype(np.uint8),
        "c": np.array(["é", "abc"]),
        "d": np.asfortranarray(X),
        "e": np.array(3.0),
        "f": np.zeros((0, 3)),
    }
    found = headers(arrays(**content))
    for name, value in content.items():
        assert (np.dtype(found[name].dtype), found[name].shape) == (value.dtype, value.shape)
    raw = arrays(**content).read_bytes()
    assert raw[found["a"].offset :][: X.nbytes] == X.tobytes()
    assert found["d"].offset == -1


def test_options_that_do_not_go_together(tmp_path):
    with pytest.raises(ConfigError, match="classes and names are both given"):
        NpzConfig(path=tmp_path, classes="c", names=("a",))


def test_provides_and_guess(arrays, tmp_path):
    path = arrays(x=X, y=Y, g=Y)
    assert _light.npz_provides(NpzConfig(path=path, group="g")) == {"features", "labels", "groups"}
    assert _light.npz_guess(path) == {"path": str(path)}
    assert _light.npz_guess(tmp_path / "x.csv") is None
    assert isinstance(load(path).supervision, Labels)


def test_a_reader_survives_a_process_boundary(arrays):
    import pickle

    dataset = load(arrays(x=RNG.normal(size=(3_000, 100)), y=np.arange(3_000) % 2))
    other = pickle.loads(pickle.dumps(dataset.reader))
    np.testing.assert_array_equal(other.read(7), dataset.reader.read(7))


@pytest.mark.parametrize(
    "names", ["x_train y_train x_test y_test", "X_train y_train X_test y_test", "X y X_test y_test"]
)
def test_test_arrays_are_found_whatever_the_case(arrays, names):
    values = dict(zip(names.split(), (X, Y, X[:3] + 9, Y[:3]), strict=True))
    dataset = load(arrays(**values))
    assert len(dataset) == 9
    assert len(dataset.assigned["test"]) == 3


@pytest.mark.parametrize("y", [Y, Y % 2])
def test_a_column_of_labels_is_what_a_row_of_them_is(arrays, y):
    column, row = load(arrays(x=X, y=y[:, None])), load(arrays(x=X, y=y))
    assert isinstance(column.supervision, Labels)
    assert column.fingerprint() == row.fingerprint()
    assert "labels" in _light.npz_provides(NpzConfig(path=arrays(x=X, y=y[:, None])))


def test_large_unsigned_labels_keep_their_numbers(arrays):
    dataset = load(arrays(x=X, y=(Y % 2).astype(np.uint64) + np.uint64(2**63)))
    assert dataset.classes.names == ("9223372036854775808", "9223372036854775809")


def test_four_channels_are_called_that(arrays):
    with pytest.raises(DataError, match="4 channels"):
        load(arrays(x=np.zeros((6, 5, 5, 4), np.uint8), y=Y))
