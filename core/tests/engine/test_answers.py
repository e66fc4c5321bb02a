"""Answers of language models: asked once, kept whole, made again where they are damaged.

And texts as supervision and scores.
"""

import sqlite3
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.config import running
from burnish.contracts import Decoding, Scores
from burnish.data import Classes, Labels, Texts, content_id, stack_ids
from burnish.engine.answers.answers import AT_ONCE, AnswerCache, AnswerSpec, ask, item_seeds
from burnish.engine.care import list_kept, prune, verify
from burnish.errors import DataError, MachineError, PluginError
from burnish.numeric import detect
from burnish.plan import Part
from burnish.testing.outcomes import outcome as made_outcome

GREEDY, DRAWN = Decoding(), Decoding(temperature=0.7)


class Model:
    def __init__(self, fails_after=10**9):
        self.calls, self.fails_after = [], fails_after

    def generate(self, prompts, decoding, seeds):
        if len(self.calls) >= self.fails_after:
            raise MachineError("the server has gone", where="model")
        self.calls.append(list(zip(prompts, seeds, strict=True)))
        return [
            f"{prompt}, seed {seed}, at {decoding.temperature:g}"
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]

    @property
    def asked(self):
        return [pair for call in self.calls for pair in call]


def spec(name="model"):
    return AnswerSpec(Part("backbone", "plugin", name, {}, "code", "", name), detect(device="cpu"))


@pytest.fixture
def kept(tmp_path):
    return AnswerCache(tmp_path, spec())


def test_answers_come_in_order_and_are_asked_once(kept):
    model = Model()
    prompts = [[f"a{n}", f"b{n}"] for n in range(20)] + [["a0", "b0"]]
    seeds = [*range(20), 0]
    first = ask(lambda: model, prompts, DRAWN, seeds, kept)
    assert first.shape == (21, 2)
    assert first[3, 1] == "b3, seed 3, at 0.7"
    assert len(model.asked) == len(set(model.asked)) == 40
    assert max(map(len, model.calls)) == AT_ONCE
    again = ask(
        lambda: pytest.fail("nothing is missing"), prompts, DRAWN, seeds, AnswerCache(kept.folder, spec())
    )
    assert (again == first).all()


def test_what_decides_an_answer_is_in_its_key(kept):
    model = Model()
    for decoding in (
        DRAWN,
        Decoding(temperature=0.7, stop=("x",)),
        Decoding(temperature=0.7, max_new_tokens=3),
    ):
        for prompt, seed in (("p", 0), ("p", 1), ("q", 0)):
            ask(lambda: model, [[prompt]], decoding, [seed], kept)
    ask(lambda: model, [["p"]], DRAWN, [0], AnswerCache(kept.folder, spec("another")))
    assert len(model.asked) == 10


def test_the_likeliest_answer_has_no_seed(kept):
    model = Model()
    ask(lambda: model, [["p"], ["p"]], GREEDY, [1, 2], kept)
    assert model.asked == [("p", 0)]


def test_a_run_goes_on_where_it_was(kept):
    prompts = [[f"p{n}"] for n in range(3 * AT_ONCE)]
    broken, whole = Model(fails_after=2), Model()
    with pytest.raises(MachineError, match="has gone"):
        ask(lambda: broken, prompts, GREEDY, [0] * len(prompts), kept)
    table = ask(lambda: whole, prompts, GREEDY, [0] * len(prompts), kept)
    assert len(whole.asked) == AT_ONCE
    assert [text for (text,) in table] == [f"p{n}, seed 0, at 0" for n in range(len(prompts))]


