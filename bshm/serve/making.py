"""The making of what an order wants, in a worker.

bytes -> decode -> alpha -> cut to size -> `pipeline.finish` -> encode -> bytes
"""

from __future__ import annotations

import zipfile
from io import BytesIO

import cv2
import numpy as np

from bshm import planes, timing
from bshm.codec.decode import decode
from bshm.codec.encode import encode
from bshm.cutouts.cutout import Composite
from bshm.errors import BshmError, InputError
from bshm.matting import AlphaMatting
from bshm.pictures import Box, Photo
from bshm.pipeline import Recipe, finish
from bshm.scene.background import Background, Picture
from bshm.scene.compose import Scene
from bshm.scene.place import SCALES
from bshm.serve.order import MEDIA_TYPES, Length, Made, Order

SHOWN = 8 / 255  # of alpha: what is fainter is not cut around


def fulfil(order: Order, matting: AlphaMatting) -> Made:
    """Make it. Raises BshmError; its codes ``roi_exceeds_bounds``, ``roi_region_empty`` are new."""
    with timing.collect() as timings:
        with timing.measure("read"):
            original = decode(order.photo, "", order.max_pixels)
            photo = _shrunk(original, order.result_pixels)
            behind, icc = _behind(order)
        alpha = _alpha(photo, matting, order.roi, original.rgb.shape[:2])
        people = _box(photo, alpha)
        window = _around(people, order.margin) if order.crop and people else None
        if window and not _is_cut_around_last(order, behind):
            photo, alpha = _cropped(photo, alpha, window)
            window = None
        scene = _scene(order, behind, _box(photo, alpha), alpha.shape)
        only_alpha = order.only_alpha and order.format != "zip"
        recipe = Recipe(only_alpha=only_alpha, scene=scene, scene_icc=icc)
        result = finish(photo, alpha, recipe)
        pixels = result.pixels
        beside: np.ndarray | None = photo.rgb
        if window and isinstance(result, Composite):
            pixels, beside = _cut_around(result, window), None
        with timing.measure("write"):
            kind, data = _encoded(pixels, result.icc, order.format, beside)
    height, width = pixels.shape[:2]
    photo_pixels = original.rgb.shape[0] * original.rgb.shape[1]
    where = people and _enlarged(people, photo.rgb.shape, original.rgb.shape)
    return Made(data, MEDIA_TYPES[kind], width, height, photo_pixels, where, timings)


def rehearse(matting: AlphaMatting) -> None:
    """Do once, small, what every photo takes: what is loaded with the first one is there then."""
    matting.warm_up()
    grey = np.full((64, 64, 4), 128, np.uint8)
    photo = decode(encode(grey, "jpeg"), "", grey.size)
    finish(photo, np.full((64, 64), 0.5, np.float32), Recipe()).encode("png")


def _shrunk(photo: Photo, limit: int) -> Photo:
    height, width = photo.rgb.shape[:2]
    if not limit or height * width <= limit:
        return photo
    zoom = (limit / (height * width)) ** 0.5
    size = max(1, int(width * zoom)), max(1, int(height * zoom))
    rgb, alpha = planes.resized(
        photo.rgb, photo.alpha, lambda plane: cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    )
    return Photo(rgb, photo.icc, alpha)


def _enlarged(box: Box, size: tuple[int, ...], original: tuple[int, ...]) -> Box:
    """A window of the shrunk photo in the original one."""
    down, across = original[0] / size[0], original[1] / size[1]
    return Box(
        round(box.top * down),
        round(box.bottom * down),
        round(box.left * across),
        round(box.right * across),
    )


def _behind(order: Order) -> tuple[Background | None, bytes | None]:
    """What is put behind, and the profile of it. Raises BshmError about ``background``."""
    if not order.picture:
        return order.behind, None
    try:
        found = decode(order.picture, "", order.max_pixels)
    except InputError as error:
        raise BshmError(error.reason, "background", error.code) from error
    return Picture(found.rgb, found.alpha), found.icc


