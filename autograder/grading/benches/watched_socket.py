"""Real sockets that keep count, refuse to block, and fail on demand; for graders."""

from __future__ import annotations

import errno
import selectors
import socket
import threading
from typing import Any, NoReturn

MOST_REFUSALS = 1_000
"""So many calls in a row that the kernel refused: somebody tries again without waiting."""


class WouldBlock(BaseException):
    """A call that may wait was made on a blocking socket. No Exception, so it is not caught."""


class OtherThread(SystemExit):
    """A call was made in another thread, which ends here, without a word; see ``astray``."""


class Spinning(BaseException):
    """A call was made again and again although the kernel refused each time."""


class WatchedSocket(socket.socket):
    """A socket as the code under study gets it.

    Attributes:
        most: bytes that one ``send`` takes at most; None: as many as the kernel takes.
        received, sent: bytes so far. ``offered``: bytes that were given to ``send``, taken or not.
        used_sendall: whether ``sendall`` was called.
        recv_errors, send_errors, accept_errors: raised by the next calls, one each.
        astray: calls that were made in another thread than the one that made the socket.
    """

    most: int | None = None
    received = sent = offered = 0
    used_sendall = False
    _refusals = 0

    @classmethod
    def adopt(cls, plain: socket.socket, most: int | None = None) -> WatchedSocket:
        """Watch a socket that is there already; the plain object is of no use any more."""
        blocking = plain.gettimeout()
        watched = cls(fileno=plain.detach())
        watched.settimeout(blocking)
        watched.most = most
        watched.recv_errors = []
        watched.send_errors = []
        watched.astray = []
        watched._home = threading.get_ident()
        return watched

    recv_errors: list[OSError]
    send_errors: list[OSError]
    astray: list[str]
    _home: int

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As in ``socket``."""
        self._check("recv", flags, self.recv_errors)
        try:
            data = super().recv(size, flags)
        except BlockingIOError:
            self._refused("recv")
        self._refusals = 0
        self.received += len(data)
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As in ``socket``."""
        data = self.recv(nbytes or len(buffer), flags)
        memoryview(buffer).cast("B")[: len(data)] = data
        return len(data)

    def send(self, data: Any, flags: int = 0) -> int:
        """As in ``socket``, but takes at most ``most`` bytes."""
        self._check("send", flags, self.send_errors)
        view = memoryview(data).cast("B")
        self.offered += len(view)
        try:
            sent = super().send(view[: self.most], flags)
        except BlockingIOError:
            self._refused("send")
        self._refusals = 0
        self.sent += sent
        return sent

    def sendall(self, data: Any, flags: int = 0) -> None:
        """What ``sendall`` does on a socket that does not block: all, or an error."""
        self.used_sendall = True
        if self.send(data, flags) < len(memoryview(data).cast("B")):
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    def _check(self, call: str, flags: int, errors: list[OSError]) -> None:
        if threading.get_ident() != self._home:
            self.astray.append(call)
            raise OtherThread(f"{call} was called in another thread")
        may_wait = self.gettimeout() != 0 and not flags & getattr(socket, "MSG_DONTWAIT", 0)
        if may_wait:
            raise WouldBlock(f"{call} was called on a socket that blocks (no setblocking(False))")
        if errors:
            raise errors.pop(0)

    def _refused(self, call: str) -> NoReturn:
        self._refusals += 1
        if self._refusals > MOST_REFUSALS:
            raise Spinning(
                f"{call} was called {self._refusals:,} times in a row although the socket was "
                "not ready"
            )
        raise


class WatchedSelector(selectors.DefaultSelector):
    """A selector that only the grader may wait with; the code under study registers sockets."""

    _asked = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """For the code under study: what is ready now, and not too often."""
        if timeout is None or timeout > 0:
            raise WouldBlock(
                f"select was called with a timeout of {timeout}: to wait is up to whoever runs the "
                "loop"
            )
        self._asked += 1
        if self._asked > MOST_REFUSALS:
            raise Spinning(f"select was called {self._asked:,} times")
        return super().select(timeout)

    def wait(self, timeout: float) -> list[tuple[selectors.SelectorKey, int]]:
        """For the grader: ``select``, with a timeout in seconds."""
        return super().select(timeout)


class WatchedListener(socket.socket):
    """A listening socket on 127.0.0.1 whose connections are watched; see `WatchedSocket`.

    Args:
        most: for the connections.
        buffer: size in bytes that is asked of the kernel for what a connection sends.
    """

    def __init__(self, most: int | None = None, buffer: int | None = None) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self.most = most
        self.buffer = buffer
        self.accepted: list[WatchedSocket] = []
        self.accept_errors: list[OSError] = []
        self.bind(("127.0.0.1", 0))
        self.listen(1024)

    def accept(self) -> tuple[socket.socket, Any]:
        """As in ``socket``."""
        if self.gettimeout() != 0:
            raise WouldBlock("accept was called on a socket that blocks (no setblocking(False))")
        if self.accept_errors:
            raise self.accept_errors.pop(0)
        plain, address = super().accept()
        watched = WatchedSocket.adopt(plain, self.most)
        # Small pieces are sent at once, and do not wait 40 ms for company.
        watched.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.buffer is not None:
            watched.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.buffer)
        self.accepted.append(watched)
        return watched, address