def test_a_damaged_file_is_set_aside(kept, monkeypatch):
    model = Model()
    ask(lambda: model, [["p"]], GREEDY, [0], kept)
    kept.path.write_bytes(b"this is no database " * 100)
    monkeypatch.setattr("burnish.engine.answers.answers._checked", set())  # as in another process
    later = AnswerCache(kept.folder, spec())
    assert ask(lambda: model, [["p"]], GREEDY, [0], later)[0, 0] == "p, seed 0, at 0"
    assert len(model.asked) == 2
    assert "set aside" in later.warnings[0]
    assert list(kept.path.parent.glob("*.damaged"))


def test_answers_are_listed_verified_and_removed_only_when_asked_to(kept):
    other = AnswerCache(kept.folder, spec("another"))
    for cache, prompts in ((kept, [["p"], ["q"]]), (other, [["p"]])):
        ask(lambda: Model(), prompts, GREEDY, [0] * len(prompts), cache)
    found = {info.key: info for info in list_kept(kept.folder)}
    assert {key: (info.text, info.items, info.damaged) for key, info in found.items()} == {
        kept.spec.key(): (kept.spec.backbone.text, 2, False),
        other.spec.key(): (other.spec.backbone.text, 1, False),
    }
    assert found[kept.spec.key()].size == kept.path.stat().st_size
    assert verify(kept.folder) == (2, [])
    assert prune(kept.folder) == prune(kept.folder, older_than=3600) == []
    other.path.write_bytes(b"this is no database " * 100)
    whole, damage = verify(kept.folder)
    assert (whole, [item.path for item in damage]) == (1, [other.path])
    assert [(info.key, info.damaged) for info in prune(kept.folder)] == [(other.spec.key(), True)]
    assert [info.key for info in prune(kept.folder, key=kept.spec.key()[:6])] == [kept.spec.key()]
    assert list((kept.folder / "answers").iterdir()) == list_kept(kept.folder) == []


def test_a_damaged_file_goes_without_the_one_that_took_its_place(kept):
    ask(lambda: Model(), [["p"]], GREEDY, [0], kept)
    kept.path.with_name(kept.path.name + ".damaged").write_bytes(b"x")
    assert [info.damaged for info in prune(kept.folder)] == [True]
    assert [info.items for info in list_kept(kept.folder)] == [1]
    assert list_kept(kept.folder / "nowhere") == []


def test_a_file_that_cannot_be_read_stays_until_it_is_verified(kept):
    ask(lambda: Model(), [["p"]], GREEDY, [0], kept)
    kept.path.write_bytes(b"this is no database " * 100)
    assert [info.damaged for info in list_kept(kept.folder)] == [True]
    assert prune(kept.folder) == []
    assert kept.path.exists()
    assert [info.file for info in prune(kept.folder, everything=True)] == [kept.path.name]
    assert not kept.path.exists()


def test_a_cache_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "answers").write_text("a file in the way")
    with pytest.raises(MachineError):
        ask(lambda: Model(), [["p"]], GREEDY, [0], AnswerCache(tmp_path, spec()))


def test_odd_texts_survive(kept):
    class Odd(Model):
        def generate(self, prompts, decoding, seeds):
            return ["\ud800 \x00 ü\n" for _ in prompts]

    first = ask(Odd, [["p"]], GREEDY, [0], kept)
    assert ask(Odd, [["p"]], GREEDY, [0], kept)[0, 0] == first[0, 0] == "\ud800 \x00 ü\n"
    with sqlite3.connect(kept.path) as db:
        assert db.execute("SELECT count(*) FROM answers").fetchone() == (1,)


@pytest.mark.parametrize("answers", [["one"], ["one", None], "ab", ("one", "two")])
def test_a_model_that_breaks_its_word_is_named(answers):
    class Broken(Model):
        def generate(self, prompts, decoding, seeds):
            return answers

    with pytest.raises(PluginError, match="one text for each"):
        ask(Broken, [["p", "q"]], GREEDY, [0])


def test_nothing_is_asked_of_nothing():
    assert ask(lambda: pytest.fail("nothing to ask"), [], GREEDY, []).shape == (0, 0)
    with pytest.raises(PluginError):
        ask(Model, [["p"], ["p", "q"]], GREEDY, [0, 0])


