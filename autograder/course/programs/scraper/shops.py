"""A shop as a small aiohttp application that keeps a book of its visitors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""What answers a path. Runs after the shop's delay."""


@dataclass
class Visit:
    """One request as the shop saw it. Times are the event loop's, in seconds."""

    path: str
    started: float
    ended: float | None = None
    status: int | None = None
    """HTTP status sent; None while it is being answered, or if the connection was dropped."""
    answered: bool = False
    """Whether the visitor was still there when the answer was ready."""


@dataclass
class ShopServer:
    """Serves pages after a delay and remembers who asked for what, and when.

    `pages` maps a path (with its query, if any) to HTML, or to a handler for anything unusual.
    `delay` is in seconds, for every page.
    """

    pages: Mapping[str, str | Handler]
    delay: float = 0.05
    on_visit: Callable[[Visit], None] | None = None
    visits: list[Visit] = field(default_factory=list)
    in_flight: int = 0
    peak: int = 0
    """The most requests that were being answered at one moment."""
    connections: set[object] = field(default_factory=set)
    """One entry for each TCP connection a request came in on."""

    def app(self) -> web.Application:
        """A new application; use it once."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        return app

    def paths(self) -> list[str]:
        """The paths asked for, in the order in which the requests arrived."""
        return [visit.path for visit in self.visits]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        visit = Visit(request.path_qs, loop.time())
        self.visits.append(visit)
        self.connections.add(_address(request))
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(self.delay)
            response = await self._response(request)
            visit.status = response.status
        finally:
            self.in_flight -= 1
            visit.ended = loop.time()
            visit.answered = request.transport is not None and not request.transport.is_closing()
            if not visit.answered:
                visit.status = None
            if self.on_visit is not None:
                self.on_visit(visit)
        return response

    async def _response(self, request: web.Request) -> web.StreamResponse:
        found = self.pages.get(request.path_qs)
        if found is None:
            return web.Response(status=404, text="no such page")
        if isinstance(found, str):
            return web.Response(text=found, content_type="text/html")
        return await found(request)


def _address(request: web.Request) -> object:
    transport = request.transport
    return transport.get_extra_info("peername") if transport is not None else None


# Handlers for what goes wrong in shops.


def status(code: int, **headers: str) -> Handler:
    """Always answer `code`; header names are written with `_` for `-`."""

    async def handler(request: web.Request) -> web.StreamResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, headers=sent, text=f"status {code}")

    return handler


def in_turn(*answers: str | Handler) -> Handler:
    """Give the first answer to the first request, and so on; the last one for good."""
    left = list(answers)

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, str):
            return web.Response(text=answer, content_type="text/html")
        return await answer(request)

    return handler


async def drop(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def cut_short(request: web.Request) -> web.StreamResponse:
    """Announce more than is sent, then close the connection."""
    response = web.StreamResponse(headers={"Content-Length": "5000"})
    await response.prepare(request)
    await response.write(b"<html>")
    if request.transport is not None:
        request.transport.close()
    return response


def raw(body: bytes, *, charset: str = "utf-8") -> Handler:
    """Send these very bytes and claim that they are `charset`."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="text/html", charset=charset)

    return handler


def trickle(html: str, *, pause: float) -> Handler:
    """Send the headers and half of the page, then the rest `pause` seconds later."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html; charset=utf-8"})
        await response.prepare(request)
        half = len(html) // 2
        await response.write(html[:half].encode())
        await asyncio.sleep(pause)
        await response.write(html[half:].encode())
        return response  # and aiohttp writes the end: who has read it all finds the visit ended

    return handler


def rate_limited(pages: Mapping[str, str], *, every: float) -> dict[str, str | Handler]:
    """Serve at most one page in `every` seconds; to others say 429 and when to come back."""
    opens_at = 0.0

    def guard(html: str) -> Handler:
        async def handler(request: web.Request) -> web.StreamResponse:
            nonlocal opens_at
            now = asyncio.get_running_loop().time()
            if now < opens_at:
                # Whole seconds, rounded up: a visitor who obeys is let in.
                headers = {"Retry-After": str(-int(-(opens_at - now) // 1))}
                return web.Response(status=429, headers=headers, text="one at a time")
            opens_at = now + every
            return web.Response(text=html, content_type="text/html")

        return handler

    return {path: guard(html) for path, html in pages.items()}
