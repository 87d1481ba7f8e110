"""What the pages of all programs need: their files, and a server on this machine."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

_SHARED = Path(__file__).resolve().parent / "page"
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_POLICY = "default-src 'self'; connect-src 'self' ws://127.0.0.1:*; img-src 'self' data:"


def add_files(app: web.Application, folder: Path, files: Mapping[str, str]) -> None:
    """Serve files of a folder, by their addresses, and the style sheet that all pages share.

    Nothing else is served, and nothing from elsewhere.
    """
    paths = {address: folder / name for address, name in files.items()}
    paths["/page.css"] = _SHARED / "page.css"

    async def give_file(request: web.Request) -> web.Response:
        path = paths[request.path]
        return web.Response(
            text=path.read_text("utf-8"),
            content_type=_KINDS[path.suffix],
            charset="utf-8",
            headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"},
        )

    for address in paths:
        app.router.add_get(address, give_file)


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
