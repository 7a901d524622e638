"""Why a request is not served, in no contract's words yet."""

from __future__ import annotations

from http import HTTPStatus

from bshm.errors import BshmError

# Status by the code of a `BshmError`; all others are no fault of who asks.
STATUSES = {
    "not_an_image": 400,
    "unsupported_format": 400,
    "damaged": 400,
    "too_many_pixels": 400,
    "too_large_for_format": 400,
    "roi_exceeds_bounds": 400,
    "roi_region_empty": 400,
}


class Refusal(Exception):
    """A request that is refused. ``str()`` is one line, fit for strangers: no path, no key.

    status: of HTTP
    code: remove.bg's word for it where there is one, else one of its kind
    retry_after_s: when to come back, in whole seconds; 0 where that would not help
    headers: what else to send
    """

    def __init__(
        self,
        status: int,
        code: str,
        reason: str,
        *,
        retry_after_s: int = 0,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(reason)
        self.status, self.code, self.reason = status, code, reason
        self.headers = dict(headers or {})
        if retry_after_s:
            self.headers["Retry-After"] = str(retry_after_s)

    @property
    def phrase(self) -> str:
        return HTTPStatus(self.status).phrase


def refusal_of(error: BshmError) -> Refusal:
    """What strangers may know of an error: of a photo all, of this machine nothing."""
    if error.code in STATUSES:
        return Refusal(STATUSES[error.code], error.code, error.reason)
    return Refusal(500, error.code or "unexpected", "the photo could not be worked on")
