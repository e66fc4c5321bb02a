"""Plugins that are missing, broken, ambiguous or made for another API.

Told by `burnish plugins`, and nothing else breaks.
"""

import json

import pytest

from burnish.testing.dists import write_dist

HEAD = "import burnish\nBURNISH_API = 1\n"
LOSS = (
    '@burnish.hookimpl\ndef burnish_losses():\n    return [burnish.Loss(name="{name}", target="x:Y",'
    ' summary="A loss")]\n'
)


def offering(name):
    return HEAD + LOSS.format(name=name)


BROKEN = [
    pytest.param(
        "import no_such_library\n",
        ["ModuleNotFoundError", "no_such_library", "broken_plugin.py, line 1"],
        id="import-error",
    ),
    pytest.param("def f(:\n", ["SyntaxError", "broken_plugin.py"], id="syntax-error"),
    pytest.param("raise SystemExit(3)\n", ["SystemExit"], id="exits"),
    pytest.param("import burnish\n", ["does not say which API", "BURNISH_API = 1 is missing"], id="no-api"),
    pytest.param(
        "import burnish\nBURNISH_API = 2\n",
        ["made for API 2", "has API 1", "upgrade burnish"],
        id="newer-api",
    ),
    pytest.param(
        "import burnish\nBURNISH_API = 0\n", ["made for API 0", "upgrade the plugin"], id="older-api"
    ),
    pytest.param(
        HEAD + "@burnish.hookimpl\ndef burnish_tuner():\n    return []\n",
        ["unknown hook 'burnish_tuner'", "Did you mean 'burnish_tuners'"],
        id="unknown-hook",
    ),
    pytest.param(
        HEAD + "@burnish.hookimpl\ndef burnish_losses():\n    return 1\n",
        ["burnish_losses returned an int", "list of burnish.Loss"],
        id="returns-a-number",
    ),
    pytest.param(
        HEAD + "@burnish.hookimpl\ndef burnish_losses():\n    return [3]\n",
        ["burnish_losses returned an int in its list"],
        id="returns-numbers",
    ),
    pytest.param(
        HEAD + "@burnish.hookimpl\ndef burnish_losses():\n    yield 1 / 0\n",
        ["ZeroDivisionError", "line 5"],
        id="raises-in-its-hook",
    ),
    pytest.param(
        HEAD + LOSS.format(name="a") + LOSS.format(name="a").replace("losses", "tuners"),
        ["burnish_tuners returned a Loss"],
        id="wrong-kind",
    ),
]


