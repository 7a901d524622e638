"""Pillow's process-wide settings, changed only while photos are being read, from any thread."""

from __future__ import annotations

import contextlib
import warnings
from typing import ContextManager, Iterator

from bshm import process


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


QUIET = process.Shared(_without_warnings)
_UNLIMITED = process.Shared(_without_limit)


def room_for(size: tuple[int, int] | None) -> ContextManager:
    """Lift Pillow's own limit, only while a picture is read that is larger and within ours."""
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS or 0  # None: another thread has lifted it, and will restore it
    huge = size is not None and size[0] * size[1] > limit
    return _UNLIMITED if huge else contextlib.ExitStack()
