"""Scenes: what they show, what is held out, and that nothing of the test sets leaks into training."""

import pickle

import numpy as np
import pytest

from burnish.errors import ConfigError
from burnish_signs import STYLES, ScenesConfig, scenes_fingerprint
from burnish_signs.drawing import BOX, OBJECTS, POSITIONS, RANDOM, SIDE, Shapes, digit_shapes, draw
from burnish_signs.scenes import COLOURS, DIGITS_TRAIN, Exemplars, Scenes, held_out
from burnish_signs.source import Photographs

SMALL = ScenesConfig(per_class=4, test_per_class=2)


@pytest.fixture(scope="module")
def dataset():
    return Scenes(SMALL).load()


@pytest.fixture(scope="module")
def exemplars():
    return Exemplars.load()


def _stack(dataset, split):
    return np.stack([item.payload for item in dataset.items(dataset.assigned[split])])


def test_a_quarter_of_the_combinations_is_held_out_and_every_word_still_occurs():
    out = held_out()
    assert out.shape == (20, 6)
    assert out.sum(axis=0).tolist() == [5] * 6
    assert set(out.sum(axis=1).tolist()) == {1, 2}


def test_held_out_combinations_are_new_classes_and_only_tested(dataset):
    new = held_out().ravel()
    assert np.array_equal(dataset.classes.known, ~new)
    y = dataset.supervision.y
    assert not new[y[dataset.assigned["train"]]].any()
    assert not new[y[dataset.assigned["test"]]].any()
    assert new[y[dataset.assigned["test:new"]]].all()
    assert np.bincount(y[dataset.assigned["train"]], minlength=120).tolist() == [
        0 if one else 4 for one in new
    ]
    assert {split: len(index) for split, index in dataset.assigned.items()} == {
        "train": 360,
        "test": 180,
        "test:new": 60,
    }


def test_labels_names_and_columns_say_the_same(dataset):
    for position in range(0, len(dataset), 41):
        name = dataset.classes.names[dataset.supervision.y[position]]
        assert name == f"{dataset.columns['colour'][position]} {dataset.columns['object'][position]}"
    assert dataset.classes.names[0] == "red hand sign zero"
    assert dataset.classes.descriptions[-1] == ("a cyan digit nine",)


def test_no_signer_and_no_digit_is_in_both_train_and_test(dataset):
    group = dataset.columns["group"]
    train, test = (set(group[dataset.assigned[split]].tolist()) for split in ("train", "test"))
    assert not train & (test | set(group[dataset.assigned["test:new"]].tolist()))
    signers = set(Photographs.load().test_groups.tolist())
    assert {one for one in test if one < 1000} <= signers
    assert all(one >= 1000 + DIGITS_TRAIN for one in test if one >= 1000)


def test_a_style_that_is_held_out_has_a_test_set_of_its_own():
    dataset = Scenes(ScenesConfig(per_class=4, test_per_class=2, hold_out="sketch")).load()
    style = dataset.columns["style"]
    assert set(style[dataset.assigned["test:sketch"]].tolist()) == {"sketch"}
    for split in ("train", "test", "test:new"):
        assert set(style[dataset.assigned[split]].tolist()) == set(STYLES) - {"sketch"}
    assert dataset.classes.known[dataset.supervision.y[dataset.assigned["test:sketch"]]].all()


def test_two_loads_are_the_same_and_seeds_differ(dataset):
    assert Scenes(SMALL).load().fingerprint() == dataset.fingerprint()
    other = Scenes(ScenesConfig(per_class=4, test_per_class=2, seed=1)).load()
    assert not {one.tobytes() for one in other.ids} & {one.tobytes() for one in dataset.ids}


def test_the_pictures_are_those_of_version_1(dataset):
    """A change of what is drawn needs a new `SCENES_VERSION`.

    The mean is a summary that rounding on another machine leaves alone.
    """
    assert _stack(dataset, "train").mean() == pytest.approx(GOLDEN_MEAN, abs=0.05)


