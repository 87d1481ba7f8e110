"""Has the loop call one function that calls all callbacks: one that raises is the last.

mistake: none
fails: test_callbacks_come_through_call_soon
"""

from __future__ import annotations

import selectors
import socket
from collections import deque
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any, Generic, TypeVar

T = TypeVar("T")
CallSoon = Callable[..., object]


class OperationAborted(OSError):
    """The operation was cancelled, or its socket was closed under it."""


class Completion(Generic[T]):
    """One operation that was started: it ends exactly once."""

    def __init__(self, call_soon: CallSoon, abort: Callable[[Completion[T]], object]) -> None:
        self._call_soon = call_soon
        self._abort = abort
        self._callbacks: list[Callable[[Completion[T]], object]] = []
        self._done = False
        self._value: T
        self._error: OSError | None = None

    def done(self) -> bool:
        """Whether the operation has ended, well or not."""
        return self._done

    def result(self) -> T:
        """Return what the operation gave, or raise why it failed; RuntimeError before its end."""
        if not self._done:
            raise RuntimeError("the operation has not ended yet")
        if self._error is not None:
            raise self._error
        return self._value

    def add_done_callback(self, callback: Callable[[Completion[T]], object]) -> None:
        """Have the loop call `callback(completion)` once the operation has ended."""
        if self._done:
            self._call_soon(callback, self)
        else:
            self._callbacks.append(callback)

    def cancel(self) -> None:
        """End the operation with OperationAborted, unless it has ended."""
        if not self._done:
            self._abort(self)

    def succeed(self, value: T) -> None:
        """For the proactor: the operation has ended well."""
        self._value = value
        self._end()

    def fail(self, error: OSError) -> None:
        """For the proactor: the operation has ended with an error."""
        self._error = error
        self._end()

    def _tell(self):
        for callback in self._callbacks:
            callback(self)

    def _end(self) -> None:
        assert not self._done, "an operation ends once"
        self._done = True
        if self._callbacks:
            self._call_soon(self._tell)


class _Channel:
    """A socket, and the operations that are outstanding on it."""

    def __init__(
        self, selector: selectors.BaseSelector, sock: socket.socket, retire: Callable[[], object]
    ) -> None:
        self.reads: deque[tuple[Completion[bytes], int]] = deque()
        self.writes: deque[tuple[Completion[int], memoryview]] = deque()
        self._sent = 0  # how much of the first write has gone
        self._selector = selector
        self._sock = sock
        self._retire = retire  # called when nothing is outstanding any more
        self._watched = 0

    def ready(self, events: int) -> None:
        """Do what can be done. A late call finds nothing outstanding, and does nothing."""
        if events & EVENT_READ and self.reads:
            self._read()
        if events & EVENT_WRITE and self.writes:
            self._write()
        self.watch()

    def watch(self) -> None:
        """Be registered for what is outstanding, and for nothing else."""
        wanted = (EVENT_READ if self.reads else 0) | (EVENT_WRITE if self.writes else 0)
        if wanted == self._watched:
            return
        if not wanted:
            self._selector.unregister(self._sock)
            self._retire()
        elif self._watched:
            self._selector.modify(self._sock, wanted, self.ready)
        else:
            self._selector.register(self._sock, wanted, self.ready)
        self._watched = wanted

    def cancel(self, completion: Completion[Any]) -> None:
        """End one operation that nobody wants any more."""
        self.abort(completion, "the operation was cancelled")

    def abort(self, completion: Completion[Any], reason: str) -> None:
        """End one operation that is outstanding here."""
        if self.writes and self.writes[0][0] is completion:
            self._sent = 0  # the next write begins at its beginning
        self.reads = deque(entry for entry in self.reads if entry[0] is not completion)
        self.writes = deque(entry for entry in self.writes if entry[0] is not completion)
        self.watch()
        completion.fail(OperationAborted(reason))

    def abort_all(self, reason: str) -> None:
        """End every operation that is outstanding here."""
        for read, _ in list(self.reads):
            self.abort(read, reason)
        for write, _ in list(self.writes):
            self.abort(write, reason)

    def _read(self) -> None:
        completion, size = self.reads[0]
        try:
            data = self._sock.recv(size)
        except BlockingIOError:
            return
        except OSError as error:
            self.reads.popleft()
            completion.fail(error)
        else:
            self.reads.popleft()
            completion.succeed(data)

    def _write(self) -> None:
        completion, data = self.writes[0]
        try:
            self._sent += self._sock.send(data[self._sent :])
        except BlockingIOError:
            return
        except OSError as error:
            self._next_write()
            completion.fail(error)
        else:
            if self._sent == len(data):
                self._next_write()
                completion.succeed(len(data))

    def _next_write(self) -> None:
        self.writes.popleft()
        self._sent = 0


class Proactor:
    """Carries out reads and writes when their sockets are ready."""

    def __init__(self, selector: selectors.BaseSelector, call_soon: CallSoon) -> None:
        self._selector = selector
        self._call_soon = call_soon
        self._channels: dict[socket.socket, _Channel] = {}

    def read(self, sock: socket.socket, n: int) -> Completion[bytes]:
        """Read at most `n` bytes, as soon as there are any; b"" at the end of the stream."""
        channel = self._channel(sock)
        completion: Completion[bytes] = Completion(self._call_soon, channel.cancel)
        if sock.fileno() < 0:
            completion.fail(OperationAborted("the socket is closed"))
        else:
            channel.reads.append((completion, n))
            channel.watch()
        return completion

    def write(self, sock: socket.socket, data: bytes) -> Completion[int]:
        """Write all of `data`; the result is how many bytes that were."""
        channel = self._channel(sock)
        completion: Completion[int] = Completion(self._call_soon, channel.cancel)
        if sock.fileno() < 0:
            completion.fail(OperationAborted("the socket is closed"))
        else:
            channel.writes.append((completion, memoryview(data)))
            channel.watch()
        return completion

    def close(self, sock: socket.socket) -> None:
        """Abort what is outstanding on a socket, and close it."""
        channel = self._channel(sock)
        channel.abort_all("the socket was closed")
        self._channels.pop(sock, None)
        sock.close()

    def _channel(self, sock: socket.socket) -> _Channel:
        """What is outstanding on a socket. Known here only as long as there is something."""
        if sock not in self._channels:
            channel = _Channel(self._selector, sock, lambda: self._channels.pop(sock, None))
            if sock.fileno() < 0:
                return channel
            self._channels[sock] = channel
        return self._channels[sock]
