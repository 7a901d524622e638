"""Bytes -> pixels: upright RGB, whatever the file's orientation, colours and depth.

Photos are decoded by Pillow's plugins for a fixed list of raster formats. Importing this module
loads neither Pillow nor numpy.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any, Callable, Iterator

from bshm.codec import formats, pillow_settings
from bshm.errors import InputError
from bshm.pictures import Photo

if TYPE_CHECKING:
    import numpy as np

MAX_PIXELS = 200_000_000  # the largest photo decoded unless the caller says otherwise

# What Pillow's plugins raise on damaged files: seen while fuzzing, or raised in their code.
_DECODER_ERRORS = (
    OSError,  # truncated and damaged data
    SyntaxError,  # Pillow's own word for "not this format"
    ValueError,  # unknown modes, bad sizes, compressed text that grows too large
    TypeError,  # TIFF and Exif tags of an unexpected type
    LookupError,  # missing TIFF tags (KeyError), short headers (IndexError)
    ArithmeticError,  # sizes that overflow, rationals over zero
    AttributeError,  # TIFF directories without what the plugin takes for granted
    EOFError,  # no first frame
    RuntimeError,  # libheif; a plugin's NotImplementedError or RecursionError
    MemoryError,
    AssertionError,
    struct.error,  # short headers
    zlib.error,  # PNG text and profiles
)

# Exif orientation -> the method of Pillow's Image.transpose that makes the stored picture upright.
_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}


def decode(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Photo:
    """Decode JPEG, PNG, WebP, BMP, TIFF, GIF (first frame), and HEIC or AVIF where a plugin is.

    Exif orientation is applied. Grey, palette, CMYK and Lab become RGB, through the ICC profile
    of the file if it has a sound one; 16-bit and float samples are scaled to 8 bits.

    data: the whole file
    name: what messages call it
    max_pixels: more than this many are refused by the header, before anything is allocated

    Raises InputError: not an image, a format without a decoder, truncated, damaged, too large.
    """
    kind, plugin = formats.recognise(data, name)
    open_picture = formats.opener(kind, plugin, name)
    from PIL import Image

    with pillow_settings.no_warnings:
        try:
            claimed = formats.claimed_size(kind, data)
            _check_pixels(claimed, name, max_pixels)
            with pillow_settings.allow_pixels(claimed):
                picture = open_picture(BytesIO(data))
            _check_pixels(picture.size, name, max_pixels)
            if kind == "TIFF":
                _check_tiff(picture, name, max_pixels)
            with pillow_settings.allow_pixels(picture.size):
                picture.load()
                return _photo(picture)
        except (Image.DecompressionBombError, *_DECODER_ERRORS) as error:
            reason, code = _verdict(kind, error)
            raise InputError(reason, name, code) from error


def from_picture(picture: Any, name: str, max_pixels: int = MAX_PIXELS) -> Photo:
    """The photo in a Pillow picture, which stays as it is: upright, with transparency and profile.

    Takes and raises the same as :func:`decode`; ``picture`` is loaded if it was not yet.
    """
    kind = picture.format or picture.mode
    _check_pixels(picture.size, name, max_pixels)
    with pillow_settings.no_warnings, pillow_settings.allow_pixels(picture.size):
        try:
            picture.load()
            return _photo(picture)
        except _DECODER_ERRORS as error:
            reason, code = _verdict(kind, error)
            raise InputError(reason, name, code) from error


def _verdict(kind: str, error: Exception) -> tuple[str, str]:
    """What is wrong with a file that a plugin gave up on, and the code of that."""
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    if isinstance(error, MemoryError):
        return "not enough memory to decode this %s file" % kind, "out_of_memory"
    if re.search("unknown|unsupported|not supported", reason, re.IGNORECASE):
        return "%s files of this kind are not supported (%s)" % (kind, reason), "unsupported_format"
    return "the %s file is truncated or damaged (%s)" % (kind, reason), "damaged"


def _check_pixels(size: tuple[int, int] | None, name: str, max_pixels: int) -> None:
    if size is None:
        return
    width, height = size
    if width <= 0 or height <= 0:
        raise InputError("the picture is empty (%d×%d pixels)" % (width, height), name, "damaged")
    if width * height > max_pixels:
        raise InputError(
            "%d×%d is %.4g megapixels, over the limit of %.4g"
            % (width, height, width * height / 1e6, max_pixels / 1e6),
            name,
            "too_many_pixels",
        )


def _check_tiff(picture: Any, name: str, max_pixels: int) -> None:
    """Refuse raw files, which look like a TIFF of their thumbnail, and tiles that are bombs."""
    tags = picture.tag_v2
    new_subfile_type, sub_directories, dng_version = 254, 330, 50706
    if dng_version in tags or (tags.get(new_subfile_type, 0) & 1 and sub_directories in tags):
        raise InputError(formats.RAW, name, "not_an_image")
    tile_width, tile_height = 322, 323
    if tile_width in tags and tile_height in tags:
        _check_pixels((tags[tile_width], tags[tile_height]), name, max_pixels)


def _photo(picture: Any) -> Photo:
    """A loaded Pillow picture as upright arrays, converted stripe by stripe."""
    import numpy as np

    orientation, profile = _orientation(picture), _profile(picture)
    key = picture.info.get("transparency")
    # A key of 16 bits cannot be compared with the pixels of 8 that Pillow made.
    ignored = picture.mode == "RGB" and isinstance(key, tuple) and max(key) > 255
    transparent = picture.mode[-1] in "Aa" or (key is not None and not ignored)
    deep = picture.mode[:1] in "IF"
    eight_bits = _DeepGrey(picture).convert if deep else lambda stripe: stripe
    to_rgb, icc = _to_rgb("L" if deep else picture.mode, profile)
    width, height = picture.size
    shape = (height, width) if orientation < 5 else (width, height)
    rgb = np.empty((*shape, 3), np.uint8)
    alpha = np.empty(shape, np.uint8) if transparent else None
    for top, bottom, stripe in _stripes(picture):
        if ignored:
            del stripe.info["transparency"]
        stripe = eight_bits(stripe)
        if orientation in _TURNS:
            stripe = stripe.transpose(_TURNS[orientation])
        place = _place(orientation, top, bottom, height)
        if alpha is not None:
            stripe = stripe.convert("RGBA")
            alpha[place] = np.asarray(stripe.getchannel("A"))
        rgb[place] = np.asarray(to_rgb(stripe))
    return Photo(rgb, icc, None if alpha is None or alpha.min() == 255 else alpha)


def _stripes(picture: Any) -> Iterator[tuple[int, int, Any]]:
    """The stored picture in parts: the lines [top:bottom] and a picture of them."""
    from bshm import planes

    width, height = picture.size
    for lines in planes.stripes(height, width):
        yield lines.start, lines.stop, picture.crop((0, lines.start, width, lines.stop))


def _place(orientation: int, top: int, bottom: int, height: int) -> tuple[slice, slice]:
    """Where the stored lines [top:bottom] of ``height`` are in the upright picture."""
    if orientation in (3, 4, 6, 7):  # the first one is at the bottom or at the right
        top, bottom = height - bottom, height - top
    lines, everything = slice(top, bottom), slice(None)
    return (everything, lines) if orientation > 4 else (lines, everything)


def _orientation(picture: Any) -> int:
    """Exif orientation still to be applied, 1-8; damaged Exif data count as upright."""
    if picture.format == "TIFF":
        return 1  # Pillow turns these when it loads them, and does not always say so
    try:
        value = picture.getexif().get(0x0112)
    except _DECODER_ERRORS:
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


class _DeepGrey:
    """Makes ``L`` of stripes of deep or float grey, or ``LA`` if a level is transparent."""

    def __init__(self, picture: Any) -> None:
        tags = getattr(picture, "tag_v2", {})
        bits_per_sample, photometric, sample_format = 258, 262, 339
        self.mode = picture.mode
        self.transparent = picture.info.get("transparency")  # a PNG's, in its own depth
        self.signed = tags.get(sample_format, (1,))[0] == 2
        # Pillow inverts WhiteIsZero at 8 bits only.
        self.negative = tags.get(photometric) == 0 and picture.mode != "F"
        if picture.mode == "F":
            highest = max(self._values(stripe).max() for _, _, stripe in _stripes(picture))
            # White is 1.0 by convention, with headroom for highlights; else 8 or 16 bits as floats.
            self.white = next((w for top, w in ((16, 1), (256, 255)) if highest <= top), 65535)
        else:
            self.white = (1 << (tags.get(bits_per_sample, (16,))[0] - self.signed)) - 1

    def convert(self, stripe: Any) -> Any:
        import numpy as np
        from PIL import Image

        values = self._values(stripe)
        levels = self.white - values if self.negative else values
        scaled = levels.astype(np.float32) * (255 / self.white) + 0.5
        grey = np.clip(scaled, 0, 255).astype(np.uint8)
        if self.transparent is None:
            return Image.fromarray(grey)
        alpha = np.where(values == self.transparent, np.uint8(0), np.uint8(255))
        return Image.fromarray(np.dstack([grey, alpha]))

    def _values(self, stripe: Any) -> np.ndarray:
        import numpy as np

        values = np.asarray(stripe)
        if self.mode == "F":
            return np.where(np.isfinite(values), values, 0)
        return values if self.signed or self.mode != "I" else values.view(np.uint32)


def _profile(picture: Any) -> tuple[str, bytes]:
    """Colour space and bytes of the embedded ICC profile; a broken one counts as none."""
    icc = picture.info.get("icc_profile")
    if not isinstance(icc, bytes) or not icc:
        return "", b""
    try:
        from PIL import ImageCms

        profile = ImageCms.ImageCmsProfile(BytesIO(icc)).profile
        kind, space = profile.device_class, profile.xcolor_space.strip()
    except (ImportError, *_DECODER_ERRORS):  # ImportError: a Pillow without LittleCMS
        return "", b""
    # Device links and the like say how to get somewhere, not where the colours are.
    return (space, icc) if kind in ("scnr", "mntr", "prtr", "spac") else ("", b"")


def _to_rgb(mode: str, profile: tuple[str, bytes]) -> tuple[Callable, bytes | None]:
    """How a Pillow picture of a mode becomes RGB, and the RGB profile that it is then in."""
    space, icc = profile
    own = {"LAB": "Lab", "CMYK": "CMYK", "1": "GRAY", "L": "GRAY", "LA": "GRAY"}.get(mode)
    source = "L" if own == "GRAY" else mode
    if mode == "LAB" or (own and own == space):
        with contextlib.suppress(ImportError, *_DECODER_ERRORS):
            cms: Any = importlib.import_module("PIL.ImageCms")
            stored = cms.createProfile("LAB") if mode == "LAB" else BytesIO(icc)
            transform = cms.ImageCmsTransform(
                cms.ImageCmsProfile(stored),
                cms.ImageCmsProfile(cms.createProfile("sRGB")),
                source,
                "RGB",
                intent=1,  # relative colorimetric
                flags=0x2000,  # black point compensation
            )
            return lambda stripe: transform.apply(stripe.convert(source)), None
    keeps = space == "RGB" and mode != "CMYK"
    return _as_rgb, icc if keeps else None


def _as_rgb(stripe: Any) -> Any:
    return stripe if stripe.mode == "RGB" else stripe.convert("RGB")  # which would copy it
