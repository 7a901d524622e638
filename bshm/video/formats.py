"""What films can be written as: by the ending of a name, or by the name of a format."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Mapping

from bshm.errors import OutputError

# No frame refers to a later one: timestamps stay what they are, and no player has to skip any.
H264 = {"preset": "veryfast", "crf": "18", "bf": "0"}
# Deadline "good" with a high cpu-used; alt-ref frames cannot be had together with alpha.
VP9 = {
    "crf": "24",
    "b": "0",
    "deadline": "good",
    "cpu-used": "5",
    "row-mt": "1",
    "auto-alt-ref": "0",
}
PRORES_4444 = {"profile": "4", "vendor": "apl0"}
PRORES_HQ = {"profile": "3", "vendor": "apl0"}


@dataclass(frozen=True)
class Codec:
    """An encoder of FFmpeg's, the pixel format it gets, and its options."""

    name: str
    pixels: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """How a film is written.

    name: as ``--format`` names it; ending: of a file's name
    container: FFmpeg's name of it; "" where the frames are files of their own
    cutout, opaque: encoders for frames with alpha and without; a matte alone is without
    stacks: there is no alpha in this format: the matte is put below the colours
    rewrites: the whole is encoded once more, from parts without loss, for it has no packets that
        could be put together
    sound: the encoder for sound that the container does not take as it is; "" where it takes none
    """

    name: str
    ending: str
    container: str
    cutout: Codec
    opaque: Codec
    stacks: bool = False
    rewrites: bool = False
    sound: str = ""


_PNG = Codec("png", "rgba")
FORMATS = {
    one.name: one
    for one in (
        Format(
            "webm",
            ".webm",
            "webm",
            Codec("libvpx-vp9", "yuva420p", VP9),
            Codec("libvpx-vp9", "yuv420p", VP9),
            sound="libopus",
        ),
        Format(
            "mov",
            ".mov",
            "mov",
            Codec("prores_ks", "yuva444p10le", PRORES_4444),
            Codec("prores_ks", "yuv422p10le", PRORES_HQ),
            sound="aac",
        ),
        Format(
            "mp4",
            ".mp4",
            "mp4",
            Codec("libx264", "yuv420p", H264),
            Codec("libx264", "yuv420p", H264),
            stacks=True,
            sound="aac",
        ),
        Format("png", ".png", "", _PNG, _PNG),
        Format("gif", ".gif", "gif", Codec("gif", "pal8"), Codec("gif", "pal8"), rewrites=True),
        Format(
            "webp",
            ".webp",
            "webp",
            Codec("libwebp_anim", "yuva420p", {"quality": "85", "compression_level": "4"}),
            Codec("libwebp_anim", "yuv420p", {"quality": "85", "compression_level": "4"}),
            rewrites=True,
        ),
        Format(
            "apng",
            ".apng",
            "apng",
            Codec("apng", "rgba"),
            Codec("apng", "rgb24"),
            rewrites=True,
        ),
    )
}
# Parts of what is encoded once more at the end: without loss, and with any timestamp.
LOSSLESS = Format("png in mov", ".mov", "mov", _PNG, Codec("png", "rgb24"))


def choose(output: str, name: str | None) -> Format:
    """The format of a name, or of an output's ending. Raises OutputError.

    A folder, or a pattern such as ``frames/%06d.png``, is a sequence of PNGs.
    """
    ending = os.path.splitext(output)[1].lower()
    by_ending = next((one for one in FORMATS.values() if one.ending == ending), None)
    if name and by_ending and by_ending.name != name:
        raise OutputError("is not the name of a %s" % name.upper(), output, "other_format")
    if name or output == "-":
        return FORMATS[name or "webm"]
    if by_ending:
        return by_ending
    if output.endswith(("/", os.sep)) or os.path.isdir(output):
        return FORMATS["png"]
    raise OutputError(
        "its ending is none of %s" % " ".join(one.ending for one in FORMATS.values()),
        output,
        "unknown_format",
    )
