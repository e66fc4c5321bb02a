"""A study's folder: what decides whether a plan belongs to it, and how a difference is told."""

import sys

import pytest

from burnish.engine.folder import _difference, identity
from burnish.manager import Manager
from burnish.plan import build_plan
from burnish.recipe import make_recipe
from burnish.testing.dists import write_dist

CODE = """
import burnish
BURNISH_API = 1
FEATURES = frozenset({"features"})

@burnish.hookimpl
def burnish_sources():
    return [burnish.Source(name="rows", target="x:X", summary="Rows", provides={"features", "labels"})]

@burnish.hookimpl
def burnish_backbones():
    return [burnish.Backbone(name="features", target="x:X", summary="B", needs=FEATURES, provides=FEATURES)]

@burnish.hookimpl
def burnish_tuners():
    return [burnish.Tuner(name="nmtune", target="x:X", summary="T", needs=FEATURES, provides={"own-loss"},
                          revision=REVISION)]

@burnish.hookimpl
def burnish_evaluators():
    return [burnish.Evaluator(name="accuracy", target="x:X", summary="E")]
"""


@pytest.fixture
def released(tmp_path, monkeypatch):
    """Return the plan of one recipe with a release of the plugin installed."""

    def plan(version, revision=1, *, text=""):
        site = tmp_path / f"{version}-{revision}"
        code = CODE.replace("REVISION", str(revision)) + text
        write_dist(
            site, "burnish-nmtune", version, {"released": "released_plugin"}, {"released_plugin.py": code}
        )
        sys.modules.pop("released_plugin", None)
        with monkeypatch.context() as path:
            path.syspath_prepend(str(site))
            recipe = make_recipe({"data": "rows", "tuner": "nmtune", "numeric": {"device": "cpu"}})
            return build_plan(recipe, Manager(only=frozenset({"released"})))

    yield plan
    sys.modules.pop("released_plugin", None)


def test_a_release_that_changes_no_number_keeps_its_trials(released):
    first, mended = released("0.1.0"), released("0.1.1", text="# a typo is mended\n")
    assert first.key() == mended.key()
    assert identity(first) == identity(mended)


def test_a_new_revision_has_other_trials_and_is_told(released):
    first, changed = released("0.1.0"), released("0.1.1", revision=2)
    assert first.key() != changed.key()
    assert _difference(identity(first), identity(changed)) == (
        "code of released/nmtune was revision 1, is revision 2"
    )


def test_the_code_of_an_evaluator_counts_as_well(released):
    assert identity(released("0.1.0"))["code of released/accuracy"] == "revision 1"
