"""The light commands, and how the command line ends when something is wrong."""

import json
import os
import subprocess
import sys

import click
import pytest

from burnish import cli
from burnish.cli import CORE_COMMANDS, explain, main
from burnish.errors import CombinedError, ConfigError, DataError, MissingExtraError
from burnish.testing.dists import write_dist

pytestmark = pytest.mark.usefixtures("study")


@pytest.fixture
def burnish(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


# -- help and unknown names ----------------------------------------------------------------------------------


def test_help_lists_core_and_plugin_commands_with_their_summary(burnish):
    code, out, err = burnish("--help")
    assert (code, err) == (0, "")
    for name, (_, text) in CORE_COMMANDS.items():
        assert f"  {name} " in out
        assert text in " ".join(out.split())
    assert "Commands of plugin study:\n" in out
    assert "hello       Say hello" in out
    assert "study/list  Would replace list" in out
    assert burnish()[:2] == (0, out)


def test_help_imports_no_command(burnish):
    modules = {module for module, _ in CORE_COMMANDS.values()} | {"burnish_study.command"}
    for name in modules & sys.modules.keys():
        del sys.modules[name]
    burnish("--help")
    assert not modules & sys.modules.keys()


def test_the_version(burnish):
    assert burnish("--version") == (0, "burnish 0.1.0\n", "")


def test_a_plugins_command_runs_and_replaces_none_of_core(burnish):
    assert burnish("hello") == (0, "hello\n", "")
    assert burnish("study/list") == (0, "hello\n", "")
    assert "pictures" in burnish("list", "source")[1]


def test_an_unknown_command_gets_a_suggestion(burnish):
    code, out, err = burnish("validat")
    assert (code, out) == (2, "")
    assert err.startswith(
        "burnish: unknown command 'validat'. Did you mean 'validate'? Possible: run, validate, results, "
    )
    assert err.count("\n") == 1


def test_a_command_that_is_none_names_its_plugin(burnish, site):
    text = "import burnish\nBURNISH_API = 1\n@burnish.hookimpl\ndef burnish_commands():\n"
    text += (
        "    return [burnish.Command(name='odd', target='burnish_odd:text', summary='s')]\ntext = 'no"
        " command'\n"
    )
    write_dist(site, "burnish-odd", "0.1", {"odd": "burnish_odd"}, {"burnish_odd.py": text})
    os.environ["BURNISH_PLUGINS"] = "odd"
    assert burnish("odd") == (
        2,
        "",
        "burnish: command odd/odd of plugin odd (burnish-odd 0.1): burnish_odd:text is no click command.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "--nope"), "burnish: No such option '--nope'. See: burnish list --help\n"),
        (("show", "tuner"), "burnish: Missing argument 'NAME'. See: burnish show --help\n"),
        (
            ("list", "tuners"),
            (
                "burnish: there is no kind 'tuners'. Did you mean 'tuner'? Possible: backbone, noise, tuner,"
                " loss, "
            ),
        ),
        (
            ("show", "tuner", "mpl"),
            (
                "burnish: unknown tuner 'mpl'. Did you mean 'mlp'? Possible: linear, mlp, nothing, prompts,"
                " viewed."
            ),
        ),
        (
            ("validate",),
            (
                "burnish: no recipe is given. Possible: first-study. Name a recipe or a file, or give --data"
                " and --tuner.\n"
            ),
        ),
        (
            ("validate", "gone.yaml"),
            "burnish: gone.yaml: the recipe cannot be read: No such file or directory.\n",
        ),
        (("list", "--plugin", "gone.py"), "burnish: --plugin "),
    ],
)
def test_wrong_use_is_one_line_on_stderr_and_exit_code_2(burnish, arguments, message):
    code, out, err = burnish(*arguments)
    assert (code, out) == (2, "")
    assert err.replace("No such option: --nope", "No such option '--nope'").startswith(message)
    assert err.count("\n") == 1


# -- how it ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("interrupt", 130, "burnish: interrupted; run the same command to resume\n"),
        ("pipe", 1, ""),
        (
            "memory",
            1,
            (
                "burnish: out of memory. Use a smaller data set or fewer replicates, or a machine with more"
                " memory.\n"
            ),
        ),
        (
            "torch",
            2,
            (
                "burnish: this needs the library 'torch', which is not installed. Install it: pip install"
                " 'burnish[run]'.\n"
            ),
        ),
        ("config", 2, "burnish: one.\nburnish: two.\n"),
        (
            "value",
            70,
            (
                "burnish: internal error: ValueError: bad thing. Run again with --debug for the traceback,"
                " and please report it.\n"
            ),
        ),
    ],
)
def test_every_error_ends_in_a_line_and_a_code(burnish, monkeypatch, how, code, message):
    monkeypatch.setattr(cli, "_silence_stdout", lambda: None)
    ended, out, err = burnish("boom", how)
    assert (ended, out, err.lstrip("\n")) == (code, "", message)


