"""What every contract checks of a description, and that the kit itself is light."""

import subprocess
import sys

import pytest

from burnish.errors import DataError
from burnish.testing import LossContract, missing_contracts
from burnish.testing.checks import expect, nothing_written, refused


def messy(name, **options):
    return type("TestIt", (LossContract,), {"plugin": "messy", "name": name, "example": options})()


def test_a_plugin_that_is_not_installed_says_what_to_run():
    missing = type("TestIt", (LossContract,), {"plugin": "nowhere", "name": "x"})()
    with pytest.raises(
        AssertionError,
        match=r"no installed distribution has the entry point 'nowhere'\. Run: pip install -e \.",
    ):
        missing.test_it_is_discovered_through_its_entry_point()


def test_a_component_that_is_not_offered_is_told():
    with pytest.raises(AssertionError, match="burnish_losses of plugin 'messy' returns no 'other', but: "):
        messy("other").test_it_is_discovered_through_its_entry_point()


def test_heavy_imports_are_named_with_what_to_move():
    with pytest.raises(
        AssertionError,
        match=r"importing the entry point 'messy' .* also imports \['numpy'\]; move these imports",
    ):
        messy("open").test_describing_it_imports_nothing_heavy()


def test_offers_that_change_are_told():
    with pytest.raises(
        AssertionError, match="burnish_losses of plugin 'messy' returns something else on the second call"
    ):
        messy("open").test_it_offers_the_same_on_every_call()


@pytest.mark.parametrize(("name", "message"), [("open", "is not frozen"), ("silent", "no help for q")])
def test_poor_options_are_told(name, message):
    with pytest.raises(AssertionError, match=message):
        messy(name).test_its_options_are_described()


def test_options_that_change_when_read_again_are_told(tmp_path):
    with pytest.raises(AssertionError, match="after it was written as JSON and read again"):
        messy("shifting").test_its_options_survive_json(tmp_path)
    messy("silent", q=0.5).test_its_options_survive_json(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "messy_targets:Nowhere: .*has no attribute 'Nowhere'"),
        ("seeding", "importing it changes torch's"),
    ],
)
def test_targets_that_do_not_resolve_or_disturb_are_told(name, message):
    with pytest.raises(AssertionError, match=message):
        messy(name).test_its_targets_resolve_and_leave_torch_alone()


def test_show_is_looked_at():
    messy("open").test_burnish_show_prints_it()


def test_an_example_that_is_refused_is_told():
    with pytest.raises(AssertionError, match=r"the example of loss silent, 'gamma=2', is refused: .*gamma"):
        messy("silent").test_its_example_is_valid()
    messy("open").test_its_example_is_valid()


def test_components_without_a_contract_are_listed():
    class TestOpen(LossContract):
        plugin, name = "messy", "open"

    assert missing_contracts("messy", {"TestOpen": TestOpen}) == [
        "loss missing",
        "loss seeding",
        "loss shifting",
        "loss silent",
    ]
    assert missing_contracts("faulty", {}) == [
        "assess noise",
        "backbone project",
        "evaluator right",
        "loss loss",
        "noise noise",
        "source rows",
        "summary best",
        "tuner inside",
        "tuner means",
        "tuner trained",
    ]


def test_checks_say_what_is_wrong(tmp_path):
    with pytest.raises(AssertionError, match=r"^this is wrong$"):
        expect(False, "this is wrong")
    with pytest.raises(AssertionError, match=r"a thing was accepted. Raise burnish.errors.DataError"):
        refused("a thing", DataError, lambda: None)
    with pytest.raises(
        AssertionError, match=r"a thing ended in KeyError: 'x'. Raise burnish.errors.DataError instead"
    ):
        refused("a thing", DataError, lambda: {}["x"])
    with pytest.raises(AssertionError, match="it writes to disk: "), nothing_written("it"):
        (tmp_path / "x").write_text("x")
    with nothing_written("it"):
        (tmp_path / "x").read_text()


def test_the_kit_is_light_until_it_is_used():
    code = (
        "import sys, burnish.testing, burnish.testing.dists, burnish.testing.contract;"
        "sys.exit(' '.join({'torch', 'numpy', 'pytest', 'hypothesis'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
