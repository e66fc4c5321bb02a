"""Who the clients are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.config import make_config
from burnish.errors import ConfigError, FitError
from burnish_fedclip import FedCLIPConfig
from burnish_fedclip.clients import Items, divide


def items(y, **columns):
    return Items(
        np.asarray(y, dtype=np.int64), {name: np.asarray(column) for name, column in columns.items()}
    )


def divided(clients, number, train, validation=None, classes=3, seed=0):
    return divide(
        clients, number, train, validation or items([]), classes, np.random.default_rng(seed), "tuner fedclip"
    )


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000), st.sampled_from(["dirichlet:0.3", "dirichlet:100", "class"]), st.integers(2, 8)
)
def test_every_item_has_one_client(seed, clients, number):
    y = np.random.default_rng(seed).integers(0, 3, 120)
    found = divided(clients, number, items(y), items(y[:40]), seed=seed)
    assert len(found) == number
    assert np.array_equal(np.sort(np.concatenate([c.train for c in found])), np.arange(120))
    assert np.array_equal(np.sort(np.concatenate([c.validation for c in found])), np.arange(40))
    assert min(len(c.train) for c in found) >= 2


def test_columns():
    train, validation = (
        items([0, 1, 2, 0], style=["b", "a", "b", "b"]),
        items([0, 1, 2], style=["a", "c", "b"]),
    )
    found = divided("style", None, train, validation)
    assert [(c.name, c.train.tolist(), c.validation.tolist()) for c in found] == [
        ("a", [1], [0]),
        ("b", [0, 2, 3], [2]),
    ]


def test_clients_of_numbers_and_of_words_in_order():
    assert [
        c.name for c in divided("group", None, items([0, 0, 1], group=[7, 3, 7]), items([1], group=[3]))
    ] == ["3", "7"]


def test_shards_hold_few_classes():
    y = np.repeat(np.arange(10), 30)
    found = divided("class", 10, items(np.random.default_rng(0).permutation(y)), classes=10)
    assert [len(c.train) for c in found] == [30] * 10
    held = [len(np.unique(np.random.default_rng(0).permutation(y)[c.train])) for c in found]
    assert max(held) <= 2


def test_the_draw_decides_how_alike_clients_are():
    y = np.arange(900) % 3

    def spread(alpha):
        counts = np.array(
            [np.bincount(y[c.train], minlength=3) for c in divided(f"dirichlet:{alpha}", 5, items(y))]
        )
        return (counts / counts.sum(axis=1, keepdims=True)).std(axis=0).mean()

    assert spread(0.1) > 3 * spread(100)


def test_validation_items_are_shared_out_as_training_items_are():
    y = np.arange(3000) % 3
    found = divided("dirichlet:0.5", 4, items(y), items(y))
    for client in found:
        train, validation = (np.bincount(y[part], minlength=3) for part in (client.train, client.validation))
        assert np.abs(train - validation).max() <= 1


def test_the_draw_follows_from_the_seed():
    y = np.arange(60) % 3
    first, again, other = (divided("dirichlet:1", 3, items(y), seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a.train, b.train) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.train, b.train) for a, b in zip(first, other, strict=True))


def test_unknown_column():
    with pytest.raises(
        ConfigError,
        match=r"no column 'stile'. Did you mean 'style'\?.*Possible: group, style, dirichlet:ALPHA, class",
    ):
        divided("stile", None, items([0, 1], style=["a", "b"], group=[0, 1]))


@pytest.mark.parametrize("values", [["a", None, "b"], [1.0, float("nan"), 2.0], ["a", "", "b"]])
def test_items_of_nobody(values):
    with pytest.raises(FitError, match="1 of 3 labelled training items have nothing in column 'style'"):
        divided("style", None, items([0, 1, 0], style=values), items([1], style=["a"]))


def test_one_client():
    with pytest.raises(FitError, match="'style' is 'a' for all labelled training items: one client alone"):
        divided("style", None, items([0, 1], style=["a", "a"]), items([1], style=["a"]))


@pytest.mark.parametrize("clients", ["dirichlet:1", "class"])
def test_more_clients_than_items_to_give(clients):
    with pytest.raises(
        FitError, match=r"9 labelled training items leave an empty client among 5. Set number to 4 or less"
    ):
        divided(clients, 5, items(np.arange(9) % 3))


def test_a_draw_that_leaves_clients_empty():
    with pytest.raises(
        FitError,
        match=r"an empty client, of fewer than 2 items, in each of 1000 draws. Lower number, or raise ALPHA",
    ):
        divided("dirichlet:0.01", 20, items(np.arange(60) % 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clients": "dirichlet:0"}, "no number above 0"),
        ({"clients": "dirichlet:much"}, "no number above 0"),
        ({"clients": ""}, "clients is empty"),
        ({"clients": "style", "number": 3}, "those of column 'style' are its values"),
        ({"number": 1}, "number is 1"),
        ({"engine": "flow"}, "Possible: in-process, flower"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ConfigError, match=message):
        make_config(FedCLIPConfig, options, where="fedclip")
