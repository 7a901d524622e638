"""Numbers as people write them: 0.5, or 50%."""

from __future__ import annotations


def parse(value: str | float, what: str, limits: tuple[float, float]) -> float:
    """A number, or a text of one or of per cent, within limits. Raises ValueError.

    what: what is expected, in messages
    """
    low, high = limits
    try:
        if isinstance(value, str) and value.strip().endswith("%"):
            number = float(value.strip()[:-1]) / 100
        else:
            number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not low <= number <= high:
        words = "%s: expected %s from %g to %g, or per cent"
        raise ValueError(words % (value, what, low, high))
    return number
