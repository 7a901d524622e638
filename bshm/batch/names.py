"""Names: fit for a terminal, fit for any file system, and in the order people count in."""

from __future__ import annotations

import re
import sys
import unicodedata

STEM = "{stem}"  # in the name of outputs: the photo's name without folder and ending
NAME_BYTES = 255  # of a file's name, on nearly any file system
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)  # on Windows


def folded(path: str) -> str:
    """One and the same for all spellings that are one file on Windows or macOS."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def natural(name: str) -> tuple:
    """Sort key: IMG_2 before IMG_10."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def printable(text: str) -> str:
    """Without what would break a line, a terminal or an encoding."""
    if text.isprintable():  # as nearly all are
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        else character
        for character in text
    )


def safe_stem(text: str) -> str:
    """A file name on any system: no folders, no control characters, nothing hidden or reserved."""
    encoding = sys.getfilesystemencoding()  # not UTF-8 everywhere
    text = text.encode(encoding, "replace").decode(encoding)
    stem = re.sub(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\:*?"<>|]+', "_", text).strip(" .")
    return fit("_" + stem if _RESERVED.match(stem) else stem or "photo", 200)


def fit(stem: str, size: int) -> str:
    """The beginning of a name that takes at most ``size`` bytes in the file system."""
    while len(stem.encode("utf-8", "replace")) > size:
        stem = stem[:-1]
    return stem
