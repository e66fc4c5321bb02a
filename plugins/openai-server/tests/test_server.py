"""The protocol, and everything that can go wrong with a server.

A real one on this machine, with scripted answers.
"""

import logging
import pickle
import socket
import traceback

import pytest

from burnish.contracts import Runtime
from burnish.contracts.language import Decoding
from burnish.errors import BurnishError, ConfigError, DataError, MachineError
from burnish.testing.chat_server import Reply, chat_server
from burnish_openai_server import ServerConfig, fingerprint
from burnish_openai_server.server import Secret, Server

KEY = "sk-verysecret-0123456789"
GREEDY = Decoding(max_new_tokens=5)


def server_of(server, waits=None, **options):
    config = ServerConfig(**{"base_url": server.base_url, "model": "m", "backoff": 0.5, **options})
    return Server(config, Runtime(), sleep=(waits if waits is not None else []).append)


def ask(server, waits=None, prompts=("hello",), decoding=GREEDY, **options):
    return server_of(server, waits, **options).generate(list(prompts), decoding, list(range(len(prompts))))


def first(*replies, then=None):
    """Give these replies in order, then `then`."""
    return lambda request, number: replies[number] if number < len(replies) else (then or Reply("fine"))


def test_what_is_sent_follows_the_protocol():
    with chat_server(lambda request, number: Reply(request.prompt.upper())) as server:
        drawn = Decoding(max_new_tokens=7, temperature=0.7, top_p=0.9, stop=("\n",))
        assert ask(server, prompts=["one", "two", "three"], decoding=drawn, system="Be brief.") == [
            "ONE",
            "TWO",
            "THREE",
        ]
        by_prompt = {request.prompt: request for request in server.requests}
        request = by_prompt["two"]
        assert request.path == "/v1/chat/completions"
        assert request.body == {
            "model": "m",
            "max_tokens": 7,
            "temperature": 0.7,
            "top_p": 0.9,
            "seed": 1,
            "stop": ["\n"],
            "stream": False,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "two"}],
        }
        assert "authorization" not in request.headers
        assert ask(server, api="completions", prompts=["x"]) == ["X"]
        assert server.requests[-1].path == "/v1/completions"
        assert server.requests[-1].body == {
            "model": "m",
            "max_tokens": 5,
            "temperature": 0.0,
            "stream": False,
            "prompt": "x",
        }


def test_what_servers_differ_in_can_be_said():
    with chat_server(first()) as server:
        ask(server, decoding=Decoding(temperature=1.0), send_seed=False)
        ask(server, length="max_completion_tokens")
        assert "seed" not in server.requests[0].body
        assert server.requests[1].body["max_completion_tokens"] == 5
        assert "max_tokens" not in server.requests[1].body


@pytest.mark.parametrize(
    "bad",
    [
        Reply("slow down", 429),
        Reply("oops", 500),
        Reply("busy", 503),
        Reply(drop=True),
        Reply(raw=b"<html>proxy</html>"),
        Reply(raw=b'{"choices": []}'),
        Reply(raw=b'{"choices": [{"message": {"content": 5}}]}'),
        Reply(raw=b"[]"),
        Reply(raw=b"\xff\xfe"),
        Reply(raw=b"[" * 100_000),
    ],
    ids=[
        "429",
        "500",
        "503",
        "dropped",
        "html",
        "no choices",
        "no text",
        "a list",
        "no utf-8",
        "deeply nested",
    ],
)
def test_what_may_pass_is_repeated_and_waits_longer_each_time(bad):
    waits = []
    with chat_server(first(bad, bad)) as server:
        assert ask(server, waits) == ["fine"]
        assert len(server.requests) == 3
        assert waits == [0.5, 1.0]
    with chat_server(first(then=bad)) as server, pytest.raises(MachineError, match="no answer after 3 tries"):
        ask(server, retries=2)


def test_retry_after_is_honoured_within_reason():
    for said, waited in (("3", 3.0), ("100000", 60.0), ("-1", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.5)):
        waits = []
        with chat_server(first(Reply("later", 429, {"Retry-After": said}))) as server:
            assert ask(server, waits) == ["fine"]
        assert waits == [waited]


