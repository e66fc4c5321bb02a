"""Options: the short notation, checked types, and the way back."""

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.config import (
    REQUIRED,
    describe,
    expand,
    from_options,
    make_config,
    part_text,
    say_value,
    to_options,
)
from burnish.errors import CombinedError, ConfigError, PluginError, RecipeError
from burnish.notation.part_text import Raw, Use, parse_text, parse_value, quote, read_use
from burnish.plan import Part


@dataclass(frozen=True)
class Inner:
    size: int = field(default=8, metadata={"range": (1, 64), "help": "inner size"})
    name: str = "x"


@dataclass(frozen=True)
class Options:
    lr: float = field(default=1e-3, metadata={"help": "learning rate", "range": (0, 10)})
    epochs: int = field(default=30, metadata={"range": (1, None)})
    flag: bool = False
    text: str = ""
    mode: Literal["fast", "slow"] = "fast"
    limit: int | None = None
    path: Path | None = None
    widths: tuple[int, ...] = field(default=(1, 2), metadata={"range": (0, 99)})
    pair: tuple[float, str] = (0.5, "a")
    either: float | Literal["auto"] = "auto"
    shape: str = field(default="flat", metadata={"choices": ("flat", "round")})
    inner: Inner = field(default_factory=Inner)


@dataclass(frozen=True)
class Needed:
    path: Path = field(metadata={"help": "the file"})
    rate: float = 0.5

    def __post_init__(self):
        if self.rate == 1:
            raise ValueError("a rate of 1 leaves nothing")


def make(text, cls=Options, **kw):
    return make_config(cls, parse_text(f"x:{text}").options if text else {}, **kw)


# -- notation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("mlp", "mlp", {}),
        (" basics/mlp ", "basics/mlp", {}),
        ("mlp:lr=0.1", "mlp", {"lr": "0.1"}),
        ("mlp: lr = 0.1 , ratio=2", "mlp", {"lr": "0.1", "ratio": "2"}),
        ("folder:path=C:\\photos\\new", "folder", {"path": "C:\\photos\\new"}),
        ("csv:path='a,b.csv',label=\"x=y\"", "csv", {"path": "a,b.csv", "label": "x=y"}),
        ("csv:path='it''s'", "csv", {"path": "it's"}),
        ("csv:path=bob's", "csv", {"path": "bob's"}),
        ("x:w=[1,2],y=[[1,2],[3]],z=[]", "x", {"w": ["1", "2"], "y": [["1", "2"], ["3"]], "z": []}),
        ("x:call=f(1,2),b=1", "x", {"call": "f(1,2)", "b": "1"}),
        ("x:groups='[a-z]'", "x", {"groups": "[a-z]"}),
        ("x:a.b=1,a.c=2", "x", {"a": {"b": "1", "c": "2"}}),
        ("x:a=", "x", {"a": ""}),
        ("x:a=b=c", "x", {"a": "b=c"}),
    ],
)
def test_the_short_notation(text, name, options):
    assert parse_text(text) == Use(name, options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "here: '' does not start with a name. Write name:key=value,key2=value2."),
        (":a=1", "here: ':a=1' does not start with a name. Write name:key=value,key2=value2."),
        ("x:", "here: nothing follows the colon of 'x:'. Write name:key=value,key2=value2."),
        ("x:a", "here: 'a' in 'x:a' is not of the form key=value. Put a value with commas in quotes."),
        ("x:a=1,a=2", "here: 'a' is given twice."),
        ("x:a=1,a.b=2", "here: 'a.b' and 'a' are both given."),
        ("x:a=[1", "here: ']' is missing in 'a=[1'. Put the value in quotes."),
        ("x:a=1]", "here: ']' closes nothing in 'a=1]'. Put the value in quotes."),
        ("x:a='b", 'here: "\'" is missing in "a=\'b". Put the value in quotes.'),
    ],
)
def test_malformed_notation(text, message):
    with pytest.raises(RecipeError) as caught:
        parse_text(text, "here")
    assert str(caught.value) == message.replace('"\'"', '"\'"')


def test_the_long_notation():
    assert read_use({"use": "mlp", "with": {"lr": 0.1}}) == Use("mlp", {"lr": 0.1})
    assert read_use({"use": "mlp"}) == Use("mlp", {})
    assert read_use({"use": "mlp", "with": None}) == Use("mlp", {})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "t: 3 is no part. Possible: name, name:key=value,..., {use: name, with: {key: value}}."),
        ({"use": "x", "wiht": {}}, "t: unknown key 'wiht'. Did you mean 'with'? Possible: use, with."),
        ({"with": {}}, "t: 'use' does not name a component. Write {use: name, with: {key: value}}."),
        (
            {"use": "x", "with": [1]},
            "t: 'with' of x is [1], not a mapping. Write {use: name, with: {key: value}}.",
        ),
    ],
)
def test_malformed_long_notation(value, message):
    with pytest.raises(RecipeError) as caught:
        read_use(value, "t")
    assert str(caught.value) == message


