"""The six shifts against slow, obvious second implementations."""

import hashlib
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.data import content_id, stack_ids
from burnish_signs.background import background_alpha, foreground, otsu_threshold, texture
from burnish_signs.draws import standard_normals
from burnish_signs.shifts import (
    SHIFTS,
    background,
    blur,
    contrast,
    inversion,
    noise,
    rotation,
    rotation_angles,
)
from burnish_signs.source import Photographs


def ids_for(n):
    return stack_ids([content_id("text", str(row)) for row in range(n)])


@pytest.fixture(scope="module")
def photographs():
    """Sixty photographs and their ids."""
    packaged = Photographs.load()
    rows = np.arange(0, len(packaged), len(packaged) // 59)[:60]
    return packaged.pixels(rows), stack_ids([content_id("image", packaged.read(int(row))) for row in rows])


def random_images(seed, n=4):
    return np.random.default_rng(seed).integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shift_keeps_shape_and_type_and_changes_every_photograph(name, photographs):
    images, ids = photographs
    before = images.copy()
    out = SHIFTS[name](images, ids)
    assert out.shape == images.shape
    assert out.dtype == np.uint8
    assert (out != images).any(axis=(1, 2, 3)).all()
    assert np.array_equal(images, before)


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shift_depends_on_the_item_alone(name, photographs):
    images, ids = photographs
    together = SHIFTS[name](images, ids)
    backwards = SHIFTS[name](images[::-1], ids[::-1])[::-1]
    alone = np.concatenate([SHIFTS[name](images[row : row + 1], ids[row : row + 1]) for row in range(5)])
    assert np.array_equal(together, backwards)
    assert np.array_equal(together[:5], alone)


@pytest.mark.parametrize("name", ["noise", "rotation", "background"])
def test_what_is_random_follows_the_id(name, photographs):
    image = np.repeat(photographs[0][:1], 12, axis=0)
    out = SHIFTS[name](image, ids_for(12))
    assert len(np.unique(out.reshape(12, -1), axis=0)) == (2 if name == "rotation" else 12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_inversion_twice_is_nothing(seed):
    images = random_images(seed)
    assert np.array_equal(inversion(inversion(images, ids_for(4)), ids_for(4)), images)
    assert np.array_equal(inversion(images, ids_for(4)).astype(int) + images, np.full(images.shape, 255))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_contrast_leaves_two_fifths_of_every_deviation(seed):
    images = random_images(seed)
    out = contrast(images, ids_for(4))
    for before, after in zip(images.astype(float), out.astype(float), strict=True):
        for channel in range(3):
            mean = before[..., channel].mean()
            assert (
                np.abs(after[..., channel] - (mean + 0.4 * (before[..., channel] - mean))).max() <= 0.5 + 1e-9
            )


def test_noise_has_a_standard_deviation_of_fifteen_hundredths():
    grey = np.full((40, 64, 64, 3), 128, dtype=np.uint8)
    difference = (noise(grey, ids_for(40)).astype(float) - 128) / 255
    # Clipping at 0 and 255 is 3.3 standard deviations away and takes off less than 0.1 % of it.
    assert difference.std() == pytest.approx(0.15, rel=0.01)
    assert difference.mean() == pytest.approx(0, abs=0.001)
    assert np.abs(np.corrcoef(difference.reshape(40, -1))[np.triu_indices(40, 1)]).max() < 0.05


def test_noise_is_clipped_at_both_ends():
    ends = np.stack([np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)])
    black, white = noise(ends, ids_for(2))
    assert (black == 0).mean() == pytest.approx(0.5, abs=0.02)
    assert (white == 255).mean() == pytest.approx(0.5, abs=0.02)


def test_blur_is_a_gaussian_of_a_pixel_and_a_half():
    point = np.zeros((1, 64, 64, 3), dtype=np.uint8)
    point[0, 32, 20] = 255
    weights = np.array([math.exp(-(step**2) / (2 * 1.5**2)) for step in range(-6, 7)])
    weights /= weights.sum()
    expected = 255 * np.outer(weights, weights)
    out = blur(point, ids_for(1))[0].astype(float)
    for channel in range(3):
        assert np.abs(out[26:39, 14:27, channel] - expected).max() <= 0.51
    flat = np.full((1, 64, 64, 3), 77, dtype=np.uint8)
    assert np.array_equal(blur(flat, ids_for(1)), flat)


def bilinear_rotation(image, degrees):
    """Rotate about the centre, pixel by pixel, anticlockwise as seen; the edge is continued."""
    angle = math.radians(degrees)
    out = np.empty(image.shape)
    for row in range(64):
        for column in range(64):
            right, down = column - 31.5, row - 31.5
            x = 31.5 + right * math.cos(angle) - down * math.sin(angle)
            y = 31.5 + right * math.sin(angle) + down * math.cos(angle)
            x0, y0 = math.floor(x), math.floor(y)
            total = 0.0
            for i, wi in ((y0, 1 - (y - y0)), (y0 + 1, y - y0)):
                for j, wj in ((x0, 1 - (x - x0)), (x0 + 1, x - x0)):
                    total = total + wi * wj * image[min(max(i, 0), 63), min(max(j, 0), 63)].astype(float)
            out[row, column] = total
    return out


def test_rotation_turns_by_thirty_degrees_to_the_side_of_its_angle(photographs):
    images, ids = photographs
    out = rotation(images[:6], ids[:6])
    for image, turned, angle in zip(images, out, rotation_angles(ids[:6]), strict=False):
        assert np.abs(turned - bilinear_rotation(image, angle)).max() <= 1.01
        assert np.abs(turned - bilinear_rotation(image, -angle)).mean() > 2


def test_rotation_goes_either_way_by_a_fair_coin():
    angles = rotation_angles(ids_for(2000))
    assert set(angles) == {30.0, -30.0}
    assert (angles > 0).mean() == pytest.approx(0.5, abs=0.04)
    assert angles[:8].tolist() == [30, -30, 30, 30, 30, -30, 30, -30]


# Mean of each channel and standard deviation of the first packaged photograph under each shift.
GOLDEN = {
    "blur": (155.7, 152.7, 151.2, 34.7),
    "noise": (154.9, 151.8, 150.8, 54.4),
    "contrast": (155.7, 152.7, 151.3, 16.2),
    "rotation": (155.6, 152.0, 149.6, 41.2),
    "inversion": (99.2, 102.3, 103.8, 40.4),
    "background": (81.8, 104.1, 126.2, 47.9),
}


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shift_stays_what_it_was_when_its_version_was_set(name, photographs):
    images, ids = photographs
    out = SHIFTS[name](images[:1], ids[:1])[0]
    assert (*out.mean(axis=(0, 1)), out.std()) == pytest.approx(GOLDEN[name], abs=0.3)


def test_normal_numbers_are_normal_and_stay_what_they_are():
    numbers = standard_normals(ids_for(50), "noise", 1000)
    assert numbers.shape == (50, 1000)
    assert numbers.mean() == pytest.approx(0, abs=0.02)
    assert numbers.std() == pytest.approx(1, abs=0.02)
    assert (numbers**4).mean() == pytest.approx(3, abs=0.15)
    assert np.array_equal(numbers[7:8], standard_normals(ids_for(50)[7:8], "noise", 1000))
    assert not np.array_equal(numbers, standard_normals(ids_for(50), "texture", 1000))
    seed = int.from_bytes(
        hashlib.sha256(b"burnish-signs\0noise\0" + ids_for(1)[0].tobytes()).digest(), "little"
    )
    words = [int(word) for word in np.random.PCG64(seed).random_raw(1000)]
    assert numbers[0] == pytest.approx(
        [NormalDist().inv_cdf(((word >> 11) + 0.5) / 2**53) for word in words], abs=1e-9
    )
    assert numbers[0, :3] == pytest.approx(
        [0.9098354332648907, -2.1464777605521426, -0.27324797875867013], abs=1e-12
    )


def test_otsu_finds_the_best_threshold_of_all():
    values = np.random.default_rng(0).permutation(
        np.r_[np.random.default_rng(1).normal(0, 1, 700), np.random.default_rng(2).normal(8, 1, 300)]
    )

    def between(threshold):
        low, high = values[values <= threshold], values[values > threshold]
        return len(low) * len(high) * (low.mean() - high.mean()) ** 2

    best = max(between(threshold) for threshold in values[values < values.max()])
    assert between(otsu_threshold(values.astype(np.float32))) == pytest.approx(best, rel=0.01)


def drawn_hand(paper, skin, dark=False):
    """Draw paper with uneven light, a skin-coloured ring before it and, if asked for, a black sleeve."""
    light = 1 - 0.4 * ((np.mgrid[:64, :64][0] - 32) ** 2 + (np.mgrid[:64, :64][1] - 32) ** 2) / 2048
    distance = np.hypot(*(np.mgrid[:64, :64] - 34))
    ring = (distance > 6) & (distance < 16)
    image = np.where(ring[..., None], skin, paper).astype(float)
    if dark:
        image[54:, 20:40] = (22, 20, 24)
        ring = ring.copy()
        ring[54:, 20:40] = True
    return np.rint(image * light[..., None]).astype(np.uint8), ring


@pytest.mark.parametrize("paper", [(225, 222, 220), (190, 195, 215), (215, 205, 190)])
@pytest.mark.parametrize("dark", [False, True])
def test_the_foreground_is_what_has_another_colour_or_is_much_darker(paper, dark):
    image, hand = drawn_hand(np.array(paper), np.array((190, 140, 95)), dark)
    found = foreground(image[None])[0]
    wrong = found != hand
    assert wrong.sum() <= 0.1 * hand.sum()
    assert not found[34, 34], "paper inside the ring is background"


def test_speckle_is_neither_hand_nor_hole():
    image, _ = drawn_hand(np.array((225, 222, 220)), np.array((190, 140, 95)))
    speckled = image.copy()
    speckled[10:12, 10:12] = (190, 140, 95)
    speckled[22:24, 33:35] = image[5, 5]
    found = foreground(speckled[None])[0]
    assert not found[10:12, 10:12].any()
    assert found[22:24, 33:35].all()


def test_a_hand_fills_a_plausible_share_of_every_photograph():
    packaged = Photographs.load()
    share = foreground(packaged.pixels(np.arange(0, len(packaged), 3))).mean(axis=(1, 2))
    assert share.min() > 0.08
    assert share.max() < 0.5


def test_the_background_changes_and_the_hand_does_not(photographs):
    images, ids = photographs
    out = background(images, ids)
    alpha = background_alpha(images)
    kept, replaced = alpha < 1e-6, alpha > 1 - 1e-6
    assert kept.mean() > 0.1
    assert np.array_equal(out[kept], images[kept])
    painted = np.rint(255 * texture(ids, 64, 64))
    assert np.array_equal(out[replaced], painted[replaced].astype(np.uint8))


def test_textures_have_contrast_stay_in_range_and_differ():
    images = texture(ids_for(30), 64, 64)
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std(axis=(1, 2)).min() > 0.08
    assert len(np.unique(images.reshape(30, -1).round(6), axis=0)) == 30
