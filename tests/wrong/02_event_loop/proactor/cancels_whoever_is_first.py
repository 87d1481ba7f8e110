"""Takes whatever is at the head of the queue out of it, when something of that queue is cancelled.

As long as only one operation is outstanding, which is all that was tried, that is the right one.

mistake: lost-completion
fails: test_cancelling_one_leaves_the_others_alone
"""

from __future__ import annotations

import selectors
import socket
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class OperationAborted(OSError):
    """The operation was cancelled, or its socket was closed under it."""


class Completion(Generic[T]):
    """One operation that was started: it ends exactly once."""

    def __init__(self, call_soon, amount=0, data=b""):
        self._call_soon = call_soon
        self._done = False
        self._value = None
        self._error = None
        self._callbacks = []
        self._channel = None
        self.amount = amount
        self.data = data
        self.sent = 0

    def done(self) -> bool:
        return self._done

    def result(self) -> T:
        if not self._done:
            raise RuntimeError("not done yet")
        if self._error is not None:
            raise self._error
        return self._value

    def add_done_callback(self, callback: Callable[[Completion[T]], object]) -> None:
        if self._done:
            self._call_soon(callback, self)
        else:
            self._callbacks.append(callback)

    def cancel(self) -> None:
        if self._done:
            return
        self._channel.remove(self)
        self._end(error=OperationAborted("cancelled"))

    def _end(self, value=None, error=None):
        if self._done:
            return
        self._done = True
        self._value = value
        self._error = error
        for callback in self._callbacks:
            self._call_soon(callback, self)
        self._callbacks = []


class _Channel:
    """What is outstanding on one socket."""

    def __init__(self, selector, sock):
        self.selector = selector
        self.sock = sock
        self.reads = deque()
        self.writes = deque()
        self.events = 0

    def update(self):
        events = 0
        if self.reads:
            events |= selectors.EVENT_READ
        if self.writes:
            events |= selectors.EVENT_WRITE
        if events == self.events:
            return
        if not self.events:
            self.selector.register(self.sock, events, self.on_ready)
        elif not events:
            self.selector.unregister(self.sock)
        else:
            self.selector.modify(self.sock, events, self.on_ready)
        self.events = events

    def remove(self, completion):
        for queue in (self.reads, self.writes):
            if completion in queue:
                queue.popleft()
        self.update()

    def on_ready(self, events):
        if events & selectors.EVENT_READ and self.reads:
            self.do_read()
        if events & selectors.EVENT_WRITE and self.writes:
            self.do_write()
        self.update()

    def do_read(self):
        op = self.reads[0]
        try:
            data = self.sock.recv(op.amount)
        except BlockingIOError:
            return
        except OSError as error:
            self.reads.popleft()
            op._end(error=error)
        else:
            self.reads.popleft()
            op._end(data)

    def do_write(self):
        op = self.writes[0]
        try:
            op.sent += self.sock.send(memoryview(op.data)[op.sent :])
        except BlockingIOError:
            return
        except OSError as error:
            self.writes.popleft()
            op._end(error=error)
            return
        if op.sent == len(op.data):
            self.writes.popleft()
            op._end(op.sent)

    def abort(self):
        ops = [*self.reads, *self.writes]
        self.reads.clear()
        self.writes.clear()
        self.update()
        for op in ops:
            op._end(error=OperationAborted("socket closed"))


class Proactor:
    """Carries out reads and writes when their sockets are ready."""

    def __init__(self, selector: selectors.BaseSelector, call_soon: Callable[..., object]) -> None:
        self.selector = selector
        self.call_soon = call_soon
        self.channels = {}

    def read(self, sock: socket.socket, n: int) -> Completion[bytes]:
        completion = Completion(self.call_soon, amount=n)
        self._start(sock, completion, "reads")
        return completion

    def write(self, sock: socket.socket, data: bytes) -> Completion[int]:
        completion = Completion(self.call_soon, data=data)
        self._start(sock, completion, "writes")
        return completion

    def _start(self, sock, completion, kind):
        if sock.fileno() == -1:
            completion._end(error=OperationAborted("socket is closed"))
            return
        if sock not in self.channels:
            self.channels[sock] = _Channel(self.selector, sock)
        channel = self.channels[sock]
        completion._channel = channel
        getattr(channel, kind).append(completion)
        channel.update()

    def close(self, sock: socket.socket) -> None:
        channel = self.channels.pop(sock, None)
        if channel is not None:
            channel.abort()
        sock.close()
