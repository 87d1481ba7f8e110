"""Tasks, a wait for the first failure, cancel() for all the rest, and home.

cancel() only asks. The functions of the stages are still cleaning up when the caller goes on.

mistake: leaked-sibling
fails: test_after_a_failure_nothing_is_running, test_cancelled_it_leaves_nothing_running
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    function: Any
    workers: int = 1


class Done:
    """The last thing in every queue."""


async def pump(source, queue):
    async for item in source:
        await queue.put(item)


async def serve(function, inbox, outbox):
    while True:
        item = await inbox.get()
        if item is Done:
            await inbox.put(Done)
            return
        result = await function(item)
        if outbox is not None:
            await outbox.put(result)


async def run_pipeline(source, stages, sink, *, capacity=10):
    queues = [asyncio.Queue(capacity) for _ in stages] + [asyncio.Queue(capacity), None]
    steps = [*stages, Stage(sink)]

    async def whole_step(n):
        await asyncio.gather(
            *(serve(steps[n].function, queues[n], queues[n + 1]) for _ in range(steps[n].workers))
        )
        if queues[n + 1] is not None:
            await queues[n + 1].put(Done)

    async def whole_source():
        await pump(source, queues[0])
        await queues[0].put(Done)

    tasks = [asyncio.create_task(whole_source())]
    tasks += [asyncio.create_task(whole_step(n)) for n in range(len(steps))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
