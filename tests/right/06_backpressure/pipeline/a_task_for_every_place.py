"""A task for each item, and correct: a place in the pipeline is taken before the item is read.

What makes a task for every item a mistake is that nothing bounds how many there are. Here is never
more than one for each worker. The places between the steps are not used at all: `capacity` says how
many may wait, not how many must.
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
    slots = [asyncio.Semaphore(step.workers) for step in steps]

    async def carry(item):
        held = slots[0]
        try:
            for number, step in enumerate(steps):
                if number:
                    # Keeps its old place until it has the next one: nobody waits in between.
                    await slots[number].acquire()
                    held.release()
                    held = slots[number]
                item = await step.function(item)
        finally:
            held.release()

    async with asyncio.TaskGroup() as group:
        async for item in source:
            await slots[0].acquire()
            group.create_task(carry(item))
