"""Towers, targets, order, teacher and loop of the training, on small made-up data."""

import json

import numpy as np
import pytest
import torch

from burnish.errors import DataError, StoreError
from burnish_tiny_clip.training.captions import CIFAR10, Words
from burnish_tiny_clip.training.data import Images, read_cifar10
from burnish_tiny_clip.training.hints import TAPS, Hints
from burnish_tiny_clip.training.images import Order, jitter, normalise
from burnish_tiny_clip.training.loop import CHECKPOINT, Trainer
from burnish_tiny_clip.training.material import Material
from burnish_tiny_clip.training.model import MODEL, build
from burnish_tiny_clip.training.objective import Language, Shown, contrast, make_captions, make_views
from burnish_tiny_clip.training.settings import Settings
from burnish_tiny_clip.training.teacher import MAPS, new_teacher
from burnish_tiny_clip.training.towers import encode_images, encode_texts
from burnish_tiny_clip.training.vocabulary import SIZE, learn

WORDS = Words(
    ("digit nine", "hand sign one"),
    ("red", "blue"),
    ("plain", "striped"),
    ("in the middle", "at the top left"),
    ("solid", "sketch"),
)
SMALL = Settings(minutes=0.02, teacher_batch=8, cifar_batch=8, scenes_batch=6)


def _images(count, attributes, high, seed=0):
    rng = np.random.default_rng(seed)
    return Images(
        rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), rng.integers(0, high, (count, attributes))
    )


def _material(noise=0.0):
    tokenizer = learn(["a photo of a red digit nine in the middle"] * 2)
    return Material(_images(24, 1, 10), _images(18, 5, 2), WORDS, tokenizer, noise, 0)


@pytest.fixture(scope="module")
def model():
    return build(0).eval()


def test_the_model_is_small(model):
    assert sum(parameter.numel() for parameter in model.parameters()) < 2_000_000


def test_images_are_encoded_as_open_clip_encodes_them(model):
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(
            encode_images(model, x, None)[0], model.encode_image(x), rtol=1e-4, atol=1e-4
        )


def test_all_patches_in_another_order_are_the_same_image(model):
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    keep = torch.stack([torch.randperm(64, generator=torch.Generator().manual_seed(row)) for row in range(4)])
    with torch.no_grad():
        torch.testing.assert_close(
            encode_images(model, x, keep)[0], encode_images(model, x, None)[0], rtol=1e-4, atol=1e-4
        )
        assert not torch.allclose(
            encode_images(model, x, keep[:, :32])[0], encode_images(model, x, None)[0], atol=1e-2
        )


def test_texts_are_encoded_as_open_clip_encodes_them_with_less_padding(model):
    tokens = torch.zeros(3, 32, dtype=torch.long)
    tokens[:, 0], tokens[:, 1:6], tokens[:, 6] = (
        1,
        torch.randint(2, 600, (3, 5), generator=torch.Generator().manual_seed(0)),
        SIZE - 1,
    )
    with torch.no_grad():
        torch.testing.assert_close(
            encode_texts(model, tokens[:, :7]), model.encode_text(tokens), rtol=1e-4, atol=1e-4
        )


def test_a_build_follows_the_seed():
    first, again, other = (build(seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["visual.conv1.weight"], other["visual.conv1.weight"])
    assert "context_length" in MODEL["text_cfg"]


def _shown():
    values = np.array([[0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [1, 1, 0, 0, 0]])
    return Shown(_images(3, 1, 10).pixels, np.array([2, 2, 7]), _images(3, 1, 2).pixels, values)


COMBINATIONS = np.array([[0, 0], [0, 1], [1, 1]])
LANGUAGE = Language(WORDS, COMBINATIONS)


SOFT = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(10), 3)).float()


def _captions(**settings):
    return make_captions(_shown(), SOFT, LANGUAGE, Settings(**settings), np.random.default_rng(0))


