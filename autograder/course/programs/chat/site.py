"""The page of the chat, and what its buttons do to the line."""

import json
from pathlib import Path

from aiohttp import web

from autograder.course.programs.chat.router import DEEDS, Router
from autograder.course.programs.pages import add_files

PAGE = Path(__file__).resolve().parent / "page"
FILES = {"/": "index.html", "/chat.css": "chat.css", "/chat.js": "chat.js", "/line.js": "line.js"}


def make_app(router: Router, serving: str) -> web.Application:
    """The page, its settings, and its buttons.

    Args:
        router: what carries the browsers' lines.
        serving: the file whose chat server is at work, as a person would type it.
    """
    settings = {"port": router.port, "serving": serving}

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
    add_files(app, PAGE, FILES)
    app.router.add_get("/settings", give_settings)
    app.router.add_post("/line/{deed}", do)
    return app
