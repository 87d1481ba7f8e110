"""What the graders of echo_reactor.py share: a server under study, driven step by step."""

from __future__ import annotations

import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .. import mistake
from .patience import SILENCE, Patience
from .watched_socket import Spinning, WatchedListener, WatchedSelector, WouldBlock

OVERALL = 30.0
"""Seconds after which any wait is given up."""
MOST_IN_VAIN = 100
"""Steps in a row in which a socket was ready and nothing came of it."""


@contextmanager
def named() -> Iterator[None]:
    """Name the mistake if the code in the block waits, or tries again without waiting."""
    try:
        yield
    except WouldBlock as error:
        raise AssertionError(mistake("blocking-call", f"In the server, {error}.")) from None
    except Spinning as error:
        raise AssertionError(mistake("busy-poll", f"In the server, {error}.")) from None


class Client:
    """A client that sends what is in ``out`` and keeps what comes back in ``got``."""

    def __init__(self, address: Any, buffer: int | None = None) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.sock.settimeout(OVERALL)
        self.sock.connect(address)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.out = bytearray()
        self.got = bytearray()
        self.total = 0
        self.reads = True
        self.finishes = False
        self.ended = False  # the server has closed the connection

    def say(self, data: bytes) -> None:
        """Send this, as fast as the connection takes it."""
        self.out += data
        self.total += len(data)

    def finish(self) -> None:
        """Send no more once everything has been sent; go on reading."""
        self.finishes = True

    def vanish(self) -> None:
        """Break the connection off, without a goodbye."""
        form = "hh" if sys.platform == "win32" else "ii"
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))
        self.sock.close()

    def pump(self) -> bool:
        """Send and read what can be; whether anything moved."""
        if self.sock.fileno() < 0 or self.ended:
            return False
        try:
            return self._send() | (self.reads and self._read())
        except ConnectionError:
            self.ended = True
            return True

    def _send(self) -> bool:
        if self.out:
            try:
                del self.out[: self.sock.send(self.out[:65_536])]
            except BlockingIOError:
                return False
            return True
        if self.finishes:
            self.finishes = False
            self.sock.shutdown(socket.SHUT_WR)
            return True
        return False

    def _read(self) -> bool:
        try:
            data = self.sock.recv(65_536)
        except BlockingIOError:
            return False
        self.got += data
        self.ended = not data
        return True


class Bench:
    """A server under study, its clients, and the loop that runs both, one step at a time."""

    def __init__(
        self, submission: Any, *, limit: int = 65_536, most: int | None = None,
        buffer: int | None = None,
    ) -> None:  # fmt: skip
        self.buffer = buffer
        self.limit = limit
        self.selector = WatchedSelector()
        self.listener = WatchedListener(most, buffer)
        self.clients: list[Client] = []
        self._in_vain = 0
        self._patience = Patience(submission.EchoServer)
        try:
            with named():
                self.server = submission.EchoServer(self.selector, self.listener, limit=limit)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every socket."""
        for sock in (self.listener, *self.listener.accepted, *(c.sock for c in self.clients)):
            sock.close()
        self.selector.close()

    def connect(self) -> Client:
        """Connect a client, and wait until the server has accepted it."""
        client = Client(self.listener.getsockname(), self.buffer)
        self.clients.append(client)
        accepted = self.until(lambda: len(self.listener.accepted) >= len(self.clients))
        if not accepted:
            raise AssertionError(
                f"client {len(self.clients)} connected, and the server never accepted it"
            )
        return client

    @property
    def registered(self) -> int:
        """How many sockets the selector watches."""
        return len(self.selector.get_map())

    def held(self) -> int:
        """The most bytes that the server has taken from a client and not sent back."""
        return max((sock.received - sock.sent for sock in self.listener.accepted), default=0)

    def step(self, timeout: float = 0.0) -> bool:
        """Let clients and server do what they can; False when there was nothing to do at all."""
        before = self._moved()
        pumped = sum(client.pump() for client in self.clients) > 0
        pairs = self.selector.wait(0 if pumped else timeout)
        with named():
            for key, events in pairs:
                key.data(events)
        self._one_thread()
        nothing_came_of_it = pairs and not pumped and self._moved() == before
        self._in_vain = self._in_vain + 1 if nothing_came_of_it else 0
        return pumped or bool(pairs)

    def _one_thread(self) -> None:
        for sock in self.listener.accepted:
            if sock.astray:
                raise AssertionError(
                    f"{sock.astray[0]} was called in a thread of its own; the server is to do with "
                    "one thread, the one that calls its functions"
                )

    def _moved(self) -> int:
        accepted = self.listener.accepted
        return len(accepted) + self.registered + sum(s.received + s.sent for s in accepted)

    def until(self, condition: Callable[[], object]) -> bool:
        """Step until the condition holds; False when nothing moves any more, and it does not."""
        end = time.monotonic() + OVERALL
        self._in_vain = 0
        self._patience.begin()
        while not condition():
            moved = self.step(timeout=SILENCE)
            if self._in_vain > MOST_IN_VAIN:  # a server that never rests: wait for the clients
                self._wait_for_clients()
                moved = False
            if self._patience.ends(moved) or time.monotonic() > end:
                return self._patience.in_vain()
        return True

    def _wait_for_clients(self) -> None:
        with selectors.DefaultSelector() as selector:
            for client in self.clients:
                if client.reads and not client.ended and client.sock.fileno() >= 0:
                    selector.register(client.sock, selectors.EVENT_READ)
            if selector.get_map():
                selector.select(SILENCE)

    def settle(self, watch: Callable[[], object] = lambda: None) -> bool:
        """Step until nobody has anything to do; False if the selector never comes to rest.

        ``watch`` is called after every step, and may raise.
        """
        self._in_vain = 0
        while self.step():
            watch()
            if self._in_vain >= MOST_IN_VAIN:
                return False
        return True
