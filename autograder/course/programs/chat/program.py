"""`course run chat`: a chat server, a page for it, and a line between them that can be cut."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

import typer

from autograder.course.programs.answers import load_answer
from autograder.course.programs.chat.router import Router
from autograder.course.programs.chat.site import make_app
from autograder.course.programs.pages import open_site
from autograder.course.refusal import Refusal

FILE = "07_websockets/chat_server.py"
INTERRUPTED = 130
"""The exit status of a program that Ctrl-C has ended."""

ServeChat = Callable[..., AbstractAsyncContextManager[Any]]


def run(
    mine: Annotated[
        bool, typer.Option("--mine", help="Use your own server, not the reference solution.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Where the page is; 0: any free one.")
    ] = 8007,
    heartbeat: Annotated[
        float, typer.Option("--heartbeat", min=0.1, help="Seconds between the server's pings.")
    ] = 5.0,
) -> None:
    """Chat in your browser, over your own server if you like.

    The page has several rooms, and shows who is there, what goes over the wire, and how the line
    is. Open it in two windows, and cut the line of one of them: it comes back, and asks for what it
    has missed.

    \b
    Examples:
      course run chat
      course run chat --mine
    """
    serve_chat, path = load(mine)
    try:
        asyncio.run(_serve(serve_chat, path, port, heartbeat))
    except KeyboardInterrupt:
        typer.echo("\nStopped. Nothing is left running.")
        raise typer.Exit(INTERRUPTED) from None
    except NotImplementedError:
        raise Refusal(
            f"serve_chat in {path} is not written yet. Without --mine, the reference solution "
            "serves."
        ) from None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise Refusal(f"Port {port} is taken. Try another one: --port {port + 1}") from None


def load(mine: bool) -> tuple[ServeChat, str]:
    """`serve_chat` of the learner, or of the reference solution, and the name of its file.

    Raises:
        Refusal: it is not there, or cannot be imported.
    """
    module, path = load_answer(FILE, ("serve_chat",), mine=mine)
    return module.serve_chat, path


@asynccontextmanager
async def open_all(
    serve_chat: ServeChat, path: str, port: int = 0, heartbeat: float = 5.0
) -> AsyncIterator[str]:
    """The chat, the router in front of it, and the page; its address, until the block ends."""
    async with (
        serve_chat("127.0.0.1", 0, heartbeat=heartbeat) as server,
        Router(next(iter(server.sockets)).getsockname()[1]).open() as router,
        open_site(make_app(router, path), port) as at,
    ):
        yield f"http://127.0.0.1:{at}/"


async def _serve(serve_chat: ServeChat, path: str, port: int, heartbeat: float) -> None:
    async with open_all(serve_chat, path, port, heartbeat) as address:
        typer.echo(f"{path} serves the chat; a ping every {heartbeat:g} s.")
        typer.echo(f"  Open    {address}    in two windows")
        typer.echo("  Ctrl-C  ends it")
        await asyncio.Event().wait()
