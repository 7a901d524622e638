"""The contract of rembg's server: ``/api/remove``, always a PNG."""

from __future__ import annotations

import re
from typing import NamedTuple

from bshm.scene import background
from bshm.serve.body import Fields
from bshm.serve.order import Order
from bshm.serve.refusal import Refusal

# rembg's own models. Whoever names one of them gets the service's weights.
MODELS = re.compile(
    r"u2netp?|u2net_(human_seg|cloth_seg|custom)|silueta|isnet-(general-use|anime)|sam|"
    r"birefnet-[a-z0-9-]+|(dis|ben)_custom|bria-rmbg|ben2?"
)
FLAGS = {"true": True, "1": True, "on": True, "yes": True}
FLAGS.update({"false": False, "0": False, "off": False, "no": False})

# Every parameter, with what the page of the API says about it.
FIELDS = {
    "model": "name of the service's weights; the names of rembg's models mean the same",
    "om": "true makes the matte alone",
    "bgc": "colour put behind: R,G,B,A, each 0 to 255",
    "a": "accepted; the matte is always soft",
    "af": "accepted, 0 to 255",
    "ab": "accepted, 0 to 255",
    "ae": "accepted, from 0",
    "ppm": "accepted; the matte needs no such work",
    "extras": "accepted, and ignored",
}
NUMBERS = {"af": 255, "ab": 255, "ae": 10_000}


class Invalid(Refusal):
    """A parameter of the wrong kind. where: ``query`` or ``body``, and its name."""

    def __init__(self, where: tuple[str, str], reason: str) -> None:
        super().__init__(422, "invalid_parameter", reason)
        self.where = where


class Request(NamedTuple):
    """What a request asks for; a photo behind an address is still to be fetched."""

    order: Order
    photo_url: str


def read(query: dict[str, str], fields: Fields, max_pixels: int, weights: str) -> Request:
    """A request's order. Form fields and the query say the same; the form goes first.

    weights: name of the service's own

    Raises Invalid.
    """
    texts = {name: value for name, value in query.items() if value}
    texts.update(fields.texts)
    places = {name: ("body" if name in fields.texts else "query", name) for name in texts}
    photo, url = fields.files.get("file", b""), texts.get("url", "")
    if not photo and not url and "file" in fields.empty:
        raise Invalid(("body", "file"), "the file is empty")
    if not photo and not url:
        raise Invalid(("body", "file"), "Field required")
    for name, highest in NUMBERS.items():
        text = texts.get(name, "0")
        if not re.fullmatch(r"\d{1,9}", text) or int(text) > highest:
            raise Invalid(places[name], "expected a whole number from 0 to %d" % highest)
    model = texts.get("model", "")
    if model not in ("", weights) and not MODELS.fullmatch(model):
        raise Invalid(places["model"], "expected the weights that are served, " + weights)
    for name in ("a", "ppm"):
        _flag(texts, name, places)
    order = Order(
        photo=photo,
        max_pixels=max_pixels,
        only_alpha=_flag(texts, "om", places),
        behind=_colour(texts.get("bgc", ""), places.get("bgc")),
    )
    return Request(order, "" if photo else url)


def error(refusal: Refusal) -> dict[str, object]:
    """The body of a refusal."""
    if isinstance(refusal, Invalid):
        where = list(refusal.where)
        return {"detail": [{"type": "value_error", "loc": where, "msg": refusal.reason}]}
    return {"detail": refusal.reason}


def _flag(texts: dict[str, str], name: str, places: dict[str, tuple[str, str]]) -> bool:
    word = texts.get(name, "false").lower()
    if word not in FLAGS:
        raise Invalid(places[name], "expected true or false")
    return FLAGS[word]


def _colour(text: str, where: tuple[str, str] | None) -> background.Background | None:
    if not text:
        return None
    words = [word.strip() for word in text.strip("()[] ").split(",")]
    values = [int(word) for word in words if re.fullmatch(r"\d{1,3}", word)]
    if len(words) not in (3, 4) or len(values) != len(words) or max(values) > 255:
        raise Invalid(where or ("query", "bgc"), "expected R,G,B,A, each from 0 to 255")
    red, green, blue, alpha = [*values, 255][:4]
    return background.Flat((red, green, blue, alpha))
