"""Films need PyAV, which needs a newer Python than the rest."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("av") is None:
    collect_ignore_glob = ["test_*.py"]
