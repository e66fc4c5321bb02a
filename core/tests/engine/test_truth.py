"""The cheating assessor: it gets nowhere in the engine, and in an engine that leaks the same cheat works.

This guards against accidents, not against malice: a plugin runs in the engine's process and could read its
memory.
"""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cheats import COMPONENT, RATE, STRATEGIES, item_key

from burnish.contracts.noise import Evidence
from burnish.data import Classes, Labels, content_id, seeds, stack_ids, uniforms
from burnish.engine.tools import Tools
from burnish.engine.values import Values
from burnish.manager import Manager
from burnish.plan import build_plan
from burnish.plan.graph import Graph
from burnish.recipe import make_recipe
from burnish.testing.assessor import auroc

SEEDS = 20
N, C = 4000, 4


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Mean AUROC of every strategy against the engine.

    Plan, corruption, out-of-fold probabilities, assessment.
    """
    folder = tmp_path_factory.mktemp("truth")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BURNISH_CACHE", str(folder))
        manager = Manager(files=[Path(__file__).parent / "truth_plugin.py"], only=frozenset())
        parts = {
            "data": "made",
            "backbone": "pass",
            "noise": f"flip:rate={RATE}",
            "assess": "flip",
            "tuner": "never",
            "evaluate": "never",
        }
        plan = build_plan(make_recipe({**parts, "replicates": SEEDS}), manager)
        values = Values(Graph(plan), Tools.of(plan, manager))
        (row,) = plan.rows
        found = {name: [] for name in STRATEGIES}
        for replicate in range(SEEDS):
            shown = values.get(values.graph.shown(row, replicate))
            wrong = shown.corrupted.changed[shown.assessment.index]
            assert wrong.mean() == pytest.approx(RATE, abs=0.001)
            for name, table in shown.assessment.tables.items():
                found[name].append(auroc(np.array(table.columns["suspicion"]), wrong))
    return {name: float(np.mean(values)) for name, values in found.items()}


@pytest.mark.parametrize("name", STRATEGIES)
def test_no_cheat_works_in_the_engine(honest, name):
    assert honest[name] == pytest.approx(0.5, abs=0.02)


# -- engines that leak ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Leaking(Evidence):
    """Evidence with something beside it that should not be there."""

    more: object = None


def world(replicate, draw=None, y=None):
    """Return clean labels, what symmetric noise leaves of them, rows of features and their ids."""
    rng = np.random.default_rng(replicate)
    x = rng.normal(size=(N, 4)).astype(np.float32)
    y = rng.integers(0, C, N) if y is None else y
    ids = stack_ids([content_id("features", row) for row in x])
    draw = uniforms(ids, "noise", replicate, COMPONENT, k=2)[:, 0] if draw is None else draw
    wrong = draw <= np.quantile(draw, RATE)
    observed = np.where(wrong, (y + rng.integers(1, C, N)) % C, y).astype(np.int64)
    return SimpleNamespace(
        x=x,
        y=y,
        ids=ids,
        wrong=wrong,
        observed=observed,
        hidden=np.random.default_rng([7, replicate]).random(N),
    )


def shown(made, replicate, more=None, observed=None):
    labels = Labels(y=made.observed if observed is None else observed)
    index, classes = np.arange(N, dtype=np.int64), Classes.of("abcd")
    return Leaking(
        index, labels, classes, made.x, np.full((N, C), 1 / C), seeds.generator("assess", replicate), more
    )


def leaks_ids(replicate):
    made = world(replicate)
    return shown(made, replicate, SimpleNamespace(content=made.ids)), made.wrong


def draws_without_salt(replicate):
    made = world(replicate)
    return shown(made, replicate), made.wrong


def keeps_the_order_of_folders(replicate):
    made = world(replicate, y=np.sort(np.arange(N) % C), draw=np.random.default_rng(replicate).random(N))
    return shown(made, replicate), made.wrong


def leaks_places(replicate):
    made = world(replicate, draw=np.random.default_rng([7, replicate]).random(N))
    return shown(
        made, replicate, SimpleNamespace(origins=[f"{'abcd'[c]}/{i}.jpg" for i, c in enumerate(made.y)])
    ), made.wrong


def shares_a_generator(replicate):
    made = world(replicate, draw=seeds.generator("assess", replicate).random(N))
    return shown(made, replicate), made.wrong


def seeds_by_role(replicate):
    made = world(replicate, draw=seeds.generator("noise", replicate).random(N))
    return shown(made, replicate), made.wrong


def keys_of_clean_labels(replicate):
    made = world(replicate)
    return shown(
        made, replicate, SimpleNamespace(keys=[item_key(i, c) for i, c in enumerate(made.y.tolist())])
    ), made.wrong


class RememberingCorruptor:
    """Keeps what it changed."""

    alive: list = []

    def __init__(self, changed):
        self.changed = changed

    def corrupt(self, clean):
        raise NotImplementedError


def remembers_in_the_corruptor(replicate):
    made = world(replicate)
    RememberingCorruptor.alive[:] = [RememberingCorruptor(made.wrong)]
    return shown(made, replicate), made.wrong


def hands_out_a_view(replicate):
    made = world(replicate)
    both = np.stack([made.y, made.observed])
    return shown(made, replicate, observed=both[1]), made.wrong


LEAKS = {
    "ids": leaks_ids,
    "rebuilt ids": draws_without_salt,
    "order": keeps_the_order_of_folders,
    "rows": leaks_places,
    "own generator": shares_a_generator,
    "role seed": seeds_by_role,
    "keys": keys_of_clean_labels,
    "gc": remembers_in_the_corruptor,
    "base": hands_out_a_view,
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_same_cheat_works_in_an_engine_that_leaks(name, monkeypatch):
    monkeypatch.delenv("BURNISH_CACHE", raising=False)
    found = []
    try:
        for replicate in range(SEEDS):
            evidence, wrong = LEAKS[name](replicate)
            found.append(auroc(STRATEGIES[name](evidence), wrong))
    finally:
        RememberingCorruptor.alive.clear()
    assert np.mean(found) > 0.9
