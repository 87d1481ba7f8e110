"""Knows that StopIteration means the end, and does not look at what it carries.

mistake: return-value-lost
fails: test_run_returns_what_the_coroutine_returns, test_spawn_returns_before_the_coroutine_begins,
    test_join_gives_the_value, test_there_is_no_result_before_the_end,
    test_cancelling_too_late_changes_nothing, test_cancelled_may_be_caught,
    test_join_raises_cancelled_if_the_task_was, test_a_task_cancels_itself,
    test_a_chain_of_tasks_ends, test_an_exception_may_be_a_value,
    test_an_old_join_does_not_end_a_new_wait
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

    def cancel(self):
        if not self.finished:
            self.to_throw = Cancelled()
            if self.handle:
                self.soon()

    def soon(self):
        if self.handle:
            self.handle.cancel()
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
        except StopIteration:
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