def test_every_attribute_takes_all_its_values(dataset):
    counts = {
        key: len(set(dataset.columns[key].tolist()))
        for key in ("object", "colour", "background", "position", "style")
    }
    assert counts == {"object": 20, "colour": 6, "background": 4, "position": 5, "style": 4}


def test_the_reader_survives_a_process_boundary(dataset):
    assert np.array_equal(pickle.loads(pickle.dumps(dataset.reader)).read(7), dataset.reader.read(7))


def _one(shapes, colour=0, background=0, position=0, style=0):
    arrays = [np.array([value]) for value in (0, colour, background, position, style)]
    return draw(shapes, *arrays, np.full((1, RANDOM), 0.5), np.full((1, SIDE, SIDE), 0.5))[0]


def _block():
    cover = np.ones((1, len(STYLES), BOX, BOX), dtype=np.float32)
    return Shapes(cover, cover)


def test_the_object_lies_where_the_position_says():
    assert POSITIONS == (
        "in the middle",
        "at the top left",
        "at the top right",
        "at the bottom left",
        "at the bottom right",
    )
    for index, corner in enumerate(((5, 5), (1, 1), (1, 9), (9, 1), (9, 9))):
        coloured = np.ptp(_one(_block(), position=index).astype(int), axis=-1) > 0
        rows, columns = np.flatnonzero(coloured.any(1)), np.flatnonzero(coloured.any(0))
        assert (rows[0], columns[0]) == corner
        assert (len(rows), len(columns)) == (BOX, BOX)


def test_the_object_has_the_colour_and_the_background_none():
    strongest = {"red": {0}, "green": {1}, "blue": {2}, "yellow": {0, 1}, "purple": {0, 2}, "cyan": {1, 2}}
    for index, colour in enumerate(COLOURS):
        image = _one(_block(), colour=index).astype(int)
        inside = image[16, 16]
        assert {channel for channel in range(3) if inside[channel] > inside.mean()} == strongest[colour]
        assert np.ptp(image[0, 0]) == 0


def test_backgrounds_differ_in_their_pattern():
    images = [_one(_block(), background=index)[0].astype(int) for index in range(4)]
    assert len({image.tobytes() for image in images[1:3]}) == 2
    assert len(set(images[0][:, 0].tolist())) == 1
    assert len(set(images[1][:, 0].tolist()) | set(images[2][:, 0].tolist())) == 2


def test_outlines_are_thinner_than_what_they_surround(exemplars):
    cover = exemplars.shapes(np.arange(0, 2062, 50)).cover
    solid, outline = (cover[:, STYLES.index(style)].mean() for style in ("solid", "outline"))
    assert 0.2 * solid < outline < 0.8 * solid


def test_shapes_do_not_depend_on_their_neighbours():
    digits = np.random.default_rng(0).integers(0, 17, (4, 8, 8)).astype(float)
    together, alone = digit_shapes(digits), digit_shapes(digits[2:3])
    np.testing.assert_array_equal(together.cover[2:3], alone.cover)


def test_shapes_come_in_the_order_that_was_asked_for(exemplars):
    mixed = exemplars.shapes(np.array([3000, 7, 2500]))
    for row, which in enumerate((3000, 7, 2500)):
        np.testing.assert_array_equal(mixed.cover[row], exemplars.shapes(np.array([which])).cover[0])


def test_there_are_shapes_of_every_object_for_training_and_for_testing(exemplars):
    for test in (False, True):
        assert np.bincount(exemplars.objects[exemplars.test == test], minlength=len(OBJECTS)).min() >= 50


def test_an_unknown_style_is_refused():
    with pytest.raises(ConfigError, match="'pencil'"):
        ScenesConfig(hold_out="pencil")


def test_the_fingerprint_follows_the_config():
    assert scenes_fingerprint(SMALL) == scenes_fingerprint(ScenesConfig(per_class=4, test_per_class=2))
    assert scenes_fingerprint(SMALL) != scenes_fingerprint(
        ScenesConfig(per_class=4, test_per_class=2, hold_out="noisy")
    )


GOLDEN_MEAN = 128.359
