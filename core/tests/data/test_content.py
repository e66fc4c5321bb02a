import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.data import canonical_order, content_id, stack_ids, uniforms
from burnish.data.content import content_id_of_file


def ids_of(*words):
    return stack_ids([content_id("text", word) for word in words])


def test_an_id_is_a_hash_of_modality_and_bytes():
    """Golden: whoever changes this changes every split, every noise draw and every cached feature."""
    assert content_id("image", b"abc") == hashlib.sha256(b"image\0abc").digest()
    assert content_id("text", "abc") == hashlib.sha256(b"text\0abc").digest()
    assert (
        content_id("features", np.array([1, -2.5], np.float32))
        == hashlib.sha256(b"features\0\0\0\x80\x3f\0\0\x20\xc0").digest()
    )
    assert len({content_id(kind, b"abc") for kind in ("image", "text", "features")}) == 3


def test_text_is_the_same_however_its_accents_are_composed():
    assert content_id("text", "e\u0301") == content_id("text", "\u00e9")
    assert content_id("text", "e") != content_id("text", "\u00e9")
    assert content_id("text", "\udc80") != content_id("text", "\udc81"), (
        "lone surrogates of odd file names are told apart"
    )


def test_a_features_id_depends_on_values_not_on_layout():
    row = np.arange(6, dtype=np.float32)
    assert content_id("features", row) == content_id("features", np.repeat(row, 2)[::2])
    assert content_id("features", row) == content_id("features", row.astype(">f4"))


@given(content=st.binary(max_size=100))
def test_a_file_has_the_id_of_its_bytes(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("file") / "x"
    path.write_bytes(content * 30_000)
    assert content_id_of_file("image", path) == content_id("image", content * 30_000)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        content_id_of_file("image", tmp_path / "x")


@given(st.permutations([f"item {k}" for k in range(12)]))
def test_the_order_of_a_data_set_is_that_of_its_content(words):
    ids = ids_of(*words)
    ordered = [words[row] for row in canonical_order(ids)]
    assert ordered == sorted(words, key=lambda word: content_id("text", word))


def test_equal_items_are_not_in_the_order_of_the_source():
    """Or a source sorted by class would tell the class of copies."""
    orders = [canonical_order(ids_of(*[f"w{k}"] * 5)).tolist() for k in range(40)]
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders)
    assert len({tuple(order) for order in orders}) > 20
    assert len({order[0] for order in orders}) == 5


@given(
    words=st.lists(st.text(max_size=5), min_size=1, max_size=20),
    k=st.integers(1, 9),
    replicate=st.integers(0, 3),
)
def test_draws_belong_to_the_item(words, k, replicate):
    ids = ids_of(*words)
    draws = uniforms(ids, "noise", replicate, k=k)
    assert draws.shape == (len(words), k)
    assert ((draws >= 0) & (draws < 1)).all()
    for row, word in enumerate(words):
        assert np.array_equal(uniforms(ids_of(word), "noise", replicate, k=k)[0], draws[row])
    assert np.array_equal(uniforms(ids, "noise", replicate, k=9)[:, :k], draws), (
        "more numbers leave the first ones as they are"
    )


def test_draws_for_other_purposes_are_others():
    ids = ids_of(*map(str, range(50)))
    draws = [
        uniforms(ids, *words)[:, 0]
        for words in (
            ("noise", 0),
            ("noise", 1),
            ("split", 0),
            ("noise", "0", "x"),
            ("noise0",),
            ("noise", "0\0x", ""),
        )
    ]
    for first in range(len(draws)):
        for second in range(first):
            assert not np.isclose(draws[first], draws[second]).any()


def test_draws_are_uniform_and_independent():
    draws = uniforms(ids_of(*map(str, range(4000))), "test", k=2)
    counts = np.histogram(draws[:, 0], bins=20, range=(0, 1))[0]
    assert ((counts - 200) ** 2 / 200).sum() < 43.8, "chi-square with 19 degrees of freedom: 0.1 %"
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.06


def test_golden_draw():
    digest = hashlib.sha256(
        b"burnish-draw\0noise\x003\0" + content_id("text", "a") + (0).to_bytes(4, "little")
    ).digest()
    expected = [(int.from_bytes(digest[8 * k : 8 * k + 8], "little") >> 11) / 2**53 for k in range(3)]
    assert uniforms(ids_of("a"), "noise", 3, k=3)[0].tolist() == expected


def test_the_same_in_another_process():
    code = "from burnish.data import *; print(uniforms(stack_ids([content_id('text', 'a')]), 'x').tolist())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == str(uniforms(ids_of("a"), "x").tolist())


@given(st.lists(st.integers(0, 6), min_size=1, max_size=30))
def test_the_order_is_that_of_ids_then_of_salted_rows(numbers):
    ids = ids_of(*(f"w{number}" for number in numbers))
    keys = [row.tobytes() for row in ids]
    salted = [
        hashlib.sha256(b"burnish-tie\0" + key + row.to_bytes(8, "little")).digest()
        for row, key in enumerate(keys)
    ]
    assert canonical_order(ids).tolist() == sorted(range(len(keys)), key=lambda row: (keys[row], salted[row]))
