"""Plugins import nothing of burnish that a third party could not."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("check_imports", ROOT / "tools/check_imports.py")
checks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(checks)


def test_the_plugins_here_import_what_is_public(capsys):
    assert checks.main() == 0, capsys.readouterr().out


def test_exceptions_are_still_needed():
    for name, module in checks.STILL_INSIDE:
        assert f"from {module} import" in (ROOT / name).read_text("utf-8")


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("import burnish\nfrom burnish.blocks import Lease\nimport burnish.contracts.loss", ""),
        ("from burnish import NoConfig, hookimpl, testing\nimport torch", ""),
        ("from burnish.engine.store import Store", "burnish.engine.store"),
        ("def later():\n    import burnish.manager", "burnish.manager"),
        ("from burnish import plan", "burnish.plan"),
    ],
)
def test_what_is_not_public_is_named(tmp_path, code, named):
    file = tmp_path / "plugins/mine/src/burnish_mine/loss.py"
    file.parent.mkdir(parents=True)
    file.write_text(code)
    found = list(checks.check(tmp_path / "plugins/mine"))
    assert len(found) == bool(named)
    assert all(f"src/burnish_mine/loss.py: it imports {named}, which is not public" in line for line in found)
