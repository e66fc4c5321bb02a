"""Plans: shared jobs are one.

Every field that decides a number is in the keys of the jobs that read it, and in no other.
"""

import dataclasses
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from burnish.installed import code_identity
from burnish.numeric import Numeric
from burnish.plan import Part, Plan, ReportSpec, SelectSpec, SplitSpec, Trial, build_plan, merkle
from burnish.recipe import make_recipe, with_settings

CPU = {"numeric": {"dtype": "fp32", "device": "cpu", "threads": 2}}
BASE = {"data": "pictures", "backbone": "small", "tuner": "linear", **CPU}
TUNE = {"budget": 4, "space": {"tuner.lr": [1, 0.1, 0.01], "tuner.ratio": [2, 4]}}


def plan(study, settings=(), **values):
    return build_plan(with_settings(make_recipe({**BASE, **values}), settings), study)


# -- graph ---------------------------------------------------------------------------------------------------


def test_shared_jobs_are_one_and_inputs_come_first(study):
    made = plan(
        study,
        data=["pictures"],
        backbone=["small", "small:noise=0.3"],
        noise=["none", "symmetric"],
        assess="joint",
        tuner=["linear", "viewed:variant=released"],
        tune={"budget": 2, "space": {"tuner.lr": [0.1, 0.2]}, "per": "tuner"},
        replicates=3,
    )
    jobs = made.jobs()
    kinds = [job.kind for job in jobs]
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    rows, final = 8, 24
    candidates = rows * 2
    assert counts == {
        "data": 1,
        "features": 2 * 3,
        "corrupt": 2 * 3,
        "assess": 2 * 2 * 3,
        "fit": final + candidates,
        "measure": final + candidates,
        "choose": 2,
        "summarise": rows,
    }
    seen = set()
    for job in jobs:
        assert set(job.inputs) <= seen, job
        seen.add(job.key)
    assert len(seen) == len(jobs)
    assert {made.measure_key(trial) for trial in made.trials()} <= seen
    assert {made.row_key(row) for row in made.rows} <= seen
    assert {choice.key for choice in made.choices()} <= seen


def test_a_large_plan_is_quickly_keyed(study):
    made = plan(
        study,
        backbone={"use": "small", "with": {"noise": [n / 10 for n in range(10)]}},
        tuner=["nothing", "linear", "mlp", "viewed", "viewed:variant=released"],
        replicates=10,
        tune={**TUNE, "per": "tuner"},
    )
    calls = []
    made.key()
    assert len(list(made.trials())) == 500
    known = dict(made._known)
    made.key(), made.jobs(), made.choices(), calls.extend(made.trials())
    assert {made.measure_key(trial) for trial in calls} <= set(known.values())
    # Each key is made once: what is remembered is all that was ever hashed.
    assert len(set(made._known.values())) == len(made._known)


# -- keys ----------------------------------------------------------------------------------------------------


def changed_part(part, name):
    if name == "options":
        return replace(part, options={**part.options, "another": 1})
    if name in ("paths", "running"):
        return replace(part, **{name: ("another",)})
    return replace(part, **{name: getattr(part, name) + "x"})


PART_FIELDS = dict.fromkeys(
    ("plugin", "name", "options", "code", "fingerprint", "kind"), True
) | dict.fromkeys(("text", "paths", "running"), False)


@pytest.fixture
def whole(study):
    return plan(
        study,
        noise="symmetric",
        assess="joint",
        tuner="mlp",
        loss="gce",
        evaluate=["accuracy", "worst"],
        tune=TUNE,
        report={"x": "backbone.noise"},
    )


def test_the_fields_of_a_part_are_all_decided():
    assert {item.name for item in dataclasses.fields(Part)} == set(PART_FIELDS)


@pytest.mark.parametrize("name", PART_FIELDS)
@pytest.mark.parametrize("key", ["data", "backbone", "noise", "assess", "tuner", "loss"])
def test_whatever_changes_a_number_is_in_the_fit_key(whole, key, name):
    row = whole.rows[0]
    part = getattr(row, key)
    other = replace(
        row, **{key: (changed_part(part[0], name),) if key == "noise" else changed_part(part, name)}
    )
    assert (whole.fit_key(Trial(row, 0)) != whole.fit_key(Trial(other, 0))) is PART_FIELDS[name]


def test_what_a_job_does_not_read_is_not_in_its_key(whole):
    row = whole.rows[0]
    other = {
        key: replace(row, **{key: changed_part(getattr(row, key), "options")})
        for key in ("backbone", "assess", "tuner", "loss")
    }
    noisy = replace(row, noise=())
    for change in (*other.values(), noisy):
        assert whole.data_key(change) == whole.data_key(row)
    for change in (other["assess"], other["tuner"], other["loss"], noisy):
        assert whole.features_key(change, None) == whole.features_key(row, None)
    for change in other.values():
        assert whole.corrupt_key(change, 0) == whole.corrupt_key(row, 0)
    for change in (other["tuner"], other["loss"]):
        assert whole.assess_key(change, 0) == whole.assess_key(row, 0)
    assert whole.features_key(other["backbone"], None) != whole.features_key(row, None)
    assert whole.corrupt_key(noisy, 0) != whole.corrupt_key(row, 0) != whole.corrupt_key(row, 1)
    assert whole.assess_key(other["backbone"], 0) != whole.assess_key(row, 0)
    assert len({whole.features_key(row, view) for view in (None, 0, 1)}) == 3


