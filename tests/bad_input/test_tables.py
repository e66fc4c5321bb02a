"""Tables and texts that are not as they should be."""

import re

import pytest

GOOD = "text,stars\n" + "".join(
    f"{'good wine' if n % 2 else 'bad zebra'} number {'abcdefghijklmnop'[n]},{'five' if n % 2 else 'one'}\n"
    for n in range(16)
)


def table(text, name="reviews.csv", encoding="utf-8"):
    def make(folder):
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode(encoding))

    return make


def rows(*texts):
    return table(GOOD + "".join(f"{text}\n" for text in texts))


def images_missing(folder):
    (folder / "reviews.csv").write_text("image,stars\n" + "".join(f"{n}.png,{n % 2}\n" for n in range(8)))


CSV = "csv:path=reviews.csv,label=stars"


@pytest.mark.parametrize(
    ("make", "data", "code", "fragments"),
    [
        pytest.param(
            lambda folder: None,
            CSV,
            2,
            ["csv, option path", "no file or folder .*reviews.csv", "start from"],
            id="no-such-table",
        ),
        pytest.param(table(""), CSV, 1, ["reviews.csv", "the file is empty|empty"], id="empty-table"),
        pytest.param(
            table("text,stars\n"), CSV, 1, ["reviews.csv", "there are no items|no row"], id="header-only"
        ),
        pytest.param(
            table(GOOD),
            "csv:path=reviews.csv,label=star",
            1,
            ["reviews.csv", "'star'", "Possible: text, stars|Did you mean"],
            id="wrong-column",
        ),
        pytest.param(
            table("text,text,stars\na,b,c\n"), CSV, 1, ["reviews.csv", "'text'", "twice"], id="column-twice"
        ),
        pytest.param(
            rows("one,two,three"),
            CSV,
            1,
            ["reviews.csv.* (row|line) 18", "3 cells|3", "on_bad_input: skip"],
            id="ragged-row",
        ),
        pytest.param(
            rows(",five"),
            CSV,
            1,
            ["reviews.csv.* (row|line) 18", "the text is empty", "on_bad_input: skip"],
            id="empty-text",
        ),
        pytest.param(
            table(GOOD + "caf\u00e9,five\n", encoding="latin-1"),
            CSV,
            1,
            ["reviews.csv", "not utf-8", "encoding="],
            id="wrong-encoding",
        ),
        pytest.param(
            table(GOOD), CSV + ",encoding=klingon", 1, ["klingon", "encoding"], id="unknown-encoding"
        ),
        pytest.param(
            table(GOOD.replace("one", "five")),
            CSV,
            1,
            ["only one class, 'five'", "at least two"],
            id="one-class",
        ),
        pytest.param(
            rows("a,five=high|one=0.5"),
            CSV,
            1,
            ["reviews.csv.* row 18", "high"],
            id="probability-that-is-no-number",
        ),
        pytest.param(
            rows("a,five|one", "b,five?one"),
            CSV,
            1,
            ["reviews.csv.* (row|line) 1?[89]"],
            id="mixed-notations",
        ),
        pytest.param(
            table(GOOD),
            CSV + ",text=text,weight=text",
            1,
            ["reviews.csv, row [0-9]+: the weight '(good|bad) .*' is not a number", "on_bad_input: skip"],
            id="weight-that-is-no-number",
        ),
        pytest.param(
            table(GOOD),
            CSV + ",text=text,split=text",
            1,
            ["reviews.csv, row [0-9]+", "good wine|bad zebra", "Possible"],
            id="unknown-split-name",
        ),
        pytest.param(
            table(b"PK\x03\x04\x00\x00", "reviews.parquet"),
            "csv:path=reviews.parquet,label=stars,text=text",
            1,
            ["reviews.parquet"],
            id="no-parquet",
        ),
        pytest.param(
            table('{"text": "a", "stars": 1}\n{"text": "b", "stars": 2}\n{"text": \n', "reviews.jsonl"),
            "csv:path=reviews.jsonl,label=stars",
            1,
            ["reviews.jsonl.* (row|line) 3"],
            id="broken-json-line",
        ),
    ],
)
def test_a_bad_table_is_refused(refused, small_run, tmp_path, fake_text, make, data, code, fragments):
    make(tmp_path)
    refused(
        "--plugin",
        fake_text,
        *small_run,
        "--data",
        data,
        "--backbone",
        "letters",
        fragments=fragments,
        code=code,
    )


@pytest.mark.parametrize(
    ("make", "told"),
    [
        pytest.param(rows(",five", "a,one"), r"row 18: the text is empty", id="empty-text"),
        pytest.param(rows("one,two,three", "a,one"), r"row 18: .*3", id="ragged-row"),
    ],
)
def test_a_bad_row_is_set_aside_and_listed(burnish, accepted, small_run, tmp_path, fake_text, make, told):
    make(tmp_path)
    accepted(
        "--plugin", fake_text, *small_run, "--data", CSV, "--backbone", "letters", "-s", "on_bad_input=skip"
    )
    notes = burnish("--plugin", fake_text, "results", "study", "--json").out
    assert re.search(told, notes), notes


def test_images_that_a_table_names_and_nobody_has(refused, small_run, tmp_path):
    images_missing(tmp_path)
    fragments = ["reviews.csv", "none of the 8 images in column 'image' is there", "0.png", "root=FOLDER"]
    refused(*small_run, "--data", CSV, "--backbone", "tiny", fragments=fragments, code=1)


def test_a_good_table_is_a_study(accepted, small_run, tmp_path, fake_text):
    table(GOOD)(tmp_path)
    ended = accepted("--plugin", fake_text, *small_run, "--data", CSV, "--backbone", "letters")
    assert "nearest-class-mean" in ended.out


# -- folders of texts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "the text is empty", id="zero-byte"),
        pytest.param(b" \n\t", "the text is empty", id="white-space"),
        pytest.param(b"caf\xe9", "the text is not utf-8", id="latin-1"),
    ],
)
def test_a_bad_text_file_is_refused(refused, small_run, tmp_path, fake_text, content, reason):
    for name in ("good", "bad"):
        (tmp_path / "texts" / name).mkdir(parents=True)
        for number in range(8):
            (tmp_path / "texts" / name / f"{number}.txt").write_text(f"{name} {'abcdefgh'[number]}")
    (tmp_path / "texts" / "bad" / "x.txt").write_bytes(content)
    arguments = ("--plugin", fake_text, *small_run, "--data", "./texts", "--backbone", "letters")
    refused(*arguments, fragments=["texts/bad/x.txt", reason, "on_bad_input: skip"], code=1)
