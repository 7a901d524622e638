"""Backgrounds: what a text names, and the pixels of it at a given size.

`parse` reads the text, without looking at any file; `paint` makes the pixels. Of a `Named` picture
somebody else reads and decodes the file, and hands a `Picture` over.
"""

from __future__ import annotations

import hashlib
import re
from typing import Callable, NamedTuple, Tuple, Union

import cv2
import numpy as np

from bshm import planes
from bshm.scene import grids

Colour = Tuple[int, int, int, int]  # red, green, blue, alpha: 0-255

FITS = ("cover", "contain", "stretch", "tile")
BLUR = 0.5  # strength of blur that names none
CLEAR = (0, 0, 0, 0)

_HEX = re.compile("#?(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
_CALL = re.compile(r"(rgba?|hsla?|hwb|lab|lch|oklab|oklch|color|color-mix)\(.*\)")
_FUNCTION = re.compile(r"(rgb|hsl)a?\(\s*([^()]*?)\s*\)")


class Gradient(NamedTuple):
    """From one colour to the next, evenly spaced: down the picture, or outwards from its middle."""

    colours: tuple[Colour, ...]
    radial: bool = False


class Blur(NamedTuple):
    """The photo's own background, out of focus; strength 0-1."""

    strength: float = BLUR


class Named(NamedTuple):
    """A picture that is still a file or an address; its `fingerprint` where it was seen before."""

    name: str
    seen: str = ""


class Picture(NamedTuple):
    """A decoded picture: uint8 ``[H, W, 3]`` and, where it is not opaque, uint8 ``[H, W]``."""

    rgb: np.ndarray
    alpha: np.ndarray | None = None


class Flat(NamedTuple):
    """One colour."""

    colour: Colour


Background = Union[Flat, Gradient, Blur, Named, Picture]


def fingerprint(picture: Picture) -> str:
    """A text that differs between pictures that look different."""
    digest = hashlib.sha256()
    for plane in picture:
        if plane is not None:  # of a large picture, a small one says enough
            small = grids.shrink(plane, (64, 64))
            digest.update(b"%d %d" % plane.shape[:2] + small.tobytes())
    return digest.hexdigest()


def parse(text: str) -> Background:
    """What a text names: a colour, a gradient, ``blur``, or else a file or an address.

    - ``white``, ``#fff``, ``fff``, ``#ff000080``, ``rgb(0 0 0 / 50%)``, ``hsl(210, 40%, 60%)``,
      ``transparent``: a CSS name, hex, rgb() or hsl(); hex needs no ``#``, a comment to shells
    - ``white..#4b6190``, ``red..white..blue``: down the picture; ``radial:A..B``: from its middle
    - ``blur``, ``blur:0.8``: the photo's own, 0 to 1

    Raises ValueError, with what was expected.
    """
    text = text.strip()
    if not text:
        raise ValueError("expected a colour, A..B, blur, a file or an address; got an empty text")
    head, _, rest = text.partition(":")
    if head.lower() == "blur":
        return Blur(_strength(rest, text) if ":" in text else BLUR)
    radial = head.lower() == "radial"
    parts = (rest if radial else text).split("..")
    if len(parts) > 1:
        colours = [colour(part) for part in parts]
        found = [one for one in colours if one is not None]
        if len(found) == len(colours):
            return Gradient(tuple(found), radial)
        if radial or found:  # not a path like ../beach.jpg
            wrong = parts[colours.index(None)]
            raise ValueError("%s: %r is no colour; a gradient is A..B" % (text, wrong.strip()))
    if radial:
        raise ValueError("%s: a radial gradient is radial:A..B" % text)
    one = colour(text)
    if one is not None:
        return Flat(one)
    if _CALL.fullmatch(text.lower()) or text.startswith("#"):
        known = "no CSS name, hex, rgb() or hsl(); such as white, #4b6190, rgb(75 97 144)"
        raise ValueError("%s: %s" % (text, known))
    return Named(text)


def shows_through(behind: Flat | Gradient) -> bool:
    """Whether a colour or a gradient is not wholly opaque."""
    colours = behind.colours if isinstance(behind, Gradient) else (behind.colour,)
    return min(alpha for *_, alpha in colours) < 255


def of_levels(levels: tuple) -> Colour:
    """RGBA of red, green, blue and perhaps alpha, 0-255. Raises ValueError."""
    if not all(isinstance(level, int) and 0 <= level <= 255 for level in levels):
        raise ValueError("expected a colour as levels of 0 to 255, got %r" % (levels,))
    red, green, blue, alpha = (*levels, 255)[:4]
    return red, green, blue, alpha


def colour(text: str) -> Colour | None:
    """RGBA of a CSS colour, or None where the text is none."""
    text = text.strip().lower()
    if text == "transparent":
        return CLEAR
    if _HEX.fullmatch(text):
        digits = text.lstrip("#")
        if len(digits) < 6:
            digits = "".join(digit * 2 for digit in digits)
        red, green, blue, alpha = bytes.fromhex((digits + "ff")[:8])
        return red, green, blue, alpha
    call = _FUNCTION.fullmatch(text)
    if call:
        return _function(call.group(1), call.group(2))
    from PIL import ImageColor

    named = ImageColor.colormap.get(text)
    return None if named is None else (*ImageColor.getrgb(text)[:3], 255)


def _function(kind: str, inside: str) -> Colour | None:
    """RGBA of what stands between the brackets of ``rgb(...)`` or ``hsl(...)``."""
    words = re.split(r"\s*[,/]\s*|\s+", inside)
    if len(words) not in (3, 4):
        return None
    alpha = _number(words[3], 1) if len(words) == 4 else 1.0
    if kind == "rgb":
        values = [_number(word, 255) for word in words[:3]]
        if None in values or alpha is None:
            return None
        channels = [value / 255 for value in values if value is not None]
    else:
        turn = _number(re.sub("deg$", "", words[0]), 1)
        share = [_number(word, 1) if word.endswith("%") else None for word in words[1:3]]
        if turn is None or alpha is None or share[0] is None or share[1] is None:
            return None
        import colorsys

        channels = list(colorsys.hls_to_rgb(turn / 360 % 1, min(share[1], 1), min(share[0], 1)))
    red, green, blue, level = (max(0, min(255, round(value * 255))) for value in [*channels, alpha])
    return red, green, blue, level


def _number(text: str, whole: float) -> float | None:
    """A number, or per cent of a whole."""
    found = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+))(%?)", text)
    if not found:
        return None
    return float(found.group(1)) * (whole / 100 if found.group(2) else 1)


