"""Completions over readiness: start an operation, and be told when it has been done.

A reactor is told that a socket is ready, and then does the work. A proactor starts the work, and is
told that it has been done: with which bytes, or with which error. Windows (IOCP) and recent Linux
(io_uring) work like that, and every `await reader.read(n)` looks like that. You build that face
over a selector, as asyncio does on Linux and macOS.

Write `Proactor` and `Completion`. You register sockets with the selector, with a function as their
`data`, which whoever runs the loop calls with the events. `call_soon(f, *args)` has the loop call
`f(*args)` later. The sockets are the caller's. They are connected, and do not block.

Rules
  1. `read(sock, n)` returns a Completion at once. The operation ends as soon as there is something
     to read: `result()` gives at least one byte and at most `n`, or b"" if no more will come.
  2. `write(sock, data)` ends when all of `data` has been handed over, however many calls of `send`
     that takes. `result()` gives its length.
  3. Any number of operations may be outstanding on a socket. Reads end in the order in which they
     were started, each with bytes of its own; writes too, and what they write arrives in that
     order. Reads do not wait for writes, nor writes for reads, nor one socket for another.
  4. An operation ends exactly once, and then stays as it is. `done()` says whether it has ended;
     before, `result()` raises RuntimeError.
  5. `completion.add_done_callback(f)` has `f(completion)` called once the operation has ended:
     exactly once, and always through `call_soon`. After the end it may be called as well.
  6. If `recv` or `send` raises an OSError, the operation it was for ends: `result()` raises that
     error. The next one gets its own try. BlockingIOError is no error: the operation goes on. No
     exception leaves the functions that you register.
  7. `completion.cancel()` ends an operation that has not ended: `result()` raises OperationAborted.
     Bytes that come after that are for the next read; of a write nothing more is sent, and the
     next write begins at its own beginning.
  8. `close(sock)` ends all operations on the socket with OperationAborted, unregisters it and
     closes it. What is started on a socket that is closed, whoever has closed it, ends with
     OperationAborted. A socket that is opened later is another one, even if it gets the same file
     descriptor.
  9. A socket is registered only while operations are outstanding on it, and only for what they
     need: EVENT_READ for reads, EVENT_WRITE for writes. A function that is called later than that
     does nothing.

Out of scope: accept and connect, timeouts, data or `n` of zero bytes.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class OperationAborted(OSError):
    """The operation was cancelled, or its socket was closed under it."""


class Completion(Generic[T]):
    """One operation that was started: it ends exactly once."""

    def done(self) -> bool:
        """Whether the operation has ended, well or not."""
        raise NotImplementedError

    def result(self) -> T:
        """Return what the operation gave, or raise why it failed; RuntimeError before its end."""
        raise NotImplementedError

    def add_done_callback(self, callback: Callable[[Completion[T]], object]) -> None:
        """Have the loop call `callback(completion)` once the operation has ended."""
        raise NotImplementedError

    def cancel(self) -> None:
        """End the operation with OperationAborted, unless it has ended."""
        raise NotImplementedError


class Proactor:
    """Carries out reads and writes when their sockets are ready."""

    def __init__(self, selector: selectors.BaseSelector, call_soon: Callable[..., object]) -> None:
        raise NotImplementedError

    def read(self, sock: socket.socket, n: int) -> Completion[bytes]:
        """Read at most `n` bytes, as soon as there are any; b"" at the end of the stream."""
        raise NotImplementedError

    def write(self, sock: socket.socket, data: bytes) -> Completion[int]:
        """Write all of `data`; the result is how many bytes that were."""
        raise NotImplementedError

    def close(self, sock: socket.socket) -> None:
        """Abort what is outstanding on a socket, and close it."""
        raise NotImplementedError
