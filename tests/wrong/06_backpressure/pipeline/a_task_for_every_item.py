"""Starts a task for each item, and lets semaphores see to it that few of them work at once.

The semaphores keep the work in bounds, and nothing keeps the tasks: each record that was read is a
task that waits, in memory, for its turn.

mistake: task-per-item
fails: test_read_ahead_is_bounded
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    function: Callable[[Any], Awaitable[Any]]
    workers: int = 1


async def run_pipeline(source, stages, sink, *, capacity=10):
    steps = [(stage.function, asyncio.Semaphore(stage.workers)) for stage in stages]
    steps.append((sink, asyncio.Semaphore(1)))

    async def carry(item):
        for function, places in steps:
            async with places:
                item = await function(item)

    async with asyncio.TaskGroup() as group:
        async for item in source:
            group.create_task(carry(item))
