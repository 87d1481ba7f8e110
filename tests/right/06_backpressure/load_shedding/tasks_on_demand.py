"""A stack of requests and tasks that work it off; a task ends when the stack is empty.

A client that gives up cancels the task that handles its request, or takes its request off the
stack.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any


class Overloaded(Exception):
    pass


@dataclass(eq=False)
class Entry:
    request: Any
    answer: asyncio.Future = field(default_factory=asyncio.Future)
    task: asyncio.Task | None = None


class Shedder:
    def __init__(self, handler, *, workers, capacity, deadline):
        self.handler, self.workers = handler, workers
        self.capacity, self.deadline = capacity, deadline
        self.stack = []
        self.busy = set()

    async def submit(self, request):
        entry = Entry(request)
        self.stack.append(entry)
        self.fill()
        if len(self.stack) > self.capacity:
            self.refuse(self.stack[0])
        timer = asyncio.get_running_loop().call_later(self.deadline, self.refuse, entry)
        try:
            return await entry.answer
        except asyncio.CancelledError:
            if entry in self.stack:
                self.stack.remove(entry)
            if entry.task is not None:
                entry.task.cancel()
                await asyncio.gather(entry.task, return_exceptions=True)
            if not entry.answer.cancelled():
                entry.answer.exception()
            raise
        finally:
            timer.cancel()

    def refuse(self, entry):
        if entry in self.stack:
            self.stack.remove(entry)
            if not entry.answer.done():
                entry.answer.set_exception(Overloaded("too much to do"))

    def fill(self):
        while self.stack and len(self.busy) < self.workers:
            entry = self.stack.pop()
            if entry.answer.done():
                continue
            entry.task = asyncio.create_task(self.handle(entry))
            self.busy.add(entry.task)
            entry.task.add_done_callback(self.left)

    def left(self, task):
        self.busy.discard(task)
        self.fill()

    async def handle(self, entry):
        try:
            answer = await self.handler(entry.request)
        except Exception as error:
            if not entry.answer.done():
                entry.answer.set_exception(error)
        else:
            if not entry.answer.done():
                entry.answer.set_result(answer)
