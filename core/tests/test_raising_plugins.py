"""A plugin that goes wrong in one of its functions costs itself alone, and is named."""

import re

import pytest

from burnish.descriptors import KINDS
from burnish.errors import BurnishError, CombinedError
from burnish.hooks import HOOKS
from burnish.manager import Manager
from burnish.plan import build_plan
from burnish.recipe import make_recipe
from burnish.testing.dists import write_dist

HOOK = "import burnish\nBURNISH_API = 1\n@burnish.hookimpl\ndef {}():\n    {}\n"
UNMARKED = "import burnish\nBURNISH_API = 1\ndef {}():\n    return []\n"

WAYS = {
    "raises": ("raise LookupError('sulks')", r"LookupError: sulks \(.*burnish_bad.py, line 5\)"),
    "exits": ("raise SystemExit(3)", r"SystemExit: 3 \(.*burnish_bad.py, line 5\)"),
    "gives nothing": ("pass", r"{hook} returned nothing: return a list of burnish\.{kind}"),
    "raises later": (
        "yield from ()\n    raise LookupError('sulks')",
        r"LookupError: sulks \(.*burnish_bad.py, line 6\)",
    ),
}

ALL = """
import os
from dataclasses import dataclass, field

import burnish

BURNISH_API = 1


def goes_wrong(name):
    if os.environ.get("GOES_WRONG") == name:
        raise LookupError("sulks")
    if os.environ.get("GOES_WRONG") == f"{name} exits":
        raise SystemExit(3)
    if os.environ.get("GOES_WRONG") == f"{name} is odd":
        return 1.5
    return None


@dataclass(frozen=True)
class Options:
    factory: str = field(default_factory=lambda: goes_wrong("factory") or "x", metadata={"help": "an option"})

    def __post_init__(self):
        goes_wrong("config")


def provides(config):
    return goes_wrong("provides") or {"features"}


def fingerprint(config):
    return goes_wrong("fingerprint") or "same"


def source_fingerprint(config):
    return goes_wrong("source fingerprint") or "same"


def views(config):
    return goes_wrong("views") or 1


def measures(config):
    return goes_wrong("measures") or ["bad-measure"]


def guess(path):
    return goes_wrong("guess")


@burnish.hookimpl
def burnish_sources():
    return [burnish.Source(name="bad-data", target="x:X", config=Options, summary="S",
                           guess="burnish_bad:guess", provides={"image", "labels"},
                           fingerprint="burnish_bad:source_fingerprint")]


@burnish.hookimpl
def burnish_backbones():
    return [burnish.Backbone(name="bad-backbone", target="x:X", summary="B", needs={"image"},
                             provides="burnish_bad:provides", fingerprint="burnish_bad:fingerprint")]


@burnish.hookimpl
def burnish_evaluators():
    return [burnish.Evaluator(name="bad-evaluator", target="x:X", summary="E",
                              measures="burnish_bad:measures")]


@burnish.hookimpl
def burnish_tuners():
    return [burnish.Tuner(name="bad-tuner", target="x:X", summary="T", needs={"features"},
                          views="burnish_bad:views")]
"""

LIGHT = ("provides", "fingerprint", "source fingerprint", "views", "measures")
TOLD = {"": "LookupError: sulks", " exits": "SystemExit: 3", " is odd": "gives 1.5"}
GOES_WRONG = [name + way for name in LIGHT for way in TOLD] + [
    name + way for name in ("config", "factory") for way in ("", " exits")
]
CPU = {"numeric": {"dtype": "fp32", "device": "cpu", "threads": 2}}
GOOD = {"data": "pictures", "backbone": "small", "tuner": "linear", **CPU}
BAD = {
    "data": "bad-data",
    "backbone": "bad-backbone",
    "tuner": "bad-tuner",
    "evaluate": "bad-evaluator",
    **CPU,
}


def both(site, text):
    write_dist(site, "burnish-bad", "0.1", {"bad": "burnish_bad"}, {"burnish_bad.py": text})
    return Manager(only=frozenset({"study", "bad"}))


def failure(manager):
    return {plugin.name: plugin.reason for plugin in manager.plugins if plugin.status == "failed"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", HOOKS)
@pytest.mark.usefixtures("study")
def test_a_hook_that_goes_wrong_costs_its_plugin_alone(site, kind, way):
    body, reason = WAYS[way]
    manager = both(site, HOOK.format(HOOKS[kind], body))
    told = failure(manager)
    wanted = reason.replace("{hook}", HOOKS[kind]).replace("{kind}", KINDS[kind].__name__)
    assert list(told) == ["bad"]
    assert re.fullmatch(wanted, told["bad"]), told["bad"]
    assert len(build_plan(make_recipe(GOOD), manager).rows) == 1


@pytest.mark.parametrize("hook", HOOKS.values())
@pytest.mark.usefixtures("study")
def test_a_hook_without_its_mark_is_told(site, hook):
    told = failure(both(site, UNMARKED.format(hook)))
    assert told == {"bad": f"{hook} is not marked as a hook: write @burnish.hookimpl above it"}


@pytest.mark.parametrize("function", GOES_WRONG)
@pytest.mark.usefixtures("study")
def test_a_function_of_a_descriptor_that_goes_wrong_costs_its_plugin_alone(site, monkeypatch, function):
    monkeypatch.setenv("GOES_WRONG", function)
    manager = both(site, ALL)
    assert failure(manager) == {}
    assert len(build_plan(make_recipe(GOOD), manager).rows) == 1
    with pytest.raises((BurnishError, CombinedError)) as caught:
        build_plan(make_recipe(BAD), manager)
    errors = getattr(caught.value, "errors", [caught.value])
    assert all("bad" in str(error) and "\n" not in str(error) for error in errors)
    named = str(errors[0])
    assert "burnish_bad" in named
    assert next(told for way, told in reversed(TOLD.items()) if function.endswith(way)) in named


@pytest.mark.usefixtures("study")
def test_a_needs_that_goes_wrong_is_its_plugins_reason(site):
    needs = "return [burnish.Tuner(name='x', target='a:b', summary='s', needs=(1 / 0 for _ in 'x'))]"
    told = failure(both(site, HOOK.format("burnish_tuners", needs)))
    assert told["bad"].startswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("way", ["", " exits", " is odd"])
@pytest.mark.usefixtures("study")
def test_a_guess_that_goes_wrong_is_in_nobodys_way(site, tmp_path, monkeypatch, way):
    monkeypatch.setenv("GOES_WRONG", f"guess{way}")
    manager = both(site, ALL)
    assert build_plan(make_recipe({**GOOD, "data": str(tmp_path)}), manager).rows[0].data.name == "files"
    alone = Manager(only=frozenset({"bad"}))
    with pytest.raises(BurnishError, match=r"source bad/bad-data of plugin bad \(burnish-bad 0\.1\): "):
        build_plan(make_recipe({**BAD, "data": str(tmp_path)}), alone)


@pytest.mark.usefixtures("study")
def test_a_plugin_that_works_is_planned(site, monkeypatch):
    monkeypatch.delenv("GOES_WRONG", raising=False)
    assert len(build_plan(make_recipe(BAD), both(site, ALL)).rows) == 1