@given(st.text())
def test_a_quoted_text_reads_back(text):
    assert parse_value(quote(text)) == text
    assert parse_text(f"x:a={quote(text)},b=1").options == {"a": text, "b": "1"}


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(RecipeError):
        parse_text(text)


# -- values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("lr=1e-2", "lr", 0.01),
        ("lr=1", "lr", 1.0),
        ("epochs=1e2", "epochs", 100),
        ("flag=True", "flag", True),
        ("flag=false", "flag", False),
        ("text=3", "text", "3"),
        ("text=none", "text", "none"),
        ("mode=slow", "mode", "slow"),
        ("limit=none", "limit", None),
        ("limit=4", "limit", 4),
        ("path=none", "path", None),
        ("widths=[3,4]", "widths", (3, 4)),
        ("widths=5", "widths", (5,)),
        ("widths=[]", "widths", ()),
        ("pair=[1,b]", "pair", (1.0, "b")),
        ("either=auto", "either", "auto"),
        ("either=0.25", "either", 0.25),
        ("shape=round", "shape", "round"),
        ("inner.size=9", "inner", Inner(size=9)),
    ],
)
def test_texts_become_the_type_of_their_option(text, name, value):
    config = make(text)
    assert getattr(config, name) == value
    assert type(getattr(config, name)) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("epochs", "int64", 7), ("lr", "float32", 7.0), ("lr", "int32", 7.0), ("limit", "uint8", 7)],
)
def test_numbers_of_numpy_are_numbers(name, value, expected):
    import numpy as np

    found = getattr(make_config(Options, {name: getattr(np, value)(7)}), name)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": Raw("fast")}, "lr is 'fast', not a number."),
        ({"lr": "0.1"}, "lr is '0.1', not a number."),
        ({"lr": True}, "lr is true, not a number."),
        ({"lr": None}, "lr is none, not a number."),
        ({"lr": Raw("nan")}, "lr is 'nan', not a finite number."),
        ({"lr": 11}, "lr is 11.0. Possible: 0 to 10."),
        ({"lr": [1]}, "lr is [1], not one number."),
        ({"epochs": 0}, "epochs is 0. Possible: at least 1."),
        ({"epochs": 2.5}, "epochs is 2.5, not a whole number."),
        ({"flag": 1}, "flag is 1. Possible: true, false."),
        ({"flag": Raw("yes")}, "flag is 'yes'. Possible: true, false."),
        ({"text": 3}, "text is 3, not a text: put it in quotes."),
        ({"mode": "fats"}, "mode is 'fats'. Possible: fast, slow."),
        ({"limit": 1.5}, "limit is 1.5, not whole number or none."),
        ({"path": 3}, "path is 3, not path or none."),
        ({"widths": "1"}, "widths is '1', not a list."),
        ({"widths": [1, 100]}, "widths is 100. Possible: 0 to 99."),
        ({"pair": [1.0]}, "pair has 1 values, not 2."),
        ({"either": "sometimes"}, "either is 'sometimes', not number or one of auto."),
        ({"shape": "square"}, "shape is 'square'. Possible: flat, round."),
        ({"inner": 3}, "inner is 3, not a mapping of options. Possible: size, name."),
        ({"inner": {"size": 65}}, "inner.size is 65. Possible: 1 to 64."),
        ({"inner": {"siz": 6}}, "unknown option 'inner.siz'. Did you mean 'size'? Possible: size, name."),
        (
            {"learning_rate": 1},
            f"unknown option 'learning_rate'. Possible: {', '.join(Options.__dataclass_fields__)}.",
        ),
        (
            {"epoch": 1},
            (
                "unknown option 'epoch'. Did you mean 'epochs'? Possible:"
                f" {', '.join(Options.__dataclass_fields__)}."
            ),
        ),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ConfigError) as caught:
        make_config(Options, options, where="study.yaml, line 4, tuner, x")
    assert str(caught.value) == f"study.yaml, line 4, tuner, x: {message}"


def test_all_errors_come_at_once():
    with pytest.raises(CombinedError) as caught:
        make("lr=a,epochs=b,nope=1")
    assert [error.what for error in caught.value.errors] == [
        "lr is 'a', not a number",
        "epochs is 'b', not a whole number",
        "unknown option 'nope'.",
    ]
    assert str(caught.value).count("\n") == 2


def test_a_missing_option_says_what_it_is_for():
    with pytest.raises(ConfigError, match=r"^path is missing \(the file\)\.$"):
        make("", Needed)


def test_what_the_config_refuses_itself_is_placed():
    with pytest.raises(ConfigError, match=r"^here: a rate of 1 leaves nothing\.$"):
        make("path=x,rate=1", Needed, where="here")


def test_relative_paths_start_from_the_base_and_tilde_is_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert make("path=../a/b", Needed, base=tmp_path).path == tmp_path.parent / "a" / "b"
    assert make("path=~/b", Needed, base=tmp_path).path == Path("/home/someone/b")
    assert make("path=/abs", Needed, base=tmp_path).path == Path("/abs")
    monkeypatch.chdir(tmp_path)
    assert make("path=here", Needed).path == tmp_path / "here"


