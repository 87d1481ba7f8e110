"""A semaphore in front of the handler.

It is the right answer to "no more than so many at once", and a queue without a bound, first come,
first served. Under overload the next one is always the one that has waited longest, and gives up
while it is being handled.

mistake: collapse-under-overload
fails: test_ten_times_too_much_does_not_bring_it_down, test_the_newest_is_served_first,
    test_the_oldest_makes_room, test_nobody_is_served_after_the_deadline,
    test_two_too_many_in_one_moment
"""

import asyncio


class Overloaded(Exception):
    pass


class Shedder:
    def __init__(self, handler, *, workers, capacity, deadline):
        self.handler = handler
        self.slots = asyncio.Semaphore(workers)

    async def submit(self, request):
        async with self.slots:
            return await self.handler(request)
