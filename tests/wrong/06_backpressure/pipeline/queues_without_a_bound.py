"""Queues between the steps, workers, a group around it: everything, but for one number.

asyncio.Queue() has no bound. put() never waits, so the reader reads as fast as it can, and the
export piles up in front of the sink.

mistake: unbounded-queue
fails: test_read_ahead_is_bounded
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    function: Callable[[Any], Any]
    workers: int = 1


DONE = object()


async def run_pipeline(source, stages, sink, *, capacity=10):
    async def step(function, workers, inbox, outbox):
        async def work():
            while True:
                item = await inbox.get()
                if item is DONE:
                    inbox.put_nowait(DONE)
                    return
                result = await function(item)
                if outbox is not None:
                    await outbox.put(result)

        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())
        if outbox is not None:
            await outbox.put(DONE)

    async def read(outbox):
        async for item in source:
            await outbox.put(item)
        await outbox.put(DONE)

    queues = [asyncio.Queue() for _ in range(len(stages) + 1)]
    async with asyncio.TaskGroup() as group:
        group.create_task(read(queues[0]))
        for stage, inbox, outbox in zip(stages, queues, queues[1:], strict=False):
            group.create_task(step(stage.function, stage.workers, inbox, outbox))
        group.create_task(step(sink, 1, queues[-1], None))
