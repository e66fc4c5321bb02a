"""Fixtures of core's tests: fake installed plugins, and a cache folder of the test's own."""

import sys
from pathlib import Path

import pytest

from burnish.manager import Manager, use_plugin_files
from burnish.testing.dists import write_dist

STUDY = '''
"""One of everything: enough for a plan. Light, like every plugin."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import burnish

BURNISH_API = 1
FEATURES = frozenset({"features"})


@dataclass(frozen=True)
class Files:
    path: Path = field(metadata={"help": "a file or folder"})
    kind: Literal["image", "features"] = "image"


@dataclass(frozen=True)
class Weights:
    noise: float = field(default=0.0, metadata={"help": "label noise", "range": (0, 1)})


@dataclass(frozen=True)
class Rate:
    rate: float = field(default=0.2, metadata={"help": "share of labels that flip", "range": (0, 1)})


@dataclass(frozen=True)
class Wide(burnish.HeadConfig):
    ratio: int = field(default=4, metadata={"help": "width of the hidden layer", "range": (1, 64)})
    layers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Views(burnish.HeadConfig):
    variant: Literal["paper", "released"] = "paper"


@dataclass(frozen=True)
class Worst:
    k: int = 1


def provides(config):
    return {config.kind, "labels"}


def views(config):
    return 2 if config.variant == "released" else 1


def measures(config):
    return [f"worst-{config.k}"]


def guess(path):
    return {"path": str(path)} if path.is_dir() else None


@burnish.hookimpl
def burnish_sources():
    yield burnish.Source(
        name="pictures", target="burnish_study.heavy:X", summary="Pictures", provides={"image", "labels"}
    )
    yield burnish.Source(
        name="rows", target="burnish_study.heavy:X", summary="Rows", provides={"features", "labels"}
    )
    yield burnish.Source(
        name="files", target="burnish_study.heavy:X", config=Files, summary="Files",
        provides="burnish_study:provides", guess="burnish_study:guess",
    )


@burnish.hookimpl
def burnish_backbones():
    yield burnish.Backbone(
        name="small", target="burnish_study.heavy:X", config=Weights, summary="A small one", needs={"image"},
        provides=FEATURES, views=True,
    )
    yield burnish.Backbone(
        name="clip", target="burnish_study.heavy:X", summary="With text", needs={"image"},
        provides={"features", "text-tower"},
    )
    yield burnish.Backbone(
        name="features", target="burnish_study.heavy:X", summary="As given", needs=FEATURES,
        provides=FEATURES,
    )


@burnish.hookimpl
def burnish_noise_models():
    yield burnish.NoiseModel(name="none", corrupt="burnish_study.heavy:X", summary="Nothing")
    yield burnish.NoiseModel(
        name="symmetric", corrupt="burnish_study.heavy:X", corrupt_config=Rate, summary="Flip"
    )
    yield burnish.NoiseModel(name="long-tail", corrupt="burnish_study.heavy:X", summary="Subsample")
    yield burnish.NoiseModel(
        name="joint", assess="burnish_study.heavy:X", assess_config=Rate, summary="Find", needs=FEATURES
    )


@burnish.hookimpl
def burnish_tuners():
    yield burnish.Tuner(
        name="nothing", target="burnish_study.heavy:X", summary="Nothing", needs=FEATURES,
        provides={"own-loss"},
    )
    yield burnish.Tuner(
        name="linear", target="burnish_study.heavy:X", config=burnish.HeadConfig, summary="Linear probe",
        needs=FEATURES,
    )
    yield burnish.Tuner(
        name="mlp", target="burnish_study.heavy:X", config=Wide, summary="MLP", needs=FEATURES,
        paper="arXiv:0000.00000",
    )
    yield burnish.Tuner(
        name="viewed", target="burnish_study.heavy:X", config=Views, summary="Two views", needs=FEATURES,
        views="burnish_study:views",
    )
    yield burnish.Tuner(
        name="prompts", target="burnish_study.heavy:X", summary="Prompts", needs={"text-tower"}
    )


@burnish.hookimpl
def burnish_losses():
    return [
        burnish.Loss(name=name, target="burnish_study.heavy:X", summary="A loss") for name in ("ce", "gce")
    ]


@burnish.hookimpl
def burnish_evaluators():
    yield burnish.Evaluator(
        name="accuracy", target="burnish_study.heavy:X", summary="Share of right answers", needs={"truth"},
        measures=["accuracy"],
    )
    yield burnish.Evaluator(
        name="worst", target="burnish_study.heavy:X", config=Worst, summary="Worst classes", needs={"truth"},
        measures="burnish_study:measures",
    )
    yield burnish.Evaluator(
        name="detection", target="burnish_study.heavy:X", summary="Of wrong labels",
        needs={"truth", "assessment"},
    )


@burnish.hookimpl
def burnish_commands():
    yield burnish.Command(name="hello", target="burnish_study.command:hello", summary="Say hello")
    yield burnish.Command(name="list", target="burnish_study.command:hello", summary="Would replace list")
    yield burnish.Command(
        name="boom", target="burnish_study.command:boom", summary="Fail in a way given by its argument"
    )


@burnish.hookimpl
def burnish_recipes():
    yield burnish.RecipeFile(
        name="first-study", package="burnish_study", file="recipes/first.yaml", summary="A first study"
    )
'''

COMMAND = '''
import click


@click.command()
def hello():
    """Say hello."""
    click.echo("hello")


@click.command()
@click.argument("how")
def boom(how):
    """Fail."""
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "pipe":
        raise BrokenPipeError
    if how == "memory":
        raise MemoryError
    if how == "torch":
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    if how == "config":
        from burnish.errors import CombinedError, ConfigError
        raise CombinedError([ConfigError("one"), ConfigError("two")])
    raise ValueError("bad\\nthing")
'''

RECIPE = """
data: pictures
backbone: [small:noise=0, small:noise=0.3]
tuner: [nothing, linear]
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that counts as site-packages until the test ends."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    use_plugin_files(())
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.fixture
def study(site, monkeypatch):
    """The manager of one fake plugin, `study`, which has one of everything."""
    files = {
        "burnish_study/__init__.py": STUDY,
        "burnish_study/command.py": COMMAND,
        "burnish_study/recipes/first.yaml": RECIPE,
    }
    write_dist(site, "burnish-study", "0.1.0", {"study": "burnish_study"}, files)
    monkeypatch.setenv("BURNISH_PLUGINS", "study")
    return Manager(only=frozenset({"study"}))
