import math
import threading
from dataclasses import replace

import numpy as np
import pytest
from fake_extraction import DIM, SPEC, FakeBackbone, broken, dataset, expected, run, texts_of
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.engine.features import cells, extract
from burnish.errors import DataError, ItemError, PluginError, RecipeError

ROWS = 150


def rows_of(data, view=None):
    return np.array([expected(text, view) for text in texts_of(data)])


def whole(data, tmp_path, **settings):
    return run(data, tmp_path, **settings)[0].features


# -- what comes out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 128, ROWS])
def test_features_are_aligned_with_the_data_set(tmp_path, n):
    data = dataset(n)
    out, backbone = run(data, tmp_path)
    assert np.array_equal(out.features, rows_of(data))
    assert (out.features.dtype, out.bad, out.warnings[:1] if n > 1 else (), out.encoded) == (
        np.float32,
        (),
        (),
        n,
    )
    assert not out.features.flags.writeable
    assert [len(cell) for cell in backbone.cells] == [64] * math.ceil(n / 64), "always whole cells"
    wanted = texts_of(data) + [data.read(n - 1)] * (-n % 64)
    assert sorted(backbone.cells) == sorted(wanted[start : start + 64] for start in range(0, n, 64)), (
        "in order, padded with the last row"
    )


def test_a_second_run_makes_no_backbone(tmp_path):
    data = dataset(ROWS)
    first = whole(data, tmp_path)

    def never():
        raise AssertionError("the backbone was made")

    with extract.FeatureCache(tmp_path) as cache:
        again = extract.extract(data, np.arange(ROWS), SPEC, never, cache)
    assert again.encoded == 0
    assert isinstance(again.features, np.memmap)
    assert first.tobytes() == again.features.tobytes()


def test_only_what_is_asked_for_is_encoded(tmp_path):
    data = dataset(ROWS)
    out, backbone = run(data, tmp_path, positions=np.array([90, 3, 7, 3]))
    assert out.encoded == 3
    assert backbone.encoded == [data.read(position) for position in (3, 7, 90)]
    assert np.array_equal(out.features[[3, 7, 90]], rows_of(data)[[3, 7, 90]])
    assert np.isnan(np.delete(out.features, [3, 7, 90], axis=0)).all()
    out, backbone = run(data, tmp_path)
    assert out.encoded == ROWS - 3
    assert np.array_equal(out.features, rows_of(data))


def test_a_data_set_that_grows_by_one_item_encodes_one(tmp_path):
    run(dataset(ROWS), tmp_path)
    grown = dataset(ROWS + 1)
    out, backbone = run(grown, tmp_path)
    assert backbone.encoded == [f"0-{ROWS}"]
    assert np.array_equal(out.features, rows_of(grown))


def test_equal_content_is_encoded_once(tmp_path):
    data = dataset(20, repeat=[4, 4, 9])
    out, backbone = run(data, tmp_path)
    assert out.encoded == 20
    assert len(set(backbone.encoded)) == 20
    assert np.array_equal(out.features, rows_of(data))


def test_two_data_sets_share_what_they_share(tmp_path):
    run(dataset(30), tmp_path)
    out, _ = run(dataset(50), tmp_path)
    assert out.encoded == 20


