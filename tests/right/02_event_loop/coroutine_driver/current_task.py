"""The current task in a global, as asyncio has it; what is yielded means nothing at all."""

import functools


class Cancelled(BaseException):
    pass


class Pause:
    def __await__(self):
        yield


current = None


class Task:
    def __init__(self, loop, coroutine):
        self.loop, self.coroutine = loop, coroutine
        self.waiting_here = []
        self.final = None
        self.error_to_throw = None
        self.stop_waiting = lambda: None
        self.alarm = loop.call_soon(self.step)

    def done(self):
        return self.final is not None

    def result(self):
        if self.final is None:
            raise RuntimeError("still running")
        return self.final()

    def cancel(self):
        if self.final is None and self.error_to_throw is None:
            self.error_to_throw = Cancelled()
            if current is not self:
                self.wake()

    def wake(self):
        self.stop_waiting()
        self.stop_waiting = lambda: None
        if self.alarm is None:
            self.alarm = self.loop.call_soon(self.step)

    async def join(self):
        me = current
        if self.final is None:
            self.waiting_here.append(me)
            me.stop_waiting = functools.partial(self.waiting_here.remove, me)
            await Pause()
        return self.final()

    def step(self):
        global current
        self.alarm = None
        before, current = current, self
        error, self.error_to_throw = self.error_to_throw, None
        try:
            self.coroutine.send(None) if error is None else self.coroutine.throw(error)
        except StopIteration as stop:
            value = stop.value
            self.finish(lambda: value)
        except (Exception, Cancelled) as raised:
            self.finish(functools.partial(self.reraise, raised))
        else:
            if self.error_to_throw is not None:
                self.wake()
        finally:
            current = before

    @staticmethod
    def reraise(error):
        raise error

    def finish(self, final):
        self.final = final
        for task in list(self.waiting_here):
            task.wake()


def spawn(loop, coroutine):
    return Task(loop, coroutine)


async def sleep(seconds):
    me = current
    timer = me.loop.call_later(seconds, me.wake)
    me.stop_waiting = timer.cancel
    await Pause()


def run(loop, coroutine):
    task = spawn(loop, coroutine)
    loop.run()
    return task.result()