def test_unreadable_types_are_the_plugins_fault():
    @dataclass(frozen=True)
    class Broken:
        path: "Nowhere" = None  # noqa: F821

    with pytest.raises(
        PluginError,
        match=r"the types of its options cannot be read: name 'Nowhere' is not defined\. Import them outside",
    ):
        make_config(Broken, {})


def test_unsupported_types_are_told():
    @dataclass(frozen=True)
    class Odd:
        values: dict = field(default_factory=dict)

    with pytest.raises(PluginError, match="options of type <class 'dict'> are not supported"):
        make_config(Odd, {"values": 1})


# -- axes ----------------------------------------------------------------------------------------------------


def test_a_list_for_a_single_value_is_an_axis():
    assert expand(Options, {"lr": [1, 2], "flag": [True, False], "epochs": 3}) == [
        {"lr": 1, "flag": True, "epochs": 3},
        {"lr": 1, "flag": False, "epochs": 3},
        {"lr": 2, "flag": True, "epochs": 3},
        {"lr": 2, "flag": False, "epochs": 3},
    ]
    assert expand(Options, {"widths": [1, 2]}) == [{"widths": [1, 2]}]
    assert expand(Options, {"widths": [[1, 2], [3]]}) == [{"widths": [1, 2]}, {"widths": [3]}]
    assert expand(Options, {"inner": {"size": [1, 2]}}) == [{"inner": {"size": 1}}, {"inner": {"size": 2}}]
    assert expand(Options, {"nope": [1, 2]}) == [{"nope": [1, 2]}]
    with pytest.raises(ConfigError, match="the list of values of lr is empty"):
        expand(Options, {"lr": []})


# -- there and back ------------------------------------------------------------------------------------------

configs = st.builds(
    Options,
    lr=st.floats(0, 10),
    epochs=st.integers(1, 10**9),
    flag=st.booleans(),
    text=st.text(),
    mode=st.sampled_from(["fast", "slow"]),
    limit=st.none() | st.integers(),
    path=st.none() | st.sampled_from([Path("/a"), Path("/a b/c,d")]),
    widths=st.lists(st.integers(0, 99)).map(tuple),
    pair=st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.text()),
    either=st.just("auto") | st.floats(-5, 5),
    inner=st.builds(Inner, size=st.integers(1, 64), name=st.text()),
)


@given(configs)
def test_options_survive_json(config):
    assert from_options(Options, json.loads(json.dumps(to_options(config)))) == config


@given(configs)
def test_a_label_reads_back(config):
    config = Options(**{**vars(config), "path": None})
    assert make_config(Options, parse_text(part_text("x", config)).options) == config


def test_a_label_shows_what_differs_from_the_defaults():
    assert part_text("x", Options()) == "x"
    assert (
        part_text("x", Options(lr=1.0, flag=True, widths=(3,), path=Path("/data/photos"), inner=Inner(9)))
        == "x:lr=1,flag=true,path=photos,widths=[3],inner.size=9"
    )
    assert part_text("x", Options(lr=1e-5, limit=7, text="a,b")) == "x:lr=1e-05,text='a,b',limit=7"


def test_values_in_the_short_notation():
    assert [say_value(v) for v in (None, True, 0.3, 2.0, 1e9, "a b", [1, "x"])] == [
        "none",
        "true",
        "0.3",
        "2",
        "1000000000.0",
        "a b",
        "[1,x]",
    ]


def test_options_are_described():
    options = {option.name: option for option in describe(Options)}
    assert list(options)[-2:] == ["inner.size", "inner.name"]
    types = {name: options[name].type for name in ("lr", "flag", "mode", "limit", "widths", "pair", "either")}
    assert types == {
        "lr": "number",
        "flag": "true or false",
        "mode": "one of fast, slow",
        "limit": "whole number or none",
        "widths": "list of whole number",
        "pair": "list of number and text",
        "either": "number or one of auto",
    }
    assert (options["lr"].default, options["lr"].help, options["lr"].range) == (
        1e-3,
        "learning rate",
        (0, 10),
    )
    assert options["shape"].choices == ("flat", "round")
    assert describe(Needed)[0].default is REQUIRED


@dataclass(frozen=True)
class Named:
    name: str | None = "x"
    limit: int | None = 3


@pytest.mark.parametrize(
    ("text", "value"),
    [("none", None), ("null", None), ("'none'", "none"), ('"null"', "null"), ("''", ""), ("'a'", "a")],
)
def test_a_word_in_quotes_is_a_text_where_the_option_can_be_one(text, value):
    config = make_config(Named, parse_text(f"named:name={text}").options)
    assert config.name == value
    assert type(config.name) in {str, type(None)}
    written = part_text("named", config)
    assert make_config(Named, parse_text(written).options) == config
    # The label of a tuned part is read and written again.
    tuned = Part("tuner", "p", "named", to_options(config), "", "", written).with_options({"limit": 2})
    assert make_config(Named, parse_text(tuned.text).options) == Named(value, 2)


def test_quotes_around_none_are_nothing_to_an_option_that_can_be_no_text():
    assert make_config(Named, parse_text("named:limit='none'").options) == Named(limit=None)