def test_views_are_kept_apart(tmp_path):
    data = dataset(10)
    for view in (None, 0, 1):
        assert np.array_equal(
            run(data, tmp_path, spec=replace(SPEC, view=view))[0].features, rows_of(data, view)
        )


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 200),
    workers=st.integers(1, 5),
    shuffle=st.randoms(use_true_random=False),
    first=st.integers(0, 200),
    shard=st.sampled_from([64, 128, 4096]),
)
def test_order_and_workers_change_no_bit(tmp_path_factory, n, workers, shuffle, first, shard):
    """With `drift`, features betray in which cell and row an item was encoded."""
    data = dataset(n)
    positions = list(range(n))
    shuffle.shuffle(positions)
    plain = whole(data, tmp_path_factory.mktemp("plain"), backbone=FakeBackbone(drift=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extract, "SHARD_ITEMS", shard)
        folder = tmp_path_factory.mktemp("other")
        other = whole(
            data, folder, backbone=FakeBackbone(drift=1), workers=workers, positions=np.array(positions)
        )
        assert plain.tobytes() == other.tobytes()
        # Read again, in parts, from several shards.
        again = run(data, folder, positions=np.array(positions[:first]), workers=workers)[0]
        assert again.encoded == 0
        assert np.array_equal(again.features[sorted(positions[:first])], plain[sorted(positions[:first])])


def test_preparing_ahead_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "AHEAD_BYTES", 1)
    backbone = FakeBackbone(slow=0.001)
    out, _ = run(dataset(64 * 6), tmp_path, backbone=backbone, workers=4)
    assert out.encoded == 64 * 6
    assert backbone.most_in_prepare <= 5


def test_progress_is_told_after_every_cell(tmp_path):
    seen = []
    run(dataset(ROWS), tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(64, ROWS), (128, ROWS), (ROWS, ROWS)]
    run(dataset(ROWS), tmp_path, progress=lambda done, total: seen.append("again"))
    assert seen[-1] == (ROWS, ROWS)


def test_the_threads_of_torch_are_left_as_they_were(tmp_path):
    import torch

    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(3)
    backbone = FakeBackbone()
    encode = backbone.encode
    backbone.encode = lambda inputs: seen.append(torch.get_num_threads()) or encode(inputs)
    try:
        run(dataset(ROWS), tmp_path, backbone=backbone)
        later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        later.start()
        later.join()
        assert (seen, torch.get_num_threads()) == ([1, 1, 1, 3], 3), (
            "two lanes share two threads; afterwards, all is as before"
        )
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("threads", "lanes", "share"), [(1, 1, 1), (2, 2, 1), (4, 4, 1), (7, 4, 1), (16, 4, 4)]
)
def test_lanes_share_the_threads(tmp_path, threads, lanes, share):
    import torch

    backbone, barrier, seen = FakeBackbone(), threading.Barrier(lanes, timeout=20), []
    encode = backbone.encode

    def together(inputs):
        barrier.wait()  # breaks unless so many encode at once
        seen.append(torch.get_num_threads())
        return encode(inputs)

    backbone.encode = together
    run(
        dataset(64 * lanes * 2),
        tmp_path,
        backbone=backbone,
        spec=replace(SPEC, numeric=replace(SPEC.numeric, threads=threads)),
    )
    assert seen == [share] * lanes * 2


def test_many_shards_are_one_table(tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "SHARD_ITEMS", 64)
    data = dataset(300)
    whole(data, tmp_path)
    assert len(list(tmp_path.rglob("*.shard"))) == 5
    assert np.array_equal(whole(data, tmp_path), rows_of(data))


# -- bad items -----------------------------------------------------------------------------------------------


REASONS = {
    3: "it cannot be read: Input/output error",
    70: "the row is ragged",
    9: "cannot decode 0-9",
    90: "cannot decode 0-90",
    20: "feature 1 is nan",
    140: "feature 3 is inf",
}


def test_the_first_bad_item_ends_the_run_and_is_named(tmp_path):
    data, odd = broken(ROWS)
    with pytest.raises(ItemError) as caught:
        run(data, tmp_path, backbone=FakeBackbone(**odd))
    row = int(data.rows[caught.value.position])
    assert str(caught.value) == f"row {row}: {REASONS[row]}. Mend or remove it, or set on_bad_input: skip."


