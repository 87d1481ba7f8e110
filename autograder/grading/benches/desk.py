"""A service desk behind a Shedder: its handler, its clients, what became of each request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from autograder.simulation import World

LONG = 300.0
"""Virtual seconds after which a request that has not ended never will."""


class Broken(Exception):
    """What a handler raises."""


class Desk:
    """The handler, the clients, and what became of every request."""

    def __init__(
        self,
        submission: Any,
        world: World,
        seconds: float = 1.0,
        *,
        workers: int = 1,
        capacity: int = 10,
        deadline: float = 100.0,
    ) -> None:
        self.submission, self.world, self.seconds = submission, world, seconds
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        self.asked: dict[str, float] = {}
        self.outcome: dict[str, Any] = {}
        self.running = self.peak = 0
        self.dead: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.tidy = 0.0
        """Seconds that a handler's clean-up takes."""
        self.breaks: set[str] = set()
        """Requests for which the handler raises."""
        self.last_act: dict[str, Callable[[], object]] = {}
        """What the handler of a request does at its end."""
        self.shedder = submission.Shedder(
            self.handle, workers=workers, capacity=capacity, deadline=deadline
        )

    async def handle(self, request: str) -> str:
        """The handler: an answer after `seconds`."""
        if request in self.outcome:
            self.dead.append(request)
        self.began[request] = self.world.time()
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            await asyncio.sleep(self.seconds)
            self.last_act.get(request, lambda: None)()
            if request in self.breaks:
                raise Broken(request)
            return f"answer to {request}"
        finally:
            try:
                if self.tidy:
                    await asyncio.sleep(self.tidy)
            finally:
                self.running -= 1

    def ask(
        self,
        request: str,
        patience: float | None = None,
        then: Callable[[], object] = lambda: None,
    ) -> asyncio.Task[None]:
        """Submit a request in a task of its own; its client gives up after `patience` seconds."""

        async def client() -> None:
            self.asked[request] = self.world.time()
            self.outcome.pop(request, None)
            outcome = "cancelled"
            try:
                async with asyncio.timeout(patience):
                    outcome = await self.shedder.submit(request)
            except self.submission.Overloaded:
                outcome = "refused"
            except TimeoutError:
                outcome = "gave up"
            except Broken:
                outcome = "broken"
            finally:
                self.outcome[request] = outcome
                self.ended[request] = self.world.time()
                then()

        self.tasks[request] = asyncio.create_task(client(), name=str(request))
        return self.tasks[request]

    async def settle(self) -> list[str]:
        """Wait until every request has ended; the names of those that never do."""
        await asyncio.wait(self.tasks.values(), timeout=LONG)
        stuck = [request for request, task in self.tasks.items() if not task.done()]
        for task in self.tasks.values():
            task.cancel()
        for outcome in await asyncio.gather(*self.tasks.values(), return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        return stuck

    def answered(self, request: str) -> bool:
        """Did its client get the answer?"""
        return bool(self.outcome.get(request) == f"answer to {request}")
