"""A list of requests, worked off by tasks that take the newest until none is left.

A client that gives up takes its future with it, and its request stays on the list. The worker does
the work, and finds that nobody wants the answer.

mistake: serves-the-dead
fails: test_nobody_is_served_who_has_gone, test_a_handler_whose_client_has_gone_is_cancelled,
    test_cancelled_anywhere_it_loses_no_worker, test_a_free_worker_takes_a_request_at_once
"""

import asyncio


class Overloaded(Exception):
    pass


class Shedder:
    def __init__(self, handler, *, workers, capacity, deadline):
        self.handler = handler
        self.workers = workers
        self.capacity = capacity
        self.deadline = deadline
        self.stack = []
        self.tasks = set()

    async def submit(self, request):
        answer = asyncio.get_running_loop().create_future()
        entry = (request, answer)
        self.stack.append(entry)
        if len(self.tasks) < self.workers:
            task = asyncio.create_task(self.work())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        elif len(self.stack) > self.capacity:
            _, oldest = self.stack.pop(0)
            if not oldest.done():
                oldest.set_exception(Overloaded("too many"))
        timer = asyncio.get_running_loop().call_later(self.deadline, self.expire, entry)
        try:
            return await answer
        finally:
            timer.cancel()

    def expire(self, entry):
        if entry in self.stack:
            self.stack.remove(entry)
            if not entry[1].done():
                entry[1].set_exception(Overloaded("too late"))

    async def work(self):
        while self.stack:
            request, answer = self.stack.pop()
            try:
                result = await self.handler(request)
            except Exception as error:
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(result)
