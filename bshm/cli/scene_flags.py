"""The flags that put people on something new, for every command that does."""

from __future__ import annotations

import argparse
import difflib
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from bshm.codec.decode import MAX_PIXELS
from bshm.errors import InputError

if TYPE_CHECKING:
    from bshm.batch.sources import Source
    from bshm.pictures import Photo
    from bshm.pipeline import Recipe
    from bshm.scene.compose import Scene

# Those of `scene.background`, which loads what --help need not wait for.
FITS = ("cover", "contain", "stretch", "tile")


PHOTOS = (
    "a picture (file or URL), a folder of them, of which each photo takes the next, or blur[:0-1] "
    "for the photo's own, out of focus"
)
FILMS = "a picture (file or URL), another film, or blur[:0-1] for the film's own, out of focus"


def scene_flags(pictures: str = PHOTOS) -> argparse.ArgumentParser:
    """People on something new; a parent of the parsers that take these flags.

    pictures: what a background can be, beside colours
    """
    parent = argparse.ArgumentParser(add_help=False)
    add = parent.add_argument_group("scene: people on something new").add_argument
    add(
        "--background",
        metavar="B",
        help="a colour (white, 4b6190, 'rgb(0 0 0 / 50%%)'), a gradient (white..4b6190, "
        "radial:white..gray), " + pictures + " (default: transparent)",
    )
    add(
        "--fit",
        choices=FITS,
        default=FITS[0],
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
    return parent


def read_recipes(
    args: argparse.Namespace, parser: argparse.ArgumentParser, recipe: Recipe
) -> tuple[list[Recipe], list[Source]]:
    """The recipe with the scene that the flags ask for, of a folder of backgrounds one for each,
    and the files and addresses of the backgrounds.

    Ends the command where a flag makes no sense. Raises InputError for a picture that cannot be
    read: all are looked at before anything else is done.
    """
    scene = read_scene(args, parser)
    if scene is None:
        return [recipe], []
    from bshm.scene.background import Named, Picture, fingerprint

    if not isinstance(scene.behind, Named):
        return [replace(recipe, scene=scene)], []
    pictures = _Pictures(scene.behind.name, recipe.max_pixels)
    if len(pictures.names) == 1:  # decoded once for all photos
        picture = pictures.read(pictures.names[0])
        scene = scene._replace(behind=Picture(picture.rgb, picture.alpha))
        return [replace(recipe, scene=scene, scene_icc=picture.icc)], pictures.sources
    scenes = []
    for name in pictures.names:
        picture = pictures.read(name)
        seen = fingerprint(Picture(picture.rgb, picture.alpha))
        scenes.append(scene._replace(behind=Named(name, seen)))
    recipes = [replace(recipe, scene=each, read_picture=pictures.read) for each in scenes]
    return recipes, pictures.sources


def read_film_scene(args: argparse.Namespace, parser: argparse.ArgumentParser) -> Scene | None:
    """The same for a film: a picture is decoded, into sRGB; a film stays named.

    Raises InputError for what is neither.
    """
    scene = read_scene(args, parser)
    if scene is None:
        return None
    from bshm.codec.profiles import convert
    from bshm.scene.background import Named, Picture
    from bshm.video.backdrop import moves

    if not isinstance(scene.behind, Named):
        return scene
    name = scene.behind.name
    if os.path.isfile(name) and moves(name):
        return scene
    pictures = _Pictures(name)
    if len(pictures.names) != 1:
        parser.error("--background takes one picture or film, got %d" % len(pictures.names))
    picture = pictures.read(pictures.names[0])
    return scene._replace(behind=Picture(convert(picture.rgb, picture.icc, None), picture.alpha))


def read_scene(args: argparse.Namespace, parser: argparse.ArgumentParser) -> Scene | None:
    """The scene that the flags ask for, its picture only named, or None where they ask for none.

    Ends the command where a flag makes no sense.
    """
    asked = (args.background, args.shadow != "none", args.position != "original", args.scale)
    if args.fit != FITS[0] and args.background is None:
        parser.error("--fit is how a background fills the frame; name one with --background")
    if asked == (None, False, False, "100%"):
        if args.light != "auto":
            parser.error("--light follows a background; name one with --background")
        return None
    if args.only_alpha:
        parser.error("--only-alpha writes the matte alone, without --background and its like")
    from bshm.scene import background, light, place, shadow
    from bshm.scene.compose import Scene

    flag = "--background"
    try:
        behind = None if args.background is None else background.parse(args.background)
        flag = "--position"
        position = place.parse(args.position)
        flag = "--scale"
        scale = place.parse_scale(args.scale)
        flag = "--light"
        strength = light.parse(args.light)
        flag = "--shadow"
        wish = shadow.parse(args.shadow)
    except ValueError as error:
        parser.error("%s %s" % (flag, error))
    return Scene(behind, args.fit, position, scale, strength, wish)


class _Pictures:
    """What --background names: a picture, or those in a folder."""

    def __init__(self, named: str, max_pixels: int = MAX_PIXELS) -> None:
        from bshm.batch import sources

        if named == "-":
            raise InputError("photos come from there, backgrounds do not", "stdin", "not_a_file")
        self.sources = sources.expand([named])
        self._by_name = {source.name: source for source in self.sources}
        self._max_pixels = max_pixels
        self.names = list(self._by_name)

    def read(self, name: str) -> Photo:
        from bshm.codec.decode import decode

        try:
            data = self._by_name[name].read()
        except InputError as error:
            if error.code == "no_photos_here":  # --recursive is for photos
                raise InputError(error.reason, error.subject, "no_photos") from error
            if error.code == "not_found" and re.fullmatch("[A-Za-z0-9 -]+", name):
                raise InputError(_no_colour(name), name, "not_found") from error
            raise
        return decode(data, name, self._max_pixels)


def _no_colour(word: str) -> str:
    from PIL import ImageColor

    near = difflib.get_close_matches(word.lower(), ImageColor.colormap, 1)
    advice = "; did you mean %s?" % near[0] if near else ""
    return "no CSS colour, and no such file or folder" + advice