def test_bad_items_are_set_aside_where_that_is_asked_for(tmp_path):
    data, odd = broken(ROWS)
    out, _ = run(data, tmp_path, backbone=FakeBackbone(**odd), on_bad_input="skip")
    assert {int(data.rows[position]): reason for position, reason in out.bad} == REASONS
    assert [position for position, _ in out.bad] == sorted(position for position, _ in out.bad)
    bad = [position for position, _ in out.bad]
    good = np.delete(np.arange(ROWS), bad)
    assert np.isnan(out.features[bad]).all()
    data.reader.broken.clear()
    assert np.array_equal(out.features[good], rows_of(data)[good])


def test_what_lies_in_an_items_content_is_not_tried_again(tmp_path):
    data, odd = broken(ROWS)
    first, _ = run(data, tmp_path, backbone=FakeBackbone(**odd), on_bad_input="skip")
    again, backbone = run(data, tmp_path, backbone=FakeBackbone(**odd), on_bad_input="skip")
    assert (again.bad, backbone.cells) == (first.bad, [])
    data.reader.broken.pop(3)
    mended, backbone = run(data, tmp_path, backbone=FakeBackbone(**odd), on_bad_input="skip")
    assert backbone.encoded == ["0-3"], "a file that could not be read is tried again"
    assert [reason for _, reason in mended.bad if "Input/output" in reason] == []
    never = FakeBackbone(**odd)
    with pytest.raises(ItemError):
        run(data, tmp_path, backbone=never)
    assert never.cells == []


def test_where_nothing_can_be_used(tmp_path):
    data = dataset(5)
    bad = FakeBackbone(bad=frozenset(texts_of(data)))
    for _ in range(2):
        with pytest.raises(DataError) as caught:
            run(data, tmp_path, backbone=bad, on_bad_input="skip")
        row = int(data.rows[0])
        assert (
            str(caught.value) == f"row {row}: none of 5 items can be used; the first: cannot decode 0-{row}."
        )


def test_what_is_encoded_before_an_error_is_kept(tmp_path):
    data = dataset(ROWS)
    last = data.read(ROWS - 1)
    with pytest.raises(ItemError):
        run(data, tmp_path, backbone=FakeBackbone(bad=frozenset({last})))
    out, _ = run(data, tmp_path)
    assert out.encoded == ROWS - 128
    assert np.array_equal(out.features, rows_of(data))


def test_constant_features_are_warned_of(tmp_path):
    data = dataset(9)
    same = {text: np.full(DIM, 2, np.float32) for text in texts_of(data)}
    out, _ = run(data, tmp_path, backbone=FakeBackbone(values=same))
    assert out.warnings == (
        "fake:size=1: all 9 items have the same features; nothing can be learnt from them",
    )
    assert run(data, tmp_path)[0].warnings == out.warnings, "also when they come from the cache"
    mostly = {text: np.array([1, 1, 1, 1, k], np.float32) for k, text in enumerate(texts_of(data))}
    out, _ = run(data, tmp_path / "other", backbone=FakeBackbone(values=mostly))
    assert out.warnings == ("fake:size=1: 4 of 5 features are the same for all 9 items",)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"modality": "image"}, RecipeError, "backbone: fake:size=1 reads image, fake holds text."),
        ({"dim": 4}, PluginError, "encode returned torch.float32 (64, 5). Possible: torch.float32 (64, 4)"),
    ],
)
def test_a_backbone_that_does_not_fit(tmp_path, change, kind, message):
    with pytest.raises(kind) as caught:
        run(dataset(5), tmp_path, backbone=FakeBackbone(**change))
    assert message in str(caught.value)


def test_a_backbone_without_views(tmp_path):
    with pytest.raises(RecipeError, match="makes no augmented views"):
        run(dataset(5), tmp_path, backbone=FakeBackbone(views=False), spec=replace(SPEC, view=0))


def test_a_backbone_that_loses_rows(tmp_path):
    backbone = FakeBackbone()
    backbone.prepare = lambda items, view, ids: {"x": np.zeros((1, DIM), np.float32)}
    with pytest.raises(PluginError, match="prepare returned 1 rows of 'x' for 5 items"):
        run(dataset(5), tmp_path, backbone=backbone)
