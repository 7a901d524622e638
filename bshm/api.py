"""The Python interface: a photo, as a path, bytes, a picture or an array -> its cutout.

>>> import bshm
>>> bshm.cutout("photo.jpg").save("cutout.png")

Make a `Matting` of your own to choose its settings, and to close it when you like.
"""

from __future__ import annotations

import os
import threading
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from bshm.codec import given
from bshm.cutouts.cutout import Cutout
from bshm.matting import AlphaMatting
from bshm.pipeline import Recipe, finish
from bshm.timing import measure

if TYPE_CHECKING:
    from bshm.codec.given import AnyPhoto

OF_FILES = ("format", "quality", "kilobytes")  # fields of a recipe that a cutout in memory has not


class Matting(AlphaMatting):
    """Cuts people out of photos. Safe to call from any number of threads; a context manager.

    At most ``threads`` photos are worked on at once: more would gain nothing, and each takes
    memory. Further callers wait for their turn. Each process makes its own.
    """

    def cutout(self, image: AnyPhoto, **wanted: Any) -> Cutout:
        """Cut the people out of one photo.

        image: a path, the bytes of a file, a binary file, a Pillow picture, a `Photo`, or a uint8
            array: RGB ``[H, W, 3]``, RGBA ``[H, W, 4]`` or grey ``[H, W]``. What is transparent in
            it stays so; files and pictures are turned upright and keep their colour profile.
        wanted: fields of `Recipe`, such as ``only_alpha=True`` or ``crop="5%"``; those that are of
            files go to `Cutout.save` and `Cutout.encode`

        Raises TypeError for anything else, ValueError for arrays of another shape or type,
        InputError for what cannot be read, and what :meth:`alpha` raises.
        """
        of_files = [name for name in OF_FILES if name in wanted]
        if of_files:
            words = "%s: give that to save() or encode(), which write files"
            raise TypeError(words % ", ".join(of_files))
        _check_words(wanted)
        recipe = Recipe(**{"read_picture": given.photo_of, **wanted})
        with measure("read"):
            image, name = given.read(image)  # may take long, so before its turn
        with self._turn:
            with measure("read"):
                photo = given.decoded(image, name, recipe.max_pixels)
            return finish(photo, self._see(photo.rgb).alpha(photo.rgb), recipe)


def _check_words(wanted: dict[str, Any]) -> None:
    """Raise TypeError for words that no recipe has."""
    known = {each.name: each.repr and each.name not in OF_FILES for each in fields(Recipe)}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        words = "unknown: %s; expected some of %s; a background is for cutout.on(background, photo)"
        told = [name for name, is_told in known.items() if is_told]
        raise TypeError(words % (", ".join(unknown), ", ".join(told)))


def cutout(
    image: AnyPhoto,
    *,
    weights: str | os.PathLike = "auto",
    device: str = "auto",
    engine: str = "auto",
    threads: int = 0,
    **wanted: Any,
) -> Cutout:
    """Cut the people out of one photo: :meth:`Matting.cutout` of a `Matting` made on first use.

    There is one for each choice of weights, device, engine and threads, which are those of
    `Matting`. It is kept until the process ends, for all threads; a forked process makes its own.
    """
    return _kept.get(str(weights), device, engine, threads).cutout(image, **wanted)


class _Kept:
    """The `Matting` objects of this process, by how they were made."""

    def __init__(self) -> None:
        self.forget()
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        self.lock = threading.Lock()
        self.mattings: dict[tuple, Matting] = {}

    def get(self, weights: str, device: str, engine: str, threads: int) -> Matting:
        key = (weights, device, engine, threads)
        with self.lock:
            if key not in self.mattings:
                self.mattings[key] = Matting(
                    weights=weights, device=device, engine=engine, threads=threads
                )
            return self.mattings[key]


_kept = _Kept()
