"""The reading half of a simulated transport."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from .pipe import Pipe, Signal

if TYPE_CHECKING:
    from .sockets import SimulatedSocket

_MOST_READ = 256 * 1024


def os_error(kind: type[OSError], number: int) -> OSError:
    return kind(number, os.strerror(number))


class ReadingTransport(asyncio.Transport):
    """Takes what a pipe delivers and hands it to a protocol, one piece at a time.

    Bytes that nobody reads keep the pipe's window closed. Nothing is handed over before
    ``_started``; until then it waits, as it would in an operating system's buffer.
    """

    __slots__ = (
        "__weakref__", "_broken", "_closing", "_context", "_end", "_eof_read", "_gone", "_inbox",
        "_incoming", "_loop", "_outgoing", "_paused", "_protocol", "_read_soon", "_started",
        "_wants_buffer", "on_open",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        socket: SimulatedSocket,
        incoming: Pipe,
        outgoing: Pipe,
        context: Context,
    ) -> None:
        super().__init__(
            {"socket": socket, "sockname": socket.getsockname(), "peername": socket.getpeername()}
        )
        self._loop = loop
        self._incoming = incoming
        self._outgoing = outgoing
        self._context = context
        incoming.context = outgoing.sender_context = context
        incoming.receive, incoming.signal = self._receive, self._on_signal
        self.on_open: Callable[[], None] | None = None
        """Called when the handshake's last leg arrives, at the end that accepts."""
        self._protocol: Any = None
        self._wants_buffer = False
        self._inbox: deque[bytes] = deque()
        self._end: Signal | None = None
        self._eof_read = False
        self._read_soon = False
        self._started = False
        self._paused = False
        self._broken = False
        self._closing = False
        self._gone = False

    def _soon(self, callback: Callable[..., object], *args: Any) -> None:
        self._loop.call_soon(callback, *args, context=self._context)

    def _fatal(self, error: BaseException, message: str = "Fatal error on transport") -> None:
        raise NotImplementedError

    def _has_buffered(self) -> bool:
        raise NotImplementedError

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        self._wants_buffer = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> Any:
        return self._protocol

    def is_reading(self) -> bool:
        return not self._closing and not self._paused

    def pause_reading(self) -> None:
        if self.is_reading():
            self._paused = True

    def resume_reading(self) -> None:
        if self._closing or not self._paused:
            return
        self._paused = self._eof_read = False
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
        if signal is Signal.RESET and (self._end is Signal.EOF or self._has_buffered()):
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
        if self._has_buffered():
            self._fatal(self._write_error())

    def _write_error(self) -> OSError:
        if self._end is Signal.EOF:
            return os_error(BrokenPipeError, errno.EPIPE)
        return os_error(ConnectionResetError, errno.ECONNRESET)

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
            if not self._wants_buffer or self._get_buffer():
                self._read_eof()
        elif self._end is Signal.RESET:
            self._fatal(os_error(ConnectionResetError, errno.ECONNRESET))

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

    def _get_buffer(self) -> Any:
        """The protocol's buffer to read into; None if it has none to give, which is fatal."""
        try:
            buffer = self._protocol.get_buffer(-1)
            if not len(buffer):
                raise RuntimeError("get_buffer() returned an empty buffer")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal(error, "Fatal error: protocol.get_buffer() call failed.")
            return None
        return buffer

    def _read_into_buffer(self) -> None:
        buffer = self._get_buffer()
        if buffer is None:
            return
        room = len(buffer)
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