def _strength(text: str, whole: str) -> float:
    value = _number(text, 1)
    if value is None or not 0 <= value <= 1:
        raise ValueError("%s: blur takes a strength from 0 to 1, such as blur:0.5" % whole)
    return value


def paint(background: Flat | Gradient | Picture, size: tuple[int, int], fit: str) -> Picture:
    """Its pixels at a size (height, width); a picture is laid out as ``fit`` says.

    ``cover`` fills the frame and cuts what is over, ``contain`` shows all and leaves the rest
    transparent, ``stretch`` bends, ``tile`` repeats at the picture's own size.
    """
    if isinstance(background, Picture):
        return _lay_out(background, size, fit)
    if isinstance(background, Gradient):
        return _gradient(background, size)
    pixels = np.empty((*size, 3), np.uint8)
    pixels[:] = background.colour[:3]
    level = background.colour[3]
    return Picture(pixels, None if level == 255 else np.full(size, level, np.uint8))


def _gradient(gradient: Gradient, size: tuple[int, int]) -> Picture:
    """Mixed in coded values, premultiplied by alpha, as CSS does it."""
    height, width = size
    colours = np.array(gradient.colours, np.float32)
    colours[:, :3] *= colours[:, 3:] / 255
    stops = np.linspace(0, 1, len(colours))
    steps = 4096 if gradient.radial else height
    at = (np.arange(steps) + 0.5) / steps
    mixed = np.stack([np.interp(at, stops, colours[:, c]) for c in range(4)], -1)
    mixed[:, :3] *= 255 / np.maximum(mixed[:, 3:], 1e-6)
    table = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
    rgb = np.empty((height, width, 3), np.uint8)
    clear = any(one[3] < 255 for one in gradient.colours)
    alpha = np.empty((height, width), np.uint8) if clear else None
    for part in planes.stripes(height, width):
        if gradient.radial:
            found = table.view(np.uint32)[_from_middle(size, part, steps)].view(np.uint8)
            found = found.reshape(-1, width, 4)
        else:
            found = np.repeat(table[part, None], width, axis=1)
        rgb[part] = cv2.cvtColor(found, cv2.COLOR_RGBA2RGB)
        if alpha is not None:
            alpha[part] = found[..., 3]
    return Picture(rgb, alpha)


