"""First reads everything, then parses everything, then stores everything.

A list is a queue without a bound, too. And nothing is stored before the last record has been read,
which for some sources is never.

mistake: unbounded-queue
fails: test_read_ahead_is_bounded, test_all_steps_work_at_the_same_time,
    test_a_stage_has_so_many_workers, test_when_a_stage_or_the_source_dies_nobody_waits_for_ever,
    test_when_the_sink_dies_the_producer_does_not_wait_for_ever,
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
    items = [item async for item in source]
    for stage in stages:
        places = asyncio.Semaphore(stage.workers)

        async def one(item, stage=stage, places=places):
            async with places:
                return await stage.function(item)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
        items = [task.result() for task in tasks]
    for item in items:
        await sink(item)
