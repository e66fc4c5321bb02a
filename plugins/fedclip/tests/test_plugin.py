"""What the plugin announces, without torch, and its recipes."""

import dataclasses
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import burnish_fedclip
from burnish.config import make_config
from burnish.manager import get_manager

TUNERS = ("fedclip", "fedavg-head", "fedprox-head", "local-head")


def test_it_is_found_by_its_entry_point():
    (found,) = entry_points(group="burnish", name="fedclip")
    assert found.load() is burnish_fedclip


def test_the_light_part_imports_neither_torch_nor_numpy():
    code = (
        "import sys, burnish_fedclip as p; p.burnish_tuners(); p.burnish_recipes();"
        " p.FedCLIPConfig(clients='dirichlet:1');sys.exit(' '.join({'torch', 'numpy', 'flwr'} &"
        " set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", TUNERS)
def test_targets_resolve_and_need_no_flower(name):
    manager = get_manager()
    component = manager.get("tuner", f"fedclip/{name}")
    config = make_config(component.descriptor.config, {})
    assert dataclasses.replace(config) == config
    assert all(field.metadata["help"] for field in dataclasses.fields(config))
    assert manager.resolve(component, component.descriptor.target)(config) is not None


def test_the_defaults_are_the_released_codes():
    config = burnish_fedclip.FedCLIPConfig()
    assert (config.variant, config.loss, config.rounds, config.local_epochs, config.batch) == (
        "released",
        "infonce",
        200,
        1,
        32,
    )
    assert (config.lr, config.weight_decay, config.scale, config.templates) == (
        5e-5,
        0.2,
        None,
        ("a picture of a {}",),
    )
