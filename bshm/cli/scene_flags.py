"""The flags that put people on something new, for every command that does."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bshm.errors import InputError

if TYPE_CHECKING:
    from bshm.scene.background import Picture
    from bshm.scene.compose import Scene

FITS = ("cover", "contain", "stretch", "tile")


def add_scene_flags(parser: argparse.ArgumentParser) -> None:
    """Add the group of them; `read_scene` makes a scene of what was said."""
    group = parser.add_argument_group("scene flags", "people on something new")
    add = group.add_argument
    add(
        "--background",
        metavar="B",
        help="a colour (white, 4b6190, 'rgb(0 0 0 / 50%%)'), a gradient (white..4b6190, "
        "radial:white..gray), a picture (file or URL), or blur[:0-1] for the photo's own, out of "
        "focus (default: transparent)",
    )
    add(
        "--fit",
        choices=FITS,
        default="cover",
        help="how a picture fills the frame (default: %(default)s)",
    )
    add(
        "--position",
        metavar="X[,Y]",
        default="original",
        help="where the people go: left, center, right or 30%%, then top, center, bottom or 80%% "
        "(default: where they are)",
    )
    add(
        "--scale",
        metavar="S",
        default="100%",
        help="how large they become: 0.5 or 50%% is half as large (default: as they are)",
    )
    add(
        "--light",
        metavar="L",
        default="auto",
        help="how far their colours follow the background's light: off, auto, or 0 to 1 "
        "(default: auto, all the way for pictures, not at all for colours)",
    )
    add(
        "--shadow",
        metavar="SHADOW",
        default="none",
        help="none, auto, contact, cast or drop, with what is to be different: "
        "cast:azimuth=215,elevation=50,softness=0.5,opacity=0.5 (default: none)",
    )


def read_scene(
    args: argparse.Namespace, parser: argparse.ArgumentParser, max_pixels: int
) -> tuple[Scene | None, bytes | None]:
    """The scene that the flags ask for, or None, and the ICC profile of its picture.

    Ends the command where a flag makes no sense. Raises InputError for a picture that cannot be
    read.
    """
    asked = (args.background, args.shadow != "none", args.position != "original", args.scale)
    if asked == (None, False, False, "100%"):
        if args.light != "auto":
            parser.error("--light follows a background; name one with --background")
        return None, None
    from bshm.scene import background, place, shadow
    from bshm.scene.compose import Scene

    flag = "--background"
    try:
        behind = None if args.background is None else background.parse(args.background)
        flag = "--position"
        position = place.parse(args.position)
        flag = "--scale"
        scale = _share(args.scale, place.SCALES)
        flag = "--light"
        words = {"auto": None, "off": 0.0}
        light = words[args.light] if args.light in words else _share(args.light, (0, 1))
        flag = "--shadow"
        wish = shadow.parse(args.shadow)
    except ValueError as error:
        parser.error("%s %s" % (flag, error))
    icc = None
    if isinstance(behind, background.Named):
        behind, icc = _read_picture(behind.name, max_pixels)
    return Scene(behind, args.fit, position, scale, light, wish), icc


def _read_picture(name: str, max_pixels: int) -> tuple[Picture, bytes | None]:
    """A decoded background and its profile."""
    from bshm.batch import sources
    from bshm.codec.decode import decode
    from bshm.scene.background import Picture

    found = sources.expand([name])
    if len(found) != 1 or found[0].kind is sources.Kind.STDIN:
        raise InputError(
            "is no picture, but %d; a background is one" % len(found), name, "not_a_file"
        )
    photo = decode(found[0].read(), found[0].name, max_pixels)
    return Picture(photo.rgb, photo.alpha), photo.icc


def _share(text: str, limits: tuple[float, float]) -> float:
    """A number or per cent within limits. Raises ValueError."""
    low, high = limits
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ValueError("%s: expected a number from %g to %g, or per cent" % (text, low, high))
    return value
