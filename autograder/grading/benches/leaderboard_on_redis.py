"""What a leaderboard must do on a real Redis and real sockets. Waits for conditions, never for
time alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from websockets.asyncio.client import connect

from autograder.grading import mistake

from .leaderboard_client import Client, Ranking
from .raw_websocket import RawWebSocket

PATIENCE = 30.0
"""Real seconds after which something counts as not happening; it takes a fraction of one."""
IDLE = 1.0


class Stand:
    """A board on a real Redis: gateways, workers, viewers.

    Attributes:
        board: its name; channels belong to a whole server, so each stand has its own.
    """

    def __init__(self, submission: Any, url: str, client: Any) -> None:
        self.board = f"course-{uuid.uuid4().hex}"
        self.client = client
        self._submission = submission
        self._url = url

    @contextlib.asynccontextmanager
    async def gateway(self, **options: Any) -> AsyncIterator[int]:
        """A gateway until the block ends; its port."""
        serving = self._submission.serve_board(
            "127.0.0.1", 0, self._url, board=self.board, **options
        )
        async with serving as server:
            yield next(iter(server.sockets)).getsockname()[1]

    @contextlib.asynccontextmanager
    async def workers(self, *names: str) -> AsyncIterator[None]:
        """Workers until the block ends, or until one of them has ended."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(
                    self._submission.work(
                        self._url, stop, board=self.board, consumer=name, idle=IDLE
                    )
                )
            try:
                yield
            finally:
                stop.set()

    async def ranking(self) -> Ranking:
        """What is in the sorted set."""
        rows = await self.client.zrange(f"{self.board}:ranking", 0, -1, withscores=True)
        return {player: int(score) for player, score in rows}

    async def add(self, player: str, seq: int, score: int) -> None:
        """What another gateway does."""
        entry = {"player": player, "seq": seq, "score": score}
        await self.client.xadd(f"{self.board}:scores", entry)


class Screen(Client):
    """A viewer on real time."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop(), "viewer")

    async def open(self, port: int) -> None:
        """Connect, and watch."""
        self.wire = await RawWebSocket.connect("127.0.0.1", port, self.take, self.end)
        await self.watch()


async def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for a condition, which may be a coroutine function."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                holds = condition()
                if await holds if isinstance(holds, Awaitable) else holds:
                    return
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"after {PATIENCE:g} s, {what}") from None


async def on_every_screen(at: Stand) -> None:
    """What players send, in disorder and twice, is on the screens of all gateways, newest."""
    expected = {"ada": 7, "bob": 30, "cem": 12}
    sent = [("ada", 1, 50), ("bob", 2, 30), ("bob", 1, 90), ("cem", 1, 12), ("ada", 3, 7)]
    sent += [("ada", 2, 99), ("cem", 1, 12)]
    async with (
        at.workers("worker 1", "worker 2"),
        at.gateway() as east,
        at.gateway() as west,
        connect(f"ws://127.0.0.1:{east}") as player,
    ):
        screens = [Screen(), Screen()]
        for screen, port in zip(screens, (east, west), strict=True):
            await screen.open(port)
        for name, seq, score in sent:
            event = {"type": "score", "player": name, "seq": seq, "score": score}
            await player.send(json.dumps(event))
        answers = [json.loads(await player.recv()) for _ in sent]
        assert {answer["type"] for answer in answers} == {"taken"}, f"the answers: {answers}"
        for screen in screens:
            await until(
                lambda: screen.seen == expected,  # noqa: B023
                f"on a screen is {screen.seen}, expected {expected}",
            )
            versions = [board["version"] for _, board in screen.boards]
            assert versions == sorted(versions), mistake(
                "stale-overwrites-new", f"A viewer got the versions {versions}."
            )
            assert not screen.odd, f"a gateway said {screen.odd}"
            screen.wire.abort()

        async def is_empty() -> bool:
            return not await at.client.xlen(f"{at.board}:scores")

        await until(is_empty, "all is applied, and the stream is not empty")


async def after_a_death(at: Stand) -> None:
    """What a dead worker had is applied, and connections that are killed are replaced."""
    stream, group = f"{at.board}:scores", "board"
    await at.client.xgroup_create(stream, group, id="0", mkstream=True)
    await at.add("ada", 1, 80)
    await at.add("bob", 1, 10)
    await at.client.xreadgroup(group, "dead", {stream: ">"})
    async with at.workers("worker"), at.gateway() as port:
        screen = Screen()
        await screen.open(port)
        await at.add("ada", 2, 20)
        expected = {"ada": 20, "bob": 10}
        await until(
            lambda: screen.seen == expected, f"on a screen is {screen.seen}, expected {expected}"
        )
        await at.client.client_kill_filter(_type="pubsub")
        await at.client.client_kill_filter(_type="normal", skipme=True)
        await at.add("cem", 1, 5)
        await until(lambda: screen.seen.get("cem") == 5, f"cem is not on a screen: {screen.seen}")
        assert not screen.closed.done(), "connections to Redis were killed, and a viewer's closed"
        screen.wire.abort()


async def beside_the_deaf(at: Stand) -> None:
    """A real viewer that reads nothing holds up nobody."""
    names = [f"{number}" * 1000 for number in range(10)]
    async with at.workers("worker"), at.gateway(fps=200) as port:
        deaf, screen = Screen(), Screen()
        for one in (deaf, screen):
            await one.open(port)
        await until(lambda: deaf.boards, "a viewer has no board")
        deaf.wire.stop_reading()
        for number in range(1000):  # 10 MB for each viewer: more than a system's buffers hold
            await at.add(names[number % 10], number, number)
            if number % 10 == 9:
                shown = dict.fromkeys(names, 0) | {names[n % 10]: n for n in range(number + 1)}
                await until(
                    lambda: screen.seen == shown,  # noqa: B023
                    "a viewer who reads does not see what is new, beside one who does not read",
                )
        for one in (deaf, screen):
            one.wire.abort()


SCENARIOS = (on_every_screen, after_a_death, beside_the_deaf)


async def play(scenario: Callable[[Stand], Awaitable[None]], submission: Any, url: str) -> None:
    """Play one of them."""
    import redis.asyncio

    async with redis.asyncio.from_url(url, decode_responses=True) as client:
        at = Stand(submission, url, client)
        try:
            async with asyncio.timeout(4 * PATIENCE):
                await scenario(at)
        finally:
            for key in await client.keys(f"{at.board}:*"):
                await client.delete(key)
