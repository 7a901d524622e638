"""How often one may ask: a bucket for each key, or address, that fills up over a minute."""

from __future__ import annotations

import contextlib
import ipaddress
import math
import time
from collections import OrderedDict

from bshm.serve.refusal import Refusal

MAX_KNOWN = 10_000  # callers remembered; those that asked longest ago are forgotten first


def household(ip: str) -> str:
    """Who asks from an IP: of version 6 a household has 2⁶⁴ of them, and counts as one."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(ip)
        if address.version == 6 and not address.ipv4_mapped:
            return str(ipaddress.ip_network((address, 64), strict=False))
    return ip


class Rates:
    """A limit of requests a minute for each caller. For one event loop."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> dict[str, str]:
        """Count one request: the headers that tell what is left. Raises Refusal at the limit."""
        if not self.per_minute:
            return {}
        now = time.monotonic()
        left, since = self._left.pop(caller, (float(self.per_minute), now))
        left = min(self.per_minute, left + (now - since) * self.per_minute / 60)
        allowed = left >= 1
        self._left[caller] = (left - allowed, now)
        if len(self._left) > MAX_KNOWN:
            self._left.popitem(last=False)
        headers = self._headers(left - allowed)
        if allowed:
            return headers
        wait = math.ceil((1 - left) * 60 / self.per_minute)
        raise Refusal(
            429, "rate_limit_exceeded", "Rate limit exceeded", retry_after_s=wait, headers=headers
        )

    def _headers(self, left: float) -> dict[str, str]:
        full_in_s = (self.per_minute - left) * 60 / self.per_minute
        return {
            "X-RateLimit-Limit": str(self.per_minute),
            "X-RateLimit-Remaining": str(int(left)),
            "X-RateLimit-Reset": str(math.ceil(time.time() + full_in_s)),
        }
