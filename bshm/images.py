"""Bytes <-> pixels: the only module that knows image file formats.

Photos are decoded by Pillow's plugins for a fixed list of raster formats, chosen by the file's
first bytes and never by its name. Importing this module loads neither Pillow nor numpy.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import re
import struct
import threading
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, ContextManager, Iterator, NamedTuple

from bshm.errors import InputError, OutputError

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

# Formats by their first bytes, and the name of Pillow's plugin.
_FORMATS = (
    ("JPEG", rb"\xff\xd8\xff", "Jpeg"),
    ("PNG", rb"\x89PNG\r\n\x1a\n", "Png"),
    ("WebP", rb"RIFF....WEBP", "WebP"),
    ("GIF", rb"GIF8[79]a", "Gif"),
    ("TIFF", rb"(II[*+]\0|MM\0[*+])(?!....CR)", "Tiff"),
    ("BMP", rb"BM", "Bmp"),
    ("AVIF", rb"....ftyp(avi[fs]|(mif1|msf1).{0,32}avif)", "Avif"),
    ("HEIC", rb"....ftyp(he[iv][cxms]|mif1|msf1)", ""),
)
_RAW = "is a camera's raw file; export it as JPEG or TIFF"
_FOREIGN = (
    ("is a web page, not an image", rb"\s*<(!doctype\s+html|html|head|body|(\?xml|!--).*<html)"),
    ("is an SVG drawing, not a photo", rb"\s*<(svg|(\?xml|!--|!doctype).*<svg)"),
    ("is a PDF document, not an image", rb"%PDF"),
    ("is a PostScript file, not a photo", rb"%!PS|\xc5\xd0\xd3\xc6"),
    (_RAW, rb"II\*\0....CR|....ftypcrx |FUJIFILMCCD-RAW|IIRO|IIU\0"),
    ("is a JPEG XL picture; save it as PNG", rb"\xff\x0a|\0\0\0\x0cJXL "),
    ("is a JPEG 2000 picture; save it as PNG", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    ("is a Photoshop document; save it as PNG", rb"8BPS"),
    ("is a video, not a photo", rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI |\0\0\x01[\xb3\xba]|FLV\x01"),
    ("is an archive, not an image", rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf"),
    ("is text, not an image", rb"[\s\x20-\x7e]{32}|[\s\x20-\x7e]+\Z"),
)

# Exif orientation -> what makes the stored picture upright, as Pillow's Image.transpose counts.
_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
_STRIPE = 1 << 18  # pixels handled at a time, so that no second whole picture is made

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_WRITE_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.ENAMETOOLONG: "the file name is too long",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EEXIST: "a part of its path is a file, not a folder",
}


class Photo(NamedTuple):
    """A decoded photo, upright.

    rgb: uint8 ``[H, W, 3]``; where the file has transparency, the straight colours stored there
    icc: the RGB profile that ``rgb`` is in, to be embedded in the output; None means sRGB
    alpha: uint8 ``[H, W]``, the file's own transparency, or None if all of it is opaque. A matte
        is to be multiplied by it, lest what was cut away before comes back.
    """

    rgb: np.ndarray
    icc: bytes | None = None
    alpha: np.ndarray | None = None


def decode(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Photo:
    """Decode JPEG, PNG, WebP, BMP, TIFF, GIF (first frame), and HEIC or AVIF where a plugin is.

    Exif orientation is applied. Grey, palette, CMYK and Lab become RGB, through the ICC profile
    of the file if it has a sound one; 16-bit and float samples are scaled to 8 bits.

    data: the whole file
    name: what messages call it
    max_pixels: more than this many are refused by the header, before anything is allocated

    Raises InputError: not an image, a format without a decoder, truncated, damaged, too large.
    """
    kind, plugin = _recognise(data, name)
    open_picture = _plugin(kind, plugin, name)
    from PIL import Image

    with _QUIET:
        try:
            claimed = _claimed_size(kind, data)
            _check_pixels(claimed, name, max_pixels)
            with _pillow_limit(claimed):
                picture = open_picture(BytesIO(data))
            _check_pixels(picture.size, name, max_pixels)
            if kind == "TIFF":
                _check_tiff(picture, name, max_pixels)
            with _pillow_limit(picture.size):
                picture.load()
                return _photo(picture)
        except (Image.DecompressionBombError, *_DECODER_ERRORS) as error:
            raise InputError("%s: %s" % (name, _verdict(kind, error))) from error


def encode_png(pixels: np.ndarray, icc: bytes | None = None, mark: str = "") -> bytes:
    """PNG of straight RGBA ``[H, W, 4]`` or grey ``[H, W]`` pixels, uint8.

    Lines are stored as differences to the left neighbour and packed by zlib's run-length
    strategy, which on cutouts is three times as fast as Pillow's level 1, and smaller.

    icc: an RGB profile to embed; grey pixels take none
    mark: a comment to embed, which :func:`is_finished_png` can ask for

    Raises ValueError for pixels of another type or shape.
    """
    fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 4)
    if not fits or pixels.dtype.name != "uint8" or not pixels.size:
        got = "%s %s" % (pixels.dtype, list(pixels.shape))
        raise ValueError("expected uint8 [H, W] or [H, W, 4], got %s" % got)
    height, width = pixels.shape[:2]
    grey = pixels.ndim == 2
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if grey else 6, 0, 0, 0)
    parts = [_PNG_SIGNATURE, _chunk(b"IHDR", header), _mark_chunk(mark)]
    if icc and not grey:
        parts.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    for part in _deflate(pixels.reshape(height, -1), 1 if grey else 4):
        parts.append(_chunk(b"IDAT", part))
    return b"".join([*parts, _PNG_END])


def is_finished_png(path: Path, mark: str = "") -> bool:
    """Whether a file is a whole PNG that :func:`encode_png` could have written, cheaply.

    Only its head and its last bytes are read: a regular file, 8-bit grey or RGBA, with this
    ``mark`` if one is given, that ends where a PNG ends. Raises nothing.
    """
    marked = _mark_chunk(mark)
    try:
        if not os.path.isfile(str(path)):  # opening a named pipe would block
            return False
        with open(str(path), "rb") as file:
            head = file.read(33 + len(marked))
            file.seek(-len(_PNG_END), os.SEEK_END)
            tail = file.read()
    except (OSError, ValueError):
        return False
    header = head[16:29]
    return (
        head == _PNG_SIGNATURE + _chunk(b"IHDR", header) + marked
        and any(header[:4])
        and any(header[4:8])
        and header[8:] in (b"\x08\0\0\0\0", b"\x08\6\0\0\0")
        and tail == _PNG_END
    )


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all; parent folders are made.

    A hidden file beside it is written and renamed, and removed on any failure. A symbolic link
    is followed; a device or a pipe (``/dev/stdout``) is written to as it is.

    Raises OutputError.
    """
    try:
        target = os.path.realpath(str(path))
        if os.path.isdir(target):
            raise IsADirectoryError(errno.EISDIR, "")
        if os.path.exists(str(path)) and not os.path.isfile(str(path)):
            with open(str(path), "wb") as file:
                file.write(data)
            return
        folder = os.path.dirname(target)
        os.makedirs(folder, exist_ok=True)
        scratch = os.path.join(folder, ".bshm-%s.tmp" % os.urandom(8).hex())
        try:
            # Not tempfile: its files are for their owner only, whatever the umask.
            with open(scratch, "xb") as file:
                file.write(data)
            os.replace(scratch, target)
        finally:
            with contextlib.suppress(OSError):  # gone after the rename
                os.unlink(scratch)
    except (OSError, ValueError) as error:  # ValueError: a name that cannot be encoded
        number = error.errno if isinstance(error, OSError) else None
        reason = _WRITE_ERRORS.get(number or 0, getattr(error, "strerror", None) or error)
        raise OutputError("%s: cannot be written: %s" % (path, reason)) from error


