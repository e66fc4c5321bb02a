"""burnish from Python: parts as keywords, a plugin from a file, and a study that shows itself."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import burnish
from burnish.cli.run import command as run_command
from burnish.errors import (
    BurnishError,
    MissingExtraError,
    NotMeasuredError,
    PluginError,
    RecipeError,
    StoreError,
)
from burnish.manager import use_plugin_files

DIGITS = "digits:features=true"

PLUGIN = """
import burnish
from burnish import hookimpl

BURNISH_API = 1


@hookimpl
def burnish_losses():
    return [burnish.Loss(name="half", target=__name__ + ":Half", summary="Half of another")]
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("front")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BURNISH_CACHE", str(folder / "cache"))
        return burnish.run(
            data=DIGITS,
            tuner=["ridge", "nothing"],
            noise=["none", "symmetric:rate=0.3"],
            evaluate="accuracy",
            replicates=1,
            out=folder / "digits",
            save="none",
        )


def test_parts_are_what_the_options_of_the_command_line_are(study, tmp_path):
    assert [(trial.axes["tuner"], trial.axes["noise"]) for trial in study.trials()] == [
        ("ridge", "none"),
        ("nothing", "none"),
        ("ridge", "symmetric:rate=0.3"),
        ("nothing", "symmetric:rate=0.3"),
    ]
    typed = ["--data", DIGITS, "--tuner", "ridge", "--tuner", "nothing", "--noise", "none"]
    typed += ["--noise", "symmetric:rate=0.3", "--evaluate", "accuracy", "--replicates", "1"]
    shown = CliRunner().invoke(run_command, [*typed, "--out", str(study.folder)], catch_exceptions=False)
    assert "is complete: nothing to do" in shown.output
    plan = burnish.plan_of(data=DIGITS, tuner="ridge", replicates=2, settings=["split.validation=0.3"])
    assert (plan.replicates, [row.tuner.text for row in plan.rows]) == (2, ["ridge"])


def test_no_recipe_is_refused_as_on_the_command_line():
    with pytest.raises(RecipeError, match=r"no recipe is given\. Possible: "):
        burnish.run()


def test_a_study_shows_itself(study):
    assert repr(study) == f"<Study 'study' in {str(study.folder)!r}: 4 of 4 trials, complete>"
    html = study._repr_html_()
    assert html.count("<table>") == 1
    assert "<caption>accuracy in points (%), one replicate</caption>" in html
    assert study.summary()["measure"] == "accuracy"
    assert study.notes == ()
    assert study.assessments() == []


def test_a_study_that_is_not_complete_says_how_far_it_is(tmp_path):
    study = burnish.run(data=DIGITS, tuner=["ridge", "nothing"], replicates=1, limit=1, out=tmp_path / "some")
    assert repr(study).endswith("1 of 2 trials, not complete>")
    assert "1 of 2 trials, not complete&gt;" in study._repr_html_()
    with pytest.raises(StoreError, match="1 of 2 trials are finished"):
        study.table()
    burnish.run(data=DIGITS, tuner=["ridge", "nothing"], replicates=1, out=tmp_path / "some")
    assert study.complete  # the same object sees what was done since
    assert len(study.trials()) == 2


def test_a_measure_of_a_trial_by_its_name(study):
    trial = study.trials()[0]
    assert trial["accuracy"] == trial["accuracy", "test"] > 0.8
    with pytest.raises(
        NotMeasuredError, match=r"no measure 'acuracy'. Did you mean 'accuracy'\? Possible: acc"
    ):
        trial["acuracy"]
    with pytest.raises(NotMeasuredError, match=r"accuracy was not measured on 'test:blur'. .*Possible: test"):
        trial["accuracy", "test:blur"]
    with pytest.raises(KeyError):
        trial["nll"]


def test_a_study_as_a_frame(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    lines = [line for line in study.to_frame() if line["split"] == "test"]
    assert [line["value"] for line in lines] == [trial["accuracy"] for trial in study.trials()]
    assert {"data", "backbone", "tuner", "replicate", "measure", "split", "unit", "n"} <= set(lines[0])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"the library 'pandas'.*Install it: pip install pandas"):
        study.to_frame()


def test_a_plugin_from_a_file(tmp_path):
    file = tmp_path / "my.py"
    file.write_text(PLUGIN, encoding="utf-8")
    try:
        plan = burnish.plan_of(data=DIGITS, tuner="linear", loss="half", plugins=[file])
        assert (plan.rows[0].loss.plugin, plan.rows[0].loss.name) == ("my", "half")
        assert burnish.plan_of(data=DIGITS, tuner="linear", loss="my/half").rows  # from now on
    finally:
        use_plugin_files(())
    with pytest.raises(BurnishError, match="unknown loss 'half'"):
        burnish.plan_of(data=DIGITS, tuner="linear", loss="half")
    with pytest.raises(PluginError):
        burnish.plan_of(data=DIGITS, tuner="linear", plugins=[tmp_path / "none.py"])
    assert burnish.plan_of(data=DIGITS, tuner="linear").rows  # a file that is none leaves nothing behind


def test_a_study_with_one_predictor_is_loaded_by_its_folder(study, tmp_path):
    made = burnish.run(data=DIGITS, tuner="ridge", replicates=1, out=tmp_path / "one")
    assert burnish.load(made.folder).classes.names == made.predictor(0).classes.names
    with pytest.raises(StoreError, match="the predictor of replicate 0 was not kept"):
        study.predictor(0)


def test_progress_is_said_where_it_is_wanted(tmp_path, capsys):
    for progress, said in ((None, False), (False, False), (True, True)):
        burnish.run(data=DIGITS, tuner="nothing", replicates=1, out=tmp_path / "quiet", progress=progress)
        assert bool(capsys.readouterr().err) == said


def test_dir_shows_what_is_public_and_the_import_is_light():
    code = (
        "import sys, burnish; assert {'run', 'load', 'plan_of', 'Study'} <= set(dir(burnish));"
        " assert all(not name.startswith('_') or name == '__version__' for name in dir(burnish));"
        " assert not {'numpy', 'torch', 'burnish.api'} & set(sys.modules);"
        " assert all(hasattr(burnish, name) for name in dir(burnish))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="audit"):
        burnish.audit  # noqa: B018
