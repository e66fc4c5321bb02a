"""Who imports whom: this repository passes, a circle is found, and what is not public is named."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("check_imports", ROOT / "tools/check_imports.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(root, **files):
    for name, text in files.items():
        file = root / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def test_this_repository_passes():
    done = subprocess.run(
        [sys.executable, "tools/check_imports.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize(
    "back",
    [
        "from made.a import x",
        "def f():\n    from made import a",
        "class C:\n    def f(self):\n        if self:\n            import made.a",
        "try:\n    from made.a import x\nexcept ImportError:\n    pass",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import made.a",
    ],
)
def test_a_circle_is_found(tool, tmp_path, back):
    write(
        tmp_path,
        made__a="from made.b import y",
        made__b="import made.c",
        made__c=back,
        made__d="import made.a",
    )
    (problem,) = tool.check_circles(tmp_path, "made")
    assert problem.startswith("a circle of modules: ")
    assert {"made.a", "made.b", "made.c"} == set(problem.split(". Move")[0].split(": ")[1].split(" <- "))


@pytest.mark.parametrize("back", ["", "if TYPE_CHECKING:\n    from made.a import x", "import made.d"])
def test_without_one_nothing_is_said(tool, tmp_path, back):
    write(tmp_path, made__a="from made.b import y", made__b="import made.c", made__c=back, made__d="")
    assert list(tool.check_circles(tmp_path, "made")) == []


def test_what_is_not_public_is_named(tool, tmp_path, monkeypatch):
    write(
        tmp_path / "plugins/one/src/burnish_one",
        fine="import burnish\nfrom burnish import Loss\nfrom burnish.blocks import Lease\nimport numpy",
        odd="def f():\n    from burnish.engine.store import Store\n    from burnish import cli",
    )
    first, second, *rest = tool.check_plugins(tmp_path / "plugins")
    assert first.startswith(
        "plugins/one/src/burnish_one/odd.py:2: burnish.engine.store is not public. Possible: blocks"
    )
    assert second.startswith("plugins/one/src/burnish_one/odd.py:3: burnish.cli is not public")
    assert len(rest) == len(tool.EXCEPTIONS)
    assert all(line.endswith("Remove its exception") for line in rest)
    excused = ("plugins/one/src/burnish_one/odd.py", "burnish.engine.store.Store")
    monkeypatch.setattr(tool, "EXCEPTIONS", {excused: "a reason"})
    (left,) = tool.check_plugins(tmp_path / "plugins")
    assert "burnish.cli" in left
