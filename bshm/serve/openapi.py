"""What endpoints say of themselves beyond path and docstring: fields, answers, refusals."""

from __future__ import annotations

from typing import Any, Dict, Union

Responses = Dict[Union[int, str], Dict[str, Any]]  # as FastAPI takes them, by status

# A key is asked for only where the service has a file of them.
KEYLESS: dict[str, Any] = {"security": [{}]}

REFUSALS: Responses = {
    400: {"description": "what was sent cannot be used"},
    403: {"description": "no key, or a wrong one; or a page of another origin"},
    408: {"description": "the request did not arrive in time"},
    413: {"description": "the request is too large"},
    415: {"description": "a body of another kind"},
    429: {"description": "too busy, or too many requests; Retry-After says when to come back"},
    500: {"description": "the photo could not be worked on"},
    503: {"description": "no worker was free, or the photo took too long"},
}


def done(description: str, *kinds: str) -> Responses:
    """The answer to what was asked, as one of these media types."""
    return {200: {"description": description, "content": {kind: {} for kind in kinds}}}


def query(required: str, fields: dict[str, str]) -> dict[str, Any]:
    """Fields of the query, by their descriptions, one of which is required."""
    parameters = [
        {
            "name": name,
            "in": "query",
            "required": name == required,
            "description": says,
            "schema": {"type": "string"},
        }
        for name, says in fields.items()
    ]
    return {"parameters": parameters, **KEYLESS}


def body(fields: dict[str, str], *kinds: str) -> dict[str, Any]:
    """Fields of a body of one of these media types, by their descriptions."""
    files = {name for name, says in fields.items() if "as a file" in says}
    content = {}
    for kind in kinds:
        properties: dict[str, Any] = {
            name: {"type": "string", "description": says}
            for name, says in fields.items()
            if name not in files or kind == "multipart/form-data"
        }
        for name in files & properties.keys():
            properties[name]["format"] = "binary"
        content[kind] = {"schema": {"type": "object", "properties": properties}}
    return {"requestBody": {"content": content, "required": True}, **KEYLESS}
