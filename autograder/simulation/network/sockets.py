"""What stands where a program expects a socket object."""

from __future__ import annotations

import socket
import struct
from typing import Any

from ..problems import Refused

Address = tuple[str, int]

_LINGER = (socket.SOL_SOCKET, socket.SO_LINGER)


class SimulatedSocket:
    """The socket of a simulated transport or server: addresses and options, no bytes.

    Options are remembered and have no effect, but for ``SO_LINGER`` with a time of 0, which makes
    closing reset the connection, as it does on a real one.
    """

    __slots__ = ("_options", "_peername", "_sockname")

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, sockname: Address, peername: Address | None = None) -> None:
        self._sockname = sockname
        self._peername = peername
        self._options: dict[tuple[int, int], Any] | None = None

    def __repr__(self) -> str:
        peer = f" peername={self._peername}" if self._peername else ""
        return f"<SimulatedSocket sockname={self._sockname}{peer}>"

    def getsockname(self) -> Address:
        return self._sockname

    def getpeername(self) -> Address:
        if self._peername is None:
            raise OSError(107, "Transport endpoint is not connected")
        return self._peername

    def setsockopt(self, level: int, option: int, value: Any, size: int | None = None) -> None:
        if self._options is None:
            self._options = {}
        self._options[level, option] = value

    def getsockopt(self, level: int, option: int, size: int = 0) -> Any:
        stored = (self._options or {}).get((level, option))
        return (b"\0" * size if size else 0) if stored is None else stored

    @property
    def resets_on_close(self) -> bool:
        """True when ``SO_LINGER`` is on with a time of 0."""
        value = self._options and self._options.get(_LINGER)
        return bool(value) and value == struct.pack("ii", 1, 0)

    def fileno(self) -> int:
        """-1: there is no file descriptor."""
        return -1

    def get_inheritable(self) -> bool:
        return False

    def gettimeout(self) -> float:
        return 0.0

    def settimeout(self, value: float | None) -> None:
        if value != 0:
            raise ValueError("settimeout(): only 0 timeout is allowed on transport sockets")

    def setblocking(self, flag: bool) -> None:
        if flag:
            raise ValueError("setblocking(): transport sockets cannot be blocking")

    def shutdown(self, how: int) -> None:
        raise Refused("Use transport.write_eof() or close(): this socket has no bytes of its own.")

    def dup(self) -> Any:
        raise Refused("A socket of the simulated network cannot be duplicated.")
