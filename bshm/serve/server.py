"""The server: sockets, signals, start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from types import FrameType
from typing import Any, Callable

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from bshm.errors import BshmError
from bshm.serve.app import build
from bshm.serve.crew import Crew
from bshm.serve.service import Service
from bshm.serve.settings import Settings

HEAD_S = 15.0  # seconds in which a connection sends the whole head of a request
ABOUT_S = 1.0  # seconds for a connection made just before the end to send its request
LINGER_S = 3.0  # seconds for which the rest of a refused body is read, and thrown away
KEEP_S = 10  # seconds that a connection without one is kept open
LISTEN_FDS = 3  # the first socket that systemd hands over
BACKLOG = 1024  # connections that the system may keep for us


def serve(settings: Settings, crew: Crew, tell: Callable[[str], None]) -> int:
    """Serve until told to stop; the number of the signal that said so.

    crew: launched already; it is stopped at the end
    tell: called with the service's addresses once it listens; whether a worker starts shows later

    Raises BshmError where the address cannot be listened at, or no worker starts.
    """
    try:
        service = Service(settings, crew)
        listening = _listen(settings)
        _raise_file_limit()
        server = _Server(service)
        tell(" ".join(map(_address, listening)))
        server.run(sockets=listening)
    finally:  # told twice, it leaves the application no time to do so
        crew.stop()
    if server.failure:
        raise server.failure
    return server.told


class _Server(uvicorn.Server):
    def __init__(self, service: Service) -> None:
        self.service = service
        self.failure: BshmError | None = None
        self.told = 0
        app = build(service, self._warm_up, service.crew.stop)
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            forwarded_allow_ips=list(service.settings.proxies),
            timeout_keep_alive=KEEP_S,
            timeout_graceful_shutdown=int(service.settings.stop_s),
        )
        super().__init__(config)

    def _warm_up(self) -> asyncio.Future:
        async def warm() -> None:
            try:
                await self.service.crew.ready()
            except BshmError as error:
                self.failure = error
                self.should_exit = True

        return asyncio.ensure_future(warm())

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """uvicorn's own would raise the signal again at the end; a stop that was asked for is none
        by a signal.
        """
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop: at first say not ready for a while, then take no more; at once if told twice."""
        if self.told:
            self.should_exit = self.force_exit = True
            return
        self.told = sig
        self.service.is_stopping = True
        drain_s = self.service.settings.drain_s

        def stop() -> None:
            self.should_exit = True

        if drain_s:
            asyncio.get_running_loop().call_later(drain_s, stop)
        else:
            stop()


class _Protocol(H11Protocol):
    """A connection that must say what it wants within `HEAD_S`."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        lingering: Any = _Lingering(transport, self)
        super().connection_made(lingering)
        self.client = _plain(self.client)
        self._wait()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._patience:
            self._patience.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """A connection that is new may be about to ask; others close when they are through."""
        if self.cycle is None:
            self.loop.call_later(ABOUT_S, super().shutdown)
        else:
            super().shutdown()

    def _wait(self) -> None:
        if self._patience:
            self._patience.cancel()
        self._patience = self.loop.call_later(HEAD_S, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


class _Lingering:
    """A transport that takes its time to close where the client still sends.

    Closed at once, the connection would be reset, and the client would never see why it was
    refused. What comes is thrown away as it is: a refusal has to cost nearly nothing.
    """

    def __init__(self, transport: Any, protocol: _Protocol) -> None:
        self._transport, self._protocol = transport, protocol
        self._lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._lingers or self._transport.is_closing()

    def close(self) -> None:
        if self._lingers:
            return
        if self._transport.is_closing() or self._protocol.conn.their_state is not h11.SEND_BODY:
            self._transport.close()
            return
        self._lingers = True
        self._transport.set_protocol(_Farewell(self._transport, self._protocol))
        self._transport.write_eof()
        self._transport.resume_reading()


class _Farewell(asyncio.Protocol):
    """Reads, for a while, and keeps nothing."""

    def __init__(self, transport: Any, protocol: _Protocol) -> None:
        self._protocol = protocol
        self._end = asyncio.get_running_loop().call_later(LINGER_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()
        self._protocol.connection_lost(exc)


def _plain(client: tuple[str, int] | None) -> tuple[str, int]:
    """Who is connected, as `--proxies` names them.

    A socket with a path has clients of this machine alone; one of both versions of IP calls those
    of the older ::ffff:127.0.0.1.
    """
    if client is None:
        return "127.0.0.1", 0
    host, port = client
    return (host[7:] if host.startswith("::ffff:") and "." in host else host), port


def _address(listening: socket.socket) -> str:
    """Where a socket is asked."""
    if listening.family == getattr(socket, "AF_UNIX", None):
        return "unix:%s" % listening.getsockname()
    host, port = listening.getsockname()[:2]
    return "http://%s:%d" % ("[%s]" % host if ":" in host else host, port)


def _listen(settings: Settings) -> list[socket.socket]:
    """The sockets: of systemd, which keeps connections waiting while we start again, or our own."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        given = range(int(os.environ.get("LISTEN_FDS", "0")))
        if given:
            return [socket.socket(fileno=LISTEN_FDS + number) for number in given]
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # milliseconds; who takes nothing any more is gone
            timeout = int(settings.send_s * 1000)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        where = "%s:%d" % (settings.host, settings.port)
        reason = "cannot be listened at: %s" % error.strerror
        raise BshmError(reason, where, "not_listening") from error
    return [listening]


def _raise_file_limit() -> None:
    """Let there be as many connections as the system allows."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
