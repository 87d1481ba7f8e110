"""One connection on the simulated network: bytes in, bytes out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .faults import Cut
from .replies import RedisError
from .resp import ProtocolError, Requests, encode

if TYPE_CHECKING:
    from .server import RedisServer
    from .session import Session


class Connection(asyncio.Protocol):
    """The shell around one session of the engine.

    Requests are done one after another; while one waits or takes its time, the next stay where
    they are.

    Attributes:
        host: the name of the host it comes from.
        cut_after: the cut that strikes when the command that runs has taken effect.
    """

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.host = ""
        self.cut_after: Cut | None = None
        self.transport: Any = None
        self.session: Session
        self._requests = Requests()
        self._busy: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over_soft_limit_since: float | None = None
        self._lost = False

    def __str__(self) -> str:
        return next(filter(None, self.names), "a client")

    # -- the connection -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        address, port = transport.get_extra_info("peername")[:2]
        self.host = self.server.world.network.name_of(address)
        self.session = self.server.engine.connect(self._write, self.end, f"{address}:{port}")
        self.server.connected(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._forget()

    @property
    def names(self) -> tuple[str, ...]:
        """What the client can be called: its client name, if it has one, and its host."""
        return self.session.name.decode("utf-8", "replace"), self.host

    def end(self, why: str) -> None:
        """Close the connection, when what is buffered is sent."""
        if why == "CLIENT KILL":
            self.server.note(f"{self.server.host} closes the connection of {self}: {why}")
        self._forget()
        self.transport.close()

    def cut(self) -> None:
        """Close the connection at once: what is buffered is lost."""
        self._forget()
        self.transport.abort()

    def vanish(self) -> None:
        """Forget the client without telling it: its end stays open, and nobody listens."""
        self._forget()

    def _forget(self) -> None:
        if self._lost:
            return
        self._lost = True
        for timer in (self._busy, self._timer):
            if timer is not None:
                timer.cancel()
        self._busy = self._timer = None
        self.server.engine.disconnect(self.session)
        self.server.disconnected(self)

    # -- requests -------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if not self._lost:
            self._requests.feed(data)
            self.pump()
            self.server.settle()

    def pump(self) -> None:
        """Do the requests that have come, until one waits."""
        while not (self._lost or self._busy or self.session.wait or self.server.frozen):
            try:
                words = self._requests.next()
            except ProtocolError as error:
                self._write(encode(RedisError(str(error)), self.session.protocol))
                self.end("it does not speak RESP")
                return
            if words is None:
                return
            delay = self.server.time_for(words, self)
            if delay:
                self._busy = self.server.world.loop.call_later(delay, self._begin, words)
            else:
                self._do(words)

    def _begin(self, words: list[bytes]) -> None:
        self._busy = None
        if self.server.frozen:
            self._busy = self.server.when_thawed(self._begin, words)
            return
        self._do(words)
        self.pump()
        self.server.settle()

    def _do(self, words: list[bytes]) -> None:
        struck = self.server.faults.strikes(words, self.names)
        if struck is not None and struck.when == "before":
            self.server.strike(struck, self)
            return
        self.cut_after = struck
        self.server.engine.execute(self.session, words)
        self.after()

    def after(self) -> None:
        """A command was answered, or waits: see to cuts and deadlines."""
        wait = self.session.wait
        if wait is None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self.cut_after is not None and not self._lost:
                self.server.strike(self.cut_after, self)
        elif wait.deadline is not None and self._timer is None:
            delay = (wait.deadline - self.server.engine.now) / 1000
            self._timer = self.server.world.loop.call_later(max(delay, 0.0001), self._time_out)

    def _time_out(self) -> None:
        self._timer = None
        if self.server.frozen:
            self._timer = self.server.when_thawed(self._time_out)
            return
        self.server.engine.time_out(self.session)
        self.after()
        self.pump()
        self.server.settle()

    # -- replies --------------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Bytes that the client has not taken yet, beyond what its window holds."""
        size: int = self.transport.get_write_buffer_size()
        return size

    def _write(self, data: bytes) -> None:
        if self._lost or self.cut_after is not None:
            return
        self.transport.write(data)
        if self.session.is_subscribed:
            self._watch_buffer()

    def _watch_buffer(self) -> None:
        """A subscriber that does not read is disconnected: its output buffer has a limit."""
        hard, soft, seconds = self.server.pubsub_limit
        size = self.buffered
        now = self.server.world.loop.now
        if soft and size > soft:
            if self._over_soft_limit_since is None:
                self._over_soft_limit_since = now
                self.server.world.loop.call_later(seconds, self._still_over)
        else:
            self._over_soft_limit_since = None
        too_long = (
            self._over_soft_limit_since is not None and now - self._over_soft_limit_since >= seconds
        )
        if (hard and size > hard) or too_long:
            self.server.fault(
                f"{self.server.host} disconnects {self}: it does not read, and {size:,} bytes "
                f"wait for it"
            )
            self.server.overflowed(self)
            self.cut()

    def _still_over(self) -> None:
        if not self._lost and self.session.is_subscribed:
            self._watch_buffer()
            self.server.settle()
