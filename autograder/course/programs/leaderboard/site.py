"""The page of the leaderboard, its numbers, and its buttons."""

import json
from pathlib import Path
from typing import Any

from aiohttp import web

from autograder.course.programs.leaderboard.stage import DEEDS, MOST_RATE, Stage
from autograder.course.programs.pages import add_files

PAGE = Path(__file__).resolve().parent / "page"
FILES = {
    "/": "index.html", "/board.css": "board.css", "/board.js": "board.js", "/line.js": "line.js",
    "/chart.js": "chart.js",
}  # fmt: skip


def make_app(stage: Stage, serving: str) -> web.Application:
    """The page, its settings and numbers, and its buttons.

    Args:
        stage: what runs.
        serving: the file whose leaderboard is at work, as a person would type it.
    """

    async def give_settings(request: web.Request) -> web.Response:
        return web.json_response({"ports": stage.ports, "serving": serving, "most": MOST_RATE})

    async def give_numbers(request: web.Request) -> web.Response:
        return web.json_response(stage.numbers(), headers={"Cache-Control": "no-store"})

    async def set_rate(request: web.Request) -> web.Response:
        rate = await _value(request, "rate")
        if not isinstance(rate, int | float) or not 0 <= rate <= MOST_RATE:
            raise web.HTTPBadRequest
        stage.crowd.rate = rate
        return web.Response(status=204)

    async def do(request: web.Request) -> web.Response:
        deed = await _value(request, "deed")
        if deed not in DEEDS:
            raise web.HTTPBadRequest
        await stage.do(deed)
        return web.Response(status=204)

    app = web.Application()
    add_files(app, PAGE, FILES)
    app.router.add_get("/settings", give_settings)
    app.router.add_get("/numbers", give_numbers)
    app.router.add_post("/rate", set_rate)
    app.router.add_post("/deed", do)
    return app


async def _value(request: web.Request, name: str) -> Any:
    """One value of a JSON object. A page of somebody else's can send a form here, and no JSON."""
    if request.content_type != "application/json":
        raise web.HTTPBadRequest
    try:
        return (await request.json())[name]
    except (json.JSONDecodeError, KeyError, TypeError):
        raise web.HTTPBadRequest from None