def test_targets_of_photographs_are_the_captions_class_and_the_teachers():
    shown, captions = _shown(), _captions(captions_per_class=2, teacher_weight=0.6)
    assert captions.parts == (20, 3, 2, 3)
    assert captions.rows.shape == (6, 28)
    for image in range(3):
        for number in range(len(CIFAR10)):
            mass = 0.6 * float(SOFT[image, number]) + 0.4 * (shown.labels[image] == number)
            assert captions.rows[image, 2 * number : 2 * number + 2].tolist() == pytest.approx([mass / 2] * 2)
    assert float(captions.rows[:3, 20:].abs().sum()) == 0.0


def test_targets_of_scenes_are_their_combination_object_and_all_true_captions():
    shown, captions = _shown(), _captions()
    _, combinations, objects, scenes = captions.rows[3:].split(captions.parts, dim=1)
    assert combinations.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert objects.tolist() == [[1, 0], [1, 0], [0, 1]]
    # Only the first two scenes can share a caption: they differ in the background alone.
    for scene in range(3):
        for other in range(3):
            text, differs = (
                captions.texts[25 + other],
                [w for w in ("plain", "striped") if shown.values[scene][2] != ("plain", "striped").index(w)],
            )
            true = scene == other or ({scene, other} == {0, 1} and not any(word in text for word in differs))
            assert bool(scenes[scene, other] > 0) == true
    torch.testing.assert_close(scenes.sum(1), torch.ones(3))


def test_targets_of_captions_share_what_belongs_to_them():
    captions = _captions()
    torch.testing.assert_close(captions.columns.sum(0), torch.ones(23))
    shared = captions.columns[3:, 20:]
    assert torch.equal(shared > 0, captions.rows[3:, 25:] > 0)


def test_contrast_is_cross_entropy_over_each_part():
    logits = torch.randn(6, 28, generator=torch.Generator().manual_seed(0))
    captions = _captions()
    losses = contrast(logits, captions)
    expected = torch.nn.functional.cross_entropy(logits[3:, 20:23], torch.tensor([0, 0, 2]))
    assert float(losses["combinations"]) == pytest.approx(float(expected), rel=1e-5)
    expected = torch.nn.functional.cross_entropy(logits[3:, 23:25], torch.tensor([0, 0, 1]))
    assert float(losses["objects"]) == pytest.approx(float(expected), rel=1e-5)
    outer = [*range(20), *range(25, 28)]
    slow = [
        -sum(float(captions.columns[i, k]) * float(logits[:, j].log_softmax(0)[i]) for i in range(6))
        for k, j in enumerate(outer)
    ]
    assert float(losses["captions"]) == pytest.approx(sum(slow) / 23, rel=1e-4)
    slow = [
        -sum(float(captions.rows[i, j]) * float(logits[i].log_softmax(0)[j]) for j in range(28))
        for i in range(3)
    ]
    assert float(losses["photographs"]) == pytest.approx(sum(slow) / 3, rel=1e-4)


def test_views_flip_photographs_and_leave_scenes_alone():
    shown = _shown()
    views = make_views(shown, Settings(), False, np.random.default_rng(0))
    assert views.keep.shape == (3, 32)
    assert torch.equal(views.images[3:], normalise(shown.scenes))
    assert not torch.equal(views.images[:3], normalise(shown.cifar))
    assert make_views(shown, Settings(), True, np.random.default_rng(0)).keep is None


def test_a_patch_begins_by_looking_at_its_neighbours():
    visual = build(3).visual
    block = visual.transformer.resblocks[0]
    x = (
        torch.randn(1, 64, 128, generator=torch.Generator().manual_seed(0)) * 0.1
        + visual.positional_embedding[None, 1:]
    )
    with torch.no_grad():
        _, weights = block.attn(
            *[block.ln_1(visual.ln_pre(x))] * 3, need_weights=True, average_attn_weights=False
        )
    middle = [row * 8 + column for row in range(1, 7) for column in range(1, 7)]
    for head, step in enumerate((-8, 8, -1, 1)):
        assert all(int(weights[0, head, patch].argmax()) == patch + step for patch in middle)


