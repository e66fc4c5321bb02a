"""FedCLIP on Flower: the apps against a grid that hands messages over by itself.

And, slow, against Flower's own simulation.
"""

import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from burnish.errors import DataError, FitError, MissingExtraError
from burnish.testing.data import practice
from burnish_fedclip import FedCLIPConfig, FedProxHeadConfig
from burnish_fedclip.client_file import ClientData, file_of, read_client, write_client
from burnish_fedclip.local import LocalTraining
from burnish_fedclip.models import AttentionAdapter, LinearHead
from burnish_fedclip.server import Federation, federate
from burnish_fedclip.simulation import simulate, write_clients
from burnish_fedclip.tuners import FedCLIP, FedProxHead, make_group

needs_flower = pytest.mark.skipif(
    not find_spec("flwr"), reason="needs flwr: pip install 'burnish-fedclip[flower]'"
)
needs_ray = pytest.mark.skipif(
    not (find_spec("flwr") and find_spec("ray")), reason="needs Ray: pip install 'burnish-fedclip[flower]'"
)

TRAINING = LocalTraining(lr=1e-2, weight_decay=0.2, batch=8, epochs=2, order=3)
EXAMPLE = Path(__file__).parents[1] / "examples" / "flower"


def adapter():
    texts = torch.nn.functional.normalize(
        torch.from_numpy(np.random.default_rng(2).normal(size=(3, 6)).astype(np.float32)), dim=1
    )
    return AttentionAdapter(texts, 10.0, "infonce")


def group(number=4):
    return make_group(practice(3).task, FedCLIPConfig(clients="dirichlet:2", number=number), "test")


class StandIn:
    """A `flwr.serverapp.Grid` whose nodes answer at once, the last first."""

    def __init__(self, app, nodes, run_config=None):
        self.app, self.nodes, self.run_config = app, nodes, run_config or {}
        self.broken = set()

    def get_node_ids(self):
        return list(self.nodes)

    def send_and_receive(self, messages):
        from flwr.app import Context, Error, Message, RecordDict

        for message in reversed(list(messages)):
            node = message.metadata.dst_node_id
            context = Context(
                run_id=1,
                node_id=node,
                node_config=self.nodes[node],
                state=RecordDict(),
                run_config=self.run_config,
            )
            if node in self.broken:
                yield Message(Error(code=0, reason=f"node {node} has no power"), reply_to=message)
            else:
                yield self.app(message, context)


@pytest.fixture(autouse=True)
def whose_messages_these_are():
    """Flower's runtime says who sends a message; here it is this process."""
    if find_spec("flwr"):
        from flwr.supercore.task_identity import TaskIdentity

        TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1


@pytest.fixture
def files(tmp_path):
    given = group()
    write_clients(tmp_path, adapter(), given)
    return given, tmp_path


def nodes(count):
    return {100 - k: {"partition-id": k} for k in range(count)}


@needs_flower
@pytest.mark.parametrize("model", [adapter(), LinearHead(6, 3, mu=0.3)], ids=["adapter", "head"])
@pytest.mark.parametrize(("aggregate", "keep"), [("uniform", "best"), ("size", "last")])
def test_one_round_on_flower_is_one_in_process(tmp_path, model, aggregate, keep):
    from burnish_fedclip.flower_app import Recipe, client_app, serve

    given = group()
    write_clients(tmp_path, model, given)
    for rounds in (1, 3):
        federation = Federation(rounds, aggregate, keep, TRAINING, seed=4)
        told = []
        here = federate(model, given, federation, lambda done, total: None)
        grid, tell = (
            StandIn(client_app(tmp_path), nodes(4)),
            lambda done, total, told=told: told.append((done, total)),
        )
        there = serve(grid, Recipe.of(model), federation, clients=4, strict=True, progress=tell)
        assert not torch.equal(here[next(iter(here))], model.start(4)[next(iter(here))])
        for name in here:
            assert torch.allclose(here[name], there[name], atol=1e-5)
        assert told[-1] == (rounds, rounds)


@needs_flower
def test_a_client_that_fails(files, caplog):
    from burnish_fedclip.flower_app import Recipe, client_app, serve

    grid, federation = StandIn(client_app(files[1]), nodes(4)), Federation(1, "uniform", "last", TRAINING, 0)
    grid.broken = {100}
    with pytest.raises(FitError, match="Flower, train: 1 of 4 clients failed: node 100 has no power"):
        serve(grid, Recipe.of(adapter()), federation, clients=4, strict=True)
    without = serve(grid, Recipe.of(adapter()), federation, clients=4)
    assert "left out of this round: node 100 has no power" in caplog.text
    others = replace(files[0], parts=files[0].parts[1:])
    assert torch.allclose(
        without["w1"], federate(adapter(), others, federation, lambda *p: None)["w1"], atol=1e-5
    )