def _recognise(data: bytes, name: str) -> tuple[str, str]:
    """Format of a file by its first bytes, and the plugin for it."""
    if not data:
        raise InputError("%s: the file is empty" % name)
    start = data[:4096]
    for kind, pattern, plugin in _FORMATS:
        if re.match(pattern, start, re.DOTALL):
            return kind, plugin
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):  # UTF-16, which XML and web pages come in, too
        start = start[2:].replace(b"\0", b"")
    elif start.startswith(b"\xef\xbb\xbf"):
        start = start[3:]
    for verdict, pattern in _FOREIGN:
        if re.match(pattern, start, re.DOTALL | re.IGNORECASE):
            raise InputError("%s: %s" % (name, verdict))
    known = ", ".join(kind for kind, _, _ in _FORMATS)
    raise InputError("%s: is not an image (readable: %s)" % (name, known))


def _plugin(kind: str, plugin: str, name: str) -> Callable[[BytesIO], Any]:
    """The class that opens pictures of a format.

    Its own class and not ``Image.open``, whose pixel limit is one for the whole process.
    """
    with contextlib.suppress(ImportError, AttributeError):
        if kind == "HEIC":
            return importlib.import_module("pillow_heif").HeifImageFile
        module = importlib.import_module("PIL.%sImagePlugin" % plugin)
        if getattr(module, "SUPPORTED", True):
            return getattr(module, plugin + "ImageFile")
    with contextlib.suppress(ImportError, AttributeError):
        if kind == "AVIF":  # Pillow reads it from 11.3 on, older releases of pillow-heif did
            return importlib.import_module("pillow_heif").AvifImageFile
    raise InputError('%s: to read %s, run: pip install "bshm[heic]"' % (name, kind))


