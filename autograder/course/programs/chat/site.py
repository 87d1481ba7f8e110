"""The page of the chat, and what its buttons do to the line."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from autograder.course.programs.chat.router import DEEDS, Router

PAGE = Path(__file__).resolve().parent / "page"
FILES = {"/": "index.html", "/chat.css": "chat.css", "/chat.js": "chat.js", "/line.js": "line.js"}
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_POLICY = "default-src 'self'; connect-src 'self' ws://127.0.0.1:*; img-src 'self' data:"


def make_app(router: Router, serving: str) -> web.Application:
    """The page, its settings, and its buttons.

    Args:
        router: what carries the browsers' lines.
        serving: the file whose chat server is at work, as a person would type it.
    """
    settings = {"port": router.port, "serving": serving}

    async def give_file(request: web.Request) -> web.Response:
        path = PAGE / FILES[request.path]
        return web.Response(
            text=path.read_text("utf-8"),
            content_type=_KINDS[path.suffix],
            charset="utf-8",
            headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"},
        )

    async def give_settings(request: web.Request) -> web.Response:
        return web.json_response(settings)

    async def do(request: web.Request) -> web.Response:
        deed = request.match_info["deed"]
        # A page of somebody else's can send a form here, and cannot send JSON without asking.
        if request.content_type != "application/json" or deed not in DEEDS:
            raise web.HTTPBadRequest
        try:
            line = str((await request.json())["line"])
        except (json.JSONDecodeError, KeyError, TypeError):
            raise web.HTTPBadRequest from None
        router.do(deed, line)
        return web.Response(status=204)

    app = web.Application()
    for path in FILES:
        app.router.add_get(path, give_file)
    app.router.add_get("/settings", give_settings)
    app.router.add_post("/line/{deed}", do)
    return app


@asynccontextmanager
async def open_site(app: web.Application, port: int) -> AsyncIterator[int]:
    """Serve the page on this machine until the block ends; the port, a free one if 0 was given."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
