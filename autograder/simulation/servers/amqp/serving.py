"""The server on the simulated network: bytes in, bytes out, and what goes wrong in between."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any

from pamqp.commands import Connection

from .connections import FRAME_MAX, ClientConnection
from .errors import ConnectionError_
from .faults import queue_of
from .publishing import Content
from .wire import HEARTBEAT, PROTOCOL, Decoder, encode, spec_name

if TYPE_CHECKING:
    from .broker import AmqpBroker

_LINGER_NOT = struct.pack("ii", 1, 0)

Operation = list[tuple[Any, bytes]]
"""A method, with the frames of its content if it has any; with their payloads."""


class ServerProtocol(asyncio.Protocol):
    """One connection's shell around the core.

    Frames are gathered into operations: a method, and a message's frames with it. Each takes the
    time that the broker's latency says, those of one channel one after another.
    """

    def __init__(self, server: AmqpBroker) -> None:
        self.server = server
        self.world = server.world
        self._decoder = Decoder(FRAME_MAX)
        self._gathering: dict[int, Operation] = {}
        self._waiting: dict[int, deque[Operation]] = {}
        self._heard = self._said = 0.0
        self._heartbeat: asyncio.TimerHandle | None = None
        self.transport: Any = None
        self.client: ClientConnection

    # -- the connection ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        address, port = transport.get_extra_info("peername")[:2]
        self.host = self.world.network.name_of(address)
        peer = f"{self.host}:{port} -> {self.server.host}:{self.server.port}"
        self.client = ClientConnection(self.server.core, peer, lambda: self.server.has_output(self))
        self.server.protocols[self] = None
        self._heard = self._said = self.world.loop.now

    def connection_lost(self, error: Exception | None) -> None:
        self._over()

    def _over(self) -> None:
        """Nothing comes from this client any more."""
        if self not in self.server.protocols:
            return
        del self.server.protocols[self]
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        self._catch_up()
        self.client.gone()
        self.server.settle()

    def _catch_up(self) -> None:
        """The client leaves: what it has said before still counts."""
        waiting, self._waiting = self._waiting, {}
        for channel, operations in waiting.items():
            for operation in operations:
                self._do(channel, operation)

    def forget_waiting(self) -> None:
        """The broker crashes: what it has not done yet it will never do."""
        self._waiting.clear()

    def cut(self) -> None:
        """Break the connection: the client's side gets ConnectionResetError."""
        if self.transport.is_closing():
            return
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.transport.abort()
        self._over()

    def drop(self) -> None:
        """Close the socket without a word."""
        self.transport.abort()
        self._over()

    # -- bytes come in ----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._heard = self.world.loop.now
        self._decoder.feed(data)
        self.take_frames()
        self.server.settle()

    def take_frames(self) -> None:
        """Gather what has come into operations, and do them when it is their time."""
        if not self._decoder.greeted:
            greeting = self._decoder.greeting()
            if greeting is None:
                return
            if not greeting:
                self.transport.write(PROTOCOL)
                self.transport.close()
                return
            self.client.begin()
        try:
            for channel, frame, raw in self._decoder.frames():
                self._gather(channel, frame, raw)
                if self.transport.is_closing() or self.client.blocked:
                    break
        except ConnectionError_ as error:
            self.client.fail(error)

    def _gather(self, channel: int, frame: Any, raw: bytes) -> None:
        gathering = self._gathering.get(channel)
        if gathering is not None:
            gathering.append((frame, raw))
            if _missing(gathering) > 0:
                return
            del self._gathering[channel]
            self._take_up(channel, gathering)
        elif frame.name == "Basic.Publish":
            self._gathering[channel] = [(frame, raw)]
        else:
            self._take_up(channel, [(frame, raw)])

    def _take_up(self, channel: int, operation: Operation) -> None:
        """Do an operation now, or after those of its channel that wait."""
        if channel == 0 and isinstance(operation[0][0], Connection.Close):
            self._catch_up()
        waiting = self._waiting.get(channel)
        if waiting:
            waiting.append(operation)
            return
        delay = self._delay(channel)
        if delay:
            self._waiting[channel] = deque([operation])
            self.world.loop.call_later(delay, self._next, channel)
        else:
            self._do(channel, operation)

    def _delay(self, channel: int) -> float:
        low, high = self.server.latency
        if channel == 0 or not high:
            return 0.0
        return self.world.latency(f"{self.client.peer} channel {channel}", low, high)

    def _next(self, channel: int) -> None:
        waiting = self._waiting.get(channel)
        if not waiting:
            return
        self._do(channel, waiting.popleft())
        if waiting:
            self.world.loop.call_later(self._delay(channel), self._next, channel)
        self.server.settle()

    def _do(self, channel: int, operation: Operation) -> None:
        name = spec_name(operation[0][0].name)
        queue = queue_of(self.client, channel, operation[0][0])
        if self.server.faults.strikes("before", name, queue, self):
            self._waiting.pop(channel, None)  # what came behind it is lost too
            self.cut()
            return
        for frame, raw in operation:
            self.client.receive(channel, frame, raw)
        if name == "connection.tune-ok":
            self._watch_heartbeat()
        if self.server.faults.strikes("after", name, queue, self):
            self._waiting.pop(channel, None)
            self.flush()
            self.cut()

    # -- bytes go out -----------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what the core has to say."""
        outbox, self.client.outbox = self.client.outbox, []
        data: list[bytes] = []
        cut = False
        for position, (channel, frame) in enumerate(outbox):
            if not isinstance(frame, Content):
                name = _name_of(frame)
                queue = None if name == "confirm" else queue_of(self.client, channel, frame)
                if self.server.faults.strikes("before", name, queue, self):
                    cut = True
                    break
            data.append(encode(channel, frame, FRAME_MAX))
            ends = position + 1 == len(outbox) or not isinstance(outbox[position + 1][1], Content)
            if ends and self.server.faults.strikes("after", name, queue, self):
                cut = True
                break
        if data and not self.transport.is_closing():
            self.transport.write(b"".join(data))
            self._said = self.world.loop.now
        if cut:
            self.cut()
        elif self.client.hang_up:
            self.transport.close()

    def block(self) -> None:
        """The alarm is on, or off: read no more, or again."""
        if self.client.blocked:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
            self.take_frames()

    # -- heartbeats -------------------------------------------------------------------------------

    def _watch_heartbeat(self) -> None:
        """Send a heartbeat where nothing else was sent; drop a client that is silent for twice
        the time agreed on."""
        interval = self.client.heartbeat
        if interval and not self.transport.is_closing():
            now = self.world.loop.now
            self._heartbeat = self.world.loop.call_when(now + interval / 2, self._beat)

    def _beat(self) -> None:
        now, interval = self.world.loop.now, self.client.heartbeat
        if now - self._heard >= 2 * interval and not self.client.blocked:
            self.server.note(
                f"{self.server.host} has not heard from {self.host} for {now - self._heard:g} s, "
                "and drops the connection"
            )
            self.drop()
            return
        if now - self._said >= interval / 2:
            self.transport.write(HEARTBEAT)
            self._said = now
        self._watch_heartbeat()


def _missing(operation: Operation) -> int:
    """Bytes of a message's body that have not come yet; 1 if not even its header has."""
    if len(operation) < 2:
        return 1
    size: int = getattr(operation[1][0], "body_size", 0)
    return size - sum(len(raw) for _, raw in operation[2:])


def _name_of(frame: Any) -> str:
    """What is sent, by the names that faults are addressed by: the broker's acks are confirms."""
    name = spec_name(frame.name)
    return "confirm" if name in ("basic.ack", "basic.nack") else name
