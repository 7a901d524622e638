"""Which addresses the service may fetch from: none that leads into its own network.

Meant for ``--allow-urls public`` or prefixes. A prefix names scheme, host, port and the beginning
of the path. Its host is checked as any other, unless it is an IP address: who wrote that down
means it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple, Union
from urllib.parse import quote, urlsplit

from bshm.errors import BshmError

PUBLIC = "public"
PORTS = {"http": 80, "https": 443}

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class Target(NamedTuple):
    """An address taken apart. path: with the query, ready to be sent."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """What the header Host says."""
        host = "[%s]" % self.host if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else "%s:%d" % (host, self.port)


def parse(url: str) -> Target | None:
    """An http(s) address without a user in it, or None."""
    if not 8 <= len(url) <= 4096 or re.search(r"[\s\\\x00-\x1f\x7f]", url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").rstrip(".").encode("idna").decode("ascii")
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]") if parts.query else ""
    except ValueError:  # of half a surrogate, too, which JSON may hold
        return None
    if parts.scheme not in PORTS or not host or "@" in parts.netloc or "%" in host:
        return None
    return Target(parts.scheme, host.lower(), port or PORTS[parts.scheme], path + query)


class Rules:
    """Which addresses are allowed: ``public`` ones, or those that begin with a prefix.

    Raises BshmError for what is neither.
    """

    def __init__(self, words: tuple[str, ...]) -> None:
        self.public = PUBLIC in words
        self.prefixes = [_prefix(word) for word in words if word != PUBLIC]

    def __bool__(self) -> bool:
        return self.public or bool(self.prefixes)

    def allow(self, target: Target) -> bool:
        """Whether an address may be looked up at all; `may_connect` is asked next."""
        if any(_begins(target, prefix) for prefix in self.prefixes):
            return True
        return self.public and target.port == PORTS[target.scheme]

    def may_connect(self, target: Target, ip: str) -> bool:
        """Whether the IP that its name was resolved to may be connected to."""
        written = any(_begins(target, prefix) and target.host == ip for prefix in self.prefixes)
        return written or is_public(ip)


def is_public(ip: str) -> bool:
    """Whether an IP is one of the public internet, with what is wrapped into it unwrapped."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if address in _LOCAL_NAT64:
        return False
    return all(one.is_global and not one.is_multicast for one in _unwrapped(address))


def _unwrapped(address: Address) -> list[Address]:
    """The address, and the IPv4 ones that it carries."""
    found: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if any(address in net for net in _LAST_BITS):
            carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        found += [one for one in carried if one is not None]
        if address.ipv4_mapped:  # is_global of the wrapper differs between versions of Python
            found.remove(address)
    return found


# Networks whose last 32 bits are an IPv4 address: NAT64, translated, compatible.
_LAST_BITS = [ipaddress.IPv6Network(net) for net in ("64:ff9b::/96", "::ffff:0:0:0/96", "::/96")]
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")  # where in it one is, its network decides


def _prefix(word: str) -> Target:
    target = parse(word)
    if target is None:
        raise BshmError(
            "expected public or a prefix such as https://example.org/photos/, got %r" % word,
            "allow_urls",
            "bad_setting",
        )
    return target


def _begins(target: Target, prefix: Target) -> bool:
    """Whether an address has the prefix's scheme, host and port, and its path begins with its.

    Where the prefix ends without a slash, only that path and those below it do. A path that goes
    up is none of it.
    """
    if target[:3] != prefix[:3] or re.search(r"(?i)(/|%2f)(\.|%2e){1,2}(/|%2f|\?|$)", target.path):
        return False
    folder = prefix.path if prefix.path.endswith("/") else prefix.path + "/"
    return target.path.startswith(folder) or target.path.partition("?")[0] == prefix.path
