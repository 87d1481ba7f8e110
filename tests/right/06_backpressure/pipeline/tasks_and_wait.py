"""Plain tasks, a wait for the first exception, and a `finally` that waits for the last of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    function: Callable[[Any], Any]
    workers: int = 1


class Belt:
    """A bounded queue that can be closed."""

    def __init__(self, capacity: int, feeders: int) -> None:
        self.queue: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue(capacity)
        self.feeders = feeders

    async def put(self, item: Any) -> None:
        await self.queue.put((item,))

    async def leave(self) -> None:
        self.feeders -= 1
        if self.feeders == 0:
            await self.queue.put(())

    def __aiter__(self) -> Belt:
        return self

    async def __anext__(self) -> Any:
        packet = await self.queue.get()
        if not packet:
            self.queue.put_nowait(())
            raise StopAsyncIteration
        return packet[0]


async def feed(source, belt):
    async for item in source:
        await belt.put(item)
    await belt.leave()


async def work(inbox, function, outbox):
    async for item in inbox:
        await outbox.put(await function(item))
    await outbox.leave()


async def store(inbox, sink):
    async for item in inbox:
        await sink(item)


async def run_pipeline(source, stages, sink, *, capacity=10):
    belt = Belt(capacity, feeders=1)
    jobs = [feed(source, belt)]
    for stage in stages:
        following = Belt(capacity, feeders=stage.workers)
        jobs += [work(belt, stage.function, following) for _ in range(stage.workers)]
        belt = following
    jobs.append(store(belt, sink))
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            if task.exception():
                raise task.exception()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
