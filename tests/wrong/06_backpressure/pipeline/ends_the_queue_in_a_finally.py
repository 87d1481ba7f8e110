"""A worker that dies says "the end" to the next step in a `finally`, so that nobody waits for it.

It thinks of those who wait for items, and forgets the one who waits for a place: the step before
the dead one stands in put(), and the group knows of nothing: each step keeps its error for later.

mistake: producer-stuck-forever
fails: test_when_the_sink_dies_the_producer_does_not_wait_for_ever,
    test_when_a_stage_or_the_source_dies_nobody_waits_for_ever,
    test_after_a_failure_nothing_is_running, test_cancelled_it_leaves_nothing_running,
    test_read_ahead_is_bounded
"""

import asyncio
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    function: Any
    workers: int = 1


END = object()


async def run_pipeline(source, stages, sink, *, capacity=10):
    errors = []

    async def read(out):
        try:
            async for item in source:
                await out.put(item)
        except Exception as error:
            errors.append(error)
        finally:
            await out.put(END)

    async def work(function, inbox, out):
        try:
            while (item := await inbox.get()) is not END:
                result = await function(item)
                if out:
                    await out.put(result)
            await inbox.put(END)
        except Exception as error:
            errors.append(error)

    async def step(function, workers, inbox, out):
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(work(function, inbox, out))
        finally:
            if out:
                await out.put(END)

    async with asyncio.TaskGroup() as group:
        inbox = asyncio.Queue(capacity)
        group.create_task(read(inbox))
        for stage in stages:
            out = asyncio.Queue(capacity)
            group.create_task(step(stage.function, stage.workers, inbox, out))
            inbox = out
        group.create_task(step(sink, 1, inbox, None))
    if errors:
        raise errors[0]
