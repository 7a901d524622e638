"""A picture behind an address, fetched so that nobody is led into the service's own network.

Each name is resolved once; the IP is checked and connected to as it is, with the name's Host and
SNI, so that a second look-up cannot answer otherwise. A redirect is an address like any other.
Proxies, cookies and passwords of this machine are never used.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import Callable
from urllib.parse import urljoin

import h11

from bshm import __version__
from bshm.serve import urls

log = logging.getLogger("bshm.serve")

MAX_REDIRECTS = 5
CHUNK = 1 << 16  # bytes read at a time


class NotFetched(Exception):
    """The picture cannot be had. Why is for the log only: an answer that told a blocked address
    from one that nobody listens at would map the network for strangers.
    """


class Fetcher:
    """Fetches pictures from where the rules allow.

    max_bytes: of one picture; total_s: for one picture, everything together
    """

    def __init__(self, rules: urls.Rules, max_bytes: int, total_s: float) -> None:
        self.rules, self.max_bytes, self.total_s = rules, max_bytes, total_s
        self._tls = ssl.create_default_context()

    async def fetch(self, url: str, hold: Callable[[int], None]) -> bytes:
        """The bytes; ``hold`` is told of each part that comes, and may raise. Raises NotFetched."""
        try:
            return await asyncio.wait_for(self._follow(url, hold), self.total_s)
        except (OSError, asyncio.TimeoutError, h11.ProtocolError, UnicodeError) as error:
            raise NotFetched(type(error).__name__) from error

    async def _follow(self, url: str, hold: Callable[[int], None]) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            target = urls.parse(url)
            if target is None or not self.rules.allow(target):
                raise NotFetched("not allowed")
            status, location, body = await self._get(target, hold)
            if status == 200:
                return body
            if status not in (301, 302, 303, 307, 308) or not location:
                raise NotFetched("HTTP %d" % status)
            try:
                url = urljoin(url, location)
            except ValueError as error:
                raise NotFetched("a redirect to nowhere") from error
        raise NotFetched("too many redirects")

    async def _get(
        self, target: urls.Target, hold: Callable[[int], None]
    ) -> tuple[int, str, bytes]:
        """Status, header Location, and the body where the status is 200."""
        reader, writer = await self._connect(target)
        try:
            connection = h11.Connection(h11.CLIENT)
            headers = [
                ("Host", target.netloc),
                ("User-Agent", "bshm/" + __version__),
                ("Accept", "image/*"),
                ("Accept-Encoding", "identity"),
                ("Connection", "close"),
            ]
            request = h11.Request(method="GET", target=target.path, headers=headers)
            writer.write(connection.send(request) + connection.send(h11.EndOfMessage()))
            return await self._answer(connection, reader, hold)
        finally:
            writer.transport.abort()

    async def _connect(
        self, target: urls.Target
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first IP of a host that answers, if all may be connected to."""
        https = target.scheme == "https"
        refused: OSError = OSError("no address")
        for ip in await self._resolve(target):
            try:
                return await asyncio.open_connection(
                    ip,
                    target.port,
                    ssl=self._tls if https else None,
                    server_hostname=target.host if https else None,
                )
            except OSError as error:
                refused = error
        raise refused

    async def _resolve(self, target: urls.Target) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        ips = [str(entry[4][0]) for entry in found]
        if not all(self.rules.may_connect(target, ip) for ip in ips):
            raise NotFetched("not a public address")
        return ips

    async def _answer(
        self, connection: h11.Connection, reader: asyncio.StreamReader, hold: Callable[[int], None]
    ) -> tuple[int, str, bytes]:
        parts: list[bytes] = []
        size, status, location = 0, 0, ""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(CHUNK))
            elif isinstance(event, h11.Response):
                status = event.status_code
                named = dict(event.headers)
                location = named.get(b"location", b"").decode("latin-1")
                declared = named.get(b"content-length", b"0")
                if status != 200:
                    return status, location, b""
                if int(declared) > self.max_bytes:
                    raise NotFetched("too large")
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > self.max_bytes:
                    raise NotFetched("too large")
                hold(len(event.data))
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return status, location, b"".join(parts)
            elif isinstance(event, h11.ConnectionClosed):
                raise NotFetched("the download broke off")