def test_debug_adds_the_traceback(burnish):
    code, _, err = burnish("--debug", "boom", "value")
    assert code == 70
    assert err.startswith("Traceback (most recent call last):")
    assert err.rstrip().splitlines()[-1].startswith("burnish: internal error: ValueError: bad thing.")
    assert "Traceback" in burnish("show", "tuner", "mpl", "--debug")[2]


def test_errors_have_the_exit_code_of_their_class():
    assert explain(DataError("bad", where="a.csv, row 3")) == (1, ["a.csv, row 3: bad."])
    assert explain(CombinedError([ConfigError("a"), DataError("b")])) == (2, ["a.", "b."])
    assert explain(MissingExtraError("x"))[0] == 2
    assert explain(click.FileError("f", "hint")) == (1, ["Could not open file 'f': hint"])


def test_a_closed_pipe_is_no_error():
    code = "import sys; from burnish.cli import main; main(['--help'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() in (0, 1)


# -- list, show, plugins -------------------------------------------------------------------------------------


def test_list_is_aligned_text_or_json(burnish):
    assert burnish("list", "backbone") == (
        0,
        "clip      study  With text\nfeatures  study  As given\nsmall     study  A small one\n",
        "",
    )
    code, out, _ = burnish("list", "--json")
    found = json.loads(out)
    assert code == 0
    assert {record["kind"] for record in found} == {
        "backbone",
        "noise",
        "tuner",
        "loss",
        "evaluator",
        "source",
        "command",
        "recipe",
    }
    assert next(record for record in found if record["name"] == "mlp") == {
        "kind": "tuner",
        "name": "mlp",
        "full_name": "study/mlp",
        "summary": "MLP",
        "paper": "arXiv:0000.00000",
        "plugin": "study",
        "version": "0.1.0",
    }
    assert "tuner\n  linear   study  Linear probe\n  mlp      study  MLP\n" in burnish("list")[1]


def test_without_plugins_list_and_plugins_say_what_to_install(burnish, monkeypatch):
    monkeypatch.setattr(cli.import_module("burnish.manager").Loader, "installed", lambda self, only: [])
    monkeypatch.setenv("BURNISH_PLUGINS", "none-at-all")
    text = "no plugin is installed: pip install burnish-basics burnish-tiny burnish-signs burnish-nmtune\n"
    assert burnish("list") == (0, text, "")
    assert burnish("plugins") == (0, text, "")


def test_show_tells_all_about_a_component(burnish):
    code, out, _ = burnish("show", "tuner", "mlp")
    assert code == 0
    assert (
        out == "tuner mlp: MLP\n  plugin  study (burnish-study 0.1.0)\n  paper   arXiv:0000.00000\n  needs  "
        " features\n\nOptions under tuner:\n  lr            0.001   number (0 to 10)             peak"
        " learning rate of AdamW\n  weight_decay  0.0001  number (0 to 10)             decoupled weight"
        " decay of AdamW\n  epochs        30      whole number (1 to 100000)   passes over the training"
        " items\n  batch         64      whole number (2 to 1000000)  items in a training batch\n "
        " schedule      cosine  one of cosine, constant      learning rate over the steps; cosine ends at"
        " 0, no warm-up\n  ratio         4       whole number (1 to 64)       width of the hidden layer\n "
        " layers        []      list of whole number\n\nExample\n  tuner: mlp:lr=0.001\n"
    )


@pytest.mark.parametrize(
    ("kind", "name", "lines"),
    [
        (
            "source",
            "files",
            ["provides  depends on its options", "Options under data:", "  data: files:path=PATH"],
        ),
        ("noise", "symmetric", ["Options under noise:", "  noise: symmetric:rate=0.2"]),
        ("noise", "joint", ["Options under assess:", "  assess: joint:rate=0.2"]),
        ("loss", "ce", ["Options under loss:", "  none", "  loss: ce"]),
        ("evaluator", "worst", ["Options under evaluate:", "  evaluate: worst:k=1"]),
        ("command", "hello", ["  burnish hello"]),
        ("recipe", "first-study", ["  burnish run first-study"]),
    ],
)
def test_show_has_an_example_for_every_kind(burnish, kind, name, lines):
    out = burnish("show", kind, name)[1]
    for line in lines:
        assert line in out


def test_examples_are_accepted_by_validate(burnish):
    for kind, name in (("tuner", "mlp"), ("noise", "symmetric"), ("evaluator", "worst"), ("loss", "gce")):
        example = json.loads(burnish("show", kind, name, "--json")[1])["examples"][0]
        key, _, text = example.partition(": ")
        parts = {"data": "pictures", "backbone": "small", "tuner": "linear", key: text}
        code, _, err = burnish(
            "validate",
            *(word for name, value in parts.items() for word in (f"--{name}", value)),
            "--device",
            "cpu",
        )
        assert (code, err) == (0, "")


def test_show_as_json(burnish):
    record = json.loads(burnish("show", "source", "files", "--json")[1])
    assert (record["plugin"], record["version"], record["provides"]) == (
        "study",
        "0.1.0",
        "burnish_study:provides",
    )
    assert record["options"]["data"][0] == {
        "name": "path",
        "type": "path",
        "required": True,
        "default": None,
        "range": None,
        "choices": [],
        "help": "a file or folder",
    }


