"""What the plugin announces, without torch, and its recipes."""

import dataclasses
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec

import pytest

import burnish_nmtune
from burnish.config import make_config
from burnish.errors import BurnishError
from burnish.manager import get_manager
from burnish.plan import build_plan
from burnish.recipe import find_recipe, with_settings

OTHERS = ("burnish_basics", "burnish_signs", "burnish_tiny")
needs_others = pytest.mark.skipif(
    not all(find_spec(name) for name in OTHERS), reason=f"needs {', '.join(OTHERS)}"
)


def test_it_is_found_by_its_entry_point():
    (found,) = entry_points(group="burnish", name="nmtune")
    assert found.load() is burnish_nmtune


def test_the_light_part_imports_neither_torch_nor_numpy():
    code = (
        "import sys, burnish_nmtune as p; p.burnish_tuners(); p.burnish_losses(); p.burnish_evaluators();"
        " p.burnish_recipes();p.views(p.NMTuneConfig()); sys.exit(' '.join({'torch', 'numpy'} &"
        " set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("tuner", "nmtune"),
        ("loss", "consistency"),
        ("loss", "covariance"),
        ("loss", "spectrum"),
        ("evaluator", "spectrum"),
    ],
)
def test_targets_resolve_and_can_be_made(kind, name):
    manager = get_manager()
    component = manager.get(kind, f"nmtune/{name}")
    config = make_config(component.descriptor.config, {})
    assert dataclasses.replace(config) == config
    assert all(field.metadata["help"] for field in dataclasses.fields(config))
    assert manager.resolve(component, component.descriptor.target)(config) is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "papr"}, "Possible: paper, released"),
        ({"lam": -1}, "lam is -1"),
        ({"wcov": 1}, "Did you mean 'w_cov'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(BurnishError, match=message):
        make_config(burnish_nmtune.NMTuneConfig, options, where="nmtune")


@needs_others
def test_the_study():
    plan = build_plan(find_recipe("noisy-pretraining", get_manager()))
    assert (len(plan.rows), plan.replicates) == (50, 10)
    assert [row.axes()["tuner"] for row in plan.rows[:5]] == [
        "nothing",
        "nearest-class-mean",
        "linear",
        "mlp",
        "nmtune",
    ]
    assert plan.tune.budget == 4
    assert (plan.report.x, plan.report.baseline) == ("backbone.noise", "mlp")
    assert plan.report.panels["in"] == ("test",)
    assert len(plan.report.panels["out"]) == 6


@needs_others
def test_the_study_on_a_folder_of_ones_own(tmp_path):
    recipe = find_recipe("noisy-pretraining-folder", get_manager())
    with pytest.raises(BurnishError, match="path is missing"):
        build_plan(recipe)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.png").write_bytes(b"no image, but planning reads none")
    plan = build_plan(with_settings(recipe, [f"data.path={tmp_path}"]))
    assert len(plan.rows) == 50
