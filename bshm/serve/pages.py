"""The page, and the page of the API: files that load nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Awaitable, Callable

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

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
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}


def pages() -> APIRouter:
    """An endpoint for each file of `PAGE`."""
    router = APIRouter(include_in_schema=False)
    files = {"/" + path.name: path for path in PAGE.iterdir() if path.suffix in MEDIA_TYPES}
    files["/"], files["/docs"] = files.pop("/index.html"), files.pop("/docs.html")
    for address, path in files.items():
        router.add_api_route(address, _file(path), name="page")
    return router


def _file(path: Path) -> Callable[[], Awaitable[Response]]:
    async def file() -> Response:
        return FileResponse(path, headers=HEADERS, media_type=MEDIA_TYPES[path.suffix])

    return file
