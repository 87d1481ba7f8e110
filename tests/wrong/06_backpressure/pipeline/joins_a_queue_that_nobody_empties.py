"""The recipe from a hundred tutorials: producers, workers, `await queue.join()`.

The worker in front of the sink dies of its exception, quietly, since nobody awaits it. The queue
fills up, the reader waits in put() for a place that nobody will make, and run_pipeline waits for
the reader.

mistake: producer-stuck-forever
fails: test_when_the_sink_dies_the_producer_does_not_wait_for_ever,
    test_when_a_stage_or_the_source_dies_nobody_waits_for_ever,
    test_after_a_failure_nothing_is_running
"""

import asyncio
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    function: Any
    workers: int = 1


async def run_pipeline(source, stages, sink, *, capacity=10):
    steps = [*stages, Stage(sink)]
    queues = [asyncio.Queue(maxsize=capacity) for _ in steps]

    async def worker(number):
        while True:
            item = await queues[number].get()
            result = await steps[number].function(item)
            if number + 1 < len(steps):
                await queues[number + 1].put(result)
            queues[number].task_done()

    workers = [
        asyncio.create_task(worker(number))
        for number, step in enumerate(steps)
        for _ in range(step.workers)
    ]
    try:
        async for item in source:
            await queues[0].put(item)
        for queue in queues:
            await queue.join()
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