def test_a_server_that_is_slow_or_dead_is_given_up():
    with (
        chat_server(first(then=Reply("late", delay=5))) as server,
        pytest.raises(MachineError, match=r"no answer within 0.1 s"),
    ):
        ask(server, timeout=0.1, retries=1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        address = f"http://127.0.0.1:{port}/v1"
    waits = []
    dead = Server(ServerConfig(base_url=address, model="m", retries=2), Runtime(), sleep=waits.append)
    with pytest.raises(MachineError, match="no answer after 3 tries"):
        dead.generate(["x"], GREEDY, [0])
    assert waits == [1.0, 2.0]


def test_an_answer_without_end_is_given_up():
    with (
        chat_server(first(then=Reply(raw=b" " * (9 << 20)))) as server,
        pytest.raises(MachineError, match="larger than 8 MiB"),
    ):
        ask(server, retries=0)


def test_what_cannot_pass_is_not_repeated():
    for status, kind in (
        (400, DataError),
        (413, DataError),
        (401, ConfigError),
        (403, ConfigError),
        (404, ConfigError),
        (302, ConfigError),
    ):
        with chat_server(
            first(then=Reply("the context has 8 tokens", status, {"Location": "http://127.0.0.1:1/"}))
        ) as server:
            with pytest.raises(kind, match=f"{status}: the context has 8 tokens"):
                ask(server)
            assert len(server.requests) == 1


def test_caps_end_a_run():
    with chat_server(first()) as server:
        model = server_of(server, max_requests=3, parallel=1)
        assert model.generate(["a", "b", "c"], GREEDY, [0, 1, 2]) == ["fine"] * 3
        with pytest.raises(MachineError, match="used its 3 requests"):
            model.generate(["d"], GREEDY, [0])
        assert len(server.requests) == 3
        model = server_of(server, max_tokens=3, parallel=1)
        assert model.generate(["a", "b"], GREEDY, [0, 1]) == ["fine"] * 2
        assert model.budget.tokens == 4
        with pytest.raises(MachineError, match="used its 3 tokens"):
            model.generate(["c"], GREEDY, [0])
    with chat_server(first(then=Reply("oops", 500))) as server:  # repetitions count
        with pytest.raises(MachineError, match="used its 2 requests"):
            ask(server, max_requests=2)
        assert len(server.requests) == 2


def test_the_key_is_sent_and_shown_nowhere(monkeypatch, caplog):
    monkeypatch.setenv("EP_TEST_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    echoes = [
        Reply(f"bad key {KEY}", 401),
        Reply(f"bad request {KEY}", 400),
        Reply(KEY, 500),
        Reply(raw=KEY.encode()),
    ]
    replies = [*echoes, Reply(drop=True), Reply("no", 401)]
    for reply in replies:
        with chat_server(first(then=reply)) as server:
            model = server_of(server, key_variable="EP_TEST_KEY", retries=0)
            with pytest.raises(BurnishError) as caught:
                model.generate(["x"], GREEDY, [0])
            assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        assert KEY not in str(caught.value)
        assert KEY not in "".join(traceback.format_exception(caught.value))
        if KEY.encode() not in (
            reply.raw or reply.text.encode()
        ):  # what the server itself said is among the local variables
            frames = [
                frame
                for frame, _ in traceback.walk_tb(caught.value.__traceback__)
                if "burnish_openai_server" in frame.f_code.co_filename
            ]
            assert frames
            assert not any(KEY in repr(frame.f_locals) for frame in frames)
        assert caught.value.__cause__ is None or KEY not in repr(caught.value.__cause__)
        assert KEY not in repr(vars(model))
    config = ServerConfig(key_variable="EP_TEST_KEY")
    assert KEY not in repr(config) + fingerprint(config)
    assert KEY not in caplog.text
    with pytest.raises(TypeError):
        pickle.dumps(Secret(KEY))


def test_a_key_that_is_none_is_refused_without_showing_it(monkeypatch):
    monkeypatch.delenv("EP_TEST_KEY", raising=False)
    with pytest.raises(ConfigError, match="EP_TEST_KEY is not set"):
        Server(ServerConfig(key_variable="EP_TEST_KEY"), Runtime())
    monkeypatch.setenv("EP_TEST_KEY", "two words")
    with pytest.raises(ConfigError, match="is no key") as caught:
        Server(ServerConfig(key_variable="EP_TEST_KEY"), Runtime())
    assert "two words" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "ftp://host.example/v1"},
        {"base_url": "localhost:8000"},
        {"base_url": "http://user:secret@host.example/v1"},
        {"base_url": "http://host.example:port/v1"},
        {"base_url": "http://host.example/v1?key=secret"},
        {"base_url": "http://elsewhere.example/v1", "key_variable": "KEY"},
        {"key_variable": KEY},
        {"api": "completions", "system": "Be brief."},
        {"model": " "},
    ],
)
def test_options_that_cannot_be_meant(options):
    with pytest.raises(ConfigError) as caught:
        ServerConfig(**options)
    assert "secret" not in str(caught.value)


def test_offline_asks_this_machine_alone():
    with pytest.raises(MachineError, match="offline"):
        Server(ServerConfig(base_url="https://elsewhere.example/v1"), Runtime(offline=True))
    with chat_server(first()) as server:
        model = Server(ServerConfig(base_url=server.base_url), Runtime(offline=True))
        assert model.generate(["x"], GREEDY, [0]) == ["fine"]


def test_an_error_ends_the_other_requests():
    def script(request, number):
        return Reply("no", 400) if request.prompt == "0" else Reply("fine", delay=0.01)

    with chat_server(script) as server:
        with pytest.raises(DataError):
            ask(server, prompts=[str(n) for n in range(60)], parallel=2)
        assert len(server.requests) < 40


def test_an_error_ends_the_waiting_of_the_others():
    def script(request, number):
        return (
            Reply("no", 400, delay=0.2)
            if request.prompt == "last"
            else Reply("later", 503, {"Retry-After": "60"})
        )

    with chat_server(script) as server:
        model = Server(ServerConfig(base_url=server.base_url, parallel=2), Runtime())
        with pytest.raises(DataError, match="no"):
            model.generate(["last", "busy"], GREEDY, [0, 1])  # else this takes a minute
        assert len(server.requests) == 2
