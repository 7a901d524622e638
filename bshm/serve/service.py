"""One request, from its head to what was made, whichever contract it follows."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Awaitable, Callable, TypeVar

from starlette.requests import ClientDisconnect, Request

from bshm.errors import BshmError
from bshm.serve import body, rembg, removebg, urls
from bshm.serve.admission import SLOW_S, Admission, Slot
from bshm.serve.body import Fields
from bshm.serve.crew import Crew
from bshm.serve.edge import Notes
from bshm.serve.fetch import Fetcher, NotFetched
from bshm.serve.keys import Keys
from bshm.serve.metrics import Metrics
from bshm.serve.order import Made, Order
from bshm.serve.rates import Rates, household
from bshm.serve.refusal import Refusal, refusal_of
from bshm.serve.settings import MB, Settings

T = TypeVar("T")
Wanted = TypeVar("Wanted", removebg.Request, rembg.Request)


class Service:
    """What the endpoints share. Raises BshmError where the settings cannot be followed."""

    def __init__(self, settings: Settings, crew: Crew) -> None:
        self.settings, self.crew = settings, crew
        self.max_bytes = int(settings.max_body_mb * MB)
        self.max_pixels = int(settings.max_pixels * 1e6)
        held = int(settings.max_held_mb * MB)
        self.house = Admission(settings.waiting + crew.count, crew.count, held)
        self.metrics = Metrics(self.house, crew)
        self.keys = Keys(settings.keys) if settings.keys else None
        self.rates = Rates(settings.rate)
        rules = urls.Rules(settings.allow_urls)
        self.fetcher = Fetcher(rules, self.max_bytes, settings.fetch_s) if rules else None
        self.is_stopping = False

    def identify(self, request: Request, key: str) -> dict[str, str]:
        """Let known callers in, at their rate; the headers that tell what is left of it.

        key: what is given as one, or nothing

        Raises Refusal.
        """
        self._check_origin(request)
        caller = household(request.client.host) if request.client else ""
        if self.keys:
            caller = self.keys.name(key)
            Notes.of(request.scope).facts["key"] = caller
        return self.rates.take(caller)

    def _check_origin(self, request: Request) -> None:
        """Pages of other sites may send forms to a service of this machine, unless it refuses."""
        origin = request.headers.get("origin")
        if origin is None and request.headers.get("sec-fetch-site") == "cross-site":
            origin = "null"  # a picture or a link of another page, which names no origin
        if origin is None or origin in self.settings.cors or "*" in self.settings.cors:
            return
        # Browsers send scheme://host:port; of what others may send, `urlsplit` raises for some.
        if origin.partition("://")[2].lower() != request.headers.get("host", "").lower():
            raise Refusal(403, "foreign_origin", "pages of other origins are not served here")

    async def make(self, request: Request, read: Callable[[Fields], Wanted]) -> tuple[Wanted, Made]:
        """What a request asks for, and what was made of it.

        read: the contract's fields -> its request; may raise Refusal

        Raises Refusal, and ClientDisconnect where the client leaves; its slot is free then.
        """
        notes = Notes.of(request.scope)
        slot = notes.stack.enter_context(self.house.enter())
        fields = Fields()
        if request.method == "POST":
            fields = await body.read(request, slot, self.max_bytes, self.settings.receive_s)
        wanted = read(fields)
        order = await _while_there(request, self._with_pictures(wanted, slot))
        try:
            made = await _while_there(request, self._work(order, notes))
        except BshmError as error:
            raise _about_background(error) or refusal_of(error) from error
        slot.let_go()
        slot.keep(len(made.data))
        slot.step_aside()
        return wanted, made

    async def _work(self, order: Order, notes: Notes) -> Made:
        begin = time.monotonic()
        with self.metrics.queue.track_inprogress():
            worker = await self.crew.turn(self.settings.wait_s)
        waited = time.monotonic() - begin
        self.metrics.waited(waited)
        notes.facts["wait_ms"] = round(waited * 1000, 1)
        with self.metrics.busy.track_inprogress():
            made = await self.crew.work(worker, order)
        self.house.worked(sum(made.timings.values()) / 1000)
        self.metrics.made(made)
        return made

    async def _with_pictures(self, wanted: Wanted, slot: Slot) -> Order:
        """The order, with the pictures that are behind addresses. Raises Refusal."""
        order = wanted.order
        slow = asyncio.get_running_loop().call_later(SLOW_S, slot.step_aside)
        try:
            if wanted.photo_url:
                photo = await self._fetch(wanted.photo_url, "image", slot)
                order = dataclasses.replace(order, photo=photo)
            if isinstance(wanted, removebg.Request) and wanted.background_url:
                picture = await self._fetch(wanted.background_url, "bg", slot)
                order = dataclasses.replace(order, picture=picture)
        finally:
            slow.cancel()
        slot.step_back()
        return order

    async def _fetch(self, url: str, what: str, slot: Slot) -> bytes:
        """Raises Refusal: in the same words for what is not allowed and for what is not there."""
        names = {"image": "image", "bg": "bg_image"}
        if self.fetcher is None:
            reason = "addresses are not fetched here; send the picture itself"
            raise Refusal(400, "invalid_%s_url" % names[what], reason)
        if urls.parse(url) is None:
            raise Refusal(400, "invalid_%s_url" % names[what], "expected an http or https address")
        try:
            return await self.fetcher.fetch(url, slot.hold)
        except NotFetched as error:
            code = "failed_%s_download" % what
            raise Refusal(400, code, "the picture could not be downloaded") from error


def _about_background(error: BshmError) -> Refusal | None:
    if error.subject != "background":
        return None
    return Refusal(400, "failed_to_read_image", "the background: " + error.reason)


async def _while_there(request: Request, work: Awaitable[T]) -> T:
    """The outcome of work, which is cancelled when the client leaves; then ClientDisconnect."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
