"""Many clients of an echo server: all connected first, then all talking at once.

They live on the same loop as the server, one selector for both ends of every connection.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

AT_A_TIME = 32
"""Connections that are being made at one moment: a listener's queue is short."""
PATIENCE = 60.0
"""Seconds of real time, after which the clients give up."""


@dataclass
class Outcome:
    """What the clients saw. Times in seconds: ``connecting`` until the last client had its
    connection, ``seconds`` from the first word to the last echo.
    """

    size: int
    connected: int = 0
    echoes: int = 0
    bytes: int = 0
    slowest: float = 0.0
    connecting: float = 0.0
    seconds: float = 0.0
    satisfied: int = 0
    gave_up: bool = False
    complaints: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    @property
    def all_well(self) -> bool:
        """Whether every client got all that it sent, and nothing was reported."""
        return self.satisfied == self.size and not self.complaints and not self.errors

    def says(self) -> str:
        """One sentence on what went wrong."""
        if self.complaints:
            return self.complaints[0]
        if self.errors:
            return f"the loop reported {self.errors[0]!r}"
        if self.connected < self.size:
            return f"only {self.connected} of {self.size} clients were connected"
        return f"only {self.satisfied} of {self.size} clients got all that they had sent"


class _Client:
    """Connects, waits for the others, says its messages one by one, and says goodbye."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self._crowd = crowd
        self._number = number
        self._said = 0
        self._message = b""
        self._unsent = b""
        self._got = b""
        self._since = 0.0
        self._ready: Callable[[], None] = self._connected
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.sock.connect_ex(crowd.address)
        crowd.selector.register(self.sock, selectors.EVENT_WRITE, self._called)

    def talk(self) -> None:
        """Say the next message, or goodbye when all have been said."""
        if self._said == self._crowd.messages:
            self._ready = self._leave
            self.sock.shutdown(socket.SHUT_WR)
            return
        self._said += 1
        self._message = self._unsent = f"client {self._number}, message {self._said}. ".encode() * (
            self._number % 7 + 1
        )
        self._got = b""
        self._since = time.perf_counter()
        self._watch(selectors.EVENT_WRITE)
        self._ready = self._talking

    def leave(self) -> None:
        """Be gone."""
        if self.sock.fileno() >= 0:
            self._crowd.selector.unregister(self.sock)
            self.sock.close()

    def _called(self, events: int) -> None:
        if self.sock.fileno() < 0:
            return
        try:
            self._ready()
        except BlockingIOError:
            pass
        except OSError as error:
            self._complain(f"its connection broke: {error}")

    def _watch(self, events: int) -> None:
        self._crowd.selector.modify(self.sock, events, self._called)

    def _connected(self) -> None:
        number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, "could not connect")
        self._watch(selectors.EVENT_READ)
        self._ready = self._listening
        self._crowd.one_connected()

    def _listening(self) -> None:
        self._complain("the server sent something, or hung up, before anything was said")

    def _talking(self) -> None:
        if self._unsent:
            self._unsent = self._unsent[self.sock.send(self._unsent) :]
            if not self._unsent:
                self._watch(selectors.EVENT_READ)
            return
        data = self.sock.recv(65_536)
        self._got += data
        if not data:
            self._complain("the server hung up in the middle of the conversation")
        elif not self._message.startswith(self._got):
            self._complain(f"it said {self._message[:40]!r}... and got {self._got[:40]!r}...")
        elif self._got == self._message:
            self._crowd.one_echo(len(self._message), time.perf_counter() - self._since)
            self.talk()

    def _leave(self) -> None:
        if self.sock.recv(65_536):
            self._complain("it got something after it had got everything")
        else:
            self.leave()
            self._crowd.one_left(satisfied=True)

    def _complain(self, what: str) -> None:
        self._crowd.outcome.complaints.append(f"client {self._number}: {what}")
        self.leave()
        self._crowd.one_left(satisfied=False)


class Crowd:
    """So many clients on a selector; calls ``over`` when the last of them has left."""

    def __init__(
        self, selector: selectors.BaseSelector, address: Any, size: int, messages: int,
        over: Callable[[], object],
    ) -> None:  # fmt: skip
        self.selector = selector
        self.address = address
        self.messages = messages
        self.outcome = Outcome(size)
        self._over = over
        self._left = 0
        self._began = time.perf_counter()
        self._clients: list[_Client] = []
        for _ in range(min(size, AT_A_TIME)):
            self._add()

    def one_connected(self) -> None:
        """A client has its connection; when all have, they begin to talk."""
        self.outcome.connected += 1
        if len(self._clients) < self.outcome.size:
            self._add()
        elif self.outcome.connected == self.outcome.size:
            self.outcome.connecting = time.perf_counter() - self._began
            for client in self._clients:
                client.talk()

    def one_echo(self, size: int, seconds: float) -> None:
        """A message has come back."""
        self.outcome.echoes += 1
        self.outcome.bytes += size
        self.outcome.slowest = max(self.outcome.slowest, seconds)
        self.outcome.seconds = time.perf_counter() - self._began - self.outcome.connecting

    def one_left(self, *, satisfied: bool) -> None:
        """A client has gone, content or not. If not, everybody goes."""
        self.outcome.satisfied += satisfied
        self._left += 1
        if self._left == self.outcome.size or not satisfied:
            self.leave()
            self._over()

    def leave(self) -> None:
        """Everybody goes."""
        for client in self._clients:
            client.leave()

    def _add(self) -> None:
        self._clients.append(_Client(self, len(self._clients) + 1))


def serve(
    mini_loop: ModuleType, echo_reactor: ModuleType, size: int, messages: int = 10
) -> Outcome:
    """Run a crowd and a server on a loop; both modules are as in the exercises of module 02."""
    errors: list[Exception] = []
    # A server that accepts one connection a turn is slower than a crowd at its door. Who finds the
    # queue full tries again after a second.
    backlog = max(size, 4 * AT_A_TIME)
    with (
        selectors.DefaultSelector() as selector,
        closing(socket.create_server(("127.0.0.1", 0), backlog=backlog)) as listener,
    ):
        loop = mini_loop.MiniLoop(selector, time.monotonic, errors.append)
        server = echo_reactor.EchoServer(selector, listener)

        def over() -> None:
            patience.cancel()
            server.close()

        def give_up() -> None:
            crowd.outcome.gave_up = True
            crowd.leave()
            server.close()

        crowd = Crowd(selector, listener.getsockname(), size, messages, over)
        patience = loop.call_later(PATIENCE, give_up)
        try:
            loop.run()
        finally:
            crowd.leave()
            server.close()
    crowd.outcome.errors = errors
    return crowd.outcome
