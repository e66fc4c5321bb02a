"""The source `csv`: tables, columns, and how supervision is written in a cell."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.data import Labels, MultiLabels, Texts, content_id
from burnish.data.checks import require_usable
from burnish.errors import BurnishError, ConfigError, DataError
from burnish_basics._data import CsvConfig
from burnish_basics.sources import _light
from burnish_basics.sources.labels import Marks, parse
from burnish_basics.sources.tables import Csv

ANY = CsvConfig(path="any.csv")


def load(path, **options):
    return Csv(CsvConfig(path=path, **options)).load()


def rows(dataset):
    """Return {text: class name} of a data set with one class an item."""
    names = dataset.classes.names
    return {
        dataset.read(p): names[y] if (y := dataset.supervision.y[p]) >= 0 else None
        for p in range(len(dataset))
    }


# -- columns and files ---------------------------------------------------------------------------------------


def test_texts_with_labels(table):
    dataset = load(table('text,category\n"Where, please?",where\nWhy,why\nWhy not,why\n'))
    assert (dataset.modality, dataset.classes.names, dataset.assigned) == ("text", ("where", "why"), {})
    assert rows(dataset) == {"Where, please?": "where", "Why": "why", "Why not": "why"}
    for position in range(3):
        assert dataset.ids[position].tobytes() == content_id("text", dataset.read(position))
    assert sorted(dataset.origins) == [f"{dataset.origins[0][:-1]}{n}" for n in (2, 3, 4)]


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("t.csv", "text,label\na,x\nb,y\n", {}),
        ("t.csv", "\ufefftext,label\r\na,x\r\nb,y\r\n", {}),
        ("t.csv", "label;text\nx;a\n\ny;b", {"delimiter": "semicolon"}),
        ("t.tsv", "text\tlabel\na\tx\nb\ty\n", {}),
        ("t.data", "a|x\nb|y\n", {"delimiter": "pipe", "header": False, "text": "1", "label": "2"}),
        ("t.csv", "satz,urteil,id\na,x,1\nb,y,2\n", {"text": "satz", "label": "urteil"}),
        ("t.csv", " Text , Label \na,x\nb, y \n", {}),
        ("t.jsonl", '{"text": "a", "label": "x"}\n\n{"label": "y", "text": "b", "more": [1]}\n', {}),
    ],
)
def test_one_table_in_many_forms(table, name, text, options):
    assert rows(load(table(text, name), **options)) == {"a": "x", "b": "y"}


def test_encodings(table):
    assert rows(load(table("text,label\ncafé,x\nthé,y\n", encoding="utf-16"), encoding="utf-16")) == {
        "café": "x",
        "thé": "y",
    }
    assert rows(load(table("text,label\ncafé,x\nthé,y\n", encoding="cp1252"), encoding="cp1252")) == {
        "café": "x",
        "thé": "y",
    }


def test_plain_quotes_and_long_cells(table):
    long = "word " * 60_000
    assert rows(load(table(f'text\tlabel\n"a" is\tx\n{long}b\ty\n', "t.tsv"), quote="")) == {
        '"a" is': "x",
        f"{long}b": "y",
    }


def test_numeric_labels_keep_their_order(table):
    assert load(table("text,label\na,10\nb,9\n")).classes.names == ("9", "10")


def test_parquet(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    path = tmp_path / "t.parquet"
    parquet.write_table(
        arrow.table({"text": ["a", "b", "c"], "label": [1.0, 0.0, None], "weight": [1, 2, 3]}), path
    )
    dataset = load(path)
    assert rows(dataset) == {"a": "1", "b": "0", "c": None}
    assert dict(
        zip([dataset.read(p) for p in range(3)], dataset.supervision.weights.tolist(), strict=True)
    ) == {"a": 1, "b": 2, "c": 3}
    parquet.write_table(arrow.table({"text": ["a", "b"], "label": [["x", "y"], []]}), path)
    assert load(path).supervision.positive.sum() == 2
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"t\.parquet: this is no whole Parquet file"):
        load(path)


def test_files_and_a_column_fix_splits(table):
    train, test = table("text,label\na,x\nb,y\nc,x\n", "train.csv"), table("text,label\nd,x\n", "test.csv")
    dataset = load(train, test=test)
    assert {name: [dataset.read(p) for p in index] for name, index in dataset.assigned.items()}.keys() == {
        "train",
        "test",
    }
    assert [dataset.read(p) for p in dataset.assigned["test"]] == ["d"]
    dataset = load(
        table("text,label,split\na,x,train\nb,y,train\nc,x,dev\nd,x,test\ne,y,test_far\nf,,pool\n")
    )
    sizes = {name: len(index) for name, index in dataset.assigned.items()}
    assert sizes == {"train": 2, "validation": 1, "test": 1, "test:far": 1, "pool": 1}
    with pytest.raises(DataError, match=r"row 3: 'maybe' is no split. Possible: train"):
        load(table("text,label,split\na,x,train\nb,y,maybe\n"))
    with pytest.raises(DataError, match="a column and separate files both fix the splits"):
        load(table("text,label,split\na,x,train\n"), test=test)


def test_groups_weights_and_truth(table):
    dataset = load(
        table("text,label,group,weight,clean\na,x,g1,1,x\nb,y,g1,0.5,x\nc,x,,2,y\nd,y,,0,y\n"), truth="clean"
    )
    at = {dataset.read(p): p for p in range(4)}
    group = dataset.columns["group"]
    assert group[at["a"]] == group[at["b"]]
    assert len(np.unique(group)) == 3
    assert dataset.supervision.weights[[at["a"], at["b"], at["c"], at["d"]]].tolist() == [1, 0.5, 2, 0]
    names = dataset.classes.names
    assert [names[dataset.truth.y[at[t]]] for t in "abcd"] == ["x", "x", "y", "y"]


def test_image_paths(tmp_path, picture, table, by_origin):
    (tmp_path / "img").mkdir()
    for number in range(3):
        (tmp_path / "img" / f"{number}.png").write_bytes(picture(number))
    path = table("file,class\nimg/0.png,x\nimg/1.png,y\nimg/2.png,x\nimg/3.png,y\n,y\n")
    dataset = load(path)
    assert (dataset.modality, len(dataset)) == ("image", 5)
    at = by_origin(dataset)
    assert dataset.read(at["table.csv, row 2"]) == picture(0)
    assert dataset.ids[at["table.csv, row 2"]].tobytes() == content_id("image", picture(0))
    for row, reason in [(5, "there is no such file"), (6, "there is no image path")]:
        with pytest.raises(DataError, match=reason):
            dataset.read(at[f"table.csv, row {row}"])
    assert rows_equal(
        load(table("file,class\n0.png,x\n1.png,y\n", "other.csv"), root=tmp_path / "img"),
        [picture(0), picture(1)],
    )
    with pytest.raises(
        DataError,
        match=r"none of the 2 images in column 'file' is there; the first is .*0\.png'. Say which folder",
    ):
        load(table("file,class\n0.png,x\n1.png,y\n", "other.csv"))
    config = CsvConfig(path=path)
    first = _light.csv_fingerprint(config)
    (tmp_path / "img" / "0.png").write_bytes(picture(9))
    assert _light.csv_fingerprint(config) != first


def rows_equal(dataset, payloads):
    return sorted(dataset.read(p) for p in range(len(dataset))) == sorted(payloads)


def test_a_bad_row_stays_an_item_whose_reading_fails(table, by_origin):
    dataset = load(table("text,label,weight\na,x,1\nb,y\nc,y,much\n  ,x,1\ne,y,nan\nf,y,-1\n"))
    at = by_origin(dataset)
    reasons = {}
    for row in range(2, 8):
        try:
            dataset.read(at[f"table.csv, row {row}"])
        except DataError as error:
            reasons[row] = error.what
    assert reasons == {
        3: "2 cells where the header has 3",
        4: "the weight 'much' is not a number of at least 0",
        5: "the text is empty",
        6: "the weight 'nan' is not a number of at least 0",
        7: "the weight '-1' is not a number of at least 0",
    }
    assert len(np.unique(dataset.ids, axis=0)) == 6


BAD_TABLES = [
    ("missing", None, {}, "table.csv: there is no such file. Check the path."),
    ("empty", "", {}, "table.csv: the table is empty. It needs a header and rows."),
    ("no rows", "text,label\n", {}, "table.csv: the table has no rows."),
    (
        "a column twice",
        "text,label,text\na,x,b\n",
        {},
        "table.csv, row 1: column 'text' stands twice in the header, as column 1 and 3.",
    ),
    (
        "wrong column",
        "text,label\na,x\n",
        {"label": "lable"},
        "there is no column 'lable' for label. Did you mean 'label'? Possible: text, label.",
    ),
    (
        "no text column",
        "a,label\nq,x\n",
        {},
        (
            "table.csv: the names tell of neither a text nor an image column. Possible: a, label. Say"
            " text=COLUMN"
        ),
    ),
    (
        "two contents",
        "text,path,label\nq,w,x\n",
        {},
        "table.csv: the names tell of both a text and an image column. Possible: text, path, label",
    ),
    (
        "both given",
        "a,b,label\nq,w,x\n",
        {"text": "a", "image": "b"},
        "text and image are both given; an item is one of the two.",
    ),
    (
        "no label column",
        "text,b\nq,x\n",
        {},
        (
            "which column is the label cannot be told from the names. Possible: text, b. Say label=COLUMN, or"
            " labe"
        ),
    ),
    (
        "wrong delimiter",
        "text;label\nq;x\n",
        {},
        "table.csv: the names tell of neither a text nor an image column. Possible: text;label.",
    ),
    (
        "wrong encoding",
        "text,label\na,x\ncafé,y\n".encode("cp1252"),
        {},
        "table.csv, line 3: the file is not utf-8: invalid continuation byte. Say",
    ),
    (
        "no such encoding",
        "text,label\na,x\n",
        {"encoding": "utf8000"},
        "table.csv: 'utf8000' is no encoding. Possible: utf-8, latin-1",
    ),
    (
        "odd quotes",
        'text,label\na,x\n"b"c,y\n',
        {},
        "table.csv, line 3: the row is malformed: ',' expected after '\"'. Mend the quotes, or say quot",
    ),
    (
        "open quote",
        'text,label\na,x\n"b,y\n',
        {},
        "table.csv, line 3: the row is malformed: unexpected end of data. Mend the quotes",
    ),
    (
        "two-letter delimiter",
        "text,label\na,x\n",
        {"delimiter": "::"},
        "table.csv: delimiter '::' is not one character. Possible: comma, tab",
    ),
    ("a file as folder", "text,label\na,x\n", {"path": "."}, "this is a folder. Possible: .csv .jsonl"),
    (
        "a class not listed",
        "text,label\na,x\nb,z\n",
        {"classes": ("x", "y")},
        "table.csv, row 3: there is no class 'z'. Possible: x, y.",
    ),
    (
        "classes twice",
        "text,label\na,x\n",
        {"classes": ("x", "x")},
        "table.csv: class 'x' stands twice in classes.",
    ),
    (
        "nothing labelled",
        "text,label\na,\n",
        {},
        "table.csv: no item has a label, and no classes are given. Say label=COLUMN, or list them: classes",
    ),
    (
        "exactly one of",
        "text,label\na,x\nb,x?y\n",
        {},
        "table.csv, row 3: the label 'x?y' says exactly one of several classes, which is not support",
    ),
    (
        "soft",
        "text,label\na,x=0.7|y=0.3\n",
        {},
        "table.csv, row 2: the label 'x=0.7|y=0.3' says a probability for each class, which is not supporte",
    ),
    (
        "types mixed",
        "text,label\na,x|y\nb,x?y\n",
        {},
        "row 3: the label 'x?y' says exactly one of several classes, but TABLE, row 2 says all of sev",
    ),
    (
        "types mixed in a cell",
        "text,label\na,x|y?z\n",
        {},
        "row 2: the label 'x|y?z' mixes exactly one of several classes with another notation.",
    ),
    (
        "shares for some",
        "text,label\na,x=0.5|y\n",
        {},
        "row 2: the label 'x=0.5|y' gives a probability to some classes only.",
    ),
    ("class twice", "text,label\na,x|!x\n", {}, "row 2: the label 'x|!x' names the class 'x' twice."),
    (
        "truth of another type",
        "text,label,t\na,x,x|y\n",
        {"truth": "t"},
        "label and truth are not of one type. Say labels=multi",
    ),
]


@pytest.mark.parametrize(
    ("text", "options", "message"), [case[1:] for case in BAD_TABLES], ids=[case[0] for case in BAD_TABLES]
)
def test_a_table_that_cannot_be_used_is_one_line(table, tmp_path, text, options, message):
    path = tmp_path / "table.csv" if text is None else table(text)
    with pytest.raises(DataError) as caught:
        load(**{"path": path, **options} if "path" not in options else {"path": tmp_path})
    assert message.replace("TABLE", str(path)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_json_lines_that_are_none(table):
    dataset = load(
        table('{"text": "a", "label": "x"}\n{"text": \n[1]\n{"text": "b", "label": "y"}\n', "t.jsonl")
    )
    bad = []
    for position in range(4):
        try:
            dataset.read(position)
        except DataError as error:
            bad.append((dataset.origin(position)[-5:], error.what[:30]))
    assert sorted(bad) == [
        ("row 2", "the line is no JSON object: Ex"),
        ("row 3", "the line is no JSON object"),
    ]
    with pytest.raises(DataError, match="no line is a JSON object"):
        load(table("[1]\n", "t.jsonl"))


def test_options_that_do_not_go_together(tmp_path):
    with pytest.raises(ConfigError, match="quote '\"\"' is not one character"):
        CsvConfig(path=tmp_path, quote='""')
    with pytest.raises(ConfigError, match="two of all_of, one_of, absent and share are the same"):
        CsvConfig(path=tmp_path, all_of="?")


def test_one_class_is_refused(table):
    with pytest.raises(BurnishError, match="there is only one class, 'x'"):
        require_usable(load(table("text,label\na,x\nb,x\n")))


# -- notation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "marks"),
    [
        ("", Marks("unknown")),
        ("  ", Marks("unknown")),
        ("cat", Marks("plain", ("cat",))),
        (" big cat ", Marks("plain", ("big cat",))),
        ("cat|dog", Marks("all", ("cat", "dog"))),
        ("cat | dog", Marks("all", ("cat", "dog"))),
        ("cat|!dog", Marks("all", ("cat",), ("dog",))),
        ("!dog", Marks("all", (), ("dog",))),
        ("!", Marks("all")),
        ("cat?dog", Marks("one", ("cat", "dog"))),
        ("cat=0.7|dog=.3", Marks("soft", ("cat", "dog"))),
        ("cat=1", Marks("soft", ("cat",))),
        (["cat"], Marks("all", ("cat",))),
        ([], Marks("all")),
        # A mark that does not stand between names belongs to the name.
        ("lost_card?", Marks("plain", ("lost_card?",))),
        ("x=y", Marks("plain", ("x=y",))),
        ("price=1200", Marks("plain", ("price=1200",))),
        ("|", Marks("plain", ("|",))),
        ("wow!", Marks("plain", ("wow!",))),
    ],
)
def test_a_cell(cell, marks):
    assert parse(cell, ANY) == marks


@pytest.mark.parametrize("cell", ["a|b", "a?b", "!a", "a=0.5|b=0.5", "!", "a|b?c"])
def test_single_takes_a_cell_as_it_stands(cell):
    assert parse(cell, CsvConfig(path="t.csv", labels="single")) == Marks("plain", (cell,))


def test_separators_are_configurable():
    config = CsvConfig(path="t.csv", all_of=";", one_of="/", absent="no ", share=":")
    assert parse("a;b", config) == Marks("all", ("a", "b"))
    assert parse("a/b", config) == Marks("one", ("a", "b"))
    assert parse("a;no b", config) == Marks("all", ("a",), ("b",))
    assert parse("a:0.2;b:0.8", config) == Marks("soft", ("a", "b"))
    assert parse("a|b", config) == Marks("plain", ("a|b",))
    off = CsvConfig(path="t.csv", all_of="", one_of="", absent="", share="")
    assert parse("a|b?c!d=1", off) == Marks("plain", ("a|b?c!d=1",))


NAMES = st.lists(
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6), min_size=1, max_size=5, unique=True
)


@given(NAMES, st.data())
def test_what_is_written_is_read(names, data):
    absent = data.draw(st.sets(st.sampled_from(names)))
    cell = "|".join(f"!{name}" if name in absent else name for name in names)
    marks = parse(cell, ANY)
    assert set(marks.present) == set(names) - absent
    assert set(marks.absent) == absent


def entries(dataset):
    """Return {text: {class: present, absent or None for unknown}}."""
    supervision = dataset.supervision
    assert isinstance(supervision, MultiLabels)
    positive = supervision.positive.toarray()
    observed = np.ones_like(positive) if supervision.observed is None else supervision.observed.toarray()
    names = dataset.classes.names
    return {
        dataset.read(p): {
            name: bool(positive[p, c]) if observed[p, c] else None for c, name in enumerate(names)
        }
        for p in range(len(dataset))
    }


def test_all_of_makes_multi_labels(table):
    assert entries(load(table("text,label\n1,a|b\n2,b\n3,\n4,!\n"))) == {
        "1": {"a": True, "b": True},
        "2": {"a": False, "b": True},
        "3": {"a": None, "b": None},
        "4": {"a": False, "b": False},
    }


def test_known_absent_makes_the_unnamed_unknown(table):
    text = "text,label\n1,a|!b\n2,b\n3,c\n4,!\n"
    assert entries(load(table(text))) == {
        "1": {"a": True, "b": False, "c": None},
        "2": {"a": None, "b": True, "c": None},
        "3": {"a": None, "b": None, "c": True},
        "4": {"a": False, "b": False, "c": False},
    }
    assert entries(load(table(text), unnamed="absent"))["2"] == {"a": False, "b": True, "c": False}


def test_lists_in_json_are_multi_labels(table):
    lines = [{"text": "1", "label": ["a", "b|c"]}, {"text": "2", "label": []}, {"text": "3", "label": ["a"]}]
    dataset = load(table("\n".join(map(json.dumps, lines)), "t.jsonl"))
    assert entries(dataset)["1"] == {"a": True, "b|c": True}
    assert entries(dataset)["2"] == {"a": False, "b|c": False}


def test_multi_can_be_said(table):
    text = "text,label\n1,a\n2,b\n"
    assert isinstance(load(table(text)).supervision, Labels)
    assert entries(load(table(text), labels="multi"))["1"] == {"a": True, "b": False}


def test_nothing_labelled_where_that_is_said(table):
    dataset = load(table("text\n1\n2\n"), label="-", classes=("a", "b"))
    assert not dataset.supervision.known.any()


# -- before a run --------------------------------------------------------------------------------------------


def test_provides_and_guess(table, tmp_path):
    path = table("text,label,group\na,x,g\n")
    assert _light.csv_provides(CsvConfig(path=path)) == {"text", "labels", "multi-labels", "groups"}
    assert _light.csv_provides(CsvConfig(path=path, labels="single", group="-")) == {"text", "labels"}
    assert _light.csv_provides(CsvConfig(path=table("path,label\na,x\n"), labels="multi")) == {
        "image",
        "multi-labels",
    }
    assert _light.csv_guess(path) == {"path": str(path)}
    assert _light.csv_guess(tmp_path) is None
    assert _light.csv_guess(tmp_path / "a.npz") is None


# -- acceptable answers --------------------------------------------------------------------------------------


def references(dataset):
    """Return {text: acceptable answers}."""
    return {dataset.read(p): dataset.supervision.references[p] for p in range(len(dataset))}


def test_answers_instead_of_labels(table):
    wanted = {"hot": ("cold", "icy"), "up": ("down",), "left": ()}
    for text, options, name in (
        ("text,answers\nhot,cold | icy|cold\nup,down\nleft,\n", {}, "t.csv"),
        ("text,answers,label\nhot,cold;icy,x\nup,down,y\nleft, ,z\n", {"references_separator": ";"}, "t.csv"),
        (
            (
                '{"text": "hot", "answers": ["cold", "icy"]}\n{"text": "up", "answers": "down"}\n{"text":'
                ' "left"}\n'
            ),
            {},
            "t.jsonl",
        ),
    ):
        path = table(text, name)
        dataset = load(path, references="answers", **options)
        assert isinstance(dataset.supervision, Texts)
        assert references(dataset) == wanted
        assert len(dataset.classes) == 0
        require_usable(dataset)
        assert _light.csv_provides(CsvConfig(path=path, references="answers", **options)) == {"text", "texts"}
    whole = load(table("text,answers\na,x|y\n"), references="answers", references_separator="")
    assert references(whole) == {"a": ("x|y",)}


def test_answers_that_cannot_be_meant(table):
    path = table("text,answers\na,b\n")
    with pytest.raises(ConfigError, match="references"):
        CsvConfig(path=path, references="answers", label="text")
    with pytest.raises(DataError, match="no column 'answer' for references"):
        load(path, references="answer")
    with pytest.raises(DataError, match="label"):
        require_usable(load(table("text,answers\na,\n"), references="answers"))
