"""Asking a server: one request a prompt, some at once, repeated where that can help, within caps."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NoReturn

import httpx

from burnish.errors import ConfigError, DataError, MachineError, one_line
from burnish_openai_server import LOCAL, WHERE, ServerConfig

if TYPE_CHECKING:
    from burnish.contracts import Runtime
    from burnish.contracts.language import Decoding

_REPEATED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""

_LARGEST: Final = 8 << 20
_LONGEST_WAIT: Final = 60.0
_SHOWN: Final = 200


class Secret(httpx.Auth):
    """A key that goes into requests, and that no message or local variable of ours shows."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header ``Authorization``."""
        request.headers["Authorization"] = f"Bearer {self._text}"
        yield request

    def hidden_in(self, text: str) -> str:
        """Return a text without the secret."""
        return text.replace(self._text, "...")


class _AgainError(Exception):
    """A request failed in a way that may pass.

    Args:
        reason: what happened.
        wait: seconds that the server asks to wait; None where it does not say.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.wait = reason, wait


class Budget:
    """What a run may still use; shared by threads.

    Args:
        requests: requests it may send.
        tokens: tokens it may use.
    """

    def __init__(self, requests: int, tokens: int) -> None:
        self._lock = threading.Lock()
        self._most = (requests, tokens)
        self.requests = self.tokens = 0

    def spend_request(self) -> None:
        """Count a request that is about to be sent.

        Raises:
            MachineError: the run has used what it may.
        """
        with self._lock:
            for name, used, most in (
                ("max_requests", self.requests, self._most[0]),
                ("max_tokens", self.tokens, self._most[1]),
            ):
                if used >= most:
                    todo = f"Raise {name} and run again: the answers so far are kept"
                    raise MachineError(
                        f"the run has used its {most} {name.removeprefix('max_')}", where=WHERE, todo=todo
                    )
            self.requests += 1

    def add_tokens(self, count: int) -> None:
        """Count tokens that the server says a request used."""
        with self._lock:
            self.tokens += count


class Server:
    """A language model behind a server (`burnish.contracts.language.Generates`).

    What it answers cannot be reproduced for certain.

    Args:
        config: server, model, caps.
        runtime: whether the machine is to stay offline; device and numeric mode play no part.
        sleep: how to wait, for tests; None waits in a way that an error elsewhere ends.

    Attributes:
        budget: what was used so far.

    Raises:
        ConfigError: the environment variable of the key is not set, or holds no key.
        MachineError: the run is offline, and the server is on another machine.
    """

    modality = "text"
    views = False

    def __init__(
        self, config: ServerConfig, runtime: Runtime, *, sleep: Callable[[float], None] | None = None
    ) -> None:
        host = httpx.URL(config.base_url).host
        if runtime.offline and host not in LOCAL:
            raise MachineError(f"{host} is on another machine, and the run is offline", where=WHERE)
        self._config, self._sleep, self._key = config, sleep, _key(config)
        self._url = config.base_url.rstrip("/") + (
            "/chat/completions" if config.api == "chat" else "/completions"
        )
        self.budget = Budget(config.max_requests, config.max_tokens)

    def generate(self, prompts: Sequence[str], decoding: Decoding, seeds: Sequence[int]) -> list[str]:
        """Return one answer a prompt.

        Args:
            prompts: B prompts.
            decoding: how answers are made.
            seeds: B seeds, sent with the requests where tokens are drawn.

        Raises:
            DataError: the server refuses a prompt, such as one longer than the context.
            ConfigError: it refuses the key, or does not know the model or the address.
            MachineError: it cannot be reached, goes on failing, answers with something else than the protocol
                says, or a cap is reached.
        """
        if len(prompts) != len(seeds):
            raise ValueError(f"{len(seeds)} seeds for {len(prompts)} prompts")
        if not prompts:
            return []
        # A connection a call: the object holds nothing open. Redirects are not followed, for the key would go
        # along.
        stop = threading.Event()
        with (
            httpx.Client(timeout=self._config.timeout, follow_redirects=False) as client,
            ThreadPoolExecutor(self._config.parallel) as pool,
        ):
            bodies = [self._body(prompt, decoding, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
            waiting = [pool.submit(self._answer, client, body, stop) for body in bodies]
            try:
                return [future.result() for future in waiting]
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _answer(self, client: httpx.Client, body: dict[str, Any], stop: threading.Event) -> str:
        last, sleep = _AgainError(""), self._sleep or stop.wait
        for attempt in range(self._config.retries + 1):
            if attempt:
                backoff = min(self._config.backoff * 2.0 ** (attempt - 1), _LONGEST_WAIT)
                sleep(backoff if last.wait is None else max(min(last.wait, _LONGEST_WAIT), 0.0))
            if stop.is_set():
                break
            self.budget.spend_request()
            try:
                return self._text(self._send(client, body))
            except _AgainError as failure:
                last = failure
        tries = "1 try" if not self._config.retries else f"{self._config.retries + 1} tries"
        raise MachineError(
            f"no answer after {tries}: {last.reason}",
            where=self._place(),
            todo="Look at the server and run again: answers are kept",
        )

    def _body(self, prompt: str, decoding: Decoding, seed: int) -> dict[str, Any]:
        config = self._config
        body: dict[str, Any] = {"model": config.model, "temperature": decoding.temperature, "stream": False}
        body[config.length] = decoding.max_new_tokens
        if config.api == "chat":
            system = [{"role": "system", "content": config.system}] if config.system else []
            body["messages"] = [*system, {"role": "user", "content": prompt}]
        else:
            body["prompt"] = prompt
        if decoding.temperature > 0:
            body["top_p"] = decoding.top_p
            body |= {"seed": seed} if config.send_seed else {}
        return body | ({"stop": list(decoding.stop)} if decoding.stop else {})

    def _send(self, client: httpx.Client, body: dict[str, Any]) -> Any:
        """Send one request; return the JSON that answers it.

        Exceptions of the library hold the request with its headers, so none is chained.
        """
        failure = ""
        try:
            with client.stream("POST", self._url, json=body, auth=self._key) as response:
                content = _read(response, time.monotonic() + self._config.timeout)
        except httpx.TimeoutException:
            failure = f"no answer within {self._config.timeout:g} s"
        except httpx.HTTPError as error:
            failure = self._shown(str(error)) or type(error).__name__
        except (UnicodeError, ValueError) as error:
            failure = f"the request cannot be sent: {type(error).__name__}"
        if failure:
            raise _AgainError(failure) from None
        self._check_status(response, content)
        try:
            return _json(content)
        except ValueError:
            raise _AgainError(
                f"the answer is no JSON: {self._shown(content.decode('utf-8', 'replace'))!r}"
            ) from None

    def _check_status(self, response: httpx.Response, content: bytes) -> None:
        status, said = response.status_code, self._shown(_message(content))
        told = f"the server says {status}" + (f": {said}" if said else "")
        if status == 200:
            return
        if status in _REPEATED or status >= 500:
            raise _AgainError(told, _retry_after(response))
        if status in (401, 403):
            variable = self._config.key_variable
            todo = (
                f"Look at the key in the environment variable {variable}"
                if variable
                else "Name the variable with the key: key_variable=NAME"
            )
            raise ConfigError(told, where=self._place(), todo=todo)
        if status in (400, 413, 422):
            raise DataError(
                told,
                where=self._place(),
                todo=(
                    "Look at the prompt's length, max_new_tokens, and what the server takes (send_seed, api)"
                ),
            )
        todo = "Look at base_url, model and api" if status == 404 or 300 <= status < 400 else ""
        raise ConfigError(told, where=self._place(), todo=todo)

    def _text(self, answer: Any) -> str:
        try:
            choice = answer["choices"][0]
            text = choice["message"]["content"] if self._config.api == "chat" else choice["text"]
            used = (answer.get("usage") or {}).get("total_tokens", 0)
        except (KeyError, IndexError, TypeError, AttributeError):
            raise _AgainError(
                f"the answer does not follow the protocol: {self._shown(str(answer))!r}"
            ) from None
        if isinstance(used, int) and used > 0:
            self.budget.add_tokens(used)
        if text is None and choice.get("finish_reason") == "content_filter":
            return ""
        if not isinstance(text, str):
            raise _AgainError(f"the answer's text is {self._shown(repr(text))}")
        return text

    def _place(self) -> str:
        return f"{WHERE} {self._config.base_url}, model {self._config.model}"

    def _shown(self, text: str) -> str:
        """Return a text of the server's in one short line, without the key."""
        line = one_line(text if self._key is None else self._key.hidden_in(text))
        return line if len(line) <= _SHOWN else line[:_SHOWN] + "..."


