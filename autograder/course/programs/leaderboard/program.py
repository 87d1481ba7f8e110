"""`course run leaderboard`: players, gateways, a Redis, workers, and a page to watch them on."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Annotated

import typer

from autograder import services
from autograder.course.programs.answers import load_answer
from autograder.course.programs.leaderboard.site import make_app
from autograder.course.programs.leaderboard.stage import MOST_RATE, Stage
from autograder.course.programs.pages import open_site
from autograder.course.refusal import Refusal

FILE = "10_event_streams/leaderboard.py"
INTERRUPTED = 130
"""The exit status of a program that Ctrl-C has ended."""


def run(
    mine: Annotated[
        bool, typer.Option("--mine", help="Use your own leaderboard, not the reference solution.")
    ] = False,
    rate: Annotated[
        int, typer.Option("--rate", min=0, max=MOST_RATE, help="Scores a second.")
    ] = 1000,
    players: Annotated[
        int, typer.Option("--players", min=1, max=500, help="How many play, a WebSocket each.")
    ] = 30,
    gateways: Annotated[int, typer.Option("--gateways", min=1, max=8)] = 2,
    workers: Annotated[int, typer.Option("--workers", min=1, max=8)] = 2,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Where the page is; 0: any free one.")
    ] = 8010,
) -> None:
    """Watch a live leaderboard in your browser, on your own code if you like.

    Players score by real WebSockets; gateways, a Redis and workers bring it to your screen. The
    page shows how much comes in and how long it takes, lets you play yourself, and has buttons that
    kill a worker, cut connections, and add a viewer that never reads.

    \b
    Examples:
      course run leaderboard
      course run leaderboard --mine --rate 200
    """
    answer, path = load(mine)
    try:
        with services.require("redis") as server:
            asyncio.run(_serve(answer, path, server, port, (gateways, workers, players, rate)))
    except KeyboardInterrupt:
        typer.echo("\nStopped. Nothing is left running.")
        raise typer.Exit(INTERRUPTED) from None
    except services.ServiceError as error:
        raise Refusal(f"The leaderboard needs a Redis, and has none. {error}") from None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise Refusal(f"Port {port} is taken. Try another one: --port {port + 1}") from None
    except (NotImplementedError, BaseExceptionGroup) as error:
        if isinstance(error, BaseExceptionGroup) and not error.subgroup(NotImplementedError):
            raise
        raise Refusal(
            f"serve_board or work in {path} is not written yet. Without --mine, the reference "
            "solution serves."
        ) from None


def load(mine: bool) -> tuple[ModuleType, str]:
    """The leaderboard of the learner, or of the reference solution, and the name of its file.

    Raises:
        Refusal: it is not there, or cannot be imported.
    """
    return load_answer(FILE, ("serve_board", "work"), mine=mine)


@asynccontextmanager
async def open_all(
    answer: ModuleType,
    path: str,
    url: str,
    port: int = 0,
    *,
    gateways: int = 2,
    workers: int = 2,
    players: int = 30,
    rate: float = 1000,
) -> AsyncIterator[tuple[str, Stage]]:
    """All that runs, and the page; the page's address and the stage, until the block ends."""
    stage = Stage(answer, url, top=10, fps=10)
    async with (
        open_site(make_app(stage, path), port) as at,
        stage.open(gateways=gateways, workers=workers, players=players, rate=rate),
    ):
        yield f"http://127.0.0.1:{at}/", stage


async def _serve(
    answer: ModuleType,
    path: str,
    server: services.Service,
    port: int,
    counts: tuple[int, int, int, int],
) -> None:
    gateways, workers, players, rate = counts
    async with open_all(
        answer, path, server.address, port,
        gateways=gateways, workers=workers, players=players, rate=rate,
    ) as (address, _):  # fmt: skip
        typer.echo(f"{path}: {players} players, {rate:,} scores a second, {server.provider}.")
        typer.echo(f"  Open    {address}    and play along")
        typer.echo("  Ctrl-C  ends it")
        await asyncio.Event().wait()