def test_hints_are_the_squared_error_of_standardised_maps():
    hints, generator = Hints(4), torch.Generator().manual_seed(0)
    maps = [torch.randn(2, 64, channels, generator=generator) * 3 + 1 for channels in MAPS]
    taps = [torch.randn(2, 5, 4, generator=generator) for _ in TAPS]
    keep = torch.tensor([[0, 3, 5, 60, 63], [1, 2, 3, 4, 5]])
    hints.measure(maps)
    errors = []
    for tap, one, head in zip(taps, maps, hints.heads, strict=True):
        target = (one - one.mean((0, 1))) / (one.std((0, 1)) + 0.1)
        seen = torch.stack(
            [torch.stack([target[image, place] for place in keep[image]]) for image in range(2)]
        )
        errors.append(((head(tap) - seen) ** 2).mean().item())
    assert hints(taps, maps, keep).item() == pytest.approx(sum(errors) / 2, rel=1e-5)


def test_the_teacher_answers_all_that_captions_say():
    teacher = new_teacher(_material()).eval()
    said = teacher(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert said.classes.shape == (2, 10)
    assert [one.shape[1] for one in said.attributes] == [2] * 5
    middle, last = said.maps
    assert (middle.shape, last.shape) == ((2, 64, 80), (2, 64, 160))
    grid = last.reshape(2, 8, 8, 160)
    assert torch.equal(grid[:, ::2, ::2], grid[:, 1::2, 1::2])


def test_jitter_moves_by_at_most_four_pixels():
    pixels = np.zeros((40, 32, 32, 3), dtype=np.uint8)
    pixels[:, 10, 10] = 255
    for image in jitter(pixels, np.random.default_rng(0)):
        row, column = np.argwhere(image[..., 0])[0]
        assert abs(row - 10) <= 4
        assert min(abs(column - 10), abs(column - 21)) <= 4


def test_a_pass_shows_every_row_once_and_passes_differ():
    order = Order(12, 4, 3)
    first, second = (
        np.concatenate([order.rows(step) for step in range(start, start + 3)]) for start in (0, 3)
    )
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(12))
    assert first.tolist() != second.tolist()
    assert Order(12, 4, 3).rows(4).tolist() == order.rows(4).tolist()


def test_swapped_captions_are_swapped_labels():
    clean, noisy = _material(), _material(noise=0.5)
    assert np.array_equal(clean.labels, clean.cifar.values[:, 0])
    assert sorted(noisy.labels.tolist()) == sorted(clean.labels.tolist())
    assert not np.array_equal(noisy.labels, clean.labels)
    assert not np.array_equal(noisy.values, clean.values)


def test_a_training_ends_goes_on_and_refuses_another_ones_checkpoint(tmp_path):
    lines = []
    trainer = Trainer(_material(), SMALL, "key", tmp_path, lines.append)
    trainer.run()
    assert trainer.step > 0
    again = Trainer(_material(), SMALL, "key", tmp_path, lines.append)
    model = again.run()
    assert again.step >= trainer.step
    assert f"going on from step {trainer.step}" in lines
    assert not model.training
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert state["step"] == again.step
    with pytest.raises(StoreError, match="other data"):
        Trainer(_material(), SMALL, "other", tmp_path, lines.append).run()


@pytest.mark.parametrize("content", [b"", b"no archive", json.dumps({}).encode()])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "c.npz").write_bytes(content)
    with pytest.raises(DataError, match="no archive of CIFAR-10"):
        read_cifar10(tmp_path / "c.npz", "train")


def test_an_archive_without_the_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "c.npz", x=np.zeros(3))
    with pytest.raises(DataError, match="no archive of CIFAR-10"):
        read_cifar10(tmp_path / "c.npz", "test")
