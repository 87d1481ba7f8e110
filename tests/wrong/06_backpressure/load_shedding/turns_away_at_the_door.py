"""Bounded, first come, first served: who finds the queue full is refused.

How most servers are set up. The queue is full all day, so everybody who is let in waits for its
whole length, which is longer than anybody's patience: the service is busy, and answers nobody.

mistake: collapse-under-overload
fails: test_ten_times_too_much_does_not_bring_it_down, test_the_newest_is_served_first,
    test_the_oldest_makes_room, test_nobody_is_served_after_the_deadline,
    test_two_too_many_in_one_moment
"""

import asyncio


class Overloaded(Exception):
    """Come back later."""


class Shedder:
    def __init__(self, handler, *, workers, capacity, deadline):
        self.handler = handler
        self.capacity = capacity
        self.slots = asyncio.Semaphore(workers)
        self.waiting = 0

    async def submit(self, request):
        if self.slots.locked():
            if self.waiting >= self.capacity:
                raise Overloaded("queue full")
            self.waiting += 1
            try:
                await self.slots.acquire()
            finally:
                self.waiting -= 1
        else:
            await self.slots.acquire()
        try:
            return await self.handler(request)
        finally:
            self.slots.release()
