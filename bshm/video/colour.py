"""What the numbers of a film's pixels mean, and the way to RGB and back.

A film says so in its tags: the matrix between YUV and RGB, the range of the numbers, primaries and
transfer. Many films lack them; then the matrix follows from the size, as players have it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from av.video.reformatter import VideoReformatter

from bshm.errors import InputError

# Numbers of H.273, which FFmpeg and its containers use.
RGB, BT709, UNKNOWN, SMPTE170M, BT2020 = 0, 1, 2, 6, 9
MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020"}
BRIGHT = {16: "PQ", 18: "HLG"}  # transfers of high dynamic range
LIMITED, FULL = 1, 2  # FFmpeg's numbers of the ranges
# Pixels: a film without a matrix whose long or short side is beyond these is BT.709, else BT.601.
SMALL_LONG, SMALL_SHORT = 1280, 576


class Colour(NamedTuple):
    """How a film's pixels are to be read; numbers of H.273.

    matrix: between YUV and RGB; RGB where the pixels are that already
    full: whether the numbers take the whole range
    primaries, transfer: as tagged
    """

    matrix: int = BT709
    full: bool = False
    primaries: int = UNKNOWN
    transfer: int = UNKNOWN


def of_frame(frame: Any, name: str) -> Colour:
    """The colour of a decoded frame. Raises InputError for what cannot be turned into RGB."""
    transfer = int(frame.color_trc)
    if transfer in BRIGHT:
        raise InputError(
            "is a film in high dynamic range (%s); expected standard range, convert it first"
            % BRIGHT[transfer],
            name,
            "high_dynamic_range",
        )
    full = int(frame.color_range) == FULL or frame.format.name.startswith("yuvj")
    primaries = int(frame.color_primaries)
    if frame.format.is_rgb or frame.format.name.startswith(("gray", "pal", "mono")):
        return Colour(RGB, True, primaries, transfer)
    matrix = int(frame.colorspace)
    if matrix not in MATRICES:
        sides = sorted((frame.width, frame.height))
        large = sides[1] >= SMALL_LONG or sides[0] > SMALL_SHORT
        matrix = BT709 if large else SMPTE170M
    return Colour(matrix, full, primaries, transfer)


class Converter:
    """Frames of one film to RGB and back. For one thread."""

    def __init__(self, colour: Colour) -> None:
        self.colour = colour
        self._reformatter = VideoReformatter()

    def to_rgb(self, frame: Any, width: int, height: int, layout: str) -> np.ndarray:
        """A decoded frame as uint8 ``[height, width, 3]``, or 4 for the layout ``rgba``."""
        matrix = None if self.colour.matrix == RGB else self.colour.matrix
        converted = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format=layout,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=FULL if self.colour.full else LIMITED,
            dst_color_range=FULL,
        )
        return converted.to_ndarray()

    def from_pixels(self, pixels: np.ndarray, layout: str) -> Any:
        """A frame of a pixel format from uint8 ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]``.

        YUV is written in the film's own matrix, in limited range, and tagged as that.
        """
        import av

        kind = {2: "gray", 3: "rgb24"}.get(pixels.shape[-1] if pixels.ndim == 3 else 2, "rgba")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=kind)
        if layout == kind:
            return frame
        tags = self.tags()
        written = self._reformatter.reformat(
            frame,
            format=layout,
            src_colorspace=tags.matrix,
            dst_colorspace=tags.matrix,
            src_color_range=FULL,
            dst_color_range=LIMITED,
        )
        written.colorspace, written.color_range = tags.matrix, LIMITED
        written.color_primaries, written.color_trc = tags.primaries, tags.transfer
        return written

    def tags(self) -> Colour:
        """The colour that is written: the film's, or where it has none what its matrix implies."""
        matrix = BT709 if self.colour.matrix == RGB else self.colour.matrix
        implied = matrix if matrix in (BT709, SMPTE170M) else UNKNOWN
        primaries, transfer = self.colour.primaries, self.colour.transfer
        return Colour(
            matrix,
            False,
            implied if primaries == UNKNOWN else primaries,
            implied if transfer == UNKNOWN else transfer,
        )
