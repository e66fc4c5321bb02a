"""Reading recipes: YAML 1.2 without its traps, closed keys, and what the command line changes."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import CombinedError, PluginError, RecipeError
from burnish.manager import Manager
from burnish.notation.yaml_file import read_yaml
from burnish.plan.normal import _scalar
from burnish.recipe import (
    Override,
    find_recipe,
    make_recipe,
    parse_recipe,
    read_recipe,
    with_numeric,
    with_options,
    with_settings,
)
from burnish.testing.dists import write_dist


def value(text):
    return read_yaml(f"x: {text}", "f").value["x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-1.", -1.0),
        ("+3", 3),
        ("0x1F", 31),
        ("0o17", 15),
        ("010", 10),
        ("1_000", "1_000"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("False", False),
        ("none", "none"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("=", "="),
        ("a:b=1", "a:b=1"),
        ("[a, 1]", ["a", 1]),
        ("{a: [1, {b: 2}]}", {"a": [1, {"b": 2}]}),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, expected):
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


MALFORMED = {
    "a: 1\nb: 2\na: 3": "f, line 3: the key 'a' is there twice, first in line 1.",
    "a: &x 1": "f, line 1: the anchor &x is not allowed. Write the value out where it is needed.",
    "a: [1]\nb: *x": "f, line 2: the alias *x is not allowed. Write the value out.",
    "a:\n  - !!python/object/apply:os.system [ls]": (
        "f, line 2: the tag tag:yaml.org,2002:python/object/apply:os.system is not allowed."
    ),
    "a: !!str 1": "f, line 1: the tag tag:yaml.org,2002:str is not allowed.",
    "%YAML 1.1\n---\na: no": "f, line 1: directives are not allowed.",
    "a: 1\n---\nb: 2": "f, line 2: a second document starts. Keep one document in a file.",
    "a: [1": "f, line 1: not valid YAML: expected ',' or ']', but got '<stream end>'.",
    "a: b: c": "f, line 1: not valid YAML: mapping values are not allowed here.",
    "a: .nan": "f, line 1: .nan is not a finite number.",
    "a: -.inf": "f, line 1: -.inf is not a finite number.",
    "a: 1e999": "f, line 1: 1e999 is too large a number.",
    "a: " + "9" * 200: "f, line 1: 99999999999999999999 is too large a number.",
    "? [a]\n: 1": "f, line 1: a key is no text.",
    "a: " + "[" * 50: "f, line 1: nested more than 20 deep.",
    "a: \x00": "f: not valid YAML: unacceptable character #x0000: special characters are not allowed.",
    "x" * 1_000_001: "f: the file has 1,000,001 characters. Possible: at most 1,000,000.",
}


@pytest.mark.parametrize("text", MALFORMED, ids=lambda text: text[:20])
def test_malformed_yaml_says_where(text):
    with pytest.raises(RecipeError) as caught:
        read_yaml(text, "f")
    assert str(caught.value) == MALFORMED[text]


def test_an_alias_bomb_is_refused_at_once():
    lines = [
        "a: &a [x, x]",
        *(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]" for i in range(20)),
    ]
    with pytest.raises(RecipeError, match="f, line 1: the anchor &a is not allowed"):
        read_yaml("\n".join(lines), "f")


@given(st.text())
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(RecipeError):
        read_yaml(text, "f")


@given(
    st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.none() | st.booleans()
)
def test_what_a_plan_file_holds_reads_back(scalar):
    if isinstance(scalar, int) and abs(scalar) > 10**90:
        return
    found = read_yaml(f"x: {_scalar(scalar)}", "f").value["x"]
    assert found == scalar
    assert type(found) is type(scalar)


# -- recipes -------------------------------------------------------------------------------------------------


def recipe(text, base=Path("/base")):
    return parse_recipe(text, "study.yaml", name="study", base=base)


def test_values_know_their_line():
    made = recipe("data: x\ntuner:\n  - a\n  - use: b\n    with: {lr: 1}\n")
    assert made.where("tuner", 1) == "study.yaml, line 4, tuner"
    assert made.where("tuner", 1, "with", "lr") == "study.yaml, line 5, tuner.with.lr"
    assert made.where("loss") == "study.yaml, loss"
    assert made.where() == "study.yaml"
    assert (made.name, made.base_of("data")) == ("study", Path("/base"))


def test_unknown_keys_are_all_told_with_line_and_suggestion():
    with pytest.raises(CombinedError) as caught:
        recipe("data: x\ntunr: y\nseeds: 3\n")
    keys = (
        "name, summary, data, split, backbone, views, noise, assess, tuner, loss, evaluate, summarise,"
        " replicates, tune, select, on_bad_input, numeric, requires, report"
    )
    assert (
        str(caught.value)
        == f"study.yaml, line 2: unknown key 'tunr'. Did you mean 'tuner'? Possible: {keys}.\nstudy.yaml,"
        f" line 3: unknown key 'seeds'. Possible: {keys}."
    )


@pytest.mark.parametrize("name", ["a/b", "..", "", "3"])
def test_the_name_is_that_of_a_folder(name):
    with pytest.raises(RecipeError, match="cannot be the name of a recipe"):
        recipe(f"name: {name!r}" if name != "3" else "name: 3")


def test_a_recipe_is_a_mapping():
    with pytest.raises(
        RecipeError, match=r"^study\.yaml: a recipe is a mapping of keys\. Possible: name, summary"
    ):
        recipe("- data")
    assert recipe("").values == {}


def test_files_are_read(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("\ufeffdata: ./photos\n", encoding="utf-8")
    made = read_recipe(file)
    assert (made.name, made.values, made.base) == ("my", {"data": "./photos"}, tmp_path)
    file.write_bytes(b"data: x\ntuner: \xff\n")
    with pytest.raises(
        RecipeError,
        match=rf"^{re.escape(str(file))}, line 2: the recipe is not UTF-8 text\. Save it as UTF-8\.$",
    ):
        read_recipe(file)
    with pytest.raises(
        RecipeError, match=r"gone\.yaml: the recipe cannot be read: No such file or directory\."
    ):
        read_recipe(tmp_path / "gone.yaml")
    with pytest.raises(RecipeError, match="the recipe cannot be read: Is a directory"):
        read_recipe(tmp_path)


def test_recipes_of_plugins_are_found_by_name(study, tmp_path):
    made = find_recipe("first-study", study)
    assert (made.name, made.values["tuner"], made.file) == (
        "first-study",
        ["nothing", "linear"],
        "first-study",
    )
    assert made.base == tmp_path / "site" / "burnish_study" / "recipes"
    assert find_recipe("study/first-study", study).name == "first-study"


def test_an_unknown_recipe_is_answered_with_what_there_is(study):
    study.plugins = tuple(p for p in study.plugins if p.status == "ok")
    with pytest.raises(RecipeError) as caught:
        find_recipe("first-stud", study)
    assert (
        str(caught.value)
        == "there is no recipe 'first-stud'. Did you mean 'first-study'? Possible: first-study. Or name a"
        " file that ends in .yaml."
    )


def test_a_recipe_file_that_a_plugin_forgot_is_its_fault(site):
    text = (
        "import burnish\nBURNISH_API = 1\n@burnish.hookimpl\ndef burnish_recipes():\n"
        "    return [burnish.RecipeFile(name='r', package='burnish_one', file='r.yaml', summary='s')]"
    )
    write_dist(site, "burnish-one", "0.1", {"one": "burnish_one"}, {"burnish_one/__init__.py": text})
    with pytest.raises(
        PluginError,
        match=r"^recipe one/r of plugin one \(burnish-one 0\.1\): its file r\.yaml cannot be read",
    ):
        find_recipe("one/r", Manager(only=frozenset({"one"})))


# -- the command line's changes ------------------------------------------------------------------------------


def test_options_replace_whole_keys_and_several_are_an_axis():
    made = with_options(
        recipe("tuner: a\ndata: x"),
        {"tuner": ("b", "c"), "data": ("./here",), "evaluate": ("accuracy",), "loss": ()},
    )
    assert made.values == {"tuner": ["b", "c"], "data": "./here", "evaluate": ["accuracy"]}
    assert made.where("tuner", 0) == "--tuner"
    assert made.base_of("data") == Path.cwd()


def test_settings_change_what_they_name():
    made = with_settings(
        recipe("tuner: a\ntune: {budget: 4, space: {tuner.lr: [1]}}"),
        [
            "replicates=3",
            "tuner.lr=[1e-3, 1e-2]",
            "tune.budget=8",
            "tune.space.tuner.epochs=[1, 2]",
            "report.x=backbone.noise",
            "loss=gce:q=0.5",
        ],
    )
    assert made.values["replicates"] == 3
    assert made.values["tune"] == {"budget": 8, "space": {"tuner.lr": [1], "tuner.epochs": [1, 2]}}
    assert made.values["report"] == {"x": "backbone.noise"}
    assert made.values["loss"] == "gce:q=0.5"
    assert made.overrides == (Override("tuner", "lr", [0.001, 0.01], "-s tuner.lr=[1e-3, 1e-2]"),)
    assert made.where("loss") == "-s loss=gce:q=0.5"
    assert with_settings(made, ["tuner=b"]).overrides == ()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("tuner", "-s tuner: not of the form key=value. Write for instance -s tuner.lr=0.001."),
        ("=3", "-s =3: not of the form key=value. Write for instance -s tuner.lr=0.001."),
        ("replicates.x=1", "-s replicates.x=1: replicates is 3 and has no entry 'x'."),
        ("loss=[", "-s loss=[, line 1: not valid YAML: expected the node content, but found '<stream end>'."),
        ("loss=*a", "-s loss=*a, line 1: the alias *a is not allowed. Write the value out."),
    ],
)
def test_malformed_settings(setting, message):
    with pytest.raises(RecipeError) as caught:
        with_settings(recipe("replicates: 3"), [setting])
    assert str(caught.value) == message


def test_a_setting_of_an_unknown_key_is_told():
    with pytest.raises(
        RecipeError,
        match=r"^-s tunr\.lr=1: unknown key 'tunr'\. Did you mean 'tuner'\? Possible: name, ",
    ):
        with_settings(recipe(""), ["tunr.lr=1"])


def test_the_numeric_mode_of_the_command_line_goes_first():
    assert with_numeric(recipe("numeric: fp32")).values == {"numeric": "fp32"}
    assert with_numeric(recipe("numeric: fp32"), threads=2).values == {
        "numeric": {"dtype": "fp32", "threads": 2}
    }
    assert with_numeric(recipe("numeric: {dtype: fp32, device: cpu}"), numeric="bf16").values == {
        "numeric": {"dtype": "bf16", "device": "cpu"}
    }


def test_recipes_from_python():
    made = make_recipe({"data": "x", "tuner": ("a", "b")}, name="mine", base=Path("/b"))
    assert (made.name, made.values, made.base) == ("mine", {"data": "x", "tuner": ["a", "b"]}, Path("/b"))
    with pytest.raises(RecipeError, match=r"^unknown key 'datas'\. Did you mean 'data'"):
        make_recipe({"datas": 1})
