"""One end of a simulated connection, as asyncio's protocols know it.

The order of callbacks, what counts as closing and which errors are raised follow asyncio's own
selector transport on a TCP socket, so that code which is right on one is right on the other.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .pipe import Signal

if TYPE_CHECKING:
    from .pipe import Pipe
    from .server import SimulatedServer
    from .sockets import SimulatedSocket

_logger = logging.getLogger("asyncio")

_HIGH_WATER = 64 * 1024
_MOST_READ = 256 * 1024
_WARN_AFTER = 5


def _os_error(kind: type[OSError], number: int) -> OSError:
    return kind(number, os.strerror(number))


class SimulatedTransport(asyncio.Transport):
    """A stream transport whose bytes travel through two pipes.

    It exists from the moment the connection does; bytes that come before a protocol is attached
    wait for it, as they do in an operating system's buffer.
    """

    __slots__ = (
        "__weakref__", "_broken", "_buffer", "_buffered", "_closing", "_conn_lost", "_context",
        "_end", "_eof", "_eof_read", "_gone", "_high", "_inbox", "_incoming", "_loop", "_low",
        "_on_gone", "_outgoing", "_paused", "_protocol", "_read_soon", "_server", "_socket",
        "_started", "_wants_buffer", "_writing_paused", "name", "on_open",
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
        super().__init__(
            {"socket": socket, "sockname": socket.getsockname(), "peername": socket.getpeername()}
        )
        self.name = name
        self._loop = loop
        self._socket = socket
        self._incoming = incoming
        self._outgoing = outgoing
        self._context = context
        self._on_gone = on_gone
        incoming.context = outgoing.sender_context = context
        incoming.receive, incoming.signal = self._receive, self._on_signal
        outgoing.writable = self._pump
        self.on_open: Callable[[], None] | None = None
        """Called when the handshake's last leg arrives, at the end that accepts."""
        self._protocol: Any = None
        self._server: SimulatedServer | None = None
        self._wants_buffer = False
        self._inbox: deque[bytes] = deque()
        self._end: Signal | None = None
        self._eof_read = False
        self._read_soon = False
        self._started = False
        self._paused = False
        self._buffer: deque[bytes] = deque()
        self._buffered = 0
        self._high, self._low = _HIGH_WATER, _HIGH_WATER // 4
        self._writing_paused = False
        self._eof = False
        self._closing = False
        self._conn_lost = 0
        self._broken = False
        self._gone = False

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

    def _soon(self, callback: Callable[..., object], *args: Any) -> None:
        self._loop.call_soon(callback, *args, context=self._context)

    # -- reading --------------------------------------------------------------------------------

    def is_reading(self) -> bool:
        return not self._closing and not self._paused

    def pause_reading(self) -> None:
        if self.is_reading():
            self._paused = True

    def resume_reading(self) -> None:
        if self._closing or not self._paused:
            return
        self._paused = False
        self._read_if_any()

    def _receive(self, data: bytes) -> None:
        if self._gone:
            self._outgoing.end(Signal.RESET)
            return
        self._inbox.append(data)
        if self._started and not self._read_soon:
            self._read_ready()

    def _on_signal(self, signal: Signal) -> None:
        if signal is Signal.OPEN and self.on_open is not None:
            self.on_open()
            return
        if self._gone:
            return
        if signal is Signal.RESET and (self._buffer or self._end is Signal.EOF):
            self._on_reset_while_writing()
            return
        self._end = signal
        if self._started and not self._read_soon:
            if self._inbox:
                self._read_if_any()
            else:
                self._read_ready()

    def _on_reset_while_writing(self) -> None:
        """Only a writer learns of a reset that comes when nothing is read any more."""
        self._broken = True
        if self._buffer:
            self._fatal(self._write_error())

    def _write_error(self) -> OSError:
        if self._end is Signal.EOF:
            return _os_error(BrokenPipeError, errno.EPIPE)
        return _os_error(ConnectionResetError, errno.ECONNRESET)

    def _read_if_any(self) -> None:
        if self._read_soon or self._eof_read:
            return
        if self._inbox or self._end is not None:
            self._read_soon = True
            self._soon(self._read_later)

    def _read_later(self) -> None:
        self._read_soon = False
        self._read_ready()

    def _read_ready(self) -> None:
        """Hand over bytes, or the end of the stream if there are none: one of them at a time."""
        if self._closing or self._paused or self._eof_read or not self._started:
            return
        if self._inbox:
            if self._wants_buffer:
                self._read_into_buffer()
            else:
                self._read_bytes()
            self._read_if_any()
        elif self._end is Signal.EOF:
            self._read_eof()
        elif self._end is Signal.RESET:
            self._fatal(_os_error(ConnectionResetError, errno.ECONNRESET))

    def _read_bytes(self) -> None:
        inbox = self._inbox
        if len(inbox) == 1:
            data = inbox.popleft()
        else:
            data = b"".join(inbox)
            inbox.clear()
            if len(data) > _MOST_READ:
                inbox.append(data[_MOST_READ:])
                data = data[:_MOST_READ]
        self._incoming.consumed(len(data))
        try:
            self._protocol.data_received(data)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal(error, "Fatal error: protocol.data_received() call failed.")

    def _read_into_buffer(self) -> None:
        try:
            buffer = self._protocol.get_buffer(-1)
            room = len(buffer)
            if not room:
                raise RuntimeError("get_buffer() returned an empty buffer")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal(error, "Fatal error: protocol.get_buffer() call failed.")
            return
        data = b"".join(self._inbox)
        self._inbox.clear()
        if len(data) > room:
            self._inbox.append(data[room:])
            data = data[:room]
        buffer[: len(data)] = data
        self._incoming.consumed(len(data))
        try:
            self._protocol.buffer_updated(len(data))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal(error, "Fatal error: protocol.buffer_updated() call failed.")

    def _read_eof(self) -> None:
        # Nothing is read after this; if the protocol keeps the connection open it may still write.
        self._eof_read = True
        try:
            keep_open = self._protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal(error, "Fatal error: protocol.eof_received() call failed.")
            return
        if not keep_open:
            self.close()

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
        if not self._buffer:
            room = self._outgoing.room()
            if len(data) <= room:
                self._outgoing.send(data)
                return
            if room > 0:
                self._outgoing.send(data[:room])
                data = data[room:]
        self._buffer.append(data)
        self._buffered += len(data)
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
            self._outgoing.send(data)
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

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        self._wants_buffer = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> Any:
        return self._protocol

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
