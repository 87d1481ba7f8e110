"""Throws Cancelled in at once, and leaves the timer of the sleep where it is.

It goes off later, when the task waits for something else, and ends that.

mistake: stale-wakeup
fails: test_an_old_timer_does_not_end_a_new_wait, test_an_old_join_does_not_end_a_new_wait,
    test_two_cancels_in_a_row_are_one,
    test_cancelled_may_be_caught, test_cancel_raises_cancelled_at_the_await,
    test_join_raises_cancelled_if_the_task_was, test_a_task_that_has_not_begun_never_does,
    test_cancelled_in_the_moment_its_wait_ends, test_a_task_cancels_itself,
    test_who_joins_one_that_never_begins_goes_on, test_join_waits_until_a_cancelled_task_is_tidy
"""

from types import coroutine as awaitable


class Cancelled(BaseException):
    pass


@awaitable
def switch(arrange):
    yield arrange


class Waiting:
    def __init__(self, task):
        self.task = task
        self.active = True

    def cancel(self):
        self.active = False


class Task:
    def __init__(self, loop, coro):
        self.loop = loop
        self.coro = coro
        self.finished = False
        self.error = None
        self.value = None
        self.to_throw = None
        self.waiting = []
        self.handle = loop.call_soon(self.step)

    def done(self):
        return self.finished

    def result(self):
        if not self.finished:
            raise RuntimeError("not finished")
        if self.error:
            raise self.error
        return self.value

    def cancel(self):
        if not self.finished:
            self.to_throw = Cancelled()
            if self.handle:
                self.soon()

    def soon(self):
        self.handle = self.loop.call_soon(self.step)

    async def join(self):
        if not self.finished:
            await switch(self.let_wait)
        return self.result()

    def let_wait(self, task):
        self.waiting.append(Waiting(task))
        return self.waiting[-1]

    def step(self):
        self.handle = None
        error, self.to_throw = self.to_throw, None
        try:
            arrange = self.coro.throw(error) if error else self.coro.send(None)
        except StopIteration as stop:
            self.value = stop.value
            self.finish()
        except (Exception, Cancelled) as problem:
            self.error = problem
            self.finish()
        else:
            self.handle = arrange(self)
            if self.to_throw:
                self.soon()

    def finish(self):
        self.finished = True
        for waiting in self.waiting:
            if waiting.active:
                waiting.task.soon()


def spawn(loop, coroutine):
    return Task(loop, coroutine)


async def sleep(seconds):
    await switch(lambda task: task.loop.call_later(seconds, task.soon))


def run(loop, coroutine):
    task = spawn(loop, coroutine)
    loop.run()
    return task.result()
