"""`burnish new-plugin`: what it writes installs, passes its own tests and can be used, as it stands."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from burnish.cli.new_plugin import KINDS, plugin_files, write_plugin
from burnish.errors import MachineError, PluginError

ROOT = Path(__file__).parents[1]
hatchling = pytest.importorskip(
    "hatchling.build", reason="hatchling is not installed: it builds the generated plugin"
)


def burnish(*arguments, path=None, cwd=None):
    return run("-m", "burnish", *arguments, path=path, cwd=cwd)


def run(*arguments, path=None, cwd=None):
    before = os.environ.get("PYTHONPATH", "")
    environment = os.environ | ({"PYTHONPATH": f"{path}{os.pathsep}{before}"} if path else {})
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=cwd, check=False
    )


def install(folder, target):
    """Build the wheel and unpack it, which is what an installer does with pure Python."""
    wheels = target.parent / "wheels"
    wheels.mkdir()
    done = run("-c", f"from hatchling.build import build_wheel; build_wheel({str(wheels)!r})", cwd=folder)
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.iterdir()
    zipfile.ZipFile(wheel).extractall(target)


@pytest.mark.parametrize(
    "kind", [kind if kind == "loss" else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_it_installs_and_passes_its_own_tests(kind, tmp_path):
    name, folder, target = f"made-{kind}", tmp_path / "plugin", tmp_path / "site"
    said = burnish("new-plugin", name, "--kind", kind, "--out", str(folder))
    assert said.returncode == 0, said.stderr
    assert f"pip install -e '{folder}[test]'" in said.stdout
    install(folder, target)
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder), path=target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
    shown = burnish("show", KINDS[kind].shown, name, path=target)
    assert shown.returncode == 0
    assert f"{name} (burnish-{name} 0.1.0)" in shown.stdout
    command = re.search(r"^burnish run (.*)$", (folder / "README.md").read_text(), flags=re.M)
    if command:
        planned = burnish("validate", *command[1].split(), path=target)
        assert planned.returncode == 0, planned.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_short_light_and_complete(kind):
    files = plugin_files("gce", kind)
    assert sorted(files) == sorted(
        [
            ".github/workflows/tests.yml",
            "LICENSE",
            "README.md",
            "pyproject.toml",
            "src/burnish_gce/__init__.py",
            "src/burnish_gce/py.typed",
            f"src/burnish_gce/{KINDS[kind].target.format(name='gce')}",
            "tests/test_contract.py",
        ]
    )
    light = files["src/burnish_gce/__init__.py"]
    assert not re.search(r"^\s*(import|from) (?!burnish|dataclasses|pathlib|__future__)", light, flags=re.M)
    workflow = files.pop(".github/workflows/tests.yml")
    assert "${{ matrix.python }}" in workflow
    assert "pytest" in workflow
    assert files["LICENSE"] == (ROOT / "LICENSE").read_text()
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["license"] == "Apache-2.0"
    assert "burnish" in project["keywords"]
    assert not any("$" in text for text in files.values())
    for path, text in files.items():
        if path.endswith(".py"):
            compile(text, path, "exec")


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(PluginError, match="is there already, and nothing is overwritten"):
        write_plugin("gce", "loss", tmp_path)
    with pytest.raises(PluginError, match="is there already"):
        write_plugin("gce", "loss", tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    write_plugin("gce", "loss", tmp_path / "empty")
    assert (tmp_path / "empty" / "pyproject.toml").is_file()


def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    write_text = Path.write_text

    def full(self, *arguments, **options):
        if self.name == "test_contract.py":
            raise OSError(28, "No space left on device")
        return write_text(self, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(MachineError, match="cannot be written: No space left on device"):
        write_plugin("gce", "loss", tmp_path / "gce")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("GCE", "cannot be the name of a plugin"),
        ("1st", "cannot be the name of a plugin"),
        ("a_b", "cannot be the name of a plugin"),
        ("../x", "cannot be the name of a plugin"),
        ("burnish-gce", "has the prefix that every package gets. Write gce"),
    ],
)
def test_names_are_checked(name, message, tmp_path):
    done = burnish("new-plugin", name, "--kind", "loss", "--out", str(tmp_path / "new"))
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_plugin_that_is_installed_is_not_written_again(tmp_path):
    done = burnish("new-plugin", "basics", "--kind", "loss", "--out", str(tmp_path / "new"))
    assert done.returncode == 2
    assert "there is a plugin named 'basics' already" in done.stderr
