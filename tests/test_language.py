"""Studies with a language model behind a server: a real one on this machine, whose answers are scripted."""

import re
import threading

import pytest

from burnish.engine.predict.saved import load_predictor
from burnish.engine.runner import RunOptions
from burnish.engine.store import Store
from burnish.engine.study import run_study
from burnish.errors import MachineError
from burnish.manager import Manager
from burnish.plan import build_plan
from burnish.recipe import make_recipe
from burnish.testing.chat_server import Reply, chat_server

pytest.importorskip("burnish_openai_server")
pytest.importorskip("burnish_emotionprompt")

PLAIN, STIMULUS = "plain-prompt:instruction=Say it.", "emotionprompt:instruction=Say it.,stimulus=EP02"
KEY = "sk-verysecret-0123456789"


def table(folder, references):
    lines = ["text,references" if references else "text,label"]
    lines += [
        f"number {n} is {name},{f'{name}|the same' if references else name}"
        for n in range(40)
        for name in [("good", "bad")[n % 2]]
    ]
    path = folder / "numbers.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def recipe(path, server, references, **backbone):
    return make_recipe(
        {
            "data": {
                "use": "csv",
                "with": {"path": str(path)} | ({"references": "references"} if references else {}),
            },
            "backbone": {
                "use": "openai-server",
                "with": {"base_url": server.base_url, "model": "m", "parallel": 2, "retries": 0, **backbone},
            },
            "tuner": [
                {"use": "plain-prompt", "with": {"instruction": "Say it."}},
                {"use": "emotionprompt", "with": {"stimulus": ["EP02", "best"], "instruction": "Say it."}},
            ],
            "evaluate": ["answers"] + ([] if references else ["accuracy"]),
            "replicates": 2,
        }
    )


def answer(request, number):
    """Right on half of the numbers, and on all where the career is at stake."""
    n, said = re.findall(r"number (\d+) is (\w+)", request.prompt)[-1]
    return Reply(said.title() + "." if int(n) % 4 < 2 or "career" in request.prompt else "I cannot tell")


@pytest.mark.parametrize("references", [False, True])
def test_a_study_that_a_server_breaks_off_goes_on_with_what_is_kept(tmp_path, monkeypatch, references):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EP_TEST_KEY", KEY)
    manager, broken = Manager(), threading.Event()

    def script(request, number):
        if number == 50:
            broken.set()
        return Reply(f"no more for {KEY}", 503) if broken.is_set() else answer(request, number)

    with chat_server(script) as server:
        plan = build_plan(
            recipe(table(tmp_path, references), server, references, key_variable="EP_TEST_KEY"), manager
        )
        with pytest.raises(MachineError, match="503"):
            run_study(plan, tmp_path / "study", "plan", lambda: manager, RunOptions)
        told = len(server.requests)
        assert broken.is_set()
        broken.clear()
        # How it runs identifies nothing: the same study goes on, more patiently.
        plan = build_plan(
            recipe(
                tmp_path / "numbers.csv",
                server,
                references,
                key_variable="EP_TEST_KEY",
                retries=1,
                max_requests=5000,
            ),
            manager,
        )
        run_study(plan, tmp_path / "study", "plan", lambda: manager, RunOptions)
        good = [
            (r.prompt, r.body.get("seed")) for at, r in enumerate(server.requests) if at < 48 or at >= told
        ]
        assert len(set(good)) >= len(good) - 16  # at most the prompts of one call were asked for twice
        with Store(tmp_path / "study" / "study.sqlite") as store:
            records = list(store.records().values())
        assert [record.error for record in records] == [""] * 6
        found = {(r.axes["tuner"], r.replicate): {m.name: m.value for m in r.measures} for r in records}
        for replicate in range(2):
            plain, stimulus = (found[name, replicate] for name in (PLAIN, STIMULUS))
            assert plain["exact-match"] < stimulus["exact-match"] == 1
        if not references:
            assert all(
                measures["accuracy"] == measures["exact-match"] == 1 - measures["unparsed"]
                for measures in found.values()
            )
        folder = next((tmp_path / "study" / "predictors").iterdir())
        assert load_predictor(folder, manager).predict(["number 4 is good"]).texts == ("Good.",)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in written
    assert b"EP_TEST_KEY" in written
