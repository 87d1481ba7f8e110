"""No worker, no queue: one loop starts what can be started, and waits for what ends first."""

import asyncio
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    function: Any
    workers: int = 1


async def run_pipeline(source, stages, sink, *, capacity=10):
    """One loop that starts what can be started, and waits for whatever ends first."""
    steps = [*stages, Stage(sink)]
    waiting = [[] for _ in steps]
    running = {}
    held = [[] for _ in steps]
    source = aiter(source)
    reading = None
    ended = False
    in_hand = []
    try:
        while True:
            moved = True
            while moved:
                moved = False
                for n in range(len(steps) - 1, -1, -1):
                    busy = sum(k == n for k in running.values()) + len(held[n])
                    while waiting[n] and busy < steps[n].workers:
                        item = waiting[n].pop(0)
                        running[asyncio.ensure_future(steps[n].function(item))] = n
                        busy += 1
                        moved = True
                    if n:
                        while held[n - 1] and len(waiting[n]) < capacity:
                            waiting[n].append(held[n - 1].pop(0))
                            moved = True
                if in_hand and len(waiting[0]) < capacity:
                    waiting[0].append(in_hand.pop())
                    moved = True
            if reading is None and not ended and not in_hand:

                async def read():
                    return await anext(source)

                reading = asyncio.ensure_future(read())
            tasks = [*running, *([reading] if reading else [])]
            if not tasks:
                return
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task is reading:
                    reading = None
                    try:
                        in_hand.append(task.result())
                    except StopAsyncIteration:
                        ended = True
                    continue
                n = running.pop(task)
                result = task.result()
                if n < len(steps) - 1:
                    held[n].append(result)
    finally:
        rest = [*running, *([reading] if reading else [])]
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest)
            for t in rest:
                if not t.cancelled():
                    t.exception()