@pytest.fixture
def site(tmp_path):
    """A folder that runs of this test take for installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(("code", "reasons"), BROKEN)
def test_a_broken_plugin_is_listed_with_its_reason_and_breaks_nothing(burnish, site, code, reasons):
    write_dist(site, "burnish-broken", "0.3.1", {"broken": "broken_plugin"}, {"broken_plugin.py": code})
    plugins = {each["name"]: each for each in json.loads(burnish("plugins", "--json", path=[site]).out)}
    assert plugins["broken"]["status"] == "failed"
    assert all(reason in plugins["broken"]["reason"] for reason in reasons), plugins["broken"]["reason"]
    assert "\n" not in plugins["broken"]["reason"]
    assert plugins["basics"]["status"] == "ok"
    unknown = burnish("run", "--data", "digits:features=true", "--tuner", "brokn", path=[site])
    assert unknown.code == 2
    assert "Plugin broken (burnish-broken 0.3.1) failed: " in unknown.err
    assert len(unknown.err.splitlines()) == 1
    works = burnish("validate", "--data", "digits:features=true", "--tuner", "linear", path=[site])
    assert (works.code, works.err) == (0, "")


def test_two_plugins_with_one_name_are_both_off(burnish, refused, site):
    for number in (1, 2):
        write_dist(
            site,
            f"burnish-twin{number}",
            "1.0",
            {"twin": f"twin{number}"},
            {f"twin{number}.py": offering("twin-loss")},
        )
    twins = [
        each for each in json.loads(burnish("plugins", "--json", path=[site]).out) if each["name"] == "twin"
    ]
    assert [each["status"] for each in twins] == ["failed", "failed"]
    assert (
        "burnish-twin1 1.0 and burnish-twin2 1.0 both provide a plugin named 'twin': uninstall one"
        in twins[0]["reason"]
    )
    fragments = ["--loss", "unknown loss 'twin-loss'", "uninstall one"]
    refused(
        "run",
        "--data",
        "digits:features=true",
        "--tuner",
        "linear",
        "--loss",
        "twin-loss",
        fragments=fragments,
        code=2,
        path=[site],
    )


def test_a_name_that_two_plugins_offer_has_to_be_written_out(burnish, refused, site):
    write_dist(site, "burnish-other", "1.0", {"other": "other_plugin"}, {"other_plugin.py": offering("gce")})
    arguments = ("run", "--data", "digits:features=true", "--tuner", "linear", "--loss")
    refused(
        *arguments,
        "gce",
        fragments=["--loss", "'gce' is offered by several plugins", "basics/gce .*other/gce", "Write one"],
        code=2,
        path=[site],
    )
    assert burnish("validate", *arguments[1:], "basics/gce", path=[site]).code == 0
    assert burnish("validate", *arguments[1:], "ce", path=[site]).code == 0


def test_a_plugin_that_is_left_out_is_named_with_what_to_do(refused):
    arguments = ("run", "--data", "digits:features=true", "--tuner", "nmtune")
    fragments = ["--tuner", "unknown tuner 'nmtune'", "BURNISH_PLUGINS leaves out .*nmtune"]
    refused(*arguments, fragments=fragments, code=2, environment={"BURNISH_PLUGINS": "basics"})


def test_a_plugin_that_is_named_and_not_installed(burnish):
    ended = burnish("plugins", environment={"BURNISH_PLUGINS": "basics,ghost"})
    assert ended.code in (0, 1)
    assert "BURNISH_PLUGINS names it, but it is not installed" in ended.out


def test_a_target_that_is_not_there(refused, site):
    write_dist(
        site,
        "burnish-hollow",
        "1.0",
        {"hollow": "hollow_plugin"},
        {"hollow_plugin.py": offering("hollow-loss").replace("x:Y", "hollow_plugin:Gone")},
    )
    arguments = (
        "run",
        "-q",
        "--data",
        "digits:features=true",
        "--tuner",
        "linear",
        "--loss",
        "hollow-loss",
        "--out",
        "study",
    )
    refused(
        *arguments,
        fragments=[
            "hollow_plugin:Gone cannot be imported",
            "loss hollow/hollow-loss of plugin hollow .burnish-hollow 1.0",
        ],
        code=2,
        path=[site],
    )


@pytest.mark.parametrize(
    ("name", "content", "fragments"),
    [
        pytest.param("ghost.py", None, ["ghost.py", "no such file"], id="missing"),
        pytest.param("notes.txt", "x", ["notes.txt", "not a .py file"], id="no-python"),
        pytest.param(
            "my-plugin.py",
            HEAD,
            ["my-plugin.py", "cannot be the name of a module", "Rename it"],
            id="no-module-name",
        ),
        pytest.param(
            "json.py", HEAD, ["json.py", "another module named 'json'", "rename"], id="shadows-a-module"
        ),
        pytest.param("mine.py", "1 / 0\n", ["mine.py", "ZeroDivisionError"], id="raises"),
        pytest.param(
            "basics.py",
            offering("mine"),
            ["basics.py", "a plugin named 'basics' already", "Rename"],
            id="name-of-another-plugin",
        ),
    ],
)
def test_a_local_plugin_that_cannot_be_used(refused, tmp_path, name, content, fragments):
    if content is not None:
        (tmp_path / name).write_text(content)
    refused("--plugin", name, "list", fragments=fragments, code=2)
