"""Where the frame of an ID photo goes, or which rule the photo breaks."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from bshm import planes
from bshm.errors import InputError
from bshm.idphoto.head import Head, measure
from bshm.idphoto.sizes import Size

ENLARGED = 1.6  # times: what is enlarged more is too small in the photo
TOUCHES = 0.02  # of the head's width: so much of it in the first row is cut off
SLACK = 0.01  # of the frame's height: what a cut edge may lack, and is grown over
SHOULDERS = 0.5  # of the head's width: how much of the lower edge the body covers at least
STEPS = 40  # sizes of the head that are tried between the rule's limits


class Frame(NamedTuple):
    """The photo in the frame: photo pixels times ``scale``, less ``left`` and ``top``."""

    scale: float
    left: float
    top: float


def fit(alpha: np.ndarray, size: Size, lenient: bool = False) -> tuple[Frame, Head]:
    """The frame around the head in a matte, float32 ``[H, W]``, after the size's rule.

    The head's size comes as near to what the rule aims at as the photo's edges let it: a frame
    may end beside the photo, where only background is, but not where the photo cuts the person off.

    lenient: frame it as well as it goes, whichever rule the photo breaks; only nobody is too few

    Raises InputError, whose code says which rule the photo breaks.
    """
    seen = measure(alpha)
    if seen is None:
        raise InputError("nobody was found", code="nobody_found")
    head = seen.head
    frame, lack = _best(alpha, head, size)
    if lenient:
        return _inside(frame, lack), head
    if seen.heads > 1:
        reason = "shows %d people, or something as large as a second head"
        raise InputError(reason % seen.heads, code="several_people")
    if (alpha[0] > 0.5).sum() > TOUCHES * head.width:
        raise InputError("the upper edge cuts the head off", code="head_cut_off")
    _check(head, size, frame, lack)
    _check_body(alpha, head, size, frame)
    return frame, head


def _check(head: Head, size: Size, frame: Frame, lack: dict[str, float]) -> None:
    if frame.scale > ENLARGED:
        reason = "the head is %.0f pixels high; %d×%d pixels take %.0f at least"
        wanted = frame.scale * head.height / ENLARGED
        raise InputError(
            reason % (head.height, size.width, size.height, wanted), code="head_too_small"
        )
    for side, pixels in lack.items():
        reason = "the %s edge cuts the person off, %.0f pixels inside the frame"
        raise InputError(reason % (side, pixels), code="body_cut_off")


def _check_body(alpha: np.ndarray, head: Head, size: Size, frame: Frame) -> None:
    """Refuse who would float: people who lie, jump, or are held up."""
    lower = min(len(alpha), max(1, round((frame.top + size.height) / frame.scale)))
    if (alpha[lower - 1] > 0.5).sum() < SHOULDERS * head.width:
        reason = "no shoulders are at the lower edge of the frame: the person ends above, or lies"
        raise InputError(reason, code="body_ends")


def _best(alpha: np.ndarray, head: Head, size: Size) -> tuple[Frame, dict[str, float]]:
    """The frame nearest to what is aimed at that lacks least, and what it lacks, in its pixels."""
    least, aim, most = size.rule.head
    tried = np.linspace(least, most, STEPS)
    best: tuple[float, Frame, dict[str, float]] | None = None
    for share in sorted([aim, *tried], key=lambda share: abs(share - aim)):
        for room in sorted(size.rule.top, key=lambda room: abs(room - size.rule.top[1])):
            frame = _frame(head, size, share, room)
            lack = _lack(alpha, frame, size)
            total = sum(lack.values())
            if best is None or total < best[0] - 0.5:
                best = total, frame, lack
            if not lack:
                return frame, lack
    assert best is not None
    return best[1], best[2]


def _frame(head: Head, size: Size, share: float, room: float) -> Frame:
    scale = share * size.height / head.height
    return Frame(
        scale, head.middle * scale - size.width / 2, head.crown * scale - room * size.height
    )


def _lack(alpha: np.ndarray, frame: Frame, size: Size) -> dict[str, float]:
    """By how many pixels an edge of the photo that cuts the person off is inside the frame."""
    height, width = alpha.shape
    gaps = {
        "lower": (frame.top + size.height - height * frame.scale, alpha[-1]),
        "left": (-frame.left, alpha[:, 0]),
        "right": (frame.left + size.width - width * frame.scale, alpha[:, -1]),
    }
    first = max(0, int(frame.top / frame.scale))
    last = max(first + 1, int((frame.top + size.height) / frame.scale))
    lack = {}
    for side, (gap, edge) in gaps.items():
        seen = edge if side == "lower" else edge[first:last]
        if gap > SLACK * size.height and len(seen) and seen.max() > 0.5:
            lack[side] = float(gap)
    return lack


def _inside(frame: Frame, lack: dict[str, float]) -> Frame:
    """The frame moved away from edges that cut the person off, as far as that goes."""
    across = lack.get("left", 0.0) - lack.get("right", 0.0)
    return frame._replace(left=frame.left + across, top=frame.top - lack.get("lower", 0.0))


def cut(
    colours: np.ndarray, alpha: np.ndarray, frame: Frame, size: Size
) -> tuple[np.ndarray, np.ndarray]:
    """What is in the frame, at its resolution: colours ``[h, w, 3]`` uint8, alpha float32.

    Colours are weighted by alpha. Made smaller, pixels are means; made larger, cubic. Beside the
    photo its last pixels go on as far as `SLACK`; further out nothing is.
    """
    across, down = frame.left / frame.scale, frame.top / frame.scale
    rows = _near(down, size.height / frame.scale, alpha.shape[0])
    columns = _near(across, size.width / frame.scale, alpha.shape[1])
    by = max(1, int(1 / frame.scale))
    planes = _reduced(colours[rows, columns], alpha[rows, columns], by)
    more = 1 + int(SLACK * size.height / (frame.scale * by))
    planes = cv2.copyMakeBorder(planes, more, more, more, more, cv2.BORDER_REPLICATE)
    step, half = 1 / (by * frame.scale), 0.5 / frame.scale
    back = np.array(
        [
            [step, 0, (across + half - columns.start) / by - 0.5 + more],
            [0, step, (down + half - rows.start) / by - 0.5 + more],
        ]
    )
    way = cv2.INTER_CUBIC if frame.scale > 1 else cv2.INTER_LINEAR
    planes = cv2.warpAffine(
        planes,
        back,
        (size.width, size.height),
        flags=way | cv2.WARP_INVERSE_MAP,
    )
    level = np.clip(planes[..., 3], 0, 1)
    straight = planes[..., :3] / np.maximum(planes[..., 3:], 1 / 512)
    return np.clip(straight + 0.5, 0, 255).astype(np.uint8), level


def _near(start: float, length: float, end: int) -> slice:
    """The photo's rows or columns that a frame needs, at least one."""
    first = min(max(0, int(start) - 2), end - 1)
    return slice(first, max(first + 1, min(end, int(start + length) + 3)))


def _reduced(colours: np.ndarray, alpha: np.ndarray, by: int) -> np.ndarray:
    """Means over squares of ``by`` pixels: colours times alpha, and alpha, float32 ``[h, w, 4]``.

    In stripes, so that no second photo in floats is made. What is over at the ends is left out.
    """
    height, width = max(1, alpha.shape[0] // by), max(1, alpha.shape[1] // by)
    out = np.empty((height, width, 4), np.float32)
    for rows in planes.stripes(height, width * by * by):
        part = np.s_[rows.start * by : rows.stop * by, : width * by]
        solid = np.ascontiguousarray(alpha[part], np.float32)
        weighted = cv2.merge([*cv2.split(colours[part] * solid[..., None]), solid])
        size = width, rows.stop - rows.start
        out[rows] = cv2.resize(weighted, size, interpolation=cv2.INTER_AREA)
    return out
