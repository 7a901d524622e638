"""Bytes from an http(s) URL, within limits. Importing this module does not load requests."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from bshm import __version__
from bshm.errors import InputError
from bshm.names import printable

if TYPE_CHECKING:
    import requests
    from urllib3.util import Retry


class Limits(NamedTuple):
    """How much one fetch may take. Sizes in bytes, times in seconds."""

    body_bytes: int = 100_000_000
    connect_s: float = 10
    silence_s: float = 30  # without a byte from the server
    total_s: float = 120  # everything together: name look-up, redirects, retries, the body
    redirects: int = 5
    retries: int = 3  # of failed connections and of 500, 502, 503 and 504
    backoff_s: float = 0.5  # doubles with each retry
    retry_after_s: float = 30  # a server's wish for a pause is granted up to this


LIMITS = Limits()


class Web:
    """Fetches URLs within limits, from any number of threads.

    A session keeps its connections open for the next URL of the same host. It is not promised to
    be safe for threads, so each serves one fetch at a time and then waits for the next.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.idle: deque[requests.Session] = deque()

    def read(self, url: str, name: str) -> bytes:
        """Bytes behind a URL; ``name`` is what messages call it. Raises InputError.

        The fetch has a thread of its own, for nothing else ends a name look-up that hangs or
        headers that trickle in. One that is late is left behind and dies with its connection.
        """
        outcome: list[bytes | InputError] = []
        deadline = time.monotonic() + self.limits.total_s

        def fetch() -> None:
            try:
                outcome.append(self._fetch(url, name, deadline))
            except InputError as error:
                outcome.append(error)

        thread = threading.Thread(target=fetch, name="bshm-fetch", daemon=True)
        thread.start()
        thread.join(self.limits.total_s)
        if not outcome:
            outcome.append(self._late(name))
        if isinstance(outcome[0], InputError):
            raise outcome[0]
        return outcome[0]

    def _fetch(self, url: str, name: str, deadline: float) -> bytes:
        import requests
        from urllib3.exceptions import HTTPError

        try:
            session = self.idle.pop()
        except IndexError:
            session = self._session()
        patience = (self.limits.connect_s, self.limits.silence_s)
        try:
            with session.get(url, stream=True, timeout=patience) as response:
                return self._body(response, name, deadline)
        except requests.TooManyRedirects as error:
            reason = "more than %d redirects" % self.limits.redirects
            raise InputError("%s: %s" % (name, reason)) from error
        except requests.exceptions.InvalidSchema as error:
            raise InputError("%s: redirects to something that is not http(s)" % name) from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise InputError("%s: the download broke off" % name) from error
        except (requests.RequestException, HTTPError, ValueError) as error:
            raise InputError("%s: cannot be fetched: %s" % (name, _root_cause(error))) from error
        finally:
            self.idle.append(session)

    def _body(self, response: requests.Response, name: str, deadline: float) -> bytes:
        limit = self.limits.body_bytes
        too_large = InputError("%s: is larger than the limit of %.0f MB" % (name, limit / 1e6))
        if not 200 <= response.status_code < 300:
            told = "HTTP %d %s" % (response.status_code, response.reason)
            raise InputError("%s: the server says %s" % (name, printable(told.strip())))
        declared = re.fullmatch(r"[0-9]{1,18}", response.headers.get("Content-Length", ""))
        if declared and int(declared.group()) > limit:
            raise too_large
        parts, size = [], 0
        for part in response.iter_content(1 << 14):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise too_large
            if time.monotonic() > deadline:
                raise self._late(name)
        # Bytes on the wire, not those of `parts`: a server may have compressed them unasked.
        if declared and response.raw.tell() < int(declared.group()):
            raise InputError("%s: the download broke off" % name)
        return b"".join(parts)

    def _late(self, name: str) -> InputError:
        return InputError("%s: not there after %g s" % (name, self.limits.total_s))

    def _session(self) -> requests.Session:
        import requests
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        session.headers["User-Agent"] = "bshm/%s" % __version__
        session.headers["Accept"] = "image/*, */*;q=0.5"
        session.headers["Accept-Encoding"] = "identity"  # photos are compressed already
        session.max_redirects = self.limits.redirects
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=_retry(self.limits)))
        return session


def _retry(limits: Limits) -> Retry:
    """Retries of failed connections and of a server's temporary troubles."""
    from urllib3.exceptions import ReadTimeoutError
    from urllib3.util import Retry

    class Patience(Retry):
        def get_retry_after(self, response: object) -> float | None:
            wish = super().get_retry_after(response)  # type: ignore[arg-type]
            return None if wish is None else min(wish, limits.retry_after_s)

        def increment(self, *args: Any, **details: Any) -> Retry:  # type: ignore[override]
            if isinstance(details.get("error"), ReadTimeoutError):
                raise details["error"]  # silent for so long: it has had its time
            return super().increment(*args, **details)

    return Patience(
        total=limits.retries,
        status_forcelist=(500, 502, 503, 504),
        backoff_factor=limits.backoff_s,
        raise_on_status=False,
    )


def _root_cause(error: BaseException) -> str:
    """What the system said, below all that libraries wrapped around it."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return printable(" ".join(reason.split()))
