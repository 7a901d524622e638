"""What the page of the API says about each endpoint."""

from __future__ import annotations

from typing import Any

from bshm.serve import rembg as rembg_contract
from bshm.serve import removebg as removebg_contract

REFUSALS = {
    400: "what was sent cannot be used",
    403: "no key, or a wrong one",
    408: "the request did not arrive in time",
    413: "the request is too large",
    415: "a body of another kind",
    429: "too busy, or too many requests; Retry-After says when to come back",
    503: "no worker was free, or the photo took too long",
}
PICTURE: dict[str, Any] = {
    "image/png": {},
    "image/jpeg": {},
    "image/webp": {},
    "application/zip": {},
}


def removebg() -> dict[str, Any]:
    fields = _properties(removebg_contract.FIELDS)
    texts = {name: value for name, value in fields.items() if "format" not in value}
    body = {
        "multipart/form-data": _object(fields),
        "application/x-www-form-urlencoded": _object(texts),
        "application/json": _object(texts),
    }
    return _endpoint(200, "the result; JSON with result_b64 for who accepts it", PICTURE, body)


def account() -> dict[str, Any]:
    return _endpoint(200, "credits and calls", {"application/json": {}})


def rembg_get() -> dict[str, Any]:
    url = {"url": "address of the photo, where the service allows any"}
    parameters = _parameters({**url, **rembg_contract.FIELDS})
    parameters[0]["required"] = True
    found = _endpoint(200, "the cutout", {"image/png": {}})
    found["openapi_extra"]["parameters"] = parameters
    return found


def rembg_post() -> dict[str, Any]:
    fields = _properties({"file": "the photo, as a file", **rembg_contract.FIELDS})
    body = {"multipart/form-data": _object(fields)}
    return _endpoint(200, "the cutout", {"image/png": {}}, body)


def _endpoint(
    status: int, says: str, content: dict[str, Any], body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Arguments of FastAPI's decorator."""
    responses: dict[int, Any] = {code: {"description": text} for code, text in REFUSALS.items()}
    responses[status] = {"description": says, "content": content}
    extra = {"requestBody": {"content": body}} if body else {}
    return {"responses": responses, "openapi_extra": extra, "response_model": None}


def _object(fields: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"type": "object", "properties": fields}}


def _properties(fields: dict[str, str]) -> dict[str, Any]:
    return {name: _field(name, text) for name, text in fields.items()}


def _field(name: str, text: str) -> dict[str, str]:
    kind = {"type": "string", "description": text}
    return {**kind, "format": "binary"} if "as a file" in text else kind


def _parameters(fields: dict[str, str]) -> list[dict[str, Any]]:
    kind = {"in": "query", "schema": {"type": "string"}}
    return [{"name": name, "description": text, **kind} for name, text in fields.items()]
