"""A payment provider with a capacity: it slows down, is down, comes back, and melts.

One request after another is served, in the order in which they came. Who asks gives up after
`patience` seconds, and the provider does not hear of that: what it has taken in, it works off. So
when more comes in than it can serve, its queue grows longer than anybody's patience, and it works
without a pause on requests that nobody waits for any more. It stays so for as long as the load is
above its capacity, even if what began it is long over: a metastable failure.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from autograder.simulation import World

TRIP = 0.01
"""Seconds until the provider has a request."""


class Provider:
    """Serves `capacity` requests a second, keeps at most `backlog` seconds of work waiting."""

    def __init__(
        self,
        world: World,
        unavailable: Callable[[str], Exception],
        *,
        capacity: float = 16.0,
        backlog: float = 5.0,
        patience: float = 1.0,
    ) -> None:
        self.world = world
        self.unavailable = unavailable
        self.capacity = capacity
        self.backlog = backlog
        self.patience = patience
        self.down = False
        self.slower = 1.0
        """By this factor a request takes longer now."""
        self.asked: list[float] = []
        """When each request came."""
        self.answered: list[float] = []
        """When each answer was there, for somebody who still waited for it."""
        self.in_vain = 0
        """Requests that were served for somebody who had given up."""
        self._free_at = 0.0

    async def take_payment(self) -> str:
        """One request; what `unavailable` makes, or TimeoutError, if it is a bad day."""
        await asyncio.sleep(TRIP)
        now = self.world.time()
        self.asked.append(now)
        begins = max(now, self._free_at)
        if self.down:
            raise self.unavailable("503: the provider is down")
        if begins - now > self.backlog:
            raise self.unavailable("503: the provider's queue is full")
        self._free_at = begins + self.slower / self.capacity
        if self._free_at - now > self.patience:
            self.in_vain += 1
            await asyncio.sleep(self.patience)
            raise TimeoutError(f"no answer within {self.patience:g} s")
        await asyncio.sleep(self._free_at - now)
        self.answered.append(self.world.time())
        return "paid"

    def asked_between(self, begin: float, end: float) -> int:
        """How many requests came from `begin` until before `end` (seconds)."""
        return sum(begin <= at < end for at in self.asked)


class Customers:
    """Customers who pay, `rate` of them a second, and what became of each of them."""

    def __init__(self, world: World, pay: Callable[[], Awaitable[Any]], *, rate: float) -> None:
        self.world = world
        self.pay = pay
        self.rate = rate
        self.outcomes: list[tuple[float, object]] = []
        """When each of them came (seconds), and the answer or the exception."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def come(self, seconds: float) -> None:
        """Let customers come for so long, each in a task of their own."""
        for gap in self._gaps(seconds):
            await asyncio.sleep(gap)
            task = asyncio.create_task(self._customer(), name="customer")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settle(self, patience: float = 600.0) -> int:
        """Wait for those who have not ended; how many never do."""
        tasks = list(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=patience)
        stuck = [task for task in tasks if not task.done()]
        for task in stuck:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(stuck)

    def share(self, begin: float, end: float, outcome: object = "paid") -> float:
        """Of those who came from `begin` until before `end`, the share with this outcome."""
        outcomes = [what for came, what in self.outcomes if begin <= came < end]
        return sum(what == outcome for what in outcomes) / max(1, len(outcomes))

    def _gaps(self, seconds: float) -> Iterator[float]:
        """Times between arrivals, exponentially distributed: nobody has an appointment."""
        end = self.world.time() + seconds
        while self.world.time() < end:
            yield -math.log(1.0 - 0.999 * self.world.draw("arrival")) / self.rate or 1 / self.rate

    async def _customer(self) -> None:
        came = self.world.time()
        try:
            outcome: object = await self.pay()
        except Exception as error:
            outcome = error
        self.outcomes.append((came, outcome))