def test_seeds_follow_content_and_seed_alone():
    ids = stack_ids([content_id("text", text) for text in ("a", "b", "c")])
    seeds = item_seeds(ids, 7)
    assert item_seeds(ids[::-1], 7) == seeds[::-1]
    assert len({*seeds, *item_seeds(ids, 8)}) == 6
    assert all(0 <= seed < 2**31 for seed in seeds)


# -- texts as supervision and scores -------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.text("ab ", min_size=1).filter(str.strip), max_size=3), min_size=1, max_size=6),
    st.data(),
)
def test_texts_are_taken_and_hidden(references, data):
    texts = Texts(references=tuple(map(tuple, references)))
    index = np.array(data.draw(st.lists(st.integers(0, len(references) - 1), max_size=5)), dtype=np.int64)
    taken = texts.take(index)
    assert list(taken.references) == [tuple(references[i]) for i in index]
    assert texts.known.tolist() == [bool(row) for row in references]
    hidden = texts.hide(index)
    assert [not row for row in hidden.references] == [
        i in index or not row for i, row in enumerate(references)
    ]
    changed = texts.differs(hidden)
    assert changed.tolist() == [i in index and bool(row) for i, row in enumerate(references)]
    assert (texts.fingerprint() == hidden.fingerprint()) == (not changed.any())


def test_texts_are_checked():
    for bad in ((" ",), ("",), (5,)):
        with pytest.raises(DataError, match="item 1"):
            Texts(references=(("a",), bad))
    with pytest.raises(DataError, match="weights"):
        Texts(references=(("a",),), weights=np.ones(2, dtype=np.float32))
    weighted = Texts(references=(("a",), ()), weights=np.array([1, 0], dtype=np.float32))
    assert weighted.fingerprint() != weighted.with_weights(None).fingerprint()
    assert weighted.counts(0).shape == (0,)
    with pytest.raises(DataError, match="in the place of"):
        weighted.differs(Labels(y=np.zeros(2, dtype=np.int64)))


def test_scores_in_words():
    classes = Classes.of(["a", "b"])
    scores = Scores(
        "texts", np.array([[0, 1], [0, 0], [1, 0]], dtype=np.float32), classes, texts=("B.", "what?", "a")
    )
    assert scores.top().tolist() == [1, -1, 0]
    with pytest.raises(DataError, match="no probabilities"):
        scores.probabilities()
    assert Scores(
        "texts", np.zeros((2, 0), dtype=np.float32), Classes.of([]), texts=("x", "y")
    ).top().tolist() == [-1, -1]
    for meaning, texts in (("texts", None), ("texts", ("x",)), ("logits", ("x", "y", "z"))):
        with pytest.raises(DataError):
            Scores(meaning, scores.values, classes, texts=texts)


# -- backbones without features ------------------------------------------------------------------------------


def test_features_that_nobody_made_are_refused_in_words():
    outcome = replace(made_outcome(), table=None)
    with pytest.raises(PluginError, match="without declaring needs"):
        outcome.features("test")
    assert outcome.answers("test") is None
    assert outcome.scores("test").values.shape[1] == 3


def test_options_that_say_how_something_runs_are_in_no_key():
    @dataclass(frozen=True)
    class Config:
        model: str = field(default="m", metadata={"help": "which"})
        timeout: float = field(default=1.0, metadata={"help": "how long", "running": True})

    assert running(Config()) == ("timeout",)

    def digest(fingerprint="", **options):
        given = {"model": "m", "timeout": 1.0} | options
        return Part(
            "backbone", "plugin", "name", given, "code", fingerprint, "label", running=("timeout",)
        ).digest

    assert digest() == digest(timeout=9.0)
    assert digest("print") == digest("print", timeout=9.0)
    assert digest() != digest(model="another")
