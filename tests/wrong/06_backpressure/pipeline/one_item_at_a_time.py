"""A loop: read one, parse it, store it, read the next.

Correct, bounded, and as slow as all the steps together.

mistake: sequential-awaits
fails: test_all_steps_work_at_the_same_time, test_a_stage_has_so_many_workers
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    function: object
    workers: int = 1


async def run_pipeline(source, stages, sink, *, capacity=10):
    async for item in source:
        for stage in stages:
            item = await stage.function(item)
        await sink(item)
