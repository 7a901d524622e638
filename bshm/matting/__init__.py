"""Pixels -> alpha, and the colours at its edges."""

from bshm.matting.matting import CELL, MAX_CELLS, AlphaMatting, Look, Sight, working_size

__all__ = ["CELL", "MAX_CELLS", "AlphaMatting", "Look", "Sight", "working_size"]
