"""What a file is, by its first bytes and never by its name, and which plugin decodes it."""

from __future__ import annotations

import contextlib
import importlib
import re
import struct
from io import BytesIO
from typing import Any, Callable

from bshm.errors import InputError, install_extra

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
# Endings of the names of photos, where a folder or an output is gone by them.
EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"),
    *(".heic", ".heif", ".hif", ".avif"),
)
RAW = "is a camera's raw file; export it as JPEG or TIFF"
_FOREIGN = (
    ("is a web page, not an image", rb"\s*<(!doctype\s+html|html|head|body|(\?xml|!--).*<html)"),
    ("is an SVG drawing, not a photo", rb"\s*<(svg|(\?xml|!--|!doctype).*<svg)"),
    ("is a PDF document, not an image", rb"%PDF"),
    ("is a PostScript file, not a photo", rb"%!PS|\xc5\xd0\xd3\xc6"),
    (RAW, rb"II\*\0....CR|....ftypcrx |FUJIFILMCCD-RAW|IIRO|IIU\0"),
    ("is a JPEG XL picture; save it as PNG", rb"\xff\x0a|\0\0\0\x0cJXL "),
    ("is a JPEG 2000 picture; save it as PNG", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    ("is a Photoshop document; save it as PNG", rb"8BPS"),
    ("is a video, not a photo", rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI |\0\0\x01[\xb3\xba]|FLV\x01"),
    ("is an archive, not an image", rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf"),
    ("is text, not an image", rb"[\s\x20-\x7e]{32}|[\s\x20-\x7e]+\Z"),
)


def recognise(data: bytes, name: str) -> tuple[str, str]:
    """Format of a file by its first bytes, and the name of Pillow's plugin for it.

    Raises InputError that says what ``name`` is instead of a photo.
    """
    if not data:
        raise InputError("the file is empty", name, "not_an_image")
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
            raise InputError(verdict, name, "not_an_image")
    known = ", ".join(kind for kind, _, _ in _FORMATS)
    raise InputError("is not an image (readable: %s)" % known, name, "not_an_image")


def opener(kind: str, plugin: str, name: str) -> Callable[[BytesIO], Any]:
    """The class that opens pictures of a format.

    Its own class and not ``Image.open``, whose pixel limit is one for the whole process.
    Raises InputError where nothing installed reads the format.
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
    remedy = install_extra("heic") + " (Python 3.8 or newer)"
    raise InputError("to read %s, run: %s" % (kind, remedy), name, "unsupported_format")


def claimed_size(kind: str, data: bytes) -> tuple[int, int] | None:
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
