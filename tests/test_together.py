"""Every first-party plugin in one environment: names, targets, recipes and listings."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from burnish.descriptors import KINDS
from burnish.manager import Manager
from burnish.plan import build_plan, to_yaml
from burnish.recipe import find_recipe, parse_recipe, with_options

PLUGINS = sorted(
    path.name
    for path in (Path(__file__).parents[1] / "plugins").iterdir()
    if (path / "pyproject.toml").is_file()
)


@pytest.fixture(scope="module")
def manager():
    return Manager(only=frozenset(PLUGINS))


def components(manager):
    return [component for kind in KINDS for component in manager.components(kind)]


def recipes():
    return [component.name for component in Manager(only=frozenset(PLUGINS)).components("recipe")]


def test_every_plugin_of_the_repository_is_installed_and_works(manager):
    assert {info.name: info.status for info in manager.plugins if info.name in PLUGINS} == dict.fromkeys(
        PLUGINS, "ok"
    )
    assert {info.name: info.distribution for info in manager.plugins if info.name in PLUGINS} == {
        name: f"burnish-{name}" for name in PLUGINS
    }
    assert all(not manager.unmet(info) for info in manager.plugins if info.name in PLUGINS)


def test_no_name_is_offered_twice(manager):
    counts = Counter((component.kind, component.name) for component in components(manager))
    assert [name for name, count in counts.items() if count > 1] == []


def test_every_target_resolves(manager):
    for component in components(manager):
        descriptor = component.descriptor
        names = [
            getattr(descriptor, name, None)
            for name in (
                "target",
                "corrupt",
                "assess",
                "fingerprint",
                "guess",
                "views",
                "provides",
                "pretrain",
            )
        ]
        for target in (name for name in names if isinstance(name, str) and name):
            assert callable(manager.resolve(component, target)), f"{component}: {target}"


GIVEN = {
    "data": {"folder": "./photos", "csv": "./texts.csv", "npz": "signs"},
    "backbone": dict.fromkeys(("openclip", ""), "openclip:model=ViT-B-32,random_seed=0")
    | {"hf-lm": "hf-lm:model=gpt2,random_seed=0"},
}
"""What stands in for data and weights that recipes leave to their user, by the component they name."""


def first_use(value):
    value = value[0] if isinstance(value, list) else value
    return value.get("use") if isinstance(value, dict) else str(value or "").partition(":")[0]


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_is_a_plan_that_reads_back_as_itself(manager, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for kind in ("cat", "dog"):
        for number in range(3):
            path = tmp_path / "photos" / kind / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{kind} {number}".encode())
    (tmp_path / "texts.csv").write_text(
        "text,label\n" + "".join(f"text {number},{kind}\n" for kind in ("cat", "dog") for number in range(9))
    )
    recipe = find_recipe(name, manager)
    recipe = with_options(
        recipe,
        {
            key: [GIVEN[key][used]]
            for key in GIVEN
            if (used := first_use(recipe.values.get(key))) in GIVEN[key]
        },
    )
    plan = build_plan(recipe, manager)
    assert plan.rows
    again = build_plan(parse_recipe(to_yaml(plan), "plan.yaml", name=name, base=tmp_path), manager)
    assert again.key() == plan.key()


def test_listings_tell_the_same(burnish, manager):
    listed = json.loads(burnish("list", "--json").out)
    assert {(each["kind"], each["full_name"]) for each in listed} >= {
        (c.kind, c.full_name) for c in components(manager)
    }
    assert all(each["summary"] and each["version"] for each in listed)
    names = {each["name"]: each["status"] for each in json.loads(burnish("plugins", "--json").out)}
    assert {name: names[name] for name in PLUGINS} == dict.fromkeys(PLUGINS, "ok")


def test_every_component_is_shown(burnish, manager):
    for component in components(manager):
        shown = burnish("show", component.kind, component.full_name)
        assert (shown.code, shown.err) == (0, ""), component
        assert component.descriptor.summary in " ".join(shown.out.split()), component


def test_light_commands_import_neither_torch_nor_numpy(burnish):
    for command in (
        ("--help",),
        ("list",),
        ("plugins",),
        ("validate", "noisy-pretraining"),
        ("show", "tuner", "nmtune"),
    ):
        ended = burnish.afresh(*command, before=("-X", "importtime", "-m", "burnish"))
        assert ended.code == 0, ended.err
        imported = {
            line.rpartition("|")[2].strip().partition(".")[0]
            for line in ended.err.splitlines()
            if line.startswith("import time:")
        }
        assert "burnish" in imported
        assert not imported & {"torch", "numpy", "scipy", "sklearn", "PIL", "rich", "matplotlib"}, command
