"""The application: all endpoints, and what is answered where one refuses, fails, or is none."""

from __future__ import annotations

from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, AsyncIterator, Callable

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match

from bshm import __version__
from bshm.serve import endpoints, rembg, removebg
from bshm.serve.edge import Edge, Notes
from bshm.serve.pages import pages
from bshm.serve.refusal import Refusal
from bshm.serve.service import Service

# Headers that pages of other origins may read, where --cors names them.
EXPOSED = [
    *("X-Type", "X-Width", "X-Height", "X-Credits-Charged", "Retry-After"),
    *("X-Foreground-Top", "X-Foreground-Left", "X-Foreground-Width", "X-Foreground-Height"),
    *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
]


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
        summary="Cut people out of photos, and put them somewhere else",
        version=__version__,
        docs_url=None,  # these load scripts from elsewhere; ours is one of the pages
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(endpoints.note)],
        middleware=_cors(service.settings.cors),
        exception_handlers={
            Refusal: _refused,
            HTTPException: _no_such_thing,
            Exception: _failed,
        },
        lifespan=lifespan,
    )
    app.state.service = service
    for router in (endpoints.of_removebg, endpoints.of_rembg, endpoints.of_operation, pages()):
        app.include_router(router)
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


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    service: Service = request.app.state.service
    Notes.of(request.scope).facts["code"] = refusal.code
    service.metrics.refused(refusal.code)
    return JSONResponse(_in_words(request, refusal), refusal.status, refusal.headers)


async def _failed(request: Request, error: Exception) -> Response:
    """A fault of ours, which `Edge` logs."""
    reason = "an unexpected error; the log of the service has more"
    return JSONResponse(_in_words(request, Refusal(500, "unexpected", reason)), 500)


def _in_words(request: Request, refusal: Refusal) -> dict[str, Any]:
    """What a refusal is in the words of the contract that was asked by."""
    by_removebg = removebg.PATH in request.url.path  # below whatever the whole is mounted at
    return (removebg.error if by_removebg else rembg.error)(refusal)


async def _no_such_thing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    status = HTTPStatus(error.status_code)
    refusal = Refusal(status, status.name.lower(), status.phrase)
    return JSONResponse(_in_words(request, refusal), status, headers)


def _methods(request: Request) -> list[str]:
    """The methods of a path; it has a route for each, and the error names the first one's."""
    known = []
    for method, answered in (("GET", ["GET", "HEAD"]), ("POST", ["POST"])):
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            known += answered
    return known
