"""Plans: defaults, the product of axes, what needs what, tuning, and the normal form."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from burnish.errors import BurnishError, CombinedError, RecipeError
from burnish.manager import Manager
from burnish.numeric import Numeric
from burnish.plan import Part, ReportSpec, Row, SelectSpec, SplitSpec, TuneSpec, build_plan, to_yaml
from burnish.plan.parts import guess_source, read_part
from burnish.recipe import make_recipe, parse_recipe, with_options, with_settings
from burnish.testing.dists import write_dist

CPU = {"numeric": {"dtype": "fp32", "device": "cpu", "threads": 2}}
BASE = {"data": "pictures", "backbone": "small", "tuner": "linear", **CPU}


def plan(study, settings=(), **values):
    return build_plan(with_settings(make_recipe({**BASE, **values}), settings), study)


def fails(study, settings=(), **values):
    with pytest.raises(BurnishError) as caught:
        plan(study, settings, **values)
    return str(caught.value)


# -- defaults and axes ---------------------------------------------------------------------------------------


def test_every_default_is_filled_in(study):
    made = plan(study)
    assert len(made.rows) == 1
    row = made.rows[0]
    assert (row.noise, row.assess, row.views, row.loss.text) == ((), None, 1, "ce")
    assert [part.name for part in made.evaluators] == ["accuracy"]
    assert (made.replicates, made.on_bad_input, made.tune) == (5, "error", None)
    assert (made.split, made.select, made.report) == (SplitSpec(), SelectSpec(), ReportSpec())
    assert made.numeric == Numeric("cpu", "float32", 2, made.numeric.torch)
    assert row.tuner.options == {
        "lr": 1e-3,
        "weight_decay": 1e-4,
        "epochs": 30,
        "batch": 64,
        "schedule": "cosine",
    }
    assert made.choices() == ()


def test_rows_are_the_product_of_the_axes_in_order(study):
    made = plan(
        study,
        backbone=["small:noise=0", {"use": "small", "with": {"noise": [0.1, 0.3]}}],
        noise=[["long-tail", "symmetric:rate=0.4"], "none"],
        assess=["none", "joint"],
        tuner=["linear:lr=[0.1,0.2]", "nothing"],
        loss=["ce", "gce"],
    )
    assert len(made.rows) == 3 * 2 * 2 * (2 * 2 + 1)
    assert [tuple(row.axes().values()) for row in made.rows[:6]] == [
        ("pictures", "small", "long-tail + symmetric:rate=0.4", "none", "linear:lr=0.1", "ce"),
        ("pictures", "small", "long-tail + symmetric:rate=0.4", "none", "linear:lr=0.1", "gce"),
        ("pictures", "small", "long-tail + symmetric:rate=0.4", "none", "linear:lr=0.2", "ce"),
        ("pictures", "small", "long-tail + symmetric:rate=0.4", "none", "linear:lr=0.2", "gce"),
        ("pictures", "small", "long-tail + symmetric:rate=0.4", "none", "nothing", "own"),
        ("pictures", "small", "long-tail + symmetric:rate=0.4", "joint", "linear:lr=0.1", "ce"),
    ]
    assert [row.axes()["backbone"] for row in made.rows[::20]] == [
        "small",
        "small:noise=0.1",
        "small:noise=0.3",
    ]
    assert made.rows[-1].noise == ()


def test_a_row_that_is_written_twice_is_one(study):
    assert len(plan(study, tuner=["linear", "linear", {"use": "study/linear"}]).rows) == 1


def test_evaluators_are_a_set_not_an_axis(study):
    made = plan(study, evaluate=["accuracy", "worst:k=[1,2]", "worst", "accuracy"])
    assert [part.text for part in made.evaluators] == ["accuracy", "worst", "worst:k=2"]
    assert len(made.rows) == 1


def test_views_are_the_tuners_unless_the_recipe_forces_them(study):
    assert [row.views for row in plan(study, tuner=["linear", "viewed", "viewed:variant=released"]).rows] == [
        1,
        1,
        2,
    ]
    assert [
        row.views for row in plan(study, tuner=["linear", "viewed:variant=released"], views="fixed:3").rows
    ] == [3, 3]
    assert [row.views for row in plan(study, views=["fixed:1", "fixed:2"]).rows] == [1, 2]
    assert (
        fails(study, views="online")
        == "views: 'online' are no views. Possible: fixed:1, fixed:2, ... Leave views out to give every tuner"
        " what it asks for."
    )


def test_given_features_need_no_backbone(study):
    values = {key: value for key, value in BASE.items() if key != "backbone"}
    made = build_plan(make_recipe({**values, "data": "rows"}), study)
    assert made.rows[0].backbone.name == "features"
    with pytest.raises(RecipeError) as caught:
        build_plan(make_recipe(values), study)
    assert (
        str(caught.value)
        == "backbone is missing, and data pictures gives no features. Possible: clip, small."
    )


def test_data_and_tuner_must_be_named(study):
    with pytest.raises(CombinedError) as caught:
        build_plan(make_recipe({"backbone": "small"}), study)
    assert [str(e) for e in caught.value.errors] == [
        "data is missing. Write for instance data: ./photos.",
        "tuner is missing. Write for instance tuner: linear.",
    ]


# -- what is wrong with a recipe -----------------------------------------------------------------------------


def test_errors_of_all_keys_come_at_once_with_their_lines(study):
    text = (
        "data: pictures\nbackbone: small:noise=2\ntuner: [lineer, mlp:ratio=0]\nsplit: {validation:"
        " 2}\nreplicates: 0\nviews: x\n"
    )
    with pytest.raises(CombinedError) as caught:
        build_plan(parse_recipe(text, "study.yaml", name="study", base=Path()), study)
    messages = str(caught.value).splitlines()
    assert "study.yaml, line 4, split: validation is 2.0. Possible: 0 to 0.9." in messages
    assert "study.yaml, line 5, replicates: 0 is out of range. Possible: 1 to 10000." in messages
    assert "study.yaml, line 2, backbone, small: noise is 2.0. Possible: 0 to 1." in messages
    assert "study.yaml, line 3, tuner, mlp: ratio is 0. Possible: 1 to 64." in messages
    assert any(
        message.startswith("study.yaml, line 3, tuner: unknown tuner 'lineer'. Did you mean 'linear'?")
        for message in messages
    )
    assert len(messages) == 6


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replicates": "many"}, "replicates: 'many' is no whole number. Possible: 1 to 10000."),
        ({"replicates": [1, 2]}, "replicates: [1, 2] is no whole number. Possible: 1 to 10000."),
        ({"split": 0.2}, "split: 0.2 is no mapping. Write split: {validation: 0.2, test: 0.2}."),
        (
            {"split": {"validation": 0.5, "calibration": 0.5}},
            "split: validation and calibration leave nothing to train on. Their sum must be below 1.",
        ),
        (
            {"split": {"train": 0.5}},
            "split: unknown option 'train'. Possible: validation, test, calibration.",
        ),
        ({"on_bad_input": "ignore"}, "on_bad_input: 'ignore' is none of them. Possible: error, skip."),
        ({"numeric": "fp16"}, "numeric: 'fp16' is none of them. Possible: auto, fp32, bf16."),
        ({"numeric": {"tf32": True}}, "numeric: unknown entry 'tf32'. Possible: dtype, device, threads."),
        ({"numeric": {"threads": -1}}, "numeric.threads: -1 is out of range. Possible: 0 to 4096."),
        ({"select": {"split": "test"}}, "select: split is 'test'. Possible: validation."),
        ({"select": "accuracy"}, "select: 'accuracy' is no mapping. Write select: {measure: accuracy}."),
        (
            {"requires": ["burnish>=99"]},
            "requires: burnish>=99, but 0.1.0 is installed. pip install 'burnish>=99'.",
        ),
        (
            {"requires": ["no-such-dist>=1"]},
            "requires: no-such-dist>=1 is not installed. pip install 'no-such-dist>=1'.",
        ),
        (
            {"requires": {"a": 1}},
            'requires: not a list of packages. Write requires: ["burnish-nmtune>=0.1"].',
        ),
        (
            {"report": {"lines": "rows"}},
            "report: lines is 'rows'. Possible: data, backbone, noise, assess, tuner, loss.",
        ),
        ({"report": {"y": "z"}}, "report: unknown entry 'y'. Possible: x, lines, panels, measure, baseline."),
        (
            {"report": {"panels": ["test"]}},
            "report: panels is no mapping of names to splits. Write panels: {in: test, out: [test:blur]}.",
        ),
        (
            {"report": {"panels": {"in": 3}}},
            "report: panels names something that is no split. Write panels: {in: test, out: [test:blur]}.",
        ),
        (
            {"report": {"x": "backbone.depth"}},
            (
                "report: nothing in the plan has 'backbone.depth'. x is a key and an option, such as"
                " backbone.noise."
            ),
        ),
        (
            {"report": {"lines": "loss", "baseline": "linear"}},
            "report: the baseline 'linear' is no loss of the plan. Possible: ce.",
        ),
        (
            {"report": {"panels": {"test": ["test", "test:blur"]}}},
            (
                "report: the panel 'test' has the name of a test set, and is not that alone. Give it another"
                " name."
            ),
        ),
        (
            {"report": {"panels": {"test:blur": ["test"]}}},
            (
                "report: the panel 'test:blur' has the name of a test set, and is not that alone. Give it"
                " another name."
            ),
        ),
        ({"noise": []}, "noise: the list of noise is empty. Write none for nothing."),
        ({"evaluate": []}, "evaluate: the list of evaluate is empty. Leave it out for the default."),
        ({"views": []}, "views: the list of views is empty. Leave it out for the default."),
        (
            {"tuner": {"use": "mlp", "with": {"lr": []}}},
            "tuner, mlp: the list of values of lr is empty. Leave it out for the default.",
        ),
        (
            {"tuner": ["mlp:lr=1", "mlp:lr=2"], "report": {"baseline": "mlp"}},
            "report: the baseline 'mlp' may be any of them. Possible: mlp:lr=1, mlp:lr=2.",
        ),
        (
            {"report": {"baseline": "lineer"}},
            "report: the baseline 'lineer' is no tuner of the plan. Did you mean 'linear'? Possible: linear.",
        ),
        (
            {"assess": [["joint", "joint"]]},
            "assess: several assessors in one row. A list is an axis; a list in a list is not for assess.",
        ),
        ({"assess": "symmetric"}, "assess: symmetric only corrupts. Write it under noise:."),
        ({"noise": "joint"}, "noise: joint only assesses. Write it under assess:."),
        (
            {"tuner": 3},
            "tuner: 3 is no part. Possible: name, name:key=value,..., {use: name, with: {key: value}}.",
        ),
    ],
)
def test_what_is_wrong_is_told(study, values, message):
    assert fails(study, **values) == message


def test_a_malformed_requirement_is_told(study):
    assert fails(study, requires="burnish=>1").startswith("requires: no package and version: ")


def test_impossible_combinations_print_the_difference(study):
    assert (
        fails(study, tuner="prompts")
        == "tuner: tuner prompts needs text-tower; data pictures with backbone small provides features,"
        " image, labels. Backbones that provide it: clip."
    )
    assert plan(study, tuner="prompts", backbone="clip").rows[0].tuner.name == "prompts"
    assert (
        fails(study, data="rows")
        == "backbone: backbone small needs image; data rows provides features, labels. Backbones for this"
        " data: features."
    )
    assert (
        fails(study, evaluate="detection")
        == "evaluate: evaluator detection needs assessment; data pictures with backbone small provides"
        " features, image, labels. Name an assessor under assess:."
    )
    assert plan(study, evaluate="detection", assess="joint").rows[0].assess.name == "joint"


def test_a_tuner_cannot_have_the_truth(site):
    text = (
        "import burnish\nBURNISH_API = 1\n@burnish.hookimpl\ndef burnish_sources():\n    return"
        " [burnish.Source(name='d', target='a:b', summary='s',"
        " provides={'features'})]\n@burnish.hookimpl\ndef burnish_backbones():\n    return"
        " [burnish.Backbone(name='features', target='a:b', summary='s', needs={'features'},"
        " provides={'features'})]\n@burnish.hookimpl\ndef burnish_tuners():\n    return"
        " [burnish.Tuner(name='cheat', target='a:b', summary='s', needs={'truth'},"
        " provides={'own-loss'})]\n@burnish.hookimpl\ndef burnish_evaluators():\n    return"
        " [burnish.Evaluator(name='accuracy', target='a:b', summary='s')]\n"
    )
    write_dist(site, "burnish-cheat", "0.1", {"cheat": "burnish_cheat"}, {"burnish_cheat.py": text})
    with pytest.raises(
        RecipeError, match="tuner cheat needs truth; data d with backbone features provides features"
    ):
        build_plan(make_recipe({"data": "d", "tuner": "cheat", **CPU}), Manager(only=frozenset({"cheat"})))


def test_settings_change_every_part_that_has_the_option(study):
    made = plan(
        study,
        ["tuner.ratio=8", "tuner.lr=[0.1, 0.2]", "backbone.noise=0.5"],
        tuner=["mlp", "linear", "nothing"],
    )
    assert [row.axes()["tuner"] for row in made.rows] == [
        "mlp:lr=0.1,ratio=8",
        "mlp:lr=0.2,ratio=8",
        "linear:lr=0.1",
        "linear:lr=0.2",
        "nothing",
    ]
    assert made.rows[0].option("backbone.noise") == 0.5
    assert (
        fails(study, ["tuner.width=8"])
        == "-s tuner.width=8: no part under tuner has an option 'width'. See burnish show."
    )


def test_an_explosion_of_axes_is_refused(study):
    many = {"use": "mlp", "with": {"lr": [n / 1000 for n in range(200)], "epochs": list(range(1, 201))}}
    assert (
        fails(study, tuner=many)
        == "tuner, mlp: the lists of its options give 40,000 combinations. Possible: at most 10,000."
    )
    assert (
        fails(study, tuner={**many, "with": {"lr": many["with"]["lr"]}}, loss=["ce", "gce"], replicates=9999)
        == "200 tuner x 2 loss x 9999 replicates are 3,999,600 trials. Possible: at most 1,000,000."
    )


# -- data by path --------------------------------------------------------------------------------------------


def test_a_path_is_read_by_the_source_that_can(study, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.txt").write_text("a")
    (tmp_path / "notes.xyz").write_text("x")
    recipe = make_recipe({**BASE, "data": "./photos"}, base=tmp_path)
    part = build_plan(recipe, study).rows[0].data
    assert (part.name, part.options["path"], part.text, part.paths) == (
        "files",
        str(tmp_path / "photos"),
        "files:path=photos",
        ("path",),
    )
    assert guess_source("photos", tmp_path, study).name == "study/files"
    assert guess_source("files:path=photos", tmp_path, study) is None
    assert guess_source("picture", tmp_path, study) is None
    with pytest.raises(
        RecipeError,
        match=(
            r"^here: no source reads '.*notes\.xyz'\. Possible: .*files.*\. Name the source and its options"
        ),
    ):
        guess_source("notes.xyz", tmp_path, study, "here")
    with pytest.raises(
        RecipeError,
        match=(
            r"^here: there is no file or folder '.*/gone'\. Name a path, or a source such as"
            r" folder:path=DIR\.$"
        ),
    ):
        guess_source("./gone", tmp_path, study, "here")


def test_paths_on_the_command_line_start_from_the_current_folder(study, tmp_path, monkeypatch):
    for folder in ("base/photos", "here/photos"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    recipe = make_recipe({**BASE, "data": "files:path=photos"}, base=tmp_path / "base")
    assert build_plan(recipe, study).rows[0].data.options["path"] == str(tmp_path / "base" / "photos")
    assert build_plan(with_options(recipe, {"data": ["files:path=photos"]}), study).rows[0].data.options[
        "path"
    ] == str(tmp_path / "here" / "photos")
    assert build_plan(with_settings(recipe, ["data.path=photos"]), study).rows[0].data.options["path"] == str(
        tmp_path / "here" / "photos"
    )


def test_data_is_known_by_its_contents_not_by_its_place(study, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text("a")
    one, two = (plan(study, data=f"files:path={tmp_path / folder}") for folder in ("one", "two"))
    assert one.key() == two.key()
    (tmp_path / "two" / "a.txt").write_text("b")
    assert plan(study, data=f"files:path={tmp_path / 'two'}").key() != one.key()
    assert "there is no file or folder" in fails(study, data=f"files:path={tmp_path / 'gone'}")


def test_data_in_files_of_one_name_are_told_apart_by_their_folders(study, tmp_path):
    """Rows are paired and drawn by their labels."""
    for number, folder in enumerate(("old/day", "new/day", "new/night")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.txt").write_text(str(number))
    paths = [str(tmp_path / folder) for folder in ("old/day", "new/day", "new/night")]
    labels = [row.axes()["data"] for row in plan(study, data=paths).rows]
    assert labels == ["files:path=old/day", "files:path=new/day", "files:path=night"]
    assert {row.axes()["data"] for row in plan(study, data=paths[0]).rows} == {"files:path=day"}


def test_one_part_outside_of_a_recipe(study, tmp_path):
    resolved = read_part("data", "files:path=.,kind=features", study, base=tmp_path)
    assert (resolved.config.path, resolved.provides) == (tmp_path, {"features", "labels"})
    with pytest.raises(
        RecipeError, match=r"means 2 parts, and one is needed\. Give single values, not lists\."
    ):
        read_part("backbone", "small:noise=[0,1]", study)


# -- tuning --------------------------------------------------------------------------------------------------

TUNE = {"budget": 4, "space": {"tuner.lr": [1, 0.1, 0.01], "tuner.ratio": [2, 4]}}


def test_every_tuner_gets_the_same_budget_over_the_options_it_has(study):
    made = plan(study, tuner=["nothing", "linear", "mlp"], backbone=["small", "small:noise=0.3"], tune=TUNE)
    assert [len(settings) for settings in made.settings] == [0, 3, 4] * 2
    assert made.settings[1] == ({"tuner.lr": 1.0}, {"tuner.lr": 0.1}, {"tuner.lr": 0.01})
    assert made.settings[2] == made.settings[5]
    assert len({json.dumps(setting) for setting in made.settings[2]}) == 4
    assert all(
        type(setting["tuner.lr"]) is float and type(setting["tuner.ratio"]) is int
        for setting in made.settings[2]
    )
    assert [choice.text for choice in made.choices()] == [
        "linear, small",
        "mlp, small",
        "linear, small:noise=0.3",
        "mlp, small:noise=0.3",
    ]
    assert made.choice_of(made.rows[0]) is None
    trial = made.trials_of(made.rows[1])[2]
    assert (trial.replicate, trial.tuned) == (2, made.choices()[0].key)
    options, trials = made.choices()[1].candidates[0]
    assert [t.replicate for t in trials] == [0]
    assert trials[0].row.option("tuner.lr") == options["tuner.lr"]
    assert trials[0].tuned == ""


def test_a_draw_differs_between_spaces_and_not_between_runs(study):
    space = {"tuner.lr": [10**-n for n in range(5)], "tuner.epochs": list(range(1, 9))}
    draws = [
        plan(study, tuner="mlp", tune={"budget": budget, "space": space}).settings[0] for budget in (6, 6, 7)
    ]
    assert draws[0] == draws[1]
    assert [len(draw) for draw in draws] == [6, 6, 7]
    everything = plan(study, tuner="mlp", tune={"budget": 40, "space": space}).settings[0]
    assert len(everything) == 40
    assert all(setting in everything for setting in draws[2])


def test_one_choice_for_a_tuner_over_all_its_rows(study):
    made = plan(
        study,
        tuner=["linear", "mlp"],
        backbone=["small", "small:noise=0.3"],
        tune={**TUNE, "per": "tuner", "replicates": 2},
    )
    assert [choice.text for choice in made.choices()] == ["linear", "mlp"]
    _, trials = made.choices()[0].candidates[0]
    assert [(t.row.axes()["backbone"], t.replicate) for t in trials] == [
        ("small", 0),
        ("small", 1),
        ("small:noise=0.3", 0),
        ("small:noise=0.3", 1),
    ]
    assert made.choice_of(made.rows[0]) is made.choice_of(made.rows[2])


def test_a_loss_can_be_tuned_and_one_of_a_closed_form_is_not(study):
    made = plan(
        study, tuner=["nothing", "linear"], tune={"budget": 2, "space": {"tuner.lr": [1, 2]}}, assess="joint"
    )
    tuned = plan(
        study, tuner="linear", assess="joint", tune={"budget": 2, "space": {"assess.rate": [0.1, 0.2]}}
    )
    assert made.settings[0] == ()
    assert tuned.choices()[0].candidates[1][1][0].row.assess.options["rate"] == 0.2


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ({"budget": 2}, "tune: there is no space of options to try. Write space: {tuner.lr: [1e-3, 1e-2]}."),
        (
            {"space": {"tuner.lr": [1]}},
            "tune: budget is missing: how many settings each tuner may try. Write budget: 4.",
        ),
        ({"budget": 0, "space": {"tuner.lr": [1]}}, "tune.budget: 0 is out of range. Possible: 1 to 10000."),
        (
            {"budget": 2, "space": {"tuner.lr": 1}},
            "tune.space: the values of tuner.lr are no list. Write tuner.lr: [first, second].",
        ),
        (
            {"budget": 2, "space": {"backbone.noise": [1]}},
            (
                "tune.space: 'backbone.noise' cannot be tuned. Possible: tuner.OPTION, loss.OPTION,"
                " assess.OPTION."
            ),
        ),
        (
            {"budget": 2, "space": {"tuner.lr": [1]}, "pre": "row"},
            "tune: unknown entry 'pre'. Did you mean 'per'? Possible: budget, space, per, replicates.",
        ),
        (
            {"budget": 2, "space": {"tuner.lr": [1]}, "per": "study"},
            "tune.per: 'study' is none of them. Possible: row, tuner.",
        ),
        (
            {"budget": 2, "space": {"tuner.rl": [1]}},
            (
                "tune.space: nothing in the plan has 'tuner.rl'. Did you mean 'tuner.lr'? "
                "Possible: tuner.lr, tuner.weight_decay, tuner.epochs, tuner.batch, tuner.schedule."
            ),
        ),
        ({"budget": 2, "space": {"tuner.lr": [1, 11]}}, "tune.space, linear: lr is 11.0. Possible: 0 to 10."),
        ("all", "tune: 'all' is no mapping. Write tune: {budget: 4, space: {tuner.lr: [1e-3, 1e-2]}}."),
    ],
)
def test_what_is_wrong_with_tune_is_told(study, tune, message):
    assert fails(study, tune=tune) == message


# -- parts ---------------------------------------------------------------------------------------------------


def test_options_of_a_part_can_be_changed():
    part = Part("tuner", "p", "mlp", {"lr": 0.1, "inner": {"size": 3}}, "c", "", "mlp:lr=0.1")
    other = part.with_options({"lr": 0.2, "inner.size": 4})
    assert other.options == {"lr": 0.2, "inner": {"size": 4}}
    assert other.text == "mlp:lr=0.2,inner.size=4"
    assert part.options == {"lr": 0.1, "inner": {"size": 3}}
    assert part.with_options({"lr": 0.2}, "named").text == "named"
    assert (
        other.option("inner.size"),
        other.option("nope"),
        other.has("inner.size"),
        other.has("inner"),
    ) == (4, None, True, False)
    assert hash(part) != hash(replace(part, text="x"))
    assert Part(**part.record(), text=part.text) == part


def test_cells_can_be_changed_by_dotted_options(study):
    row = plan(study, tuner="mlp").rows[0]
    other = row.with_options({"tuner.lr": 0.5, "tuner.ratio": 8})
    assert (other.tuner.text, other.option("tuner.ratio"), row.option("tuner.ratio")) == (
        "mlp:lr=0.5,ratio=8",
        8,
        4,
    )
    assert isinstance(other, Row)
    assert row.option("loss.q") is None


# -- normal form ---------------------------------------------------------------------------------------------


def test_a_plan_file_can_be_run_again_and_has_the_same_keys(study, tmp_path):
    (tmp_path / "it's, a «photo» \\ folder").mkdir()
    made = plan(
        study,
        name="my-study",
        data=["pictures", {"use": "files", "with": {"path": str(tmp_path / "it's, a «photo» \\ folder")}}],
        backbone=["small", "small:noise=0.3"],
        noise=[["long-tail", "symmetric:rate=0.4"], "none"],
        assess=["none", "joint"],
        tuner=["nothing", "mlp:layers=[1,2]", "viewed:variant=released"],
        loss=["ce", "gce"],
        views=["fixed:1", "fixed:2"],
        evaluate=["accuracy", "worst:k=2"],
        tune={**TUNE, "per": "tuner"},
        select={"measure": "accuracy"},
        on_bad_input="skip",
        requires=["burnish>=0.1"],
        split={"calibration": 0.1},
        report={
            "x": "backbone.noise",
            "panels": {"in": "test", "out": ["test:blur", "test:noise"]},
            "baseline": "nothing",
        },
    )
    text = to_yaml(made)
    again = build_plan(parse_recipe(text, "plan.yaml", name="other", base=Path("/")), study)
    assert again.key() == made.key()
    assert again.recipe == made.recipe
    assert to_yaml(again) == text
    assert [row.axes() for row in again.rows] == [row.axes() for row in made.rows]
    assert text.startswith("# A plan of burnish 0.1.0, torch ")


def test_the_plan_file_of_the_smallest_recipe(study):
    text = to_yaml(plan(study)).partition("\n")[2]
    assert (
        text == "name: study\ndata: study/pictures\nbackbone:\n  use: study/small\n  with:\n    noise:"
        " 0.0\ntuner:\n  use: study/linear\n  with:\n    lr: 0.001\n    weight_decay: 0.0001\n    epochs:"
        " 30\n    batch: 64\n    schedule: cosine\nloss: study/ce\nnoise:\n  - []\nassess: none\nevaluate:"
        " [study/accuracy]\nsplit:\n  validation: 0.2\n  test: 0.2\n  calibration: 0.0\nreplicates:"
        ' 5\nselect:\n  measure: ""\n  split: validation\non_bad_input: error\nnumeric:\n  dtype: fp32\n '
        ' device: cpu\n  threads: 2\nreport:\n  x: ""\n  lines: tuner\n  panels: null\n  measure: ""\n '
        ' baseline: ""\n'
    )


def test_specs_are_json():
    assert json.dumps(TuneSpec(2, {"tuner.lr": (1, 2)}).record())