def _from_middle(size: tuple[int, int], part: slice, steps: int) -> np.ndarray:
    """How far pixels of some rows are from the middle: 0 there, ``steps`` - 1 at the corners."""
    height, width = size
    down = (np.arange(part.start, part.stop, dtype=np.float32) + 0.5) * (2 / height) - 1
    across = (np.arange(width, dtype=np.float32) + 0.5) * (2 / width) - 1
    far = cv2.sqrt((down**2)[:, None] + (across**2)[None])
    return (far * np.float32((steps - 0.01) / 2**0.5)).astype(np.uint16)


def _lay_out(picture: Picture, size: tuple[int, int], fit: str) -> Picture:
    height, width = size
    rows, columns = picture.rgb.shape[:2]
    if fit == "stretch":
        return _map(picture, lambda plane: _resize(plane, height, width))
    if fit == "tile":
        down, across = -(-height // rows), -(-width // columns)

        def repeat(plane: np.ndarray) -> np.ndarray:
            shape = (down, across) + (1,) * (plane.ndim - 2)
            return np.ascontiguousarray(np.tile(plane, shape)[:height, :width])

        return _map(picture, repeat)
    if fit == "contain":
        scale = min(height / rows, width / columns)
        inner = (max(1, round(rows * scale)), max(1, round(columns * scale)))
        top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
        inside = slice(top, top + inner[0]), slice(left, left + inner[1])

        def frame(plane: np.ndarray) -> np.ndarray:
            out = np.zeros((height, width, *plane.shape[2:]), np.uint8)
            out[inside] = _resize(plane, *inner)
            return out

        if picture.alpha is not None or inner == (height, width):
            return _map(picture, frame)
        alpha = np.zeros((height, width), np.uint8)
        alpha[inside] = 255
        return Picture(frame(picture.rgb), alpha)
    # Of what is over, cover cuts half on either side.
    scale = max(height / rows, width / columns)
    high, wide = min(rows, round(height / scale)), min(columns, round(width / scale))
    top, left = (rows - high) // 2, (columns - wide) // 2

    def cut(plane: np.ndarray) -> np.ndarray:
        part = plane[top : top + max(high, 1), left : left + max(wide, 1)]
        return _resize(part, height, width)

    return _map(picture, cut)


def _map(picture: Picture, change: Callable[[np.ndarray], np.ndarray]) -> Picture:
    return Picture(*planes.resized(picture.rgb, picture.alpha, change))


def _resize(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    if plane.shape[:2] == (height, width):
        return plane.copy()
    while height <= plane.shape[0] // 2 and width <= plane.shape[1] // 2:
        half = plane.shape[1] // 2, plane.shape[0] // 2
        plane = cv2.resize(plane, half, interpolation=cv2.INTER_AREA)
    if height <= plane.shape[0] // 2 or width <= plane.shape[1] // 2:  # bent
        way = cv2.INTER_AREA
    elif height < plane.shape[0] or width < plane.shape[1]:  # by less than half: as good, faster
        way = cv2.INTER_LINEAR
    else:
        way = cv2.INTER_CUBIC
    return cv2.resize(plane, (width, height), interpolation=way)
