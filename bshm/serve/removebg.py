"""The contract of remove.bg's API, version 1.0: its fields, headers and errors.

Beyond it, ``bg_blur`` (0-1, or ``true``) puts the photo's own background out of focus, and
``light`` (0-1, ``auto``, ``off``) says how far the people's colours follow a new background.
Credits are never charged.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Iterable, NamedTuple

from bshm.scene import background, light, place, shadow
from bshm.serve.body import Fields
from bshm.serve.order import Length, Made, Order
from bshm.serve.refusal import Refusal

PATH = "/v1.0/"  # in all of its paths
CREDITS = 1_000_000  # what an account is said to have left; nothing is ever taken from it

# Megapixels of a result by its size; 0 is the photo's own.
SIZES = {
    "preview": 0.25,
    "small": 0.25,
    "regular": 0.25,
    "medium": 1.5,
    "hd": 4.0,
    "full": 0.0,
    "4k": 0.0,
    "auto": 0.0,
}
TYPES = (
    *("auto", "person", "product", "car", "animal", "graphic", "graphics"),
    *("transportation", "other"),
)
TYPE_LEVELS = ("none", "1", "2", "latest")
FORMATS = {
    "auto": "auto",
    "png": "png",
    "jpg": "jpeg",
    "jpeg": "jpeg",
    "webp": "webp",
    "zip": "zip",
}
CHANNELS = ("rgba", "alpha")
YES, NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
MAX_MARGIN = {True: 50, False: 500}  # per cent of the people's size; pixels
# How this contract calls what a photo can meet.
CODES = {
    "not_an_image": "invalid_file_type",
    "unsupported_format": "invalid_file_type",
    "damaged": "failed_to_read_image",
    "too_many_pixels": "resolution_too_high",
}
LENGTH = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)(px|%)?")

# Every field, with what the page of the API says about it.
FIELDS = {
    "image_file": "the photo, as a file of a multipart body",
    "image_file_b64": "the photo, in Base64",
    "image_url": "address of the photo, where the service allows any",
    "size": "preview (0.25 megapixels, the default), medium (1.5), hd (4), full, auto, or 12MP",
    "type": "accepted; people are looked for, whatever it says",
    "type_level": "none leaves out the header X-Type",
    "format": "auto (JPEG where nothing is transparent, else PNG), png, jpg, webp, zip",
    "roi": "where people are looked for: x1 y1 x2 y2, in px or %",
    "crop": "true cuts the result around the people and, on nothing, their shadow",
    "crop_margin": "then, how far from them: one, two or four lengths in px or %",
    "scale": "size of the people, of the frame's: 10% to 100%",
    "position": "where the people go: original, center, x% or x% y%",
    "channels": "rgba, or alpha for the matte alone",
    "add_shadow": "true adds a shadow",
    "shadow_type": "none, auto, contact, cast or drop; 3D and car are auto",
    "shadow_opacity": "of the shadow, 0 to 100",
    "semitransparency": "accepted; the matte is always soft",
    "bg_color": "colour put behind, such as 81d4fa, fff or green",
    "bg_image_file": "picture put behind, as a file of a multipart body",
    "bg_image_url": "address of a picture put behind, where the service allows any",
    "bg_blur": "the photo's own background, out of focus: true, or 0 to 1",
    "light": "how far the people's colours follow the background: auto, off, or 0 to 1",
}


class Request(NamedTuple):
    """What a request asks for; pictures behind addresses are still to be fetched."""

    order: Order
    photo_url: str
    background_url: str
    tells_type: bool


def read(fields: Fields, max_pixels: int) -> Request:
    """A request's order. Raises Refusal with the contract's code."""
    texts = fields.texts
    photo, photo_url = _source(fields)
    behind, picture, background_url = _background(fields)
    order = Order(
        photo=photo,
        format=FORMATS[_choice(texts, "format", FORMATS, "auto")],
        max_pixels=max_pixels,
        only_alpha=_choice(texts, "channels", CHANNELS, "rgba") == "alpha",
        result_pixels=_size(texts.get("size", "preview")),
        roi=_roi(texts.get("roi", "")),
        crop=_flag(texts, "crop"),
        margin=_margin(texts.get("crop_margin", "")),
        share=_scale(texts.get("scale", "original")),
        position=_position(texts),
        picture=picture,
        behind=behind,
        light=_light(texts.get("light", "auto")),
        shadow=_shadow(texts),
    )
    _choice(texts, "type", TYPES, "auto")
    _flag(texts, "semitransparency")
    tells_type = _choice(texts, "type_level", TYPE_LEVELS, "1") != "none"
    return Request(order, photo_url, background_url, tells_type)


def check(made: Made) -> None:
    """Raises Refusal where nobody was found."""
    if made.people is None:
        reason = "Could not identify foreground in image: nobody was found"
        raise Refusal(400, "unknown_foreground", reason)


def headers(made: Made, tells_type: bool) -> dict[str, str]:
    """The headers of an answer."""
    found = {
        "X-Width": str(made.width),
        "X-Height": str(made.height),
        "X-Credits-Charged": "0",
    }
    for name, value in _foreground(made).items():
        found["X-" + name.replace("_", "-").title()] = str(value)
    return {"X-Type": "person", **found} if tells_type else found


def json_answer(made: Made) -> dict[str, dict[str, object]]:
    """The answer to who accepts JSON."""
    return {"data": {"result_b64": base64.b64encode(made.data).decode(), **_foreground(made)}}


def _foreground(made: Made) -> dict[str, int]:
    assert made.people
    top, bottom, left, right = made.people
    return {
        "foreground_top": top,
        "foreground_left": left,
        "foreground_width": right - left,
        "foreground_height": bottom - top,
    }


def account() -> dict[str, dict[str, dict[str, object]]]:
    """The answer of /account, to whoever asks."""
    credits = {"total": CREDITS, "subscription": 0, "payg": CREDITS, "enterprise": 0}
    return {"data": {"attributes": {"credits": credits, "api": {"free_calls": 0, "sizes": "all"}}}}


def error(refusal: Refusal) -> dict[str, list[dict[str, str]]]:
    """The body of a refusal."""
    code = CODES.get(refusal.code, refusal.code)
    return {"errors": [{"title": refusal.reason, "code": code, "detail": refusal.reason}]}


def _source(fields: Fields) -> tuple[bytes, str]:
    """The photo, or the address of it."""
    texts, files = fields.texts, fields.files
    encoded, url = texts.get("image_file_b64", ""), texts.get("image_url", "")
    given: list[str] = ["image_file"] if "image_file" in files else []
    given += [name for name in ("image_file_b64", "image_url") if name in texts]
    if len(given) > 1:
        raise Refusal(400, "multiple_sources", "Multiple image sources given: " + ", ".join(given))
    if not given and "image_file" in fields.empty:
        raise Refusal(400, "not_an_image", "image_file: the file is empty")
    if not given:
        reason = "No image given: expected one of image_file, image_file_b64, image_url"
        raise Refusal(400, "missing_source", reason)
    if encoded:
        return _decoded(encoded), ""
    return files.get("image_file", b""), url


def _decoded(text: str) -> bytes:
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        reason = "image_file_b64 is no Base64"
        raise Refusal(400, "failed_to_read_image", reason) from error


def _background(fields: Fields) -> tuple[background.Background | None, bytes, str]:
    """What is put behind: known already, as a file, or behind an address."""
    texts, files = fields.texts, fields.files
    given: list[str] = [name for name in ("bg_color", "bg_image_url", "bg_blur") if name in texts]
    given += ["bg_image_file"] if "bg_image_file" in files else []
    if texts.get("bg_blur", "").lower() in NO[:1]:
        given.remove("bg_blur")
    if len(given) > 1:
        raise Refusal(400, "multiple_bg_sources", "Multiple backgrounds given: " + ", ".join(given))
    if not given and "bg_image_file" in fields.empty:
        raise Refusal(400, "not_an_image", "bg_image_file: the file is empty")
    if given == ["bg_color"]:
        colour = background.colour(texts["bg_color"])
        if colour is None:
            raise _wrong(texts["bg_color"], "invalid_bg_color", "81d4fa, fff or green")
        return background.Flat(colour), b"", ""
    if given == ["bg_blur"]:
        word = texts["bg_blur"].lower()
        try:
            blur = background.parse("blur" if word == "true" else "blur:" + word)
        except ValueError as error:
            raise _wrong(word, "invalid_bg_blur", "true, or a number from 0 to 1") from error
        return blur, b"", ""
    return None, files.get("bg_image_file", b""), texts.get("bg_image_url", "")


def _choice(texts: dict[str, str], name: str, known: Iterable[str], default: str) -> str:
    word = texts.get(name, default).lower()
    if word not in known:
        words = ", ".join(known)
        raise _wrong(word, "invalid_" + name, "one of " + words)
    return word


def _flag(texts: dict[str, str], name: str) -> bool:
    word = texts.get(name, "false").lower()
    if word not in YES + NO:
        raise _wrong(word, "invalid_" + name, "true or false for %s" % name)
    return word in YES


def _size(text: str) -> int:
    """Pixels that a result may have; 0 is the photo's own."""
    word = text.lower()
    own = re.fullmatch(r"([1-9]\d{0,2})mp", word)
    if word not in SIZES and not own:
        raise _wrong(text, "invalid_size", "one of %s, or 12MP" % ", ".join(SIZES))
    return int((float(own.group(1)) if own else SIZES[word]) * 1e6)