def test_plugins_lists_failures_with_their_reason(burnish, site, monkeypatch):
    write_dist(
        site,
        "burnish-bad",
        "0.2",
        {"bad": "burnish_bad"},
        {"burnish_bad.py": "raise OSError('no disk')"},
        requires=["no-such-dist>=2"],
    )
    monkeypatch.setenv("BURNISH_PLUGINS", "study,bad")
    out = burnish("plugins")[1]
    rows = [line.split("  ") for line in out.splitlines()]
    assert rows[0][0] == "plugin"
    assert any(
        line.startswith("bad") and "failed  OSError: no disk (" in line and "burnish_bad.py, line 1)" in line
        for line in out.splitlines()
    )
    assert "3 backbone, 4 noise, 5 tuner, 2 loss, 3 evaluator, 3 source, 3 command, 1 recipe" in out
    assert "bad requires no-such-dist>=2 is not installed" in out
    found = {record["name"]: record for record in json.loads(burnish("plugins", "--json")[1])}
    assert (found["bad"]["status"], found["bad"]["unmet"]) == ("failed", ["no-such-dist>=2 is not installed"])
    assert found["study"]["offers"]["loss"] == ["ce", "gce"]
    frozen = burnish("plugins", "--freeze")[1].splitlines()
    assert frozen[0] == "burnish==0.1.0"
    assert {"burnish-bad==0.2", "burnish-study==0.1.0"} <= set(frozen)
    code, _, err = burnish("list")
    assert (code, err) == (0, "burnish: failed to load: bad. Why: burnish plugins\n")


def test_a_local_plugin_can_be_named_before_and_after_the_command(burnish, tmp_path):
    file = tmp_path / "local_one.py"
    file.write_text(
        "import burnish\nBURNISH_API = 1\n@burnish.hookimpl\ndef burnish_losses():\n"
        "    return [burnish.Loss(name='mine', target='local_one:X', summary='Mine')]\n"
    )
    assert "mine  local-one  Mine" in burnish("list", "loss", "--plugin", str(file))[1]
    assert "mine  local-one  Mine" in burnish("--plugin", str(file), "list", "loss")[1]
    assert "mine" not in burnish("list", "loss")[1]


# -- validate ------------------------------------------------------------------------------------------------


def test_validate_says_what_would_be_done(burnish):
    code, out, err = burnish(
        "validate",
        "first-study",
        "-s",
        "tune={budget: 2, space: {tuner.lr: [0.1, 0.2]}}",
        "--device",
        "cpu",
        "--numeric",
        "fp32",
        "--threads",
        "2",
    )
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "first-study: 4 rows x 5 replicates = 20 trials"
    assert lines[1:5] == [
        "  data      pictures",
        "  backbone  small, small:noise=0.3",
        "  tuner     nothing, linear",
        "  loss      own, ce",
    ]
    assert lines[5] == "evaluate: accuracy"
    assert lines[6].startswith("numeric: float32 on cpu, 2 threads, torch ")
    assert lines[7:] == [
        "jobs: 1 data, 2 features, 5 corrupt, 24 fit, 24 measure, 2 choose, 4 summarise",
        "tune linear, small: 2 settings (tuner.lr=0.1; tuner.lr=0.2)",
        "tune linear, small:noise=0.3: 2 settings (tuner.lr=0.1; tuner.lr=0.2)",
    ]


def test_validate_takes_parts_instead_of_a_recipe(burnish):
    arguments = (
        "--data",
        "pictures",
        "--backbone",
        "small",
        "--tuner",
        "linear",
        "--tuner",
        "mlp",
        "--replicates",
        "2",
        "--device",
        "cpu",
    )
    assert burnish("validate", *arguments)[1].startswith("study: 2 rows x 2 replicates = 4 trials\n")
    assert burnish("validate", "first-study", "--tuner", "mlp", "--device", "cpu")[1].startswith(
        "first-study: 2 rows x 5 replicates = 10 trials\n"
    )


def test_validate_as_json_and_as_a_plan(burnish, tmp_path):
    record = json.loads(burnish("validate", "first-study", "--json", "--device", "cpu")[1])
    assert (record["trials"], record["jobs"]["fit"], record["rows"][0]["tuner"]) == (20, 20, "nothing")
    plan = tmp_path / "plan.yaml"
    plan.write_text(burnish("validate", "first-study", "--plan", "--device", "cpu")[1])
    assert json.loads(burnish("validate", str(plan), "--json")[1])["key"] == record["key"]


def test_validate_tells_everything_that_is_wrong_a_line_each(burnish, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("data: pictures\nbackbone: small:noise=3\ntuner: mpl\nreplicates: -1\n")
    code, out, err = burnish("validate", str(file))
    assert (code, out) == (2, "")
    assert [
        line.partition(": ")[2].partition(", tuner")[0].partition(", back")[0].partition(", repl")[0]
        for line in err.splitlines()
    ] == [
        f"{file}, line 4",
        f"{file}, line 3",
        f"{file}, line 2",
    ]
