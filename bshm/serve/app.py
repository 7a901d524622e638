"""The endpoints, and which contract each follows."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, AsyncIterator, Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bshm.serve import openapi, rembg, removebg
from bshm.serve.body import Fields
from bshm.serve.edge import Edge, Notes
from bshm.serve.refusal import Refusal
from bshm.serve.service import Service

PAGE = Path(__file__).parent / "page"
# What the page may do: load its own files, and show pictures that it made.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}

# Headers that pages of other origins may read, where --cors names them.
EXPOSED = [
    *("X-Type", "X-Width", "X-Height", "X-Credits-Charged", "Retry-After"),
    *("X-Foreground-Top", "X-Foreground-Left", "X-Foreground-Width", "X-Foreground-Height"),
    *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
]

Words = Callable[[Refusal], Any]  # a contract's body of a refusal
Endpoint = Callable[[Request], Awaitable[Response]]


def build(service: Service, start: Callable[[], Any], stop: Callable[[], None]) -> Edge:
    """The application. start: awaited in the background; stop: called at the end."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        warming = start()
        yield
        warming.cancel()
        stop()

    app = Starlette(
        routes=[
            Route("/v1.0/removebg", _removebg(service), methods=["POST"]),
            Route("/v1.0/account", _account(service)),
            Route("/api/remove", _rembg(service), methods=["GET", "POST"]),
            *_operation(service),
            *_page(),
        ],
        middleware=_cors(service.settings.cors),
        exception_handlers={HTTPException: _no_such_thing},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return Edge(app, service.metrics, service.settings.send_s)


def _cors(origins: tuple[str, ...]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["X-Api-Key", "Authorization", "Accept", "Content-Type"],
            expose_headers=EXPOSED,
        )
    ]


def _removebg(service: Service) -> Endpoint:
    """remove.bg's contract: cut people out, and put them on something new."""

    async def remove_background(request: Request) -> Response:
        Notes.of(request.scope).endpoint = "removebg"
        left: dict[str, str] = {}
        try:
            left = service.identify(request)
            wanted, made = await service.make(
                request, lambda fields: removebg.read(fields, service.max_pixels)
            )
            removebg.check(made)
        except Refusal as refusal:
            return _refused(service, request, refusal, removebg.error, left)
        headers = {**removebg.headers(made, wanted.tells_type), **left}  # type: ignore[union-attr]
        if "application/json" in request.headers.get("accept", ""):
            answer = json.dumps(removebg.json_answer(made))
            return Response(answer, 200, headers, "application/json")
        return Response(made.data, 200, headers, made.media_type)

    return remove_background


def _account(service: Service) -> Endpoint:
    """remove.bg's contract: what is left. Nothing is ever charged."""

    async def account(request: Request) -> Response:
        Notes.of(request.scope).endpoint = "account"
        try:
            left = service.identify(request)
        except Refusal as refusal:
            return _refused(service, request, refusal, removebg.error, {})
        return JSONResponse(removebg.account(), headers=left)

    return account


def _rembg(service: Service) -> Endpoint:
    """rembg's contract: the photo is a file, or behind an address."""

    async def remove(request: Request) -> Response:
        Notes.of(request.scope).endpoint = "rembg"
        left: dict[str, str] = {}

        def read(fields: Fields) -> rembg.Request:
            query = dict(request.query_params)
            return rembg.read(query, fields, service.max_pixels, service.crew.weights)

        try:
            left = service.identify(request)
            _, made = await service.make(request, read)
        except Refusal as refusal:
            return _refused(service, request, refusal, rembg.error, left)
        return Response(made.data, 200, left, made.media_type)

    return remove


def _refused(
    service: Service, request: Request, refusal: Refusal, words: Words, left: dict[str, str]
) -> Response:
    notes = Notes.of(request.scope)
    notes.facts["code"] = refusal.code
    service.metrics.refused(refusal.code)
    return JSONResponse(words(refusal), refusal.status, {**left, **refusal.headers})


def _operation(service: Service) -> list[Route]:
    def alive() -> Response:
        return PlainTextResponse("ok\n")

    def ready() -> Response:
        if service.is_stopping:
            return PlainTextResponse("stopping\n", 503)
        if not service.crew.working:
            return PlainTextResponse("starting\n", 503)
        return PlainTextResponse("ok\n")

    def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return [_quiet("livez", alive), _quiet("readyz", ready), _quiet("metrics", metrics)]


def _quiet(name: str, answer: Callable[[], Response]) -> Route:
    """An endpoint that is counted, and not logged."""

    async def endpoint(request: Request) -> Response:
        notes = Notes.of(request.scope)
        notes.endpoint, notes.quiet = name, True
        return answer()

    return Route("/" + name, endpoint)


def _page() -> list[Route]:
    files = {"/" + path.name: path for path in PAGE.iterdir() if path.suffix in MEDIA_TYPES}
    files["/"], files["/docs"] = files.pop("/index.html"), files.pop("/docs.html")
    routes = [Route(address, _file(path)) for address, path in files.items()]
    return [*routes, Route("/openapi.json", _description)]


def _file(path: Path) -> Endpoint:
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}

    async def file(request: Request) -> Response:
        Notes.of(request.scope).endpoint = "page"
        return FileResponse(path, headers=headers, media_type=MEDIA_TYPES[path.suffix])

    return file


async def _description(request: Request) -> Response:
    Notes.of(request.scope).endpoint = "page"
    return JSONResponse(openapi.description())


async def _no_such_thing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    return JSONResponse({"detail": phrase}, error.status_code, error.headers)
