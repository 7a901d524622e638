"""The endpoints, and which contract each follows."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, AsyncIterator, Callable

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from bshm import __version__
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

Words = Callable[[Refusal], Any]  # a contract's body of a refusal


def build(service: Service, start: Callable[[], Any], stop: Callable[[], None]) -> Edge:
    """The application. start: awaited in the background; stop: called at the end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warming = start()
        yield
        warming.cancel()
        stop()

    app = FastAPI(
        title="bshm",
        version=__version__,
        summary="Cut people out of photos, and put them somewhere else",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_removebg(app, service)
    _add_rembg(app, service)
    _add_operation(app, service)
    _add_page(app)
    app.add_exception_handler(HTTPException, _no_such_thing)
    if service.settings.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.settings.cors,
            allow_methods=["GET", "POST"],
            allow_headers=["X-Api-Key", "Authorization", "Accept", "Content-Type"],
            expose_headers=["X-Width", "X-Height", "X-Type", "Retry-After"],
        )
    return Edge(app, service.metrics, service.settings.send_s)


def _add_removebg(app: FastAPI, service: Service) -> None:
    @app.post("/v1.0/removebg", **openapi.removebg())
    async def remove_background(request: Request) -> Response:
        """remove.bg's contract: cut people out, and put them on something new."""
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
            return Response(
                json.dumps(removebg.json_answer(made)), 200, headers, "application/json"
            )
        return Response(made.data, 200, headers, made.media_type)

    @app.get("/v1.0/account", **openapi.account())
    async def account(request: Request) -> Response:
        """remove.bg's contract: what is left. Nothing is ever charged."""
        Notes.of(request.scope).endpoint = "account"
        try:
            left = service.identify(request)
        except Refusal as refusal:
            return _refused(service, request, refusal, removebg.error, {})
        return JSONResponse(removebg.account(), headers=left)


def _add_rembg(app: FastAPI, service: Service) -> None:
    async def answer(request: Request) -> Response:
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

    @app.get("/api/remove", **openapi.rembg_get())
    async def remove_from_address(request: Request) -> Response:
        """rembg's contract: the photo is behind an address."""
        return await answer(request)

    @app.post("/api/remove", **openapi.rembg_post())
    async def remove_from_file(request: Request) -> Response:
        """rembg's contract: the photo is a file."""
        return await answer(request)


def _refused(
    service: Service, request: Request, refusal: Refusal, words: Words, left: dict[str, str]
) -> Response:
    notes = Notes.of(request.scope)
    notes.facts["code"] = refusal.code
    service.metrics.refused(refusal.code)
    return JSONResponse(words(refusal), refusal.status, {**left, **refusal.headers})


def _add_operation(app: FastAPI, service: Service) -> None:
    @app.get("/livez", response_class=PlainTextResponse)
    async def alive(request: Request) -> Response:
        """Whether the process runs: it answers."""
        _quiet(request, "livez")
        return PlainTextResponse("ok\n")

    @app.get("/readyz", response_class=PlainTextResponse)
    async def ready(request: Request) -> Response:
        """Whether photos are served: 503 until each worker has done a first one, and while
        stopping."""
        _quiet(request, "readyz")
        if service.is_stopping:
            return PlainTextResponse("stopping\n", 503)
        return (
            PlainTextResponse("ok\n") if service.is_warm else PlainTextResponse("starting\n", 503)
        )

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics(request: Request) -> Response:
        """What is counted, for Prometheus."""
        _quiet(request, "metrics")
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _quiet(request: Request, endpoint: str) -> None:
    notes = Notes.of(request.scope)
    notes.endpoint, notes.quiet = endpoint, True


def _add_page(app: FastAPI) -> None:
    files = {"/" + path.name: path for path in PAGE.iterdir() if path.suffix in MEDIA_TYPES}
    files["/"], files["/docs"] = files.pop("/index.html"), files.pop("/docs.html")
    for address, path in files.items():
        app.add_api_route(address, _file(path), include_in_schema=False)


def _file(path: Path) -> Callable[[Request], Any]:
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}

    async def file(request: Request) -> Response:
        Notes.of(request.scope).endpoint = "page"
        return FileResponse(path, headers=headers, media_type=MEDIA_TYPES[path.suffix])

    return file


async def _no_such_thing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(
        {"detail": HTTPStatus(error.status_code).phrase}, error.status_code, error.headers
    )
