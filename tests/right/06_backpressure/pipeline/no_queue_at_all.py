"""A condition over a few deques, and nothing is kept in a queue: every step looks for work itself.

The exception of a step is kept, everybody is cancelled from outside, and the error is raised alone.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    function: Any
    workers: int = 1


class Shelf:
    def __init__(self, capacity):
        self.items = deque()
        self.capacity = capacity
        self.closed = False
        self.changed = asyncio.Condition()

    async def put(self, item):
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.items) < self.capacity)
            self.items.append(item)
            self.changed.notify_all()

    async def close(self):
        async with self.changed:
            self.closed = True
            self.changed.notify_all()

    async def drain(self, function):
        while True:
            async with self.changed:
                await self.changed.wait_for(lambda: self.items or self.closed)
                if not self.items:
                    return
                item = self.items.popleft()
                self.changed.notify_all()
            await function(item)


async def run_pipeline(source, stages, sink, *, capacity=10):
    shelves = [Shelf(capacity) for _ in range(len(stages) + 1)]

    async def read():
        async for item in source:
            await shelves[0].put(item)
        await shelves[0].close()

    async def stage(number):
        async def through(item):
            await shelves[number + 1].put(await stages[number].function(item))

        async with asyncio.TaskGroup() as workers:
            for _ in range(stages[number].workers):
                workers.create_task(shelves[number].drain(through))
        await shelves[number + 1].close()

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        for number in range(len(stages)):
            group.create_task(stage(number))
        group.create_task(shelves[-1].drain(sink))