def _alpha(
    photo: Photo, matting: AlphaMatting, roi: tuple[Length, ...], original: tuple[int, ...]
) -> np.ndarray:
    """The matte; 0 outside of the region, whose pixels are those of the original size."""
    if not roi:
        return matting.alpha(photo.rgb)
    height, width = original
    left, right = (length.pixels(width) for length in roi[::2])
    top, bottom = (length.pixels(height) for length in roi[1::2])
    if max(left, right) > width or max(top, bottom) > height:
        reason = "the region of interest ends beyond the photo, which has %d×%d pixels"
        raise BshmError(reason % (width, height), code="roi_exceeds_bounds")
    down, across = photo.rgb.shape[0] / height, photo.rgb.shape[1] / width
    rows = slice(int(top * down), round(bottom * down))
    columns = slice(int(left * across), round(right * across))
    region = np.ascontiguousarray(photo.rgb[rows, columns])
    if not region.size:
        raise BshmError("the region of interest is empty", code="roi_region_empty")
    alpha = np.zeros(photo.rgb.shape[:2], np.float32)
    alpha[rows, columns] = matting.alpha(region)
    return alpha


def _box(photo: Photo, alpha: np.ndarray) -> Box | None:
    """The smallest window that holds all that shows."""
    shown = alpha > SHOWN
    if photo.alpha is not None:
        shown &= photo.alpha > 0
    return planes.box(shown)


def _is_cut_around_last(order: Order, behind: Background | None) -> bool:
    """Whether people get their shadow before the rest is cut off: on nothing it has to be whole.

    In a frame that ends at their feet nobody would stand, and no shadow would reach farther. Where
    people are put elsewhere in it, the frame has to be there first.
    """
    stays = order.share is None and order.position == (None, None)
    shaded = order.shadow.kind != "none" and not order.only_alpha
    return behind is None and stays and shaded


def _around(people: Box, margin: tuple[Length, ...]) -> Box:
    """The window of a crop, which may leave the photo."""
    height, width = people.bottom - people.top, people.right - people.left
    sides = (height, width, height, width)
    above, after, below, before = (length.pixels(side) for length, side in zip(margin, sides))
    return Box(
        people.top - above, people.bottom + below, people.left - before, people.right + after
    )


def _cropped(photo: Photo, alpha: np.ndarray, window: Box) -> tuple[Photo, np.ndarray]:
    """Photo and matte of a window."""
    own = None if photo.alpha is None else _window_of(photo.alpha, window)
    rgb = _window_of(photo.rgb, window, cv2.BORDER_REPLICATE)
    return Photo(rgb, photo.icc, own), _window_of(alpha, window)


def _cut_around(made: Composite, window: Box) -> np.ndarray:
    """A window of the photo in what was made of it, larger where the shadow leaves it."""
    left, top = made.grown[:2]
    window = window.moved(top, left)
    return _window_of(made.pixels, window.join(made.shown) if made.shown else window)


def _window_of(plane: np.ndarray, window: Box, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
    """What a window shows of a plane; beside it is nothing, or what the border makes of it."""
    top, bottom, left, right = window
    high, wide = plane.shape[:2]
    inside = plane[max(top, 0) : bottom, max(left, 0) : right]
    over = max(-top, 0), max(bottom - high, 0), max(-left, 0), max(right - wide, 0)
    if not any(over):
        return np.ascontiguousarray(inside)
    return cv2.copyMakeBorder(inside, *over, border, value=0)


def _scene(
    order: Order, behind: Background | None, people: Box | None, frame: tuple[int, ...]
) -> Scene | None:
    scale = 1.0
    if order.share is not None and people:
        height, width = frame
        room = height / (people.bottom - people.top), width / (people.right - people.left)
        scale = min(max(order.share * min(room), SCALES[0]), SCALES[1])
    scene = Scene(
        behind,
        position=order.position,
        scale=scale,
        light=order.light,
        shadow=order.shadow,
    )
    return None if scene == Scene(light=order.light) else scene


def _encoded(
    pixels: np.ndarray, icc: bytes | None, wanted: str, photo: np.ndarray | None
) -> tuple[str, bytes]:
    """The format and the file. ``photo`` is the colours of the same frame, if there are any."""
    opaque = pixels.ndim == 3 and pixels.shape[2] == 3
    kind = wanted
    if wanted == "auto":
        kind = "jpeg" if opaque else "png"
    if opaque:
        pixels = _rgba(pixels)
    if kind != "zip":
        return kind, encode(pixels, kind, icc)
    matte = np.ascontiguousarray(pixels[..., 3])
    colours = pixels
    if photo is not None and photo.shape[:2] == matte.shape:
        # Beside the people, so that no black edge is encoded.
        colours = np.where((matte == 0)[..., None], _rgba(photo), pixels)
    colours[..., 3] = 255
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("color.jpg", encode(colours, "jpeg", icc))
        archive.writestr("alpha.png", encode(matte, "png"))
    return kind, file.getvalue()


def _rgba(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA)
