"""Around every request: its log line and its count, faults caught, slow takers, safe headers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bshm.serve.metrics import Metrics

log = logging.getLogger("bshm.serve")
access = logging.getLogger("bshm.serve.access")

PIECE = 1 << 18  # bytes of an answer handed over at a time
LEFT = 499  # the status in logs of a client that left, as nginx has it
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"server", b"bshm"),
)


@dataclass
class Notes:
    """What those who answer a request note about it.

    endpoint: its name, for metrics
    quiet: whether it is counted, and not logged
    facts: for its log line; no secrets
    headers: what every answer to it has, a refusal, too
    """

    endpoint: str = "other"
    quiet: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @staticmethod
    def of(scope: Scope) -> Notes:
        return scope["bshm.notes"]


class Edge:
    """ASGI middleware, the outermost.

    send_s: how long a client may take to take its answer
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, send_s: float) -> None:
        self.app, self.metrics, self.send_s = app, metrics, send_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        notes = Notes()
        is_head = scope["method"] == "HEAD"  # answered as GET is, without the body
        inner = {**scope, "bshm.notes": notes, "method": "GET" if is_head else scope["method"]}
        exchange = _Exchange(receive, send, self.send_s, notes, is_head)
        begin = time.perf_counter()
        try:
            with notes.stack:
                await self.app(inner, exchange.receive, exchange.send)
        except (ClientDisconnect, _TooSlow):
            exchange.status = LEFT
        except Exception:
            log.exception("a request met an unexpected error")
        finally:
            seconds = time.perf_counter() - begin
            self.metrics.answered(notes.endpoint, exchange.status, seconds)
            if not notes.quiet:
                access.info(_line(scope, notes, exchange, seconds))


class _TooSlow(Exception):
    """The client does not take its answer."""


class _Exchange:
    """One request and its answer, watched."""

    def __init__(
        self, receive: Receive, send: Send, send_s: float, notes: Notes, is_head: bool
    ) -> None:
        self._receive, self._send, self._send_s = receive, send, send_s
        self._notes, self._is_head = notes, is_head
        self.status = LEFT
        self.came, self.went = 0, 0
        self._all_came = False
        self._deadline = 0.0

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.came += len(message.get("body", b""))
            self._all_came = not message.get("more_body", False)
        else:
            self._all_came = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._deadline = time.monotonic() + self._send_s
            noted = [
                (name.lower().encode(), value.encode())
                for name, value in self._notes.headers.items()
            ]
            message["headers"] = [*message.get("headers", ()), *noted, *HEADERS]
            if not self._all_came and self.status >= 400:
                message["headers"].append((b"connection", b"close"))
            await self._send(message)
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._is_head:
            body = b""
        self.went += len(body)
        for start in range(0, len(body), PIECE):
            piece = {"type": message["type"], "body": body[start : start + PIECE]}
            await self._in_time({**piece, "more_body": True})
        if not more:
            await self._in_time({"type": message["type"], "body": b"", "more_body": False})

    async def _in_time(self, message: Message) -> None:
        try:
            await asyncio.wait_for(self._send(message), self._deadline - time.monotonic())
        except asyncio.TimeoutError as error:
            raise _TooSlow from error


def _line(scope: Scope, notes: Notes, exchange: _Exchange, seconds: float) -> str:
    """One line of JSON. Neither query nor headers are in it: they may hold keys and addresses."""
    return json.dumps(
        {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "client": (scope.get("client") or ("",))[0],
            "method": scope["method"],
            "path": scope["path"][:200],
            "status": exchange.status,
            "ms": round(seconds * 1000, 1),
            "in": exchange.came,
            "out": exchange.went,
            **notes.facts,
        }
    )
