"""Gateways, workers, players, a viewer with a stopwatch; and what can be done to them."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from types import ModuleType
from typing import Any, Literal

import redis.asyncio
from websockets.asyncio.client import connect

from autograder.course.programs.leaderboard.crowd import Crowd, Ledger
from autograder.course.programs.leaderboard.gauge import Gauge, Rates

Deed = Literal["kill", "cut", "deafen"]
DEEDS: tuple[Deed, ...] = ("kill", "cut", "deafen")
MOST_RATE = 5000
"""Scores a second that one may ask for."""
IDLE = 2.0
"""Seconds after which a worker's entries are taken over."""
DOWN_FOR = 3.0
"""Seconds until a killed worker is there again."""


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: in Python 3.11 a cancellation can get lost in wait_for,
    which libraries use."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=0.2)


class Stage:
    """All of it, in this process.

    Attributes:
        ports: where the gateways are.
        board: the name of the board, which begins its keys.
    """

    def __init__(self, answer: ModuleType, url: str, *, top: int, fps: float) -> None:
        self.board = f"leaderboard-{os.getpid()}"
        self.ports: list[int] = []
        self.crowd: Crowd
        self.gauge: Gauge
        self._answer = answer
        self._url = url
        self._options = {"board": self.board, "top": top, "fps": fps}
        self._redis: Any = redis.asyncio.from_url(url, decode_responses=True)
        self._workers: dict[str, asyncio.Task[None] | None] = {}
        self._ended: dict[str, str] = {}
        self._deaf: list[Any] = []
        self._waiting = 0
        self._rates = Rates()
        self._tasks: asyncio.TaskGroup

    @asynccontextmanager
    async def open(
        self, *, gateways: int, workers: int, players: int, rate: float
    ) -> AsyncIterator["Stage"]:
        """Run all of it until the block ends."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._tidy_up)
            for _ in range(gateways):
                server = await stack.enter_async_context(
                    self._answer.serve_board("127.0.0.1", 0, self._url, **self._options)
                )
                self.ports.append(next(iter(server.sockets)).getsockname()[1])
            ledger = Ledger()
            self.crowd = Crowd(self.ports, players, rate, ledger)
            self.gauge = Gauge(self.ports[-1], ledger)
            async with asyncio.TaskGroup() as self._tasks:
                jobs = [self.crowd.run(), self.gauge.run(), self._look()]
                jobs += [self._employ(f"worker {number + 1}") for number in range(workers)]
                running = [self._tasks.create_task(job) for job in jobs]
                try:
                    yield self
                finally:
                    for connection in self._deaf:
                        connection.transport.abort()  # no gateway is to wait for its good-bye
                    await end(running)
                    # Not in _employ: another cancellation would interrupt the wait for a worker.
                    await end(task for task in self._workers.values() if task is not None)

    async def _tidy_up(self) -> None:
        """Leave nothing in a Redis that may be somebody's own."""
        keys = [key async for key in self._redis.scan_iter(f"{self.board}:*")]
        if keys:
            await self._redis.delete(*keys)
        await self._redis.aclose()

    # -- workers ----------------------------------------------------------------------------------

    async def _employ(self, name: str) -> None:
        """Have a worker of this name, and another one some seconds after its death."""
        while True:
            work = self._answer.work(
                self._url, asyncio.Event(), board=self.board, consumer=name, idle=IDLE
            )
            task = self._workers[name] = asyncio.create_task(work, name=name)
            await asyncio.wait([task])
            self._workers[name] = None
            error = None if task.cancelled() else task.exception()
            if isinstance(error, NotImplementedError):
                raise error
            self._ended[name] = "killed" if task.cancelled() else repr(error) if error else "ended"
            await asyncio.sleep(DOWN_FOR)

    # -- deeds ------------------------------------------------------------------------------------

    async def do(self, deed: Deed) -> None:
        """Do something to what runs.

        "kill" ends a worker with what it has in hand; "cut" breaks all connections to Redis;
        "deafen" adds a viewer that never reads.
        """
        if deed == "kill":
            living = [task for task in self._workers.values() if task is not None]
            await end(living[:1])
        elif deed == "cut":
            for kind in ("pubsub", "normal"):
                await self._redis.client_kill_filter(_type=kind, skipme=True)
        else:
            connection = await connect(f"ws://127.0.0.1:{self.ports[0]}", ping_interval=None)
            await connection.send(json.dumps({"type": "watch"}))
            connection.transport.pause_reading()
            self._deaf.append(connection)

    # -- what there is to see ---------------------------------------------------------------------

    async def _look(self) -> None:
        """See how much waits in the stream."""
        while True:
            try:
                self._waiting = await self._redis.xlen(f"{self.board}:scores")
            except redis.exceptions.RedisError:
                self._waiting = -1
            await asyncio.sleep(0.25)

    def numbers(self) -> dict[str, Any]:
        """What the page shows beside the board. Rates are a second; latencies in milliseconds,
        over the last five seconds."""
        counts = Counter(self.crowd.counts)
        counts["boards"] = self.gauge.boards
        rates = self._rates.of(counts)
        took = self.gauge.last(5.0)
        return {
            "rate": self.crowd.rate,
            "sent": rates.get("sent", 0.0),
            "taken": rates.get("taken", 0.0),
            "busy": rates.get("busy", 0.0),
            "boards": rates.get("boards", 0.0),
            "waiting": self._waiting,
            "p50": took and took.p50 * 1000,
            "p99": took and took.p99 * 1000,
            "workers": {  # and why it is not there
                name: "" if task is not None else self._ended.get(name, "")
                for name, task in self._workers.items()
            },
            "deaf": sum(connection.state.name == "OPEN" for connection in self._deaf),
        }
