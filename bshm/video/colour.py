"""What the numbers of a film's pixels mean, and the way to RGB and back.

A film says so in its tags: the matrix between YUV and RGB, the range of the numbers, primaries and
transfer. Many films lack them; then the matrix follows from the size, as players have it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from av.video.reformatter import VideoReformatter

from bshm.video import bright

# Numbers of H.273, which FFmpeg and its containers use.
RGB, BT709, UNKNOWN, SMPTE170M, BT2020 = 0, 1, 2, 6, 9
MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020"}
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


def of_frame(frame: Any) -> Colour:
    """The colour of a decoded frame."""
    transfer = int(frame.color_trc)
    full = int(frame.color_range) == FULL or frame.format.name.startswith("yuvj")
    primaries = int(frame.color_primaries)
    if frame.format.is_rgb or frame.format.name.startswith(("gray", "pal", "mono")):
        return Colour(RGB, True, primaries, transfer)
    matrix = int(frame.colorspace)
    if matrix not in MATRICES and transfer in bright.NAMES:
        matrix = BT2020
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
        if self.is_bright:
            layout = "rgb48le"
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
        pixels = converted.to_ndarray()
        if self.is_bright:
            return bright.to_bt709(pixels, self.colour.transfer, self.colour.primaries)
        return pixels

    def from_pixels(self, pixels: np.ndarray, layout: str) -> Any:
        """A frame of a pixel format from uint8 ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]``.

        YUV is written in the film's own matrix, in limited range, and tagged as that.
        """
        import av

        kind = {2: "gray", 3: "rgb24"}.get(pixels.shape[-1] if pixels.ndim == 3 else 2, "rgba")
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(pixels), format=kind)
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

    @property
    def is_bright(self) -> bool:
        """Whether the film is in high dynamic range, of which BT.709 is made."""
        return self.colour.transfer in bright.NAMES

    def tags(self) -> Colour:
        """The colour that is written: the film's, or where it has none what its matrix implies."""
        if self.is_bright:
            return Colour(BT709, False, BT709, BT709)
        matrix = BT709 if self.colour.matrix == RGB else self.colour.matrix
        implied = matrix if matrix in (BT709, SMPTE170M) else UNKNOWN
        primaries, transfer = self.colour.primaries, self.colour.transfer
        return Colour(
            matrix,
            False,
            implied if primaries == UNKNOWN else primaries,
            implied if transfer == UNKNOWN else transfer,
        )
