"""A WebSocket client that speaks just enough of RFC 6455, for a crowd, and for bad manners.

A thousand of them cost a tenth of what a library's clients do. And this one can do what libraries
prevent: stop reading, leave pings unanswered, vanish.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

_UPGRADE = (
    "GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_MASKED = 0x80
_NO_MASK = b"\0\0\0\0"
"""A client has to mask what it sends; with this key that changes nothing."""


class RawWebSocket(asyncio.Protocol):
    """One connection; ``on_text`` is called with every text message, ``on_end`` at its end.

    Attributes:
        pings: how many pings came; each is answered, if ``answers``.
        pongs: how many pongs came; see ``ping``.
        close_code: that of the server's close frame, None if there was none.
    """

    def __init__(self, on_text: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self.pings = 0
        self.pongs = 0
        self.answers = True
        self.close_code: int | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._on_text = on_text
        self._on_end = on_end
        self._transport: Any = None
        self._unread = b""

    @classmethod
    async def connect(
        cls, host: str, port: int, on_text: Callable[[bytes], None], on_end: Callable[[], None]
    ) -> RawWebSocket:
        """Connect, and return once the server has agreed to speak WebSocket."""
        loop = asyncio.get_running_loop()
        _, peer = await loop.create_connection(lambda: cls(on_text, on_end), host, port)
        await peer.open(host, port)
        return peer

    async def open(self, host: str, port: int) -> None:
        """Ask the server to speak WebSocket, and wait until it agrees."""
        self._transport.write(_UPGRADE.format(host=host, port=port).encode())
        await self.opened

    async def send(self, message: str | bytes) -> None:
        """Send a text message, or a binary one."""
        if isinstance(message, str):
            self._send(_TEXT, message.encode())
        else:
            self._send(_BINARY, message)

    async def ping(self) -> None:
        """Ask for a pong."""
        self._send(_PING, b"")

    async def close(self) -> None:
        """Say good-bye; the server is to close the connection."""
        self._send(_CLOSE, (1000).to_bytes(2, "big"))

    def stop_reading(self) -> None:
        """Take nothing more from the network: neither messages nor pings."""
        self._transport.pause_reading()

    def read_on(self) -> None:
        """Take what has come meanwhile, and go on."""
        self._transport.resume_reading()

    def abort(self) -> None:
        """Be gone, without a good-bye of WebSocket's."""
        self._transport.abort()

    def _send(self, opcode: int, data: bytes) -> None:
        if len(data) < 126:
            size = bytes([_MASKED | len(data)])
        else:
            size = bytes([_MASKED | 126]) + len(data).to_bytes(2, "big")
        self._transport.write(bytes([0x80 | opcode]) + size + _NO_MASK + data)

    # -- asyncio's side -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if not self.opened.done():
            head, blank, rest = self._unread.partition(b"\r\n\r\n")
            if not blank:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                self.opened.set_exception(ConnectionError(head.decode("latin-1")))
                return
            self._unread = rest
            self.opened.set_result(None)
        while self._take_frame():
            pass

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionError("no answer to the handshake"))
        self._on_end()

    def _take_frame(self) -> bool:
        """Take one frame off what has come; False if there is no whole one."""
        data = self._unread
        if len(data) < 2:
            return False
        begin, size = 2, data[1]
        if size > 125:
            begin = 4 if size == 126 else 10
            size = int.from_bytes(data[2:begin], "big")
        if len(data) < begin + size:
            return False
        self._unread = data[begin + size :]
        self._take(data[0] & 15, data[begin : begin + size])
        return True

    def _take(self, opcode: int, data: bytes) -> None:
        if opcode == _TEXT:
            self._on_text(data)
        elif opcode == _PING:
            self.pings += 1
            if self.answers:
                self._send(_PONG, data)
        elif opcode == _PONG:
            self.pongs += 1
        elif opcode == _CLOSE:
            self.close_code = int.from_bytes(data[:2], "big") if data else None
            self._send(_CLOSE, data)
