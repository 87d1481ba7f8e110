"""Servers that listen on the simulated network."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ..current import Process, current_process
from .sockets import SimulatedSocket

if TYPE_CHECKING:
    from .hosts import Host
    from .transport import SimulatedTransport


class Place:
    """Where a server listens: a host, one of its addresses, a port, and the context to serve in."""

    __slots__ = ("address", "context", "host", "port", "socket")

    def __init__(self, host: Host, address: str, port: int, context: Context) -> None:
        self.host = host
        self.address = address
        self.port = port
        self.context = context
        self.socket = SimulatedSocket((address, port))


class SimulatedServer(asyncio.AbstractServer):
    """Stands for asyncio.Server, and behaves as it does on the Python version that runs."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        places: list[Place],
        factory: Callable[[], asyncio.BaseProtocol],
    ) -> None:
        self._loop = loop
        self._places: list[Place] | None = places
        self._factory = factory
        # A dict, not a set: clients are closed in the order they came.
        self._clients: dict[SimulatedTransport, None] = {}
        self._waiters: list[asyncio.Future[None]] | None = []
        self._serving = False
        self._forever: asyncio.Future[None] | None = None
        for place in places:
            place.host.listeners[place.address, place.port] = self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} sockets={self.sockets!r}>"

    # -- what the network does with it ----------------------------------------------------------

    def accepts(self) -> bool:
        """True while connections are answered; a bound port that does not listen refuses them."""
        return self._serving and self._places is not None

    def accept(self, transport: SimulatedTransport) -> None:
        """A client has arrived: make its protocol and start it."""
        protocol = self._factory()
        self._clients[transport] = None
        transport.attach(protocol, server=self)

    def detach(self, transport: SimulatedTransport) -> None:
        """A client's connection is lost."""
        self._clients.pop(transport, None)
        if not self._clients and self._places is None:
            self._wake_up()

    def context_of(self, host: Host) -> Context:
        """A fresh context in which code runs as that host."""
        for place in self._places or ():
            if place.host is host:
                return place.context.copy()
        return Context()

    def belongs_to(self, process: Process) -> bool:
        """True if it was a program of this process that listens."""
        return any(place.context.get(current_process) is process for place in self._places or ())

    # -- what programs do with it ---------------------------------------------------------------

    @property
    def sockets(self) -> tuple[Any, ...]:
        """One socket-like object with ``getsockname()`` for every address it listens on."""
        return tuple(place.socket for place in self._places or ())

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def is_serving(self) -> bool:
        return self._serving

    def close(self) -> None:
        """Stop listening. Connections that were accepted stay open."""
        places, self._places = self._places, None
        if places is None:
            return
        for place in places:
            place.host.listeners.pop((place.address, place.port), None)
        self._serving = False
        forever, self._forever = self._forever, None
        if forever is not None and not forever.done():
            forever.cancel()
        if not self._clients:
            self._wake_up()

    if sys.version_info >= (3, 13):

        def close_clients(self) -> None:
            """Close every connection that was accepted."""
            for transport in list(self._clients):
                transport.close()

        def abort_clients(self) -> None:
            """Close every connection that was accepted, without sending what is buffered."""
            for transport in list(self._clients):
                transport.abort()

    async def start_serving(self) -> None:
        self.begin()
        await asyncio.sleep(0)

    def begin(self) -> None:
        """Answer connections from now on."""
        self._serving = self._places is not None

    async def serve_forever(self) -> None:
        if self._forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        if self._places is None:
            raise RuntimeError(f"server {self!r} is closed")
        self.begin()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise
        finally:
            self._forever = None

    async def wait_closed(self) -> None:
        """Wait until the server is closed and its connections are gone.

        Python 3.11 returned at once from a server that was closed already; so does this one there.
        """
        if self._waiters is None or (sys.version_info < (3, 12) and self._places is None):
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake_up(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def forget(self) -> None:
        """The world is over: nobody is told."""
        self._places, self._serving, self._waiters, self._forever = None, False, None, None
        self._clients.clear()
