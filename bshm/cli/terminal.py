"""A progress bar on stderr that stays out of the way of what is printed."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Iterator


def start(count: int, quiet: bool) -> Any:
    """A progress bar on a terminal when there is something to wait for, else a silent one."""
    if count < 2 or quiet or not sys.stderr.isatty():
        return _Silent()
    from tqdm import tqdm

    class Bar(tqdm):
        @contextlib.contextmanager
        def aside(self) -> Iterator[None]:
            """What is printed meanwhile goes above the bar."""
            self.clear()
            yield
            self.refresh()

    return Bar(total=count, unit="photo", dynamic_ncols=True)


class _Silent:
    def update(self) -> None: ...

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        yield

    def close(self) -> None: ...
