"""One end of a simulated connection, as asyncio's protocols know it.

The order of callbacks, what counts as closing and which errors are raised follow asyncio's own
selector transport on a TCP socket, so that code which is right on one is right on the other.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..current import Process, current_process
from .pipe import Pipe, Signal
from .reading import ReadingTransport, os_error

if TYPE_CHECKING:
    from .server import SimulatedServer
    from .sockets import SimulatedSocket

_logger = logging.getLogger("asyncio")

_HIGH_WATER = 64 * 1024
_WARN_AFTER = 5


class SimulatedTransport(ReadingTransport):
    """A stream transport whose bytes travel through two pipes.

    It exists from the moment the connection does; bytes that come before a protocol is attached
    wait for it, as they do in an operating system's buffer.
    """

    __slots__ = (
        "_buffer", "_buffered", "_conn_lost", "_eof", "_high", "_low", "_on_gone", "_server",
        "_socket", "_writing_paused", "name",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        socket: SimulatedSocket,
        incoming: Pipe,
        outgoing: Pipe,
        context: contextvars.Context,
        on_gone: Callable[[SimulatedTransport], None],
    ) -> None:
        super().__init__(loop, socket, incoming, outgoing, context)
        self.name = name
        self._socket = socket
        self._on_gone = on_gone
        outgoing.writable = self._pump
        outgoing.on_given_up = self._on_given_up
        self._server: SimulatedServer | None = None
        # Views, so that what is left of a large write is not copied each time the window opens.
        self._buffer: deque[memoryview] = deque()
        self._buffered = 0
        self._high, self._low = _HIGH_WATER, _HIGH_WATER // 4
        self._writing_paused = False
        self._eof = False
        self._conn_lost = 0

    def __repr__(self) -> str:
        state = "closed" if self._gone else "closing" if self._closing else "open"
        return f"<SimulatedTransport {self.name} {state}>"

    # -- beginning ------------------------------------------------------------------------------

    def attach(
        self,
        protocol: Any,
        *,
        server: SimulatedServer | None = None,
        waiter: asyncio.Future[None] | None = None,
    ) -> None:
        """Give the connection a protocol; ``waiter`` is done once it was told."""
        self._server = server
        self.set_protocol(protocol)
        self._soon(protocol.connection_made, self)
        self._soon(self._start, waiter)

    def _start(self, waiter: asyncio.Future[None] | None) -> None:
        self._started = True
        self._read_if_any()
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- writing --------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if self._eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data:
            return
        if self._conn_lost:
            if self._conn_lost >= _WARN_AFTER:
                _logger.warning("socket.send() raised exception.")
            self._conn_lost += 1
            return
        if self._broken or self._end is Signal.RESET:
            self._fatal(self._write_error())
            return
        # A copy, since the caller may change what it passed.
        self._write(bytes(data))

    def _write(self, data: bytes) -> None:
        room = 0 if self._buffer else self._outgoing.room()
        if len(data) <= room:
            self._outgoing.send(data)
            return
        if room:
            self._outgoing.send(data[:room])
        rest = memoryview(data)[room:]
        self._buffer.append(rest)
        self._buffered += len(rest)
        self._outgoing.wait_for_room()
        self._maybe_pause_protocol()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        if self._eof:
            raise RuntimeError("Cannot call writelines() after write_eof()")
        self.write(b"".join(list_of_data))

    def _pump(self) -> None:
        """The window has room again: send what is buffered."""
        buffer = self._buffer
        if self._conn_lost or not buffer:
            return
        room = self._outgoing.room()
        while buffer and room > 0:
            data = buffer.popleft()
            if len(data) > room:
                buffer.appendleft(data[room:])
                data = data[:room]
            self._outgoing.send(bytes(data))
            room -= len(data)
            self._buffered -= len(data)
        self._maybe_resume_protocol()
        if buffer:
            self._outgoing.wait_for_room()
        elif self._closing:
            self._conn_lost += 1
            self._call_connection_lost(None)
        elif self._eof:
            self._outgoing.end(Signal.EOF)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if self._closing or self._eof:
            return
        self._eof = True
        if not self._buffer:
            self._outgoing.end(Signal.EOF)

    # -- flow control ---------------------------------------------------------------------------

    def get_write_buffer_size(self) -> int:
        return self._buffered

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = _HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        self._maybe_pause_protocol()

    def _maybe_pause_protocol(self) -> None:
        if self._buffered > self._high and not self._writing_paused:
            self._writing_paused = True
            self._tell("pause_writing")

    def _maybe_resume_protocol(self) -> None:
        if self._writing_paused and self._buffered <= self._low:
            self._writing_paused = False
            self._tell("resume_writing")

    def _tell(self, what: str) -> None:
        try:
            getattr(self._protocol, what)()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._report(error, f"protocol.{what}() failed")

    # -- end ------------------------------------------------------------------------------------

    def _has_buffered(self) -> bool:
        return bool(self._buffer)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Send what is buffered, then the end of the stream."""
        if self._closing:
            return
        self._closing = True
        if not self._buffer:
            self._conn_lost += 1
            self._soon(self._call_connection_lost, None)

    def abort(self) -> None:
        """Close without sending what is buffered.

        The peer sees the end of the stream, as it does when a real socket is closed; a reset it
        sees only if bytes were left unread here, or if ``SO_LINGER`` says so.
        """
        self._force_close(None)

    def _fatal(self, error: BaseException, message: str = "Fatal error on transport") -> None:
        if not isinstance(error, OSError):
            self._report(error, message)
        self._force_close(error)

    def _report(self, error: BaseException, message: str) -> None:
        self._loop.call_exception_handler(
            {
                "message": message,
                "exception": error,
                "transport": self,
                "protocol": self._protocol,
            }
        )

    def _force_close(self, error: BaseException | None) -> None:
        if self._conn_lost:
            return
        self._buffer.clear()
        self._buffered = 0
        self._closing = True
        self._conn_lost += 1
        self._soon(self._call_connection_lost, error)

    def _call_connection_lost(self, error: BaseException | None) -> None:
        if self._gone:
            return
        try:
            if self._protocol is not None:
                self._protocol.connection_lost(error)
        finally:
            self._leave()
            self._on_gone(self)
            server, self._server = self._server, None
            if server is not None:
                server.detach(self)

    def _leave(self) -> None:
        """Let the peer know, in the way the operating system would."""
        unread = bool(self._inbox)
        self._inbox.clear()
        self._gone = True
        self._protocol = None
        if self._end is Signal.RESET or self._broken:
            return
        rude = unread or self._socket.resets_on_close
        self._outgoing.end(Signal.RESET if rude else Signal.EOF)

    def _on_given_up(self) -> None:
        """Nothing of what was sent has been acknowledged for too long."""
        if not self._gone:
            self._broken = True
            self._fatal(os_error(TimeoutError, errno.ETIMEDOUT))

    def lose(self) -> None:
        """The host has lost its connections, as it does when its address changes."""
        self._outgoing.abandon()
        self.on_open = None
        if not self._gone:
            self._broken = True
            self._fatal(os_error(ConnectionAbortedError, errno.ECONNABORTED))

    def die(self) -> None:
        """The program at this end is dead: the operating system closes its socket."""
        if self._gone:
            return
        self._buffer.clear()
        self._buffered = 0
        self._closing = True
        self._conn_lost += 1
        self._incoming.disown()
        self._leave()
        self._on_gone(self)

    def belongs_to(self, process: Process) -> bool:
        """True if it was a program of this process that has opened or accepted the connection."""
        return self._context.get(current_process) is process

    def turn_away(self) -> None:
        """Nobody accepts this connection any more."""
        self._closing = self._gone = True
        self._outgoing.end(Signal.RESET)
        self._on_gone(self)

    def forget(self) -> None:
        """The world is over: nobody is told."""
        self._closing = self._gone = True
        self._conn_lost += 1
        self._protocol = self._server = None
        self._inbox.clear()
        self._buffer.clear()
        self._buffered = 0
        self._incoming.close()
        self._outgoing.close()
