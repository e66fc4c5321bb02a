"""The repository's own checks: this repository passes, and what a new plugin lacks is named."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from burnish.cli.new_plugin import write_plugin

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tools"))  # tools import one another


def load(root):
    """Return the checks as a module that looks at another root."""
    spec = importlib.util.spec_from_file_location("check_repository", ROOT / "tools/check_repository.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    module.ROOT = root
    return module


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of what the checks look at, with a generated plugin in it."""
    root = tmp_path / "copy"
    for name in (
        "LICENSE",
        "CITATION.cff",
        "CHANGELOG.md",
        "tox.ini",
        "mkdocs.yml",
        "core/pyproject.toml",
        "core/LICENSE",
        "core/src/burnish/_version.py",
        "docs/reference/glossary.md",
        "tools/retired_words.txt",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    shutil.copytree(ROOT / "docs/plugins", root / "docs/plugins")
    write_plugin("fresh", "loss", root / "plugins/fresh")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    monkeypatch.setattr(sys, "argv", ["check_repository.py"])
    return load(root)


@pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="this is no checkout: which files are tracked cannot be told"
)
def test_this_repository_passes():
    done = subprocess.run(
        [sys.executable, "tools/check_repository.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


def test_what_a_new_plugin_lacks_is_named_and_what_is_shared_is_written(copy, capsys, monkeypatch):
    (copy.ROOT / "plugins/fresh/LICENSE").write_text("mine")
    (copy.ROOT / "plugins/fresh/src/burnish_fresh/py.typed").unlink()
    assert copy.main() == 1
    said = capsys.readouterr().out
    for line in (
        "plugins/fresh/LICENSE: it is no copy of LICENSE. Run: python tools/check_repository.py --fix",
        "plugins/fresh/pyproject.toml: authors is None, in core [{",
        "plugins/fresh/pyproject.toml: classifiers lack",
        "plugins/fresh/src/burnish_fresh/py.typed: it is missing",
        "docs/plugins/fresh.md: the plugin's page is missing",
        "docs/plugins/directory.md: it does not name fresh.md",
        "CHANGELOG.md: it does not mention burnish-fresh",
        "tox.ini: its lists of plugins are not the folders of plugins",
    ):
        assert line in said
    monkeypatch.setattr(sys, "argv", ["check_repository.py", "--fix"])
    copy.main()
    said = capsys.readouterr().out
    assert "plugins/fresh/pyproject.toml: written" in said
    assert "tox.ini: written" in said
    tox = (copy.ROOT / "tox.ini").read_text()
    assert "plugin-{fresh}" in tox
    for line in (
        "    ./plugins/fresh[test]\n",
        "    fresh: ./plugins/fresh[test]\n    fedclip: flwr[simulation]\n",
        "    fresh: pytest plugins/fresh/tests {posargs}\n",
    ):
        assert tox.count(line) == 1
    assert "--fix" not in said
    fixed = copy.read_package(copy.ROOT / "plugins/fresh")
    assert fixed.project["license"] == "Apache-2.0"
    assert fixed.project["license-files"] == ["LICENSE"]
    assert fixed.project["authors"] == [{"name": "The burnish authors"}]
    assert fixed.project["entry-points"] == {"burnish": {"fresh": "burnish_fresh"}}
    before = (copy.ROOT / "plugins/fresh/pyproject.toml").read_text()
    copy.main()
    assert (copy.ROOT / "plugins/fresh/pyproject.toml").read_text() == before


def test_a_version_that_differs_is_named_and_own_classifiers_stay(copy, capsys, monkeypatch):
    file = copy.ROOT / "plugins/fresh/pyproject.toml"
    changed = file.read_text().replace('version = "0.1.0"', 'version = "0.2.0"')
    file.write_text(changed.replace("classifiers = [", 'classifiers = [\n    "Own :: Classifier",'))
    copy.main()
    assert "version is '0.2.0', in core '0.1.0'" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["check_repository.py", "--fix"])
    copy.main()
    fixed = copy.read_package(copy.ROOT / "plugins/fresh").project
    assert fixed["version"] == "0.1.0"
    assert "Own :: Classifier" in fixed["classifiers"]
    assert "Typing :: Typed" in fixed["classifiers"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see /ro" + "ot/data", "an absolute path of some machine: /ro" + "ot/"),
        ("see /ho" + "me/jane/data", "an absolute path of some machine: /ho" + "me/jane/"),
        ("from ht" + "tps://pypi.corp.internal/simple", "a private host: pypi.corp.internal"),
        ("from ht" + "tp://10.0.0.7/x", "a private host: 10.0.0.7"),
        ("see /home/someone/photos", ""),
        ("see https://arxiv.org/abs/2309.17002 and http://localhost:8000", ""),
        ("x\n" * 401, "401 lines, more than 400. Split it"),
        ("x\n" * 400, ""),
    ],
)
def test_files_that_name_a_machine_or_are_too_long_are_named(text, found):
    checks = load(ROOT)
    problems = list(
        checks.check_text("core/src/burnish/x.py", text, checks.re.compile(checks._FOLDERS_OF_PEOPLE))
    )
    assert len(problems) == bool(found)
    assert all(found in problem for problem in problems)


def test_the_glossary_has_every_word_once(copy, capsys):
    glossary = copy.ROOT / "docs/reference/glossary.md"
    row = next(line for line in glossary.read_text().splitlines() if line.startswith("| *row*"))
    glossary.write_text(glossary.read_text().replace(row, f"{row}\n{row}\n| *axis* | again |\n| *seed* |  |"))
    copy.main()
    said = capsys.readouterr().out
    assert "'row' stands twice" in said
    assert "'axis' stands after 'row'" in said
    assert "'seed' has no meaning" in said


def test_a_retired_word_is_found_wherever_it_is_said(copy, capsys):
    retired = "opin" + "ion"  # this file is looked at, too
    for place in ("notes.md", "module.py"):
        (copy.ROOT / place).write_text(f"first\nIts {retired} of an item.\n")
    (copy.ROOT / "CHANGELOG.md").write_text(f"No {retired} any more: burnish-fresh.\n")
    subprocess.run(["git", "add", "."], cwd=copy.ROOT, check=True)
    copy.main()
    said = capsys.readouterr().out
    assert f"notes.md, line 2: '{retired}' is not said any more. Say: assessment" in said
    assert f"module.py, line 2: '{retired}'" in said
    assert "CHANGELOG.md, line" not in said
