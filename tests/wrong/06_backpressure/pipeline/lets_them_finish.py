"""After a failure everybody finishes the item at hand, however long that takes.

mistake: none
fails: test_when_a_stage_or_the_source_dies_nobody_waits_for_ever,
    test_after_a_failure_nothing_is_running, test_cancelled_it_leaves_nothing_running
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A step that makes something of each item, on up to `workers` items at once."""

    function: Callable[[Any], Awaitable[Any]]
    workers: int = 1


END = object()  # comes after the last item; no item can be it, while None could


async def run_pipeline(
    source: AsyncIterator[Any],
    stages: Sequence[Stage],
    sink: Callable[[Any], Awaitable[None]],
    *,
    capacity: int = 10,
) -> None:
    """Move every item from `source` through `stages` into `sink`; at most `capacity` wait each."""
    steps = [*stages, Stage(sink)]
    queues: list[asyncio.Queue[Any]] = [asyncio.Queue(capacity) for _ in steps]
    busy = [step.workers for step in steps]  # workers of each step that have not met the end

    async def read() -> None:
        async for item in source:
            await queues[0].put(item)  # waits while the queue is full: that is the backpressure
        await queues[0].put(END)

    async def work(number: int) -> None:
        inbox, last = queues[number], number == len(steps) - 1
        while (item := await inbox.get()) is not END:
            try:
                result = await asyncio.shield(
                    t := asyncio.ensure_future(steps[number].function(item))
                )
            except asyncio.CancelledError:
                await asyncio.wait([t])
                raise
            if not last:
                await queues[number + 1].put(result)
        busy[number] -= 1
        if busy[number]:
            inbox.put_nowait(END)  # for a colleague; there is room, as END has just been taken out
        elif not last:
            await queues[number + 1].put(END)

    # One group for all: whoever fails takes along those who wait, in put() as well as in get().
    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        for number, step in enumerate(steps):
            for _ in range(step.workers):
                group.create_task(work(number))
