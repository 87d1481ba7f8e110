"""A connection: two transports and the pipes between them."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import TYPE_CHECKING

from .pipe import Pipe, Signal
from .sockets import Address, SimulatedSocket
from .transport import SimulatedTransport

if TYPE_CHECKING:
    from ..world import World
    from .hosts import Host, Link
    from .server import SimulatedServer


class Connection:
    """What a completed handshake has made: the end that asked, and the end that accepts.

    Attributes:
        key: names it in draws: ``client->shop1.example:80#3`` is the third of its kind.
        client, server: the two ends.
        link: the way it takes; ``target`` and ``port``: where it goes.
    """

    __slots__ = ("_answers", "_on_gone", "_open", "_requests", "client", "key", "link", "port",
                 "server", "target")  # fmt: skip

    def __init__(
        self,
        world: World,
        link: Link,
        key: str,
        source: tuple[Host, Address],
        target: tuple[Host, Address],
        listener: SimulatedServer,
        on_gone: Callable[[Connection], None],
    ) -> None:
        self.key = key
        self.link = link
        self.target, self.port = target[0], target[1][1]
        self._on_gone = on_gone
        self._open = 2
        names = (source[0].name, f"{target[0].name}:{self.port}")
        there = 0 if link.ends[0] is source[0] else 1
        self._requests = Pipe(world, link, key, names, there)
        self._answers = Pipe(world, link, f"{key} back", (names[1], names[0]), 1 - there)
        self.client = SimulatedTransport(
            world.loop,
            f"{names[0]} -> {names[1]}",
            SimulatedSocket(source[1], target[1]),
            self._answers,
            self._requests,
            contextvars.copy_context(),
            self._end_gone,
        )
        self.server = SimulatedTransport(
            world.loop,
            f"{names[1]} <- {names[0]}",
            SimulatedSocket(target[1], source[1]),
            self._requests,
            self._answers,
            listener.context_of(target[0]),
            self._end_gone,
        )

    @property
    def is_local(self) -> bool:
        """True if both ends are on one host."""
        return self.link.ends[0] is self.link.ends[1]

    def open(self, accept: Callable[[SimulatedTransport], None]) -> None:
        """Send the handshake's last leg; ``accept`` is called when it arrives."""
        server = self.server
        server.on_open = lambda: accept(server)
        self._requests.open()

    def reset_after(self, size: int) -> None:
        """Break the connection when the accepting end has sent that many bytes."""
        self._after(size, self.reset)

    def half_open_after(self, size: int) -> None:
        """Sever the connection when the accepting end has sent that many bytes."""
        self._after(size, self.sever)

    def _after(self, size: int, what: Callable[[], None]) -> None:
        self._answers.fuse = size or None
        self._answers.on_fuse = what
        if size == 0:
            what()

    def reset(self) -> None:
        """Break the connection: both ends learn of it a trip from now."""
        self._requests.end(Signal.RESET)
        self._answers.end(Signal.RESET)

    def sever(self) -> None:
        """Leave it half-open: what either end sends from now on is lost, and neither is told."""
        self._requests.sever()
        self._answers.sever()

    def lose_end(self, host: Host) -> None:
        """The host knows nothing of the connection any more, and answers it with a reset."""
        (self.server if host is self.target else self.client).lose()

    def darken(self) -> None:
        """Nothing gets through the link any more."""
        self._requests.darken()
        self._answers.darken()

    def let_go(self) -> None:
        """The link is no longer held."""
        self._requests.let_go()
        self._answers.let_go()

    def forget(self) -> None:
        """The world is over: nobody is told."""
        self.client.forget()
        self.server.forget()

    def _end_gone(self, _: SimulatedTransport) -> None:
        self._open -= 1
        if not self._open:
            self._on_gone(self)
