"""Language models behind any server that speaks OpenAI's protocol.

VLLM, llama.cpp, Ollama, hosted services.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import burnish
from burnish.errors import ConfigError

BURNISH_API = 1

WHERE = "openai-server"
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts to which a key may go without encryption."""


@dataclass(frozen=True)
class ServerConfig:
    """Which server and model, and what a run may cost."""

    base_url: str = field(
        default="http://localhost:8000/v1",
        metadata={"help": "address before /chat/completions, such as http://localhost:8000/v1"},
    )
    model: str = field(default="default", metadata={"help": "name of the model, as the server calls it"})
    revision: str = field(
        default="",
        metadata={
            "help": (
                "your name for the state of the model: another one asks everything again. The server does not"
                " check it"
            )
        },
    )
    key_variable: str = field(
        default="",
        metadata={"running": True, "help": "environment variable with the key; none is sent if not given"},
    )
    api: Literal["chat", "completions"] = field(
        default="chat", metadata={"help": "chat: a prompt is a user's turn; completions: it is continued"}
    )
    system: str = field(default="", metadata={"help": "the system's turn before each prompt, in chats"})
    length: Literal["max_tokens", "max_completion_tokens"] = field(
        default="max_tokens", metadata={"help": "what the server calls the longest answer in a request"}
    )
    send_seed: bool = field(
        default=True, metadata={"help": "whether the seed of an item is sent, which some servers refuse"}
    )
    max_requests: int = field(
        default=10_000,
        metadata={
            "running": True,
            "help": "requests that a run may send, repeated ones too",
            "range": (1, 10**9),
        },
    )
    max_tokens: int = field(
        default=10_000_000,
        metadata={
            "running": True,
            "help": "tokens of prompts and answers that a run may use, as the server counts them",
            "range": (1, 10**12),
        },
    )
    timeout: float = field(
        default=60.0,
        metadata={
            "running": True,
            "help": "seconds after which a request is given up",
            "range": (0.01, 3600),
        },
    )
    retries: int = field(
        default=4,
        metadata={"running": True, "help": "how often a failed request is repeated", "range": (0, 20)},
    )
    backoff: float = field(
        default=1.0,
        metadata={
            "running": True,
            "help": "seconds before the first repetition; each further one waits twice as long, at most 60",
            "range": (0, 60),
        },
    )
    parallel: int = field(default=4, metadata={"running": True, "help": "requests at once", "range": (1, 64)})

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.base_url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ConfigError(f"base_url is no address: {error}", where=WHERE) from error
        del port
        if parts.scheme not in ("http", "https") or not host:
            raise ConfigError(
                "base_url is no address of the web", where=WHERE, possible="such as http://localhost:8000/v1"
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            # Not shown: it may hold a secret, and the address is part of the plan.
            what = "base_url has a user, password, query or fragment, which would be written into plans"
            raise ConfigError(
                what, where=WHERE, todo="Give a key by an environment variable: key_variable=NAME"
            )
        if self.key_variable and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.key_variable):
            raise ConfigError(
                "key_variable is no name of an environment variable",
                where=WHERE,
                todo="Name the variable, never the key itself",
            )
        if self.key_variable and parts.scheme == "http" and host not in LOCAL:
            raise ConfigError(
                "a key would be sent without encryption",
                where=WHERE,
                possible="https, or a server on this machine",
            )
        if self.system and self.api != "chat":
            raise ConfigError(
                "system is for chats alone", where=WHERE, todo="Write api=chat, or leave it out"
            )
        if not self.model.strip():
            raise ConfigError("model is empty", where=WHERE)


def fingerprint(config: ServerConfig) -> str:
    """Return a hash of what is known of the model.

    Address, name, given revision, and how prompts are wrapped. The server may still change it.
    """
    known = [
        config.base_url.rstrip("/"),
        config.model,
        config.revision,
        config.api,
        config.system,
        config.length,
        config.send_seed,
    ]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


@burnish.hookimpl
def burnish_backbones() -> list[burnish.Backbone]:
    """Return the backbone."""
    return [
        burnish.Backbone(
            name="openai-server",
            summary=(
                "A language model behind any OpenAI-compatible server: answers, no features; not reproducible"
            ),
            example="base_url=http://localhost:8000/v1,model=NAME",
            target="burnish_openai_server.server:Server",
            config=ServerConfig,
            fingerprint="burnish_openai_server:fingerprint",
            needs=frozenset({"text"}),
            provides=frozenset({"generate", "not-reproducible"}),
        )
    ]
