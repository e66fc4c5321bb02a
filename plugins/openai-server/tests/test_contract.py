"""The contract kit, against a real server on this machine with scripted answers."""

from burnish.testing import LanguageModelContract, missing_contracts
from burnish.testing.chat_server import ChatServer, Reply

_server = ChatServer(lambda request, number: Reply(f"you said {request.prompt[::-1]}"))
_server.start()


class TestServer(LanguageModelContract):
    plugin, name = "openai-server", "openai-server"
    example = {"base_url": _server.base_url, "model": "scripted"}
    others = (
        {"base_url": "http://localhost:1/v1", "model": "a"},
        {"base_url": "http://localhost:1/v1", "model": "b"},
        {"base_url": "http://localhost:1/v1", "model": "b", "revision": "2026-11"},
        {"base_url": "http://localhost:1/v1", "model": "b", "system": "You are terse."},
    )


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("openai-server", globals()) == []
