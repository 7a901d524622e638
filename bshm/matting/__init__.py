"""Pixels -> alpha, and the colours at its edges."""

from bshm.matting.matting import (
    CELL,
    MAX_CELLS,
    AlphaMatting,
    Look,
    at_working_size,
    working_size,
)

__all__ = ["CELL", "MAX_CELLS", "AlphaMatting", "Look", "at_working_size", "working_size"]
