"""The one rule that keeps validation photos out of training."""

from __future__ import annotations

import hashlib


def is_validation(stem: str) -> bool:
    """True for the tenth of the photos that is never trained on, chosen by a hash of the name."""
    return int(hashlib.sha256(stem.encode()).hexdigest()[:8], 16) % 10 == 0
