"""Queues that are joined, as in the tutorials, but all in one group, which hears of a death."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A step that makes something of each item, on up to `workers` items at once."""

    function: Callable[[Any], Awaitable[Any]]
    workers: int = 1


async def run_pipeline(source, stages, sink, *, capacity=10):
    queues = [asyncio.Queue(capacity) for _ in range(len(stages) + 1)]

    async def work(function, inbox, out):
        while True:
            item = await inbox.get()
            result = await function(item)
            if out is not None:
                await out.put(result)
            inbox.task_done()

    async with asyncio.TaskGroup() as group:
        tasks = []
        for i, stage in enumerate(stages):
            for _ in range(stage.workers):
                tasks.append(group.create_task(work(stage.function, queues[i], queues[i + 1])))
        tasks.append(group.create_task(work(sink, queues[-1], None)))
        async for item in source:
            await queues[0].put(item)
        for queue in queues:
            await queue.join()
        for task in tasks:
            task.cancel()
