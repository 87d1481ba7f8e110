"""As asyncio does it: everything that can be waited for is a future, and a task is one, too."""

from __future__ import annotations


class Cancelled(BaseException):
    pass


class Future:
    def __init__(self, loop):
        self._loop = loop
        self._state = "pending"
        self._content = None
        self._callbacks = []

    def done(self):
        return self._state != "pending"

    def result(self):
        if self._state == "pending":
            raise RuntimeError("no result yet")
        if self._state == "failed":
            raise self._content
        return self._content

    def settle(self, state, content):
        self._state, self._content = state, content
        for callback in self._callbacks:
            self._loop.call_soon(callback, self)

    def add_callback(self, callback):
        if self.done():
            self._loop.call_soon(callback, self)
        else:
            self._callbacks.append(callback)

    def __await__(self):
        if not self.done():
            yield self
        return self.result()


class Task(Future):
    def __init__(self, loop, coroutine):
        super().__init__(loop)
        self._coroutine = coroutine
        self._must_cancel = False
        self._waiting_for = None
        self._running = False
        start = Future(loop)
        self._wait_for(start)
        start.settle("returned", None)

    async def join(self):
        return await self

    def cancel(self):
        if self.done() or self._must_cancel:
            return
        self._must_cancel = True
        if not self._running:
            self._be_woken_to_be_cancelled()

    def _be_woken_to_be_cancelled(self):
        knock = Future(self._loop)
        self._wait_for(knock)  # so the future it was waiting for is an old one now
        knock.settle("returned", None)

    def _wait_for(self, future):
        self._waiting_for = future
        future.add_callback(self._wake)

    def _wake(self, future):
        if future is self._waiting_for:  # others are out of date
            self._waiting_for = None
            self._step()

    def _step(self):
        self._running = True
        try:
            if self._must_cancel:
                self._must_cancel = False
                future = self._coroutine.throw(Cancelled())
            else:
                future = self._coroutine.send(None)
        except StopIteration as stop:
            self.settle("returned", stop.value)
        except (Exception, Cancelled) as error:
            self.settle("failed", error)
        else:
            self._wait_for(future)
            if self._must_cancel:
                self._be_woken_to_be_cancelled()
        finally:
            self._running = False


class _Sleep:
    def __init__(self, seconds):
        self.seconds = seconds

    def __await__(self):
        loop = yield _WHICH_LOOP
        future = Future(loop)
        loop.call_later(self.seconds, future.settle, "returned", None)
        yield from future.__await__()


class _WhichLoop:
    """Asked of the task, and answered by sending the loop in: see _Answering."""


_WHICH_LOOP = _WhichLoop()


class _Answering:
    """A coroutine that answers the one question itself and passes on everything else."""

    def __init__(self, loop, coroutine):
        self.loop, self.coroutine = loop, coroutine

    def _answer(self, yielded):
        while yielded is _WHICH_LOOP:
            yielded = self.coroutine.send(self.loop)
        return yielded

    def send(self, value):
        return self._answer(self.coroutine.send(value))

    def throw(self, error):
        return self._answer(self.coroutine.throw(error))


def spawn(loop, coroutine):
    return Task(loop, _Answering(loop, coroutine))


async def sleep(seconds):
    await _Sleep(seconds)


def run(loop, coroutine):
    task = spawn(loop, coroutine)
    loop.run()
    return task.result()
