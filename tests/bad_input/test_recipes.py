"""Recipes and command lines that are not as they should be.

Refused with file, line and key, before torch is imported.
"""

import pytest

GOOD = "data: digits:features=true\ntuner: [nothing, nearest-class-mean]\n"


def bomb():
    """Aliases of aliases: a few lines that stand for billions of values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"] + [
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("recipe", "fragments"),
    [
        pytest.param(
            GOOD + "tunner: mlp\n",
            ["r.yaml, line 3", "unknown key 'tunner'", "Did you mean 'tuner'", "Possible: "],
            id="unknown-key",
        ),
        pytest.param("data: [digits\ntuner: linear\n", ["r.yaml, line 2", "not valid YAML"], id="not-yaml"),
        pytest.param(
            GOOD + "tuner: mlp\n", ["r.yaml, line 3", "'tuner' is there twice", "line 2"], id="key-twice"
        ),
        pytest.param(
            "data: !!python/object/apply:os.system ['touch trapped']\ntuner: linear\n",
            ["r.yaml, line 1", "the tag .* is not allowed"],
            id="tag",
        ),
        pytest.param(
            bomb() + GOOD,
            ["r.yaml, line 1", "the anchor &a0 is not allowed", "Write the value out"],
            id="alias-bomb",
        ),
        pytest.param("data: *d\ntuner: linear\n", ["r.yaml, line 1", "alias"], id="alias-of-nothing"),
        pytest.param(
            "%YAML 1.1\n---\n" + GOOD, ["r.yaml, line 1", "directives are not allowed"], id="directive"
        ),
        pytest.param(GOOD + "---\n" + GOOD, ["r.yaml, line 3", "a second document"], id="two-documents"),
        pytest.param(
            "data: " + "[" * 500 + "\n",
            ["r.yaml, line 1", "nested more than 20 deep|not valid YAML"],
            id="nested-500-deep",
        ),
        pytest.param(
            "# x\n" * 300_000 + GOOD,
            ["r.yaml", "1,2[0-9]{2},[0-9]{3} characters", "at most 1,000,000"],
            id="very-long",
        ),
        pytest.param(GOOD.encode("utf-16"), ["r.yaml, line 1", "not UTF-8", "Save it as UTF-8"], id="utf-16"),
        pytest.param(
            "- data\n- tuner\n", ["r.yaml", "a recipe is a mapping of keys", "Possible: .*data"], id="a-list"
        ),
        pytest.param(
            "# nothing\ndata: digits:features=true\n",
            ["r.yaml: tuner is missing", "tuner: linear"],
            id="no-tuner",
        ),
        pytest.param(
            GOOD + "replicates: many\n",
            ["r.yaml, line 3, replicates", "'many'|many", "whole number"],
            id="replicates-no-number",
        ),
        pytest.param(
            GOOD + "replicates: .nan\n",
            ["r.yaml, line 3", ".nan is not a finite number"],
            id="replicates-nan",
        ),
        pytest.param(
            GOOD + "replicates: 0\n", ["r.yaml, line 3, replicates", "0", "1"], id="replicates-zero"
        ),
        pytest.param(
            GOOD + "split: {validation: 0.6, calibration: 0.5}\n",
            ["r.yaml, line 3, split", "leave nothing to train on", "below 1"],
            id="shares-above-1",
        ),
        pytest.param(GOOD + "split: {test: 2}\n", ["r.yaml, line 3, split", "test", "2"], id="share-of-2"),
        pytest.param(
            GOOD + "on_bad_input: ignore\n",
            ["line 3, on_bad_input", "'ignore'", "Possible: error, skip"],
            id="on-bad-input-unknown",
        ),
        pytest.param(
            GOOD + "tune: {budget: 2, space: {tuner.lrr: [1, 2]}}\n",
            ["line 3, tune.space", "nothing in the plan has 'tuner.lrr'"],
            id="tunes-what-is-not-there",
        ),
        pytest.param(
            "data: digits:features=true\ntuner: linear\ntune: {budget: 2, space: {tuner.lr: [1e-3, -1]}}\n",
            ["tune.space", "lr", "-1"],
            id="tunes-a-value-out-of-range",
        ),
        pytest.param(
            GOOD + "report: {x: backbone.noise}\n",
            ["line 3, report", "nothing in the plan has 'backbone.noise'"],
            id="draws-what-is-not-there",
        ),
        pytest.param(
            "data: digits:features=true\ntuner: nmtun\n",
            ["line 2, tuner", "unknown tuner 'nmtun'", "Did you mean 'nmtune'"],
            id="unknown-tuner",
        ),
        pytest.param(
            "data: digits:features=true\ntuner: {use: linear, wiht: {lr: 1}}\n",
            ["line 2, tuner", "unknown key 'wiht'", "Did you mean 'with'"],
            id="part-with-a-wrong-key",
        ),
        pytest.param(
            "data: digits:features=true\ntuner: linear:lr=fast\n",
            ["line 2, tuner", "lr is 'fast', not a number"],
            id="option-of-a-wrong-type",
        ),
        pytest.param(
            "data: digits:features=true\ntuner: linear:lrr=1\n",
            ["line 2, tuner", "unknown option 'lrr'", "Did you mean 'lr'", "Possible: "],
            id="unknown-option",
        ),
        pytest.param(
            "data: digits:features=true\ntuner: 'mlp:ratio=0'\n",
            ["line 2, tuner", "ratio is 0", "1 to 64|at least 1"],
            id="option-out-of-range",
        ),
        pytest.param(
            "data: digits:features=true\nnoise: symmetric:rate=1.5\ntuner: linear\n",
            ["line 2, noise", "rate is 1.5", "0 to 1"],
            id="rate-above-1",
        ),
        pytest.param(
            "data: digits:features=true\nassess: symmetric\ntuner: linear\n",
            ["line 2, assess", "only corrupts", "Write it under noise"],
            id="corruptor-as-assessor",
        ),
        pytest.param(
            "data: digits:features=true\nbackbone: tiny\ntuner: linear\n",
            ["line 2, backbone", "tiny needs image", "provides features, labels"],
            id="image-backbone-for-features",
        ),
        pytest.param(
            "data: digits\ntuner: linear\n",
            ["r.yaml", "backbone is missing", "Possible: .*tiny"],
            id="images-without-backbone",
        ),
        pytest.param(
            GOOD + "evaluate: detection\n",
            ["line 3, evaluate", "detection needs assessment", "assess:"],
            id="detection-without-assessor",
        ),
        pytest.param(
            GOOD + "requires: burnish-deft>=0.2\n",
            ["line 3, requires", "burnish-deft", "pip install"],
            id="required-package-missing",
        ),
        pytest.param(
            GOOD + "requires: 'burnish-basics>=99'\n",
            ["line 3, requires", "burnish-basics.*99", "0.1.0", "pip install"],
            id="required-version-missing",
        ),
        pytest.param(
            GOOD + "name: ../../etc\n",
            ["line 3, name", "cannot be the name of a recipe"],
            id="name-that-leaves-the-folder",
        ),
    ],
)
def test_a_bad_recipe_is_refused(refused, tmp_path, recipe, fragments):
    (tmp_path / "r.yaml").write_bytes(recipe if isinstance(recipe, bytes) else recipe.encode())
    refused("run", "-q", "r.yaml", "--out", "study", fragments=fragments, code=2)
    assert not (tmp_path / "study").exists()
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        pytest.param(
            ["run"],
            ["no recipe is given", "Possible: .*noisy-pretraining", "--data and --tuner"],
            id="nothing-given",
        ),
        pytest.param(
            ["run", "noisy-pretrainin"],
            ["no recipe 'noisy-pretrainin'", "Did you mean 'noisy-pretraining'"],
            id="unknown-recipe",
        ),
        pytest.param(["run", "n" * 300], ["no recipe 'nnn", "Or name a file"], id="very-long-name"),
        pytest.param(
            ["run", "~nobody-of-this-name/r.yaml"],
            ["~nobody-of-this-name/r.yaml", "cannot be read"],
            id="home-of-nobody",
        ),
        pytest.param(["results", "n" * 300], ["nnn", "name is too long"], id="results-of-a-very-long-name"),
        pytest.param(
            ["run", "missing.yaml"],
            ["missing.yaml", "cannot be read: No such file"],
            id="no-such-recipe-file",
        ),
        pytest.param(
            ["run", "--data", "digits:features=true"],
            ["tuner is missing", "Write for instance"],
            id="no-tuner",
        ),
        pytest.param(
            ["rnu"], ["unknown command 'rnu'", "Did you mean 'run'", "Possible: "], id="unknown-command"
        ),
        pytest.param(
            ["run", "--tunr", "mlp"],
            ["No such option.*--tunr", "--tuner", "See: burnish run --help"],
            id="unknown-command-line-option",
        ),
        pytest.param(
            ["run", "r.yaml", "--replicates", "0"],
            ["--replicates", "0 is not in the range"],
            id="replicates-out-of-range",
        ),
        pytest.param(
            ["run", "r.yaml", "-s", "tuner.lr"],
            ["-s tuner.lr", "not of the form key=value", "tuner.lr=0.001"],
            id="setting-without-value",
        ),
        pytest.param(
            ["run", "r.yaml", "-s", "tuner.widht=3"],
            ["-s tuner.widht=3", "widht"],
            id="setting-that-nothing-has",
        ),
        pytest.param(["run", "r.yaml", "--device", "cuda"], ["cuda", "cpu"], id="device-that-is-not-there"),
        pytest.param(
            ["show", "tuner", "mpl"], ["unknown tuner 'mpl'", "Did you mean 'mlp'"], id="show-unknown"
        ),
        pytest.param(
            ["list", "tunner"],
            ["there is no kind 'tunner'", "Did you mean 'tuner'", "Possible: "],
            id="list-unknown-kind",
        ),
        pytest.param(
            ["results", "nowhere"],
            ["nowhere", "there is no study here", "Give the folder"],
            id="results-of-nothing",
        ),
        pytest.param(
            ["report", "nowhere"],
            ["nowhere", "there is no study here", "Give the folder"],
            id="report-of-nothing",
        ),
    ],
)
def test_a_bad_command_line_is_refused(burnish, tmp_path, arguments, fragments, refused):
    (tmp_path / "r.yaml").write_text(GOOD)
    code = 1 if arguments[0] in {"results", "report"} or "cuda" in arguments else 2
    refused(*arguments, fragments=fragments, code=code)
    assert not (tmp_path / "runs").exists()


def test_every_error_of_a_recipe_is_told_at_once(burnish, tmp_path):
    (tmp_path / "r.yaml").write_text(
        "data: digits:feature=true\nnoise: symetric\ntuner: [linear:lr=fast, mpl]\nreplicates: -1\n"
    )
    ended = burnish("validate", "r.yaml")
    lines = ended.err.splitlines()
    assert ended.code == 2
    assert sorted(line.removeprefix("burnish: r.yaml, line ")[0] for line in lines) == [
        "1",
        "2",
        "3",
        "3",
        "4",
    ], lines


def test_a_text_tuner_on_a_backbone_of_images_alone(refused, tmp_path, fake_text):
    arguments = ("--plugin", fake_text, "run", "--data", "digits", "--backbone", "tiny", "--tuner", "prompts")
    refused(
        *arguments,
        fragments=[
            "--tuner",
            "tuner prompts needs text-tower",
            "provides .*features.*image",
            "Take another|provide it",
        ],
        code=2,
    )


def test_a_bad_recipe_is_refused_without_torch(burnish, tmp_path):
    (tmp_path / "r.yaml").write_text(GOOD + "tunner: mlp\n")
    ended = burnish.afresh("run", "r.yaml", before=("-X", "importtime", "-m", "burnish"))
    assert ended.code == 2
    imported = {
        line.rpartition("|")[2].strip() for line in ended.err.splitlines() if line.startswith("import time:")
    }
    assert "burnish.recipe" in imported
    assert not imported & {"torch", "numpy"}
