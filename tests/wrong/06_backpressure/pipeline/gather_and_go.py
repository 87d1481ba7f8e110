"""gather over all workers: the first exception comes out at once, and the others are left behind.

They parse, look up and store for a while, until they wait for ever for an item or a place.

mistake: leaked-sibling
fails: test_after_a_failure_nothing_is_running, test_cancelled_it_leaves_nothing_running
"""

import asyncio
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    function: Any
    workers: int = 1


_END = object()


async def run_pipeline(source, stages, sink, *, capacity=10):
    steps = [*stages, Stage(sink)]
    queues = [asyncio.Queue(capacity) for _ in steps] + [None]
    left = [step.workers for step in steps]

    async def read():
        async for item in source:
            await queues[0].put(item)
        await queues[0].put(_END)

    async def work(n):
        inbox, outbox = queues[n : n + 2]
        while (item := await inbox.get()) is not _END:
            result = await steps[n].function(item)
            if outbox is not None:
                await outbox.put(result)
        left[n] -= 1
        if left[n]:
            await inbox.put(_END)
        elif outbox is not None:
            await outbox.put(_END)

    await asyncio.gather(
        read(), *(work(n) for n, step in enumerate(steps) for _ in range(step.workers))
    )
