"""The endpoints of both contracts, and those for whoever runs the service.

What is declared here is what ``/openapi.json`` says and ``/docs`` shows. No parameter is FastAPI's
to parse: a contract reads its fields itself, out of a body that came within the limits of
`bshm.serve.body`, and says what is wrong with them in its own words.
"""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Security
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST

from bshm.serve import openapi, rembg, removebg
from bshm.serve.edge import Notes
from bshm.serve.service import Service

PICTURES = ("image/png", "image/jpeg", "image/webp", "application/zip", "application/json")
FORM, JSON = "multipart/form-data", "application/json"
URLENCODED = "application/x-www-form-urlencoded"
REMBG_ANSWERS: openapi.Responses = {
    **openapi.done("the cutout", "image/png"),
    422: {"description": "a field of the wrong kind, or no photo"},
}

KEY = APIKeyHeader(name="X-Api-Key", scheme_name="key", auto_error=False)
BEARER = HTTPBearer(scheme_name="bearer", auto_error=False)


async def served(request: Request) -> Service:
    """The service whose application it is."""
    return request.app.state.service


Served = Annotated[Service, Depends(served)]


async def note(request: Request) -> None:
    """Note which endpoint it is, for metrics."""
    Notes.of(request.scope).endpoint = request.scope["route"].name


async def hush(request: Request) -> None:
    """Probes are counted, and not logged."""
    Notes.of(request.scope).quiet = True


async def identify(
    request: Request,
    service: Served,
    key: Annotated[str | None, Security(KEY)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
) -> None:
    """Let known callers in, at their rate. Raises Refusal."""
    given = key or (bearer.credentials.strip() if bearer else "")
    Notes.of(request.scope).headers = service.identify(request, given)


of_removebg = APIRouter(
    tags=["remove.bg"], dependencies=[Depends(identify)], responses=openapi.REFUSALS
)
of_rembg = APIRouter(tags=["rembg"], dependencies=[Depends(identify)], responses=openapi.REFUSALS)
of_operation = APIRouter(
    tags=["operation"], dependencies=[Depends(hush)], default_response_class=PlainTextResponse
)


@of_removebg.post(
    "/v1.0/removebg",
    name="removebg",
    summary="Cut people out, and put them on something new",
    response_class=Response,
    responses=openapi.done("the result; JSON with result_b64 for who accepts it", *PICTURES),
    openapi_extra=openapi.body(removebg.FIELDS, FORM, URLENCODED, JSON),
)
async def remove_background(request: Request, service: Served) -> Response:
    """remove.bg's contract: cut people out, and put them on something new."""
    wanted, made = await service.make(
        request, lambda fields: removebg.read(fields, service.max_pixels)
    )
    removebg.check(made)
    headers = removebg.headers(made, wanted.tells_type)
    if JSON in request.headers.get("accept", ""):
        return Response(json.dumps(removebg.json_answer(made)), 200, headers, JSON)
    return Response(made.data, 200, headers, made.media_type)


@of_removebg.get(
    "/v1.0/account",
    name="account",
    summary="What is left",
    responses=openapi.done("credits and calls", JSON),
    openapi_extra=openapi.KEYLESS,
)
async def account() -> Response:
    """remove.bg's contract: what is left. Nothing is ever charged."""
    return JSONResponse(removebg.account())


@of_rembg.get(
    "/api/remove",
    name="rembg",
    summary="Cut people out of a photo behind an address",
    response_class=Response,
    responses=REMBG_ANSWERS,
    openapi_extra=openapi.query(
        "url", {"url": "address of the photo, where the service allows any", **rembg.FIELDS}
    ),
)
async def remove_behind_address(request: Request, service: Served) -> Response:
    """rembg's contract: the photo is behind an address."""
    return await _remove(request, service)


@of_rembg.post(
    "/api/remove",
    name="rembg",
    summary="Cut people out of a photo that is sent",
    response_class=Response,
    responses=REMBG_ANSWERS,
    openapi_extra=openapi.body({"file": "the photo, as a file", **rembg.FIELDS}, FORM),
)
async def remove_from_file(request: Request, service: Served) -> Response:
    """rembg's contract: the photo is a file."""
    return await _remove(request, service)


async def _remove(request: Request, service: Service) -> Response:
    query, weights = dict(request.query_params), service.crew.weights
    _, made = await service.make(
        request, lambda fields: rembg.read(query, fields, service.max_pixels, weights)
    )
    return Response(made.data, media_type=made.media_type)


@of_operation.get(
    "/livez", name="livez", summary="Whether the process runs", response_description="it does"
)
async def alive() -> Response:
    """Whether the process runs: it answers."""
    return PlainTextResponse("ok\n")


@of_operation.get(
    "/readyz",
    name="readyz",
    summary="Whether photos are served",
    response_description="they are",
    responses={503: {"description": "not now"}},
)
async def ready(service: Served) -> Response:
    """Whether photos are served: 503 until a worker is warm, and while stopping."""
    if service.is_stopping:
        return PlainTextResponse("stopping\n", 503)
    if not service.crew.working:
        return PlainTextResponse("starting\n", 503)
    return PlainTextResponse("ok\n")


@of_operation.get(
    "/metrics", name="metrics", summary="What is counted", response_description="the counters"
)
async def metrics(service: Served) -> Response:
    """What is counted, for Prometheus."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