def _verdict(kind: str, error: Exception) -> str:
    """What is wrong with a file that a plugin gave up on."""
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    if isinstance(error, MemoryError):
        return "not enough memory to decode this %s file" % kind
    if re.search("unknown|unsupported|not supported", reason, re.IGNORECASE):
        return "%s files of this kind are not supported (%s)" % (kind, reason)
    return "the %s file is truncated or damaged (%s)" % (kind, reason)


def _claimed_size(kind: str, data: bytes) -> tuple[int, int] | None:
    """Width and height from the header, for formats whose plugins allocate when they open."""
    head = data[:30]
    if len(head) < 30:
        return None
    if kind == "GIF":
        return struct.unpack("<HH", head[6:10])
    if kind == "WebP" and head[12:16] == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:], "little")
    if kind == "WebP" and head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == "WebP":
        width, height = struct.unpack("<HH", head[26:])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _check_pixels(size: tuple[int, int] | None, name: str, max_pixels: int) -> None:
    if size is None:
        return
    width, height = size
    if width <= 0 or height <= 0:
        raise InputError("%s: the picture is empty (%d×%d pixels)" % (name, width, height))
    if width * height > max_pixels:
        raise InputError(
            "%s: %d×%d is %.1f megapixels, over the limit of %.1f; --max-pixels raises it"
            % (name, width, height, width * height / 1e6, max_pixels / 1e6)
        )


def _check_tiff(picture: Any, name: str, max_pixels: int) -> None:
    """Refuse raw files, which look like a TIFF of their thumbnail, and tiles that are bombs."""
    tags = picture.tag_v2
    new_subfile_type, sub_directories, dng_version = 254, 330, 50706
    if dng_version in tags or (tags.get(new_subfile_type, 0) & 1 and sub_directories in tags):
        raise InputError("%s: %s" % (name, _RAW))
    tile_width, tile_height = 322, 323
    if tile_width in tags and tile_height in tags:
        _check_pixels((tags[tile_width], tags[tile_height]), name, max_pixels)


