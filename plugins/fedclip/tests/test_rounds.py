"""Local training and rounds: against one client after the other, in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from burnish.contracts.tuner import Task
from burnish.errors import ConfigError, FitError
from burnish.heads.batches import batch_rows
from burnish.heads.threads import intra_op_threads
from burnish.testing.data import changed, practice
from burnish_fedclip import FedAvgHeadConfig, FedCLIPConfig, LocalHeadConfig
from burnish_fedclip.local import LocalTraining, Part, Table, client_batches, train_clients
from burnish_fedclip.models import AttentionAdapter, LinearHead
from burnish_fedclip.server import Federation, Group, Keeper, average, federate, mean_accuracy, shares
from burnish_fedclip.tuners import FedAvgHead, FedCLIP, LocalHead

TRAINING = LocalTraining(lr=3e-3, weight_decay=0.2, batch=8, epochs=2, order=11)


def table(n=60, dim=6, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=(n, dim)).astype(np.float32))
    return Table(
        x,
        torch.from_numpy(rng.integers(0, classes, n)),
        torch.from_numpy(rng.uniform(0.5, 2, n).astype(np.float32)),
    )


def adapter(loss="infonce", dim=6, classes=3):
    texts = normalize(
        torch.from_numpy(np.random.default_rng(9).normal(size=(classes, dim)).astype(np.float32)), dim=1
    )
    return AttentionAdapter(texts, 10.0, loss)


PARTS = [Part(0, np.arange(0, 21)), Part(1, np.arange(21, 24)), Part(2, np.arange(24, 60))]


def one_by_one(model, start, items, part, training, turn):
    """Train one client alone, batch by batch, with Adam as it is written down and an L2 penalty.

    Adam is written down in Kingma and Ba 2015, algorithm 1.
    """
    values = {name: t.clone().double() for name, t in start.items()}
    first, second = ({name: torch.zeros_like(v) for name, v in values.items()} for _ in range(2))
    x, texts = items.x.double(), getattr(model, "texts", torch.zeros(0)).double()
    exact = replace(model, texts=texts) if isinstance(model, AttentionAdapter) else model
    for step, (rows, inside) in enumerate(
        zip(*client_batches(part, training, turn, model.least), strict=True), start=1
    ):
        rows = torch.from_numpy(rows[inside])
        leaves = {name: v.clone().requires_grad_() for name, v in values.items()}
        one = {name: leaf.unsqueeze(0) for name, leaf in leaves.items()}
        loss = exact.losses(
            one, start, x[rows][None], items.y[rows][None], items.weights[rows][None].double()
        )
        for name, gradient in zip(
            leaves, torch.autograd.grad(loss.sum(), list(leaves.values())), strict=True
        ):
            g = gradient + training.weight_decay * values[name]
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.98 * second[name] + 0.02 * g * g
            mean, spread = first[name] / (1 - 0.9**step), second[name] / (1 - 0.98**step)
            values[name] = values[name] - training.lr * mean / (spread.sqrt() + 1e-6)
    return {name: v.float() for name, v in values.items()}


@pytest.mark.parametrize(
    "model",
    [adapter(), adapter("class-ce"), LinearHead(6, 3), LinearHead(6, 3, mu=0.5)],
    ids=["infonce", "ce", "avg", "prox"],
)
def test_side_by_side_is_one_after_the_other(model):
    items = table()
    start = {name: t + 0.1 for name, t in model.start(5).items()}
    together = train_clients(model, start, items, PARTS, TRAINING, turn=1)
    for k, part in enumerate(PARTS):
        alone = one_by_one(model, start, items, part, TRAINING, 1)
        assert any(not torch.equal(alone[name], start[name]) for name in start)
        for name in start:
            assert torch.allclose(together[name][k], alone[name], atol=1e-5)


def test_a_wide_head_too():
    items, model = table(dim=33, classes=10), LinearHead(33, 10)
    start = {
        name: torch.randn(t.shape, generator=torch.Generator().manual_seed(0))
        for name, t in model.start(0).items()
    }
    together = train_clients(model, start, items, PARTS, TRAINING, 0)
    assert torch.allclose(
        together["weight"][2], one_by_one(model, start, items, PARTS[2], TRAINING, 0)["weight"], atol=1e-5
    )


def test_batches_follow_from_the_client_alone():
    part = Part(3, np.array([4, 9, 5, 7, 40, 41, 42, 43, 44]))
    rows, inside = client_batches(part, replace(TRAINING, batch=4, epochs=2), turn=5, least=1)
    assert rows.shape == (
        4,
        4,
    )  # nine items make two batches of four; the one left over is dropped, as any batch of one is
    assert inside.all()
    order = int(np.random.SeedSequence([11, 3]).generate_state(1, np.uint64)[0] >> 1)
    assert np.array_equal(rows[2:], part.rows[batch_rows(9, 4, order, 11)])
    local, _ = client_batches(Part(3, np.arange(9)), replace(TRAINING, batch=4, epochs=2), 5, 1)
    assert np.array_equal(part.rows[local], rows)


def test_a_client_with_one_item_takes_no_step_where_a_batch_needs_two():
    part = Part(0, np.array([7]))
    assert len(client_batches(part, TRAINING, 0, least=2)[0]) == 0
    start = adapter().start(0)
    trained = train_clients(adapter(), start, table(), [part, PARTS[2]], TRAINING, 0)
    assert all(torch.equal(trained[name][0], start[name]) for name in start)
    assert train_clients(adapter(), start, table(), [part], TRAINING, 0)["w1"].shape == (1, 6, 6)
    rows, inside = client_batches(part, TRAINING, 0, least=1)
    assert inside.sum(axis=1).tolist() == [1, 1]
    assert set(rows[inside]) == {7}


def test_averages():
    three = {"w": torch.stack([torch.full((2, 2), v) for v in (1.0, 2.0, 6.0)])}
    assert torch.equal(
        average(three, torch.tensor(shares([1, 5, 100], "uniform")))["w"], torch.full((2, 2), 3.0)
    )
    assert average(three, torch.tensor(shares([1, 1, 2], "size")))["w"].tolist() == [
        [3.75, 3.75],
        [3.75, 3.75],
    ]


def group(items):
    return Group(
        items,
        table(30, seed=1),
        PARTS,
        [Part(0, np.arange(10)), Part(1, np.empty(0, np.int64)), Part(2, np.arange(10, 30))],
        list("abc"),
    )


def test_rounds_in_a_plain_loop(monkeypatch):
    items, model = table(), adapter()
    federation = Federation(3, "size", "last", TRAINING, seed=5)
    theta = model.start(5)
    for turn in range(3):
        trained = [one_by_one(model, theta, items, part, TRAINING, turn) for part in PARTS]
        theta = {
            name: sum(len(p.rows) / 60 * t[name] for p, t in zip(PARTS, trained, strict=True))
            for name in theta
        }
    told = []
    found = federate(model, group(items), federation, lambda done, total: told.append((done, total)))
    assert all(torch.allclose(found[name], theta[name], atol=1e-5) for name in theta)
    assert told == [(1, 3), (2, 3), (3, 3)]
    monkeypatch.setattr("burnish_fedclip.server._BYTES_ON_A_CORE", 1)  # a client at a time
    alone = federate(model, group(items), federation, lambda done, total: None)
    assert all(torch.allclose(found[name], alone[name], atol=1e-5) for name in theta)


def test_the_number_of_cores_changes_no_bit(monkeypatch):
    monkeypatch.setattr("burnish_fedclip.server._BYTES_ON_A_CORE", 3000)  # two clients at a time
    model, federation, found = adapter(), Federation(3, "size", "best", TRAINING, seed=5), []
    for cores in (1, 2):
        with intra_op_threads(cores):
            found.append(federate(model, group(table()), federation, lambda done, total: None))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_the_mean_is_over_clients_with_validation_items():
    model, items = adapter(), table(30, seed=1)
    parameters = model.start(0)
    right = (model.logits(parameters, items.x).argmax(1) == items.y).float()
    expected = (
        sum(
            float((right[s] * items.weights[s]).sum() / items.weights[s].sum())
            for s in (slice(0, 10), slice(10, 30))
        )
        / 2
    )
    assert mean_accuracy(model, parameters, items, group(table()).judges) == pytest.approx(expected)


def test_the_first_best_round_is_kept():
    keeper, last = Keeper("best"), Keeper("last")
    for turn, accuracy in enumerate([0.2, 0.7, 0.7, 0.1]):
        for one in (keeper, last):
            one.offer(turn, {"w": torch.tensor(float(turn))}, accuracy)
    assert (keeper.turn, float(keeper.parameters["w"])) == (1, 1.0)
    assert (last.turn, float(last.parameters["w"])) == (3, 3.0)


# -- tuners --------------------------------------------------------------------------------------------------


def styled(task: Task, styles=("ink", "oil", "pen")) -> Task:
    return replace(task, groups={"style": np.array(styles)[np.arange(len(task.supervision)) % len(styles)]})


def test_variants_differ_in_the_average():
    given = practice(3)
    config = FedCLIPConfig(rounds=4, lr=0.01, number=4)
    states = {}
    for name, one in {
        "released": config,
        "equal": replace(config, variant="paper", aggregate="uniform"),
        "paper": replace(config, variant="paper"),
        "by size": replace(config, aggregate="size"),
        "last": replace(config, keep="last"),
    }.items():
        states[name] = FedCLIP(one).fit(given.task).state()["w1"]
    assert torch.equal(states["released"], states["equal"])
    assert torch.equal(states["paper"], states["by size"])
    assert not torch.equal(states["released"], states["paper"])
    assert not torch.equal(states["released"], states["last"])


def test_the_scale_is_the_one_given_or_what_the_backbone_learnt():
    task = changed(practice(3).task, logit_scale=lambda: 17.0)
    config = FedCLIPConfig(rounds=1, number=4)
    assert [FedCLIP(one).fit(task).info()["scale"] for one in (config, replace(config, scale=5.0))] == [
        17.0,
        5.0,
    ]


def test_clients_of_one_item_each_have_nothing_to_tell_apart():
    task = practice(3).task
    task = replace(task, groups={"own": np.arange(len(task.supervision))})
    with pytest.raises(
        FitError, match="no client has the 2 labelled training items that the loss infonce tells apart"
    ):
        FedCLIP(FedCLIPConfig(rounds=1, clients="own")).fit(task)
    FedCLIP(FedCLIPConfig(rounds=1, clients="own", loss="class-ce", keep="last")).fit(task)


def test_items_without_label_or_weight_play_no_part():
    given = practice(3).task
    y, weights = given.supervision.y.copy(), np.ones(len(given.supervision), dtype=np.float32)
    some = given.splits["train"].index[::3]
    y[some[::2]], weights[some[1::2]] = -1, 0
    unlabelled = replace(given, supervision=replace(given.supervision, y=y, weights=weights))
    kept = np.setdiff1d(given.splits["train"].index, some)
    fewer = replace(
        given,
        splits={**given.splits, "train": replace(given.splits["train"], index=kept)},
    )
    config = FedAvgHeadConfig(rounds=3, number=4)
    first, second = (FedAvgHead(config).fit(task).state() for task in (unlabelled, fewer))
    assert torch.equal(first["weight"], second["weight"])


def test_a_column_of_the_data():
    given = practice(3)
    predictor = FedCLIP(FedCLIPConfig(clients="style", rounds=3)).fit(styled(given.task))
    assert (predictor.predict(given.test_features).top() == given.test_labels).mean() > 0.8
    with pytest.raises(
        ConfigError, match=r"the data has no column 'style'. Possible: dirichlet:ALPHA, class"
    ):
        FedCLIP(FedCLIPConfig(clients="style")).fit(given.task)
    with pytest.raises(FitError, match="one client alone"):
        FedCLIP(FedCLIPConfig(clients="style")).fit(styled(given.task, ("ink",)))


def test_the_head_of_one_client_and_of_all():
    given = practice(3)
    task = styled(given.task)
    heads = LocalHead(LocalHeadConfig(clients="style", epochs=5)).fit(task)
    alone = LocalHead(LocalHeadConfig(clients="style", epochs=5, client="oil")).fit(task)
    assert torch.allclose(heads.state()["weight"][1], alone.state()["weight"][0], atol=1e-5)
    scores, x = heads.predict(given.test_features), normalize(torch.from_numpy(given.test_features), dim=1)
    each = [
        torch.softmax(x @ w.T + b, dim=1)
        for w, b in zip(heads.state()["weight"], heads.state()["bias"], strict=True)
    ]
    assert scores.meaning == "probabilities"
    assert scores.values == pytest.approx((sum(each) / 3).numpy(), abs=1e-6)
    assert alone.predict(given.test_features).meaning == "logits"
    with pytest.raises(ConfigError, match=r"no client 'chalk'. Possible: ink, oil, pen"):
        LocalHead(LocalHeadConfig(clients="style", client="chalk")).fit(task)


def test_the_best_round_needs_validation_items():
    given = practice(3, relabel=lambda y: np.where(np.arange(len(y)) % 5 == 1, -1, y))
    with pytest.raises(FitError, match=r"the clients have none. Set keep to last"):
        FedCLIP(FedCLIPConfig(rounds=2, number=4)).fit(given.task)
    FedCLIP(FedCLIPConfig(rounds=2, number=4, keep="last")).fit(given.task)


def test_numbers_that_are_none():
    given = practice(3)
    odd = group(replace(table(), weights=torch.full((60,), torch.inf)))
    with pytest.raises(
        FitError,
        match=r"w1 of the average became NaN or infinite in round 1. Lower the learning rate \(0.003\)",
    ):
        federate(adapter(), odd, Federation(2, "size", "last", TRAINING, seed=0), lambda done, total: None)
    broken = given.task.features("train").copy()
    broken[4] = np.nan
    with pytest.raises(FitError, match="a feature of train item 4 is NaN"):
        FedAvgHead(FedAvgHeadConfig()).fit(changed(given.task, features=lambda split: broken))
