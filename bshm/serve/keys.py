"""Who may ask: a file of keys, re-read when it changes."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re

from bshm.errors import BshmError
from bshm.serve.refusal import Refusal

log = logging.getLogger("bshm.serve")


class Keys:
    """The keys of a file: one a line, plain or as its SHA-256 in hex, so 64 hex digits are none by
    themselves. ``#`` begins a comment at the start of a line or after a space.

    Raises BshmError where the file cannot be read at the start. Should it be unreadable later,
    the keys stay as they were, and the log says so.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: tuple[int, ...] = ()
        self._hashes: list[bytes] = []
        try:
            self._read()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
            raise BshmError("cannot be read: %s" % reason, path, "bad_setting") from error

    def name(self, given: str) -> str:
        """A name of the key that is given, for logs: the start of its hash. Raises Refusal."""
        if not given:
            raise Refusal(403, "auth_failed", "Missing API Key")
        self._refresh()
        digest = hashlib.sha256(given.encode("latin-1", "replace")).digest()
        if not self._knows(digest):
            if _is_hash(given) and self._knows(bytes.fromhex(given)):
                log.warning(
                    "a client sent 64 hex digits of the file of keys, which are taken for the "
                    "SHA-256 of a key; if they are the key, put the SHA-256 of them there"
                )
            raise Refusal(403, "auth_failed", "Invalid API Key")
        return digest.hex()[:8]

    def _knows(self, digest: bytes) -> bool:
        # Each is compared, in constant time: how long it takes tells nothing.
        return sum(hmac.compare_digest(digest, known) for known in self._hashes) > 0

    def _refresh(self) -> None:
        try:
            self._read()
        except (OSError, ValueError):
            log.warning("the file of keys cannot be read; the keys stay as they were")

    def _read(self) -> None:
        status = os.stat(self._path)
        seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        if seen == self._seen:
            return
        with open(self._path, encoding="utf-8-sig") as file:  # with a byte order mark or without
            lines = [re.split(r"(?:^|\s)#", line)[0].strip() for line in file]
        self._hashes = [_digest(line) for line in lines if line]
        self._seen = seen


def _is_hash(text: str) -> bool:
    return re.fullmatch("[0-9a-fA-F]{64}", text) is not None


def _digest(line: str) -> bytes:
    return bytes.fromhex(line) if _is_hash(line) else hashlib.sha256(line.encode()).digest()
