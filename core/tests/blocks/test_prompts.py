"""Learnt context: the same as writing words, where the context is their embeddings."""

import pytest
import torch

from burnish.blocks.prompts import LearntContext, spliced
from burnish.data import Classes
from burnish.errors import DataError, PluginError
from burnish.testing.towers import PracticeTowers

NAMES = ("cat", "a sea_lion", "ox")


def context(towers, count, classes=None, **options):
    return LearntContext(
        towers, classes or Classes.of(NAMES), count, torch.Generator().manual_seed(0), **options
    )


def encoded(towers, texts):
    ids = towers.tokenise(texts)
    return towers.encode_embedded(towers.embed_tokens(ids), ids)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_context_of_word_embeddings_is_those_words(count):
    towers = PracticeTowers()
    words = "words"[:count]
    part = context(towers, count)
    with torch.no_grad():
        part.context.copy_(towers.embed_tokens(towers.tokenise([words or "a"]))[0, 1 : 1 + count])
    torch.testing.assert_close(
        part(), encoded(towers, [words + name.replace("_", " ") + "." for name in NAMES])
    )


def test_the_same_in_an_open_clip_model():
    open_clip = pytest.importorskip("open_clip")
    from burnish.contracts import Runtime
    from burnish_openclip.towers import OpenClip

    vision = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16}
    text = {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.CLIP(16, vision, text)
    clip = OpenClip(
        model,
        open_clip.image_transform(32, is_train=False),
        open_clip.SimpleTokenizer(context_length=20),
        Runtime(),
    )
    part = context(clip, 5)
    with torch.no_grad():
        part.context.copy_(clip.embed_tokens(clip.tokenise(["X"]))[0, 1].expand(5, -1))
    # As CoOp writes it: filler words, whose embeddings are then replaced.
    torch.testing.assert_close(
        part(), encoded(clip, [f"X X X X X {name.replace('_', ' ')}." for name in NAMES])
    )


def test_only_the_context_is_learnt_and_saved():
    part = context(PracticeTowers(), 3)
    assert set(part.state_dict()) == {"context"} == {name for name, _ in part.named_parameters()}
    assert part.context.shape == (3, 16)
    part().square().sum().backward()
    assert part.context.grad.abs().sum() > 0


def test_context_is_drawn_from_the_generator_with_the_given_spread():
    long = torch.cat([context(PracticeTowers(), 12, Classes.of(("x",)), std=0.02).context for _ in range(2)])
    assert torch.equal(long[:12], long[12:])
    assert 0.015 < long.std() < 0.025


def test_classes_in_chunks_give_the_same_values_and_gradients():
    whole, parts = context(PracticeTowers(), 3), context(PracticeTowers(), 3, chunk=2)
    for part in (whole, parts):
        (part() * torch.arange(36).reshape(3, 12)).sum().backward()
    torch.testing.assert_close(parts(), whole())
    torch.testing.assert_close(parts.context.grad, whole.context.grad)


def test_a_name_that_is_too_long_beside_the_context_is_refused():
    towers = PracticeTowers()  # 24 characters with start and end
    assert spliced(towers, ["x" * 16], 6).ids.shape == (1, 24)
    for text, count in (("x" * 17, 6), ("x", 22), ("x", 100)):
        with pytest.raises(DataError, match="learnt ones it is longer than the 24"):
            spliced(towers, ["y", text], count)


def test_classes_without_names_are_refused():
    unnamed = Classes(("0", "1"), ("0", "1"), torch.ones(2, dtype=torch.bool).numpy(), named=False)
    for classes in (unnamed, Classes.of(("cat", " "))):
        with pytest.raises(DataError, match="no names"):
            context(PracticeTowers(), 2, classes)


def test_padding_in_front_is_refused():
    class LeftPadded(PracticeTowers):
        def tokenise(self, texts):
            return super().tokenise(texts).flip(1)

    with pytest.raises(PluginError, match="does not pad behind"):
        context(LeftPadded(), 2)
