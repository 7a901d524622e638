"""People on something new, whose colours come into the photo's profile first."""

from __future__ import annotations

from typing import Callable

import numpy as np

from bshm.codec.profiles import convert
from bshm.cutouts.cutout import Composite
from bshm.pictures import Photo
from bshm.scene.background import Background, Colour, Flat, Gradient, Named, Picture
from bshm.scene.compose import Scene, compose


def decoded(
    scene: Scene, icc: bytes | None, read: Callable[[str], Photo] | None
) -> tuple[Scene, bytes | None]:
    """A scene with its picture where it only names one, and the profile of that picture.

    icc: the profile of a picture that is there already
    read: reads and decodes a picture by its name
    """
    if not isinstance(scene.behind, Named) or read is None:
        return scene, icc
    picture = read(scene.behind.name)
    return scene._replace(behind=Picture(picture.rgb, picture.alpha)), picture.icc


def put(
    scene: Scene,
    scene_icc: bytes | None,
    rgb: np.ndarray,
    alpha: np.ndarray,
    colours: np.ndarray,
    icc: bytes | None,
) -> Composite:
    """People in a scene.

    scene_icc: the RGB profile of the scene's picture
    rgb: the photo, uint8 ``[H, W, 3]``; alpha: its matte, float32 ``[H, W]`` in 0-1
    colours: the people's own, free of the old background, uint8 ``[H, W, 3]``
    icc: the RGB profile of photo and colours, in which the result is, too
    """
    scene = scene._replace(behind=in_profile(scene.behind, scene_icc, icc))
    made = compose(scene, rgb, alpha, colours)
    return Composite(
        made.pixels,
        icc,
        people=made.matte,
        grown=made.grown,
        shown=made.shown,
        unmet=made.unmet,
    )


def in_profile(
    behind: Background | None, source: bytes | None, target: bytes | None
) -> Background | None:
    """A background in another profile; named colours are sRGB."""
    if isinstance(behind, Picture):
        return behind._replace(rgb=convert(behind.rgb, source, target))
    if isinstance(behind, Flat):
        return Flat(_colour_in_profile(behind.colour, target))
    if isinstance(behind, Gradient):
        colours = tuple(_colour_in_profile(colour, target) for colour in behind.colours)
        return Gradient(colours, behind.radial)
    return behind


def _colour_in_profile(colour: Colour, target: bytes | None) -> Colour:
    red, green, blue = convert(np.array([[colour[:3]]], np.uint8), None, target)[0, 0].tolist()
    return red, green, blue, colour[3]
