"""A real HTTP server on this machine that speaks OpenAI's protocol.

It answers from a script, for tests without a model.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What the server does with a request.

    Attributes:
        text: the answer.
        status: HTTP status; other than 200, `text` is the message of an error.
        headers: further headers.
        raw: body to send as it is, instead of one of the protocol.
        delay: seconds to wait before answering.
        drop: close the connection without a word.
    """

    text: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    delay: float = 0.0
    drop: bool = False


@dataclass(frozen=True)
class Request:
    """What the server was sent.

    Attributes:
        path: of the address.
        headers: by lower-case name.
        body: the JSON.
    """

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def prompt(self) -> str:
        """The prompt, or the last turn of the chat."""
        return str(self.body["messages"][-1]["content"] if "messages" in self.body else self.body["prompt"])


class ChatServer:
    """The server; `chat_server` starts and stops it.

    Args:
        script: what to do with a request, given how many came before it. Called from several threads.

    Attributes:
        requests: what it was sent so far.
    """

    def __init__(self, script: Callable[[Request, int], Reply]) -> None:
        self._script, self._lock, self.requests = script, threading.Lock(), list[Request]()
        self._gone = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        port = self._http.server_address[1]
        self.base_url = f"http://127.0.0.1:{port}/v1"

    def start(self) -> None:
        """Listen, in a thread."""
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._gone.set()
        self._http.shutdown()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server._answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
                del format, args

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        request = Request(
            handler.path, {name.lower(): value for name, value in handler.headers.items()}, body
        )
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
        reply = self._script(request, number)
        if reply.delay:
            self._gone.wait(reply.delay)
        if reply.drop:
            handler.close_connection = True
            return
        content = _body(request, reply) if reply.raw is None else reply.raw
        try:
            handler.send_response(reply.status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
                **reply.headers,
            }.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(content)
        except OSError:  # whoever asked has gone
            handler.close_connection = True


def _body(request: Request, reply: Reply) -> bytes:
    if reply.status != 200:
        return json.dumps({"error": {"message": reply.text, "type": "error", "code": None}}).encode()
    chat = "messages" in request.body
    said: dict[str, Any] = (
        {"message": {"role": "assistant", "content": reply.text}} if chat else {"text": reply.text}
    )
    tokens = {"prompt_tokens": len(request.prompt.split()), "completion_tokens": len(reply.text.split())}
    return json.dumps(
        {
            "id": "scripted",
            "object": "chat.completion" if chat else "text_completion",
            "created": int(time.time()),
            "model": request.body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", **said}],
            "usage": {**tokens, "total_tokens": sum(tokens.values())},
        }
    ).encode()


@contextmanager
def chat_server(script: Callable[[Request, int], Reply]) -> Iterator[ChatServer]:
    """Run a server on a free port of this machine for the length of the block.

    Args:
        script: what to do with a request, given how many came before it.
    """
    server = ChatServer(script)
    server.start()
    try:
        yield server
    finally:
        server.stop()
