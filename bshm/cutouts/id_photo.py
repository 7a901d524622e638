"""The head in the frame of an ID photo, or copies of that on a sheet of paper."""

from __future__ import annotations

import numpy as np

from bshm.cutouts.cutout import Composite
from bshm.cutouts.on_scene import in_profile
from bshm.idphoto import frame, sheet
from bshm.idphoto.head import Head, alone
from bshm.idphoto.sizes import IdPhoto
from bshm.scene.background import Background, Flat, Gradient, shows_through
from bshm.scene.compose import NOTHING, Scene, apply, paint


def make(
    colours: np.ndarray,
    alpha: np.ndarray,
    icc: bytes | None,
    wanted: IdPhoto,
    behind: Background | None,
) -> Composite:
    """The head in the frame of an ID photo, or copies of that on a sheet."""
    size = wanted.size
    if not isinstance(behind, (Flat, Gradient, type(None))):
        raise ValueError("behind an ID photo goes a colour or a gradient")
    if wanted.paper and (behind is None or shows_through(behind)):
        raise ValueError("paper is not transparent: put the person on a colour")
    where, head = frame.fit(alpha, size, wanted.lenient)
    colours, alpha = frame.cut(colours, alone(alpha), where, size)
    painted = None
    if behind is not None:
        painted = paint(Scene(in_profile(behind, None, icc)), colours, alpha)
    made = apply(NOTHING, alpha, colours, painted)
    pixels, matte = made.pixels, made.matte
    framed: Head | None = head.moved(*where)
    if wanted.paper:
        framed = None
        pixels = sheet.lay_out(pixels, wanted.paper, size.dpi)
        matte = sheet.lay_out(matte, wanted.paper, size.dpi, 0, 0)
    return Composite(pixels, icc, size.dpi, people=matte, head=framed)
