"""Bytes from an http(s) URL, within limits. Importing this module does not load requests."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from bshm import __version__
from bshm.batch.names import printable
from bshm.errors import InputError, root_cause, without_secrets_in

if TYPE_CHECKING:
    import requests


class Limits(NamedTuple):
    """How much one fetch may take. Sizes in bytes, times in seconds."""

    body_bytes: int = 100_000_000
    connect_s: float = 10
    silence_s: float = 30  # without a byte from the server
    total_s: float = 120  # everything together: name look-up, redirects, retries, the body
    redirects: int = 5
    retries: int = 3  # of failed connections, of HTTP 5xx, and of 429 with a time to come back
    backoff_s: float = 0.5  # doubles with each retry
    retry_after_s: float = 30  # a server that wishes for a longer pause is not asked again
    per_host: int = 4  # fetches at once from one host, by the address that was named


LIMITS = Limits()


class _PassingFailure(Exception):
    """A failure that another try may overcome; str() is the reason.

    pause_s: seconds that the server asks to wait
    asked: the same in its own words
    """

    def __init__(
        self,
        reason: str,
        pause_s: float | None = None,
        code: str = "not_fetched",
        asked: str = "",
    ) -> None:
        super().__init__(reason)
        self.pause_s, self.code, self.asked = pause_s, code, asked


class Web:
    """Fetches URLs within limits, from any number of threads.

    A session keeps its connections open for the next URL of the same host. It is not promised to
    be safe for threads, so each serves one fetch at a time and then waits for the next.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.idle: deque[requests.Session] = deque()
        self.hosts: dict[str, threading.Semaphore] = {}

    def __reduce__(self) -> tuple[type[Web], tuple[Limits]]:
        """Sent to another process, it makes connections and takes turns of its own there."""
        return Web, (self.limits,)

    def read(self, url: str, name: str) -> bytes:
        """Bytes behind a URL; ``name`` is what messages call it. Raises InputError.

        Waits for its turn at the host, which is not counted as time of the fetch.
        """
        host = urlsplit(url).netloc.rpartition("@")[2].lower()
        with self.hosts.setdefault(host, threading.Semaphore(self.limits.per_host)):
            return self._in_time(url, name)

    def _in_time(self, url: str, name: str) -> bytes:
        """The fetch, in a thread of its own: nothing else ends a name look-up that hangs, or
        headers that trickle in. One that is late is left behind and dies with its connection.
        """
        outcome: Future[bytes] = Future()
        deadline = time.monotonic() + self.limits.total_s

        def fetch() -> None:
            try:
                outcome.set_result(self._fetch(url, name, deadline))
            except BaseException as error:  # for whoever waits, whatever it is
                outcome.set_exception(error)

        thread = threading.Thread(target=fetch, name="bshm-fetch", daemon=True)
        thread.start()
        thread.join(self.limits.total_s)
        if not outcome.done():
            raise self._late(name)
        return outcome.result()

    def _fetch(self, url: str, name: str, deadline: float) -> bytes:
        """The bytes, at the last of ``Limits.retries`` tries if need be."""
        for tried in range(self.limits.retries + 1):
            try:
                return self._try(url, name, deadline)
            except _PassingFailure as failure:
                reason, code, retry_after = str(failure), failure.code, failure.pause_s or 0
                pause = max(retry_after, self.limits.backoff_s * 2**tried)
                if retry_after > self.limits.retry_after_s:
                    reason += " and asks to wait " + failure.asked
                    break
                if time.monotonic() + pause > deadline:
                    break
            if tried < self.limits.retries:
                time.sleep(pause)
        raise InputError(reason, name, code)

    def _try(self, url: str, name: str, deadline: float) -> bytes:
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
            raise InputError(reason, name, "not_fetched") from error
        except requests.exceptions.InvalidSchema as error:
            problem = "redirects to something that is not http(s)"
            if "SOCKS" in str(error):
                problem = "the SOCKS proxy that is set needs the package PySocks"
            raise InputError(problem, name, "not_fetched") from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise _PassingFailure("the download broke off") from error
        except (OSError, HTTPError, ValueError) as error:  # requests' own errors are OSErrors
            cause = without_secrets_in(root_cause(error).replace(url, name))
            reason = "cannot be fetched: %s" % printable(cause)
            if _worth_another_try(error):
                raise _PassingFailure(reason) from error
            raise InputError(reason, name, "not_fetched") from error
        finally:
            self.idle.append(session)

    def _body(self, response: requests.Response, name: str, deadline: float) -> bytes:
        limit = self.limits.body_bytes
        too_large = InputError(
            "is larger than the limit of %.0f MB" % (limit / 1e6), name, "too_large"
        )
        if not 200 <= response.status_code < 300:
            status_line = printable(
                ("HTTP %d %s" % (response.status_code, response.reason)).strip()
            )
            pause = _asks_to_wait(response)
            if response.status_code >= 500 or (response.status_code == 429 and pause is not None):
                asked = printable(response.headers.get("Retry-After", ""))[:80]
                asked = asked + " s" if asked.isdigit() else "until " + asked
                raise _PassingFailure("the server says " + status_line, pause, "http_error", asked)
            raise InputError("the server says " + status_line, name, "http_error")
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
            raise _PassingFailure("the download broke off")
        return b"".join(parts)

    def _late(self, name: str) -> InputError:
        return InputError("not there after %g s" % self.limits.total_s, name, "not_fetched")

    def _session(self) -> requests.Session:
        import requests

        session = requests.Session()
        session.headers["User-Agent"] = "bshm/%s" % __version__
        session.headers["Accept"] = "image/*, */*;q=0.5"
        session.headers["Accept-Encoding"] = "identity"  # photos are compressed already
        session.max_redirects = self.limits.redirects
        return session


def _asks_to_wait(response: requests.Response) -> float | None:
    """Seconds, of the header Retry-After, which may hold a date; None without a sound one."""
    from urllib3.exceptions import HTTPError
    from urllib3.util import Retry

    try:
        pause = Retry().get_retry_after(response.raw)
        return None if pause is None else float(pause)
    except (HTTPError, ValueError, OverflowError):  # years and numbers beyond all bounds
        return None


def _worth_another_try(error: Exception) -> bool:
    """Whether a connection failed. One that was silent for long has had its time."""
    import requests
    from urllib3.exceptions import ReadTimeoutError

    lasting = isinstance(error, requests.exceptions.SSLError) or any(
        isinstance(cause, ReadTimeoutError) for cause in error.args
    )
    return isinstance(error, requests.ConnectionError) and not lasting
