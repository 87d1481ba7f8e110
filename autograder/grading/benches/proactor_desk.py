"""What the graders of proactor.py share: a proactor under study, pairs of sockets, a loop."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from .callback_loop import CallbackLoop
from .patience import SILENCE, Patience
from .watched_socket import Spinning, WatchedSelector, WatchedSocket, WouldBlock

OVERALL = 30.0
MOST_IN_VAIN = 100
MOST_STEPS = 20_000


class Peer:
    """The other end of a connection, which reads and writes when it is told to."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock

    def send(self, data: bytes) -> None:
        """Send a few bytes, which fit into any buffer."""
        self.sock.sendall(data)

    def read(self) -> bytes:
        """Everything that has come so far."""
        pieces = []
        while True:
            try:
                piece = self.sock.recv(1 << 20)
            except BlockingIOError:
                break
            if not piece:
                break
            pieces.append(piece)
        return b"".join(pieces)


class Desk:
    """A proactor on a selector, its loop of callbacks, and the sockets that it works on."""

    def __init__(self, submission: Any) -> None:
        self.selector = WatchedSelector()
        self.loop = CallbackLoop()
        self.sockets: list[socket.socket] = []
        self.calls: list[tuple[str, Any]] = []
        self.astray: list[str] = []
        self.failure = RuntimeError("a done-callback failed")
        self._in_loop = False
        self._patience = Patience(submission.Proactor)
        self.proactor = submission.Proactor(self.selector, self.loop.call_soon)

    def close(self) -> None:
        """Close every socket."""
        for sock in self.sockets:
            sock.close()
        self.selector.close()

    def pair(self, most: int | None = None, buffer: int | None = None) -> tuple[Any, Peer]:
        """A connection: the socket for the proactor, and the other end.

        Args:
            most: bytes that one ``send`` takes at most.
            buffer: size in bytes that is asked of the kernel for what is on the way.
        """
        ours, theirs = socket.socketpair()
        if buffer is not None:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        ours.setblocking(False)
        watched = WatchedSocket.adopt(ours, most)
        self.sockets += [watched, theirs]
        return watched, Peer(theirs)

    def note(self, name: str) -> Callable[[Any], None]:
        """A done-callback that notes its name and its argument, and when it is called astray."""

        def callback(completion: Any) -> None:
            if not self._in_loop:
                self.astray.append(name)
            self.calls.append((name, completion))

        return callback

    def fail(self, completion: Any) -> None:
        """A done-callback that raises ``failure``, which the loop outlives."""
        raise self.failure

    def count(self, name: str) -> int:
        """How often the done-callback of this name has been called."""
        return sum(called == name for called, _ in self.calls)

    def step(self, timeout: float = 0.0) -> bool:
        """Call what select reports, then the loop's callbacks; whether there was anything."""
        pairs = self.selector.wait(timeout) if self.selector.get_map() else []
        for key, events in pairs:
            try:
                key.data(events)
            except (WouldBlock, Spinning) as error:
                raise AssertionError(str(error)) from None
            except OSError as error:
                raise AssertionError(
                    f"{error!r} came out of a function that you have registered"
                ) from None
        self._in_loop = True
        try:
            self.loop.run()
        finally:
            self._in_loop = False
        self.loop.take(self.failure)
        self.loop.raise_unexpected()
        return bool(pairs)

    def until(self, condition: Callable[[], object]) -> bool:
        """Step until the condition holds; False when nothing moves any more, and it does not."""
        steps, end = 0, time.monotonic() + OVERALL
        self._patience.begin()
        while not condition():
            moved = self.step(SILENCE)
            steps += 1
            nothing_can_come = not moved and not self.selector.get_map() and not condition()
            late = steps > MOST_STEPS or time.monotonic() > end
            if nothing_can_come or late or self._patience.ends(moved):
                return self._patience.in_vain()
        return True

    def read_until(self, peer: Peer, condition: Callable[[], object]) -> bytes:
        """Step as in `until`, while the peer reads; everything that it has read."""
        got = bytearray()

        def read_on() -> object:
            got.extend(peer.read())
            return condition()

        self.until(read_on)
        got += peer.read()
        return bytes(got)

    def settle(self) -> bool:
        """Step until nothing is ready; False if the selector never comes to rest."""
        return any(not self.step() for _ in range(MOST_IN_VAIN))