PLAN_FIELDS = {
    # field: (another value, in the key of a trial, in the key of the plan)
    "name": ("other", False, False),
    "recipe": ({}, False, False),
    "replicates": (7, False, True),
    "split": (SplitSpec(0.3), True, True),
    "tune": (None, True, True),
    "select": (SelectSpec("worst-1"), True, True),
    "report": (ReportSpec("backbone.noise", baseline="mlp"), False, True),
    "numeric": (Numeric("cpu", "float32", 3, "9.9"), True, True),
    "on_bad_input": ("skip", True, True),
    "core": ("burnish 99", True, True),
    "advice": (("No do-nothing row.",), False, False),
    "evaluators": ((), True, True),
    "summaries": ((Part("summarise", "p", "rank", {}, "revision 1", "", "rank"),), False, True),
    "settings": ((({"tuner.lr": 5.0},),), True, True),
    "rows": ((), False, True),
    "_known": (None, False, False),
}


def test_every_field_of_a_plan_is_on_its_side_of_the_key(whole):
    assert {item.name for item in dataclasses.fields(Plan)} == set(PLAN_FIELDS)
    row = whole.rows[0]

    def trial_key(made):
        choice = made.choice_of(row)
        return made.measure_key(Trial(row, 0, choice.key if choice else ""))

    for name, (value, in_trial, in_plan) in PLAN_FIELDS.items():
        if name == "_known":
            continue
        other = replace(whole, **{name: value})
        if name != "rows":
            assert (trial_key(other) != trial_key(whole)) is in_trial, name
        assert (other.key() != whole.key()) is in_plan, name


@pytest.mark.parametrize("name", ["device", "dtype", "threads", "torch", "grid"])
def test_every_field_of_the_numeric_mode_is_in_features_and_fits(whole, name):
    assert {item.name for item in dataclasses.fields(Numeric)} == {
        "device",
        "dtype",
        "threads",
        "torch",
        "grid",
    }
    value = getattr(whole.numeric, name)
    other = replace(
        whole, numeric=replace(whole.numeric, **{name: value + 1 if isinstance(value, int) else value + "x"})
    )
    row = whole.rows[0]
    assert other.features_key(row, None) != whole.features_key(row, None)
    assert other.fit_key(Trial(row, 0)) != whole.fit_key(Trial(row, 0))
    assert other.corrupt_key(row, 0) == whole.corrupt_key(row, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("budget", 3),
        ("space", {"tuner.lr": [2.0], "tuner.ratio": [2, 4]}),
        ("per", "tuner"),
        ("replicates", 2),
    ],
)
def test_tuning_decides_what_is_fitted(study, whole, name, value):
    made = plan(
        study,
        noise="symmetric",
        assess="joint",
        tuner="mlp",
        loss="gce",
        evaluate=["accuracy", "worst"],
        tune={**TUNE, name: value},
        backbone=["small", "small:noise=0.1"],
    )
    base = plan(
        study,
        noise="symmetric",
        assess="joint",
        tuner="mlp",
        loss="gce",
        evaluate=["accuracy", "worst"],
        tune=TUNE,
        backbone=["small", "small:noise=0.1"],
    )
    assert made.measure_key(next(made.trials())) != base.measure_key(next(base.trials()))


def test_the_loss_of_a_tuner_with_its_own_is_in_no_key(study):
    first, second = (plan(study, tuner="nothing", loss=loss) for loss in ("ce", "gce"))
    assert first.rows[0].loss is None
    assert first.key() == second.key()


def test_a_further_evaluator_leaves_fits_and_choices_as_they_are(study):
    first = plan(study, tune=TUNE, tuner="mlp", select={"measure": "accuracy"})
    second = plan(
        study, tune=TUNE, tuner="mlp", select={"measure": "accuracy"}, evaluate=["accuracy", "worst"]
    )
    assert first.choices()[0].key == second.choices()[0].key
    assert first.fit_key(next(first.trials())) == second.fit_key(next(second.trials()))
    assert first.measure_key(next(first.trials())) != second.measure_key(next(second.trials()))


def test_keys_do_not_change_by_accident():
    written = b'[1,"a",{"b":[1,2.5,null,true,"\\u00e9"],"c":[]}]'
    assert merkle("a", {"c": (), "b": [1, 2.5, None, True, "é"]}) == hashlib.sha256(written).hexdigest()


def test_every_package_of_core_is_in_the_identity_of_its_code_or_changes_no_number():
    folder = Path(code_identity.__file__).parents[1]
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    harmless = {"cli", "installed", "notation", "plan", "report", "testing"}
    assert packages - harmless == set(code_identity.CORE_PARTS)
