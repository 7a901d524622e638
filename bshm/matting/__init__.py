"""Pixels -> alpha, and the colours at its edges."""

from bshm.matting.matting import CELL, MAX_CELLS, Look, Matting, working_size

__all__ = ["CELL", "MAX_CELLS", "Look", "Matting", "working_size"]
