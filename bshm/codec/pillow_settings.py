"""Pillow's process-wide settings, changed only while photos are being read, from any thread."""

from __future__ import annotations

import contextlib
import threading
import warnings
from typing import Callable, ContextManager, Iterator


class Shared:
    """A context manager for process-wide state: the first thread in sets it, the last restores.

    ``warnings.catch_warnings`` and the like, used from several threads, would restore each
    other's changes.
    """

    def __init__(self, make: Callable[[], ContextManager]) -> None:
        self.make, self.lock, self.users = make, threading.Lock(), 0

    def __enter__(self) -> None:
        with self.lock:
            if self.users == 0:
                self.state = self.make()
                self.state.__enter__()
            self.users += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self.state.__exit__(None, None, None)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.|pillow_heif")
        yield


@contextlib.contextmanager
def _without_limit() -> Iterator[None]:
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


no_warnings = Shared(_without_warnings)
_unlimited = Shared(_without_limit)


def allow_pixels(size: tuple[int, int] | None) -> ContextManager:
    """Lift Pillow's own limit, only while a picture is read that is larger and within ours."""
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS or 0  # None: another thread has lifted it, and will restore it
    huge = size is not None and size[0] * size[1] > limit
    return _unlimited if huge else contextlib.ExitStack()