def _lengths(text: str, counts: tuple[int, ...], code: str) -> list[Length]:
    words = text.replace(",", " ").split()
    found = [LENGTH.fullmatch(word) for word in words]
    if len(words) not in counts or not all(found):
        raise _wrong(text, code, "lengths such as 10% or 30px")
    return [Length(float(one.group(1)), one.group(2) == "%") for one in found if one]


def _roi(text: str) -> tuple[Length, ...]:
    if not text:
        return ()
    sides = _lengths(text, (4,), "invalid_roi")
    if any(side.per_cent and side.value > 100 for side in sides):
        raise Refusal(400, "roi_exceeds_bounds", "the region of interest ends beyond the photo")
    everything = all(not low.value for low in sides[:2]) and all(
        high == Length(100, True) for high in sides[2:]
    )
    return () if everything else tuple(sides)


def _margin(text: str) -> tuple[Length, ...]:
    """Top, right, bottom, left."""
    sides = _lengths(text or "0", (1, 2, 4), "invalid_crop_margin")
    if any(side.value > MAX_MARGIN[side.per_cent] for side in sides):
        raise _wrong(text, "invalid_crop_margin", "at most 50% or 500px")
    return tuple(sides * (4 // len(sides)))


def _scale(text: str) -> float | None:
    if text.lower() == "original":
        return None
    found = LENGTH.fullmatch(text)
    if not found or found.group(2) != "%" or not 10 <= float(found.group(1)) <= 100:
        raise _wrong(text, "invalid_scale", "original, or 10% to 100%")
    return float(found.group(1)) / 100


def _position(texts: dict[str, str]) -> tuple[float | None, float | None]:
    scaled = texts.get("scale", "original").lower() != "original"
    word = texts.get("position", "center" if scaled else "original").lower()
    if word == "center":
        return 0.5, 0.5
    try:
        across, down = place.parse(word)
    except ValueError as error:
        raise _wrong(word, "invalid_position", "original, center, x% or x% y%") from error
    return across, across if down is None else down  # one value means both


def _shadow(texts: dict[str, str]) -> shadow.Wish:
    default = "auto" if _flag(texts, "add_shadow") else "none"
    word = texts.get("shadow_type", default).lower()
    kind = {"3d": "auto", "car": "auto", "true": "auto", "false": "none"}.get(word, word)
    if kind not in shadow.KINDS:
        raise _wrong(word, "invalid_shadow_type", "one of 3D, " + ", ".join(shadow.KINDS))
    if "shadow_opacity" not in texts or kind == "none":
        return shadow.Wish(kind)
    found = LENGTH.fullmatch(texts["shadow_opacity"])
    if not found or found.group(2) == "px" or float(found.group(1)) > 100:
        raise _wrong(texts["shadow_opacity"], "invalid_shadow_opacity", "0 to 100")
    return shadow.Wish(kind, opacity=float(found.group(1)) / 100)


def _light(text: str) -> float | None:
    try:
        return light.parse(text)
    except ValueError as error:
        raise _wrong(text, "invalid_light", "auto, off, or a number from 0 to 1") from error


def _wrong(got: str, code: str, expected: str) -> Refusal:
    return Refusal(400, code, "expected %s, got %r" % (expected, got[:100]))
