"""The fields of a request, within limits: of bytes (chunked bodies, too), of parts, of time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any, AsyncGenerator
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from bshm.serve.admission import SLOW_S, Slot
from bshm.serve.refusal import Refusal

MAX_FILES = 4
MAX_FIELDS = 64
MAX_MARKS = 1000  # braces, brackets, commas and colons of a JSON body


@dataclass(frozen=True)
class Fields:
    """What a body holds: texts and files by name. Empty ones are left out: they mean default.

    empty: names of files that were sent, and had nothing in them
    """

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    empty: frozenset[str] = frozenset()


async def read(request: Request, slot: Slot, max_bytes: int, receive_s: float) -> Fields:
    """The fields of a multipart, urlencoded or JSON body.

    Raises Refusal, and Starlette's ClientDisconnect where the client leaves.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and (len(declared) > 15 or int(declared) > max_bytes):
        raise _too_large(max_bytes)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _READERS:
        expected = " or ".join(_READERS)
        raise Refusal(415, "unsupported_media_type", "expected a body of %s" % expected)
    slow = asyncio.get_running_loop().call_later(SLOW_S, slot.step_aside)
    try:
        stream = _limited(request, slot, max_bytes)
        fields = await asyncio.wait_for(_READERS[kind](request, stream), receive_s)
    except asyncio.TimeoutError as error:
        reason = "the request did not arrive within %g s" % receive_s
        raise Refusal(408, "request_timeout", reason) from error
    finally:
        slow.cancel()
    slot.step_back()
    return fields


async def _limited(request: Request, slot: Slot, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body as it comes, counted."""
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes)
        slot.hold(len(part))
        yield part


def _too_large(max_bytes: int) -> Refusal:
    reason = "the request is larger than the limit of %g MB" % (max_bytes / 1e6)
    return Refusal(413, "file_too_large", reason)


async def _multipart(request: Request, stream: AsyncGenerator[bytes, None]) -> Fields:
    parser = _InMemory(
        request.headers,
        stream,
        max_files=MAX_FILES,
        max_fields=MAX_FIELDS,
        max_part_size=_InMemory.spool_max_size,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise _malformed(error.message) from error
    except FormParserError as error:  # newer versions of Starlette say so themselves
        raise _malformed("Invalid multipart data.") from error
    texts, files, empty = {}, {}, set()
    for name, value in form.multi_items():
        if isinstance(value, str):
            texts[name] = value
            continue
        files[name] = value.file.read()
        value.file.close()
        if value.filename and not files[name]:  # of a form in which none was chosen it has no name
            empty.add(name)
    return Fields(_filled(texts), _filled(files), frozenset(empty))


class _InMemory(MultiPartParser):
    """Files stay in memory, where they are counted, for the disk may be read-only."""

    spool_max_size = 1 << 40  # bytes; the body's limit is far below


async def _urlencoded(request: Request, stream: AsyncGenerator[bytes, None]) -> Fields:
    # In a thread, for a photo in Base64 has a million signs to decode.
    return await asyncio.to_thread(_of_urlencoded, await _whole(stream))


def _of_urlencoded(body: bytes) -> Fields:
    try:
        pairs = parse_qsl(body.decode("ascii"), max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise _malformed("expected at most %d fields, urlencoded" % MAX_FIELDS) from error
    return Fields(_filled(dict(pairs)))


async def _json(request: Request, stream: AsyncGenerator[bytes, None]) -> Fields:
    body = await _whole(stream)
    # Decoding holds up everything else, and a photo in Base64 has none of these: a bomb has.
    if sum(map(body.count, (b"{", b"[", b",", b":"))) > MAX_MARKS:
        raise _malformed("expected a JSON object of at most %d fields" % MAX_FIELDS)
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _malformed("expected JSON") from error
    if not isinstance(found, dict) or len(found) > MAX_FIELDS:
        raise _malformed("expected a JSON object of at most %d fields" % MAX_FIELDS)
    return Fields(_filled({name: _text(value) for name, value in found.items()}))


def _text(value: Any) -> str:
    """A JSON value as a form would have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        raise _malformed("expected a text, a number, true or false for each field")
    return "" if value is None else str(value)


async def _whole(stream: AsyncGenerator[bytes, None]) -> bytes:
    async with contextlib.aclosing(stream) as parts:
        return b"".join([part async for part in parts])


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _malformed(reason: str) -> Refusal:
    return Refusal(400, "malformed_request", reason)


_READERS = {
    "multipart/form-data": _multipart,
    "application/x-www-form-urlencoded": _urlencoded,
    "application/json": _json,
}
