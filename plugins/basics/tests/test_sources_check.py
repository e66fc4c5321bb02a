"""`burnish check` on the command line, with the sources of this plugin."""

import json
import os

import pytest

from burnish.cli import main


@pytest.fixture
def burnish(capsys):
    """Run a command and return (exit code, output, errors)."""

    def run(*arguments):
        with pytest.raises(SystemExit) as done:
            main([str(argument) for argument in arguments])
        out, errors = capsys.readouterr()
        return done.value.code or 0, out, errors

    return run


def test_a_good_folder(burnish, photos):
    code, out, errors = burnish("check", photos({"cat": 6, "dog": 7}))
    assert (code, errors) == (0, "")
    assert out.splitlines() == [
        "photos: 13 images, 2 classes, labels",
        "splits    trainable 13",
        "sizes     6 x 5 pixels",
        "",
        "class  trainable",
        "cat            6",
        "dog            7",
        "",
        "nothing is wrong",
    ]


def test_everything_wrong_is_listed(burnish, photos, picture):
    root = photos({"train/a": 6, "train/b": 2, "test/a": 1, "test/c": 1})
    (root / "train" / "a" / "empty.png").write_bytes(b"")
    (root / "train" / "a" / "half.png").write_bytes(picture(99)[:60])
    (root / "test" / "a" / "copy.png").write_bytes((root / "train" / "b" / "0.png").read_bytes())
    (root / "train" / "notes.md").write_bytes(b"")
    os.mkfifo(root / "train" / "b" / "pipe.png")
    code, out, _ = burnish("check", root, "--json")
    assert code == 1
    record = json.loads(out)
    assert not record["ok"]
    kinds = [(f["severity"], f["kind"]) for f in record["findings"]]
    assert kinds == [
        ("error", "unreadable"),
        ("error", "unreadable"),
        ("error", "unreadable"),
        ("error", "only-in-test"),
        ("warning", "small-class"),
        ("warning", "duplicate"),
        ("warning", "conflict"),
        ("warning", "straddling"),
        ("note", "left-out"),
    ]
    code, out, _ = burnish("check", root)
    assert code == 1
    assert f"error   {root}/train/a/empty.png: the file is empty.\n" in out
    assert out.splitlines()[-1] == "4 errors, 4 warnings, 1 note"


@pytest.mark.parametrize("suffix", ["", "--json"])
def test_data_that_cannot_be_loaded_is_a_finding(burnish, table, suffix):
    path = table("text,label\na,x\nb,x?y\n")
    code, out, errors = burnish("check", path, *filter(None, [suffix]))
    assert (code, errors) == (1, "")
    what = (
        "the label 'x?y' says exactly one of several classes, which is not supported yet by any installed"
        " method"
    )
    if suffix:
        assert json.loads(out)["findings"][0]["what"] == what
    else:
        assert f"error   {path}, row 3: {what}. Possible: " in out


def test_what_is_wrong_with_the_request_is_an_error(burnish, tmp_path):
    code, out, errors = burnish("check", tmp_path / "none.csv")
    assert (code, out) == (2, "")
    assert "there is no file or folder" in errors
    code, _, errors = burnish("check", "digits:feature=true")
    assert code == 2
    assert "unknown option 'feature'. Did you mean 'features'?" in errors


def test_long_lists_are_cut(burnish, table):
    rows = "".join(f"text {n},{'ab'[n % 2]}\n" for n in range(40)) + ",a\n" * 15
    path = table("text,label\n" + rows)
    _, out, _ = burnish("check", path)
    assert out.count("the text is empty") == 10
    assert "        and 5 more of the kind unreadable: --all lists them\n" in out
    _, out, _ = burnish("check", path, "--all")
    assert out.count("the text is empty") == 15
