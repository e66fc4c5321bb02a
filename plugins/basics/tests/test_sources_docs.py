"""The page on supervision in files: its files are written, its commands run, its output compared."""

import re
from pathlib import Path

import pytest

from burnish.cli import main

PAGE = Path(__file__).parents[3] / "docs" / "concepts" / "supervision-in-files.md"
BLOCK = re.compile(r'^``` (\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks():
    """Return (files by name, [(command, expected output)])."""
    if not PAGE.exists():
        return {}, []
    found = BLOCK.findall(PAGE.read_text())
    files = {title: text for _, title, text in found if title}
    return files, [text.split("\n", 1) for language, _, text in found if language == "console"]


FILES, COMMANDS = blocks()


@pytest.mark.parametrize(("command", "expected"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_the_commands_of_the_page(command, expected, tmp_path, monkeypatch, capsys):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(command.removeprefix("$ burnish ").split())
    out = capsys.readouterr().out.replace(f"{tmp_path}/", "")
    pattern = "".join(
        ".*" if line == "..." else re.escape(line) + "\n" for line in expected.rstrip("\n").split("\n")
    )
    assert re.fullmatch(pattern, out, re.DOTALL), out


def test_there_are_commands_where_there_is_a_page():
    assert bool(COMMANDS) == PAGE.exists()