def _key(config: ServerConfig) -> Secret | None:
    if not config.key_variable:
        return None
    text = os.environ.get(config.key_variable, "").strip()
    if not text:
        raise ConfigError(
            f"the environment variable {config.key_variable} is not set",
            where=WHERE,
            todo="Set it to the key",
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(f"what the environment variable {config.key_variable} holds is no key", where=WHERE)
    return Secret(text)


def _read(response: httpx.Response, until: float) -> bytes:
    """Return the body; give up at a time of the monotonic clock, also where a few bytes come now and then."""
    content = bytearray()
    for part in response.iter_bytes():
        content += part
        if time.monotonic() > until:
            raise httpx.ReadTimeout("too slow")
        if len(content) > _LARGEST:
            raise _AgainError(f"the answer is larger than {_LARGEST >> 20} MiB")
    return bytes(content)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _message(content: bytes) -> str:
    """Return the text of an error as the protocol words it, else the beginning of what came."""
    text = content[:4096].decode("utf-8", "replace")
    try:
        found = _json(content)
        error = found.get("error", found) if isinstance(found, dict) else found
        return str(error.get("message", error) if isinstance(error, dict) else error)
    except ValueError:
        return text


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of a header Retry-After; None where there is none, or it gives a date."""
    try:
        return float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
