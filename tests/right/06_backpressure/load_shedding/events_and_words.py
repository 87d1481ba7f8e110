"""An event for each that waits, and a word beside it that says why it was set."""

from __future__ import annotations

import asyncio
from collections import deque


class Overloaded(Exception):
    """There is too much to do."""


class Shedder:
    def __init__(self, handler, *, workers, capacity, deadline):
        self.handler = handler
        self.capacity = capacity
        self.deadline = deadline
        self.free = workers
        self.line = deque()

    async def submit(self, request):
        if self.free:
            self.free -= 1
        else:
            await self.wait_for_turn()
        try:
            return await self.handler(request)
        finally:
            self.hand_on()

    async def wait_for_turn(self):
        me = {"event": asyncio.Event(), "state": "waiting"}
        if len(self.line) >= self.capacity:
            self.tell(self.line.popleft(), "refused")
        self.line.append(me)
        timer = asyncio.get_running_loop().call_later(self.deadline, self.tell, me, "refused")
        try:
            await me["event"].wait()
        except asyncio.CancelledError:
            if me["state"] == "yours":
                self.hand_on()
            raise
        finally:
            timer.cancel()
            if me in self.line:
                self.line.remove(me)
        if me["state"] == "refused":
            raise Overloaded()

    def tell(self, me, state):
        if me["state"] == "waiting":
            me["state"] = state
            if me in self.line:
                self.line.remove(me)
            me["event"].set()

    def hand_on(self):
        if self.line:
            self.tell(self.line[-1], "yours")
        else:
            self.free += 1
