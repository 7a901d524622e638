"""The description of the API, of which the page at ``/docs`` is made."""

from __future__ import annotations

from typing import Any

from bshm import __version__
from bshm.serve import rembg, removebg

REFUSALS = {
    400: "what was sent cannot be used",
    403: "no key, or a wrong one; or a page of another origin",
    408: "the request did not arrive in time",
    413: "the request is too large",
    415: "a body of another kind",
    429: "too busy, or too many requests; Retry-After says when to come back",
    503: "no worker was free, or the photo took too long",
}
PICTURES = ("image/png", "image/jpeg", "image/webp", "application/zip", "application/json")


def description() -> dict[str, Any]:
    """All endpoints, as OpenAPI 3.1 has it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bshm",
            "version": __version__,
            "summary": "Cut people out of photos, and put them somewhere else",
        },
        "paths": {
            "/v1.0/removebg": {"post": _removebg()},
            "/v1.0/account": {"get": _account()},
            "/api/remove": {"post": _rembg_post(), "get": _rembg_get()},
            "/livez": {"get": _plain("Whether the process runs: it answers.")},
            "/readyz": {
                "get": _plain(
                    "Whether photos are served: 503 until a worker is warm, and while stopping.",
                    503,
                )
            },
            "/metrics": {"get": _plain("What is counted, for Prometheus.")},
        },
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            }
        },
    }


def _removebg() -> dict[str, Any]:
    fields = _properties(removebg.FIELDS)
    texts = {name: value for name, value in fields.items() if "format" not in value}
    body = {
        "multipart/form-data": _object(fields),
        "application/x-www-form-urlencoded": _object(texts),
        "application/json": _object(texts),
    }
    says = "remove.bg's contract: cut people out, and put them on something new."
    return _endpoint(says, "the result; JSON with result_b64 for who accepts it", PICTURES, body)


def _account() -> dict[str, Any]:
    says = "remove.bg's contract: what is left. Nothing is ever charged."
    return _endpoint(says, "credits and calls", ("application/json",))


def _rembg_get() -> dict[str, Any]:
    says = "rembg's contract: the photo is behind an address."
    kind: dict[str, Any] = {"in": "query", "schema": {"type": "string"}}
    named = {"url": "address of the photo, where the service allows any", **rembg.FIELDS}
    fields = [{"name": name, "description": text, **kind} for name, text in named.items()]
    fields[0]["required"] = True
    return {**_endpoint(says, "the cutout", ("image/png",)), "parameters": fields}


def _rembg_post() -> dict[str, Any]:
    says = "rembg's contract: the photo is a file."
    fields = _properties({"file": "the photo, as a file", **rembg.FIELDS})
    return _endpoint(says, "the cutout", ("image/png",), {"multipart/form-data": _object(fields)})


def _endpoint(
    says: str, answers: str, kinds: tuple[str, ...], body: dict[str, Any] | None = None
) -> dict[str, Any]:
    done = {"description": answers, "content": {kind: {} for kind in kinds}}
    refused = {str(status): {"description": text} for status, text in REFUSALS.items()}
    found = {
        "description": says,
        "security": [{}, {"key": []}, {"bearer": []}],
        "responses": {"200": done, **refused},
    }
    return {**found, "requestBody": {"content": body}} if body else found


def _plain(says: str, *more: int) -> dict[str, Any]:
    texts = {"200": {"description": "yes", "content": {"text/plain": {}}}}
    texts.update({str(status): {"description": "not now"} for status in more})
    return {"description": says, "responses": texts}


def _object(fields: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"type": "object", "properties": fields}}


def _properties(fields: dict[str, str]) -> dict[str, Any]:
    return {name: _field(text) for name, text in fields.items()}


def _field(text: str) -> dict[str, str]:
    kind = {"type": "string", "description": text}
    return {**kind, "format": "binary"} if "as a file" in text else kind