@needs_flower
def test_the_app_of_the_example(files, tmp_path, monkeypatch):
    """What ``flwr run`` loads: its components, and its config, which says all that the server must know."""
    import tomllib

    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp

    from burnish_fedclip.flower_app import Recipe, read_run, serve

    settings = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
    monkeypatch.syspath_prepend(str(EXAMPLE))
    found = {}
    for word, text in settings["components"].items():
        module, _, name = text.partition(":")
        found[word] = getattr(__import__(module, fromlist=[name]), name)
    assert isinstance(found["serverapp"], ServerApp)
    assert isinstance(found["clientapp"], ClientApp)
    for module in [name for name in sys.modules if name.startswith("federation")]:
        del sys.modules[module]
    config = settings["config"] | {
        "dim": 6,
        "classes": 3,
        "scale": 10.0,
        "clients": 4,
        "rounds": 2,
        "data": str(tmp_path),
    }
    recipe, federation, clients = read_run(config)
    assert recipe == replace(Recipe.of(adapter()), scale=10.0)
    there = serve(StandIn(found["clientapp"], nodes(4), config), recipe, federation, clients=clients)
    here = federate(adapter(), files[0], federation, lambda *p: None)
    assert torch.allclose(here["w1"], there["w1"], atol=1e-5)


@needs_flower
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rounds": None}, "run config, rounds: it is None"),
        ({"lr": "1"}, "a value of type float"),
        ({"keep": "all"}, "Possible: best, last"),
    ],
)
def test_a_run_config_that_lacks_something(change, message):
    import tomllib

    from burnish_fedclip.flower_app import read_run

    config = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["config"]
    with pytest.raises(DataError, match=message):
        read_run(config | {"dim": 6, "classes": 3, "clients": 4} | change)


@needs_flower
def test_a_client_without_its_file(tmp_path):
    from burnish_fedclip.flower_app import Recipe, client_app, serve

    federation = Federation(1, "uniform", "last", TRAINING, 0)
    with pytest.raises(DataError, match="the client's file is not named"):
        serve(StandIn(client_app(), nodes(2)), Recipe.of(adapter()), federation, clients=2)
    with pytest.raises(DataError, match=r"client-0.safetensors: the client's items cannot be read"):
        serve(
            StandIn(client_app(tmp_path), {1: {"partition-id": 0}}),
            Recipe.of(adapter()),
            federation,
            clients=1,
        )


def test_a_clients_file(files):
    given, folder = files
    data = read_client(file_of(folder, 2))
    assert data.number == 2
    assert torch.equal(data.train.x, given.train.x[torch.from_numpy(given.parts[2].rows)])
    assert torch.equal(data.texts, adapter().texts)
    write_client(folder / "again.safetensors", data)
    assert (folder / "again.safetensors").read_bytes() == file_of(folder, 2).read_bytes()
    assert isinstance(data, ClientData)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number": torch.tensor(-1)}, "number is no number of a client"),
        ({"number": torch.tensor([1])}, "number is no number of a client"),
        ({"train.y": torch.zeros(2, dtype=torch.int64)}, "train: x"),
        ({"train.y": torch.zeros(2)}, "train: x"),
        ({"texts": torch.zeros(3, 7)}, "train: x"),
        ({"texts": torch.full((3, 6), torch.nan)}, "not finite"),
        ({"more": torch.zeros(1)}, "the file holds more, number"),
    ],
)
def test_a_crafted_file(files, change, message):
    file = file_of(files[1], 0)
    save_file(load_file(file) | change, file)
    with pytest.raises(DataError, match=message):
        read_client(file)


def test_a_file_that_is_none(tmp_path):
    (tmp_path / "client-0.safetensors").write_bytes(b"not a file of tensors")
    with pytest.raises(DataError, match="cannot be read"):
        read_client(tmp_path / "client-0.safetensors")


def test_without_flower(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"flwr is not installed. pip install 'burnish-fedclip\[flower\]'"
    ):
        simulate(adapter(), group(), Federation(1, "uniform", "last", TRAINING, 0), lambda *p: None)


@pytest.mark.slow
@needs_ray
@pytest.mark.parametrize(("tuner", "config"), [(FedCLIP, FedCLIPConfig), (FedProxHead, FedProxHeadConfig)])
def test_flowers_simulation_gives_the_weights_of_the_rounds_in_process(tuner, config):
    given = practice(3)
    here, there = (
        tuner(config(rounds=1, number=4, lr=1e-3, engine=engine)).fit(given.task).state()
        for engine in ("in-process", "flower")
    )
    for name in here:
        assert torch.allclose(here[name], there[name], atol=1e-5)
