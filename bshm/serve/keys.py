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
    """The keys of a file: one a line, plain or as its SHA-256 in hex; ``#`` begins a comment.

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
        # Each is compared, in constant time: how long it takes tells nothing.
        if not sum(hmac.compare_digest(digest, known) for known in self._hashes):
            raise Refusal(403, "auth_failed", "Invalid API Key")
        return digest.hex()[:8]

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
        with open(self._path, encoding="utf-8") as file:
            lines = [line.partition("#")[0].strip() for line in file]
        self._hashes = [_digest(line) for line in lines if line]
        self._seen = seen


def _digest(line: str) -> bytes:
    if re.fullmatch("[0-9a-fA-F]{64}", line):
        return bytes.fromhex(line)
    return hashlib.sha256(line.encode()).digest()