def _photo(picture: Any) -> Photo:
    """A loaded Pillow picture as upright arrays, converted stripe by stripe."""
    import numpy as np

    orientation, profile = _orientation(picture), _profile(picture)
    if picture.mode[:1] in "IF":
        picture = _eight_bits(picture)
    to_rgb, icc = _to_rgb(picture.mode, profile)
    transparent = picture.mode[-1] in "Aa" or "transparency" in picture.info
    width, height = picture.size
    shape = (height, width) if orientation < 5 else (width, height)
    rgb = np.empty((*shape, 3), np.uint8)
    alpha = np.empty(shape, np.uint8) if transparent else None
    lines = max(1, _STRIPE // width)
    for top in range(0, height, lines):
        bottom = min(top + lines, height)
        stripe = picture.crop((0, top, width, bottom))
        if orientation in _TURNS:
            stripe = stripe.transpose(_TURNS[orientation])
        place = _place(orientation, top, bottom, height)
        if alpha is not None:
            stripe = stripe.convert("RGBA")
            alpha[place] = np.asarray(stripe.getchannel("A"))
        rgb[place] = np.asarray(to_rgb(stripe))
    return Photo(rgb, icc, None if alpha is None or alpha.min() == 255 else alpha)


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


def _eight_bits(picture: Any) -> Any:
    """Grey of more than 8 bits, or of floats, scaled to 8 bits."""
    import numpy as np
    from PIL import Image

    values = np.asarray(picture)
    tags = getattr(picture, "tag_v2", {})
    bits_per_sample, photometric, sample_format = 258, 262, 339
    if picture.mode == "F":
        values = np.where(np.isfinite(values), values, 0)
        # White is 1.0 by convention, with headroom for highlights; else 8 or 16 bits as floats.
        white = next((w for top, w in ((16, 1), (256, 255)) if values.max() <= top), 65535)
    else:
        bits = tags.get(bits_per_sample, (16,))[0]
        signed = tags.get(sample_format, (1,))[0] == 2
        values = values if signed or picture.mode != "I" else values.view(np.uint32)
        white = (1 << (bits - signed)) - 1
        if tags.get(photometric) == 0:  # WhiteIsZero, which Pillow heeds at 8 bits only
            values = white - values
    scaled = values.astype(np.float32) * (255 / white) + 0.5
    return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))


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
    return lambda stripe: stripe.convert("RGB"), icc if keeps else None


class _Shared:
    """A context manager for process-wide state: the first thread in sets it, the last restores.

    ``warnings.catch_warnings`` and the like, used from several threads, would restore each
    other's changes.
    """

    def __init__(self, make: Callable[[], ContextManager]) -> None:
        self.make, self.lock, self.users = make, threading.Lock(), 0

    def __enter__(self) -> None:
        with self.lock:
            if self.users == 0:
                self.state = self.make()
                self.state.__enter__()
            self.users += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self.state.__exit__(None, None, None)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.|pillow_heif")
        yield


@contextlib.contextmanager
def _without_limit() -> Iterator[None]:
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


_QUIET = _Shared(_without_warnings)
_UNLIMITED = _Shared(_without_limit)


def _pillow_limit(size: tuple[int, int] | None) -> ContextManager:
    """Lift Pillow's own limit, only while a picture is read that is larger and within ours."""
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS or 0  # None: another thread has lifted it, and will restore it
    huge = size is not None and size[0] * size[1] > limit
    return _UNLIMITED if huge else contextlib.ExitStack()


def _deflate(rows: np.ndarray, channels: int) -> Iterator[bytes]:
    """Zlib stream of uint8 PNG lines ``[H, W * channels]``, filtered with Sub, in parts."""
    import numpy as np

    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    lines = max(1, _STRIPE // rows.shape[1])
    for top in range(0, len(rows), lines):
        part = rows[top : top + lines]
        filtered = np.empty((len(part), 1 + part.shape[1]), np.uint8)
        filtered[:, 0] = 1  # the filter's number
        filtered[:, 1 : 1 + channels] = part[:, :channels]
        np.subtract(part[:, channels:], part[:, :-channels], out=filtered[:, 1 + channels :])
        packed = packer.compress(filtered.data)
        if packed:
            yield packed
    yield packer.flush()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _mark_chunk(mark: str) -> bytes:
    text = mark.encode("utf-8", "backslashreplace")
    return _chunk(b"iTXt", b"Comment\0\0\0\0\0" + text) if mark else b""
