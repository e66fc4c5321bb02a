"""The classifier and what it is at first."""

import torch
from torch.nn.functional import normalize

from burnish_lift.classifier import Cosine, Linear, from_class_means, from_text, random_directions


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_scaled_cosine_similarity():
    head = Cosine(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), 25.0)
    assert torch.allclose(head(torch.tensor([[3.0, 4.0]])), torch.tensor([[15.0, 20.0]]))


def test_linear_is_its_weights_without_a_bias_at_first():
    weight = torch.randn(3, 4, generator=generator())
    h = torch.randn(5, 4, generator=generator(1))
    assert torch.allclose(Linear(weight)(h), h @ weight.T, atol=1e-6)


def test_text_weights_ask_before_the_projection_what_zero_shot_asks_behind_it():
    text, projection = (
        normalize(torch.randn(6, 4, generator=generator()), dim=-1),
        torch.randn(9, 4, generator=generator(1)),
    )
    h = torch.randn(50, 9, generator=generator(2))
    zero_shot = (normalize(h @ projection, dim=-1) @ text.T).argmax(dim=1)
    assert torch.equal((h @ (text @ projection.T).T).argmax(dim=1), zero_shot)
    first = from_text(text, projection)
    assert torch.allclose(first.norm(dim=1), torch.ones(6))
    for row in range(6):
        assert torch.allclose(first[row], normalize(projection @ text[row], dim=0), atol=1e-6)
    assert torch.allclose(from_text(text, torch.eye(4)), text, atol=1e-6)


def test_class_means_are_weighted_and_a_class_without_items_has_a_direction_too():
    h, y = torch.randn(20, 5, generator=generator()), torch.arange(20) % 3
    y[y == 2] = 3
    weights = torch.rand(20, generator=generator(1)) + 0.1
    first = from_class_means(h, y, weights, 4, generator(2))
    for k in (0, 1, 3):
        mine = y == k
        mean = sum(w * row for w, row in zip(weights[mine], h[mine], strict=True)) / weights[mine].sum()
        assert torch.allclose(first[k], mean / mean.norm(), atol=1e-5)
    assert torch.allclose(first.norm(dim=1), torch.ones(4), atol=1e-5)


def test_random_directions_are_unit_rows_of_a_seed():
    rows = random_directions(100, 8, generator())
    assert torch.allclose(rows.norm(dim=1), torch.ones(100), atol=1e-6)
    assert bool((rows < 0).any())
    assert bool((rows > 0).any())
    assert torch.equal(rows, random_directions(100, 8, generator()))
