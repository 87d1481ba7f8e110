"""RESP2 and RESP3, the protocol of Redis: requests from bytes, replies to bytes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .replies import (
    NULL_ARRAY,
    Members,
    Pairs,
    Push,
    RedisError,
    Reply,
    Streams,
    Text,
)

_LONGEST_BULK = 512 * 1024 * 1024
_MOST_ARGUMENTS = 1024 * 1024
_LONGEST_INLINE = 64 * 1024


class ProtocolError(Exception):
    """The client does not speak RESP; the connection ends with this text."""


class Requests:
    """Takes bytes as they come and gives whole requests."""

    __slots__ = ("_arguments", "_buffer", "_missing", "_position")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._position = 0
        self._arguments: list[bytes] = []
        self._missing = 0

    def feed(self, data: bytes) -> None:
        """Add bytes that have arrived."""
        if self._position:
            del self._buffer[: self._position]
            self._position = 0
        self._buffer += data

    def next(self) -> list[bytes] | None:
        """The next request, a list of at least one argument; None until there is a whole one.

        Raises `ProtocolError`.
        """
        while True:
            if not self._missing:
                line = self._line()
                if line is None:
                    return None
                if not line.startswith(b"*"):
                    words = line.split()
                    if words:
                        return words
                    continue
                self._missing = _length(line, _MOST_ARGUMENTS, "invalid multibulk length")
                self._arguments = []
                if self._missing <= 0:
                    self._missing = 0
                    continue
            if not self._read_arguments():
                return None
            return self._arguments

    def _read_arguments(self) -> bool:
        buffer = self._buffer
        while self._missing:
            start = self._position
            end = buffer.find(b"\r\n", start)
            if end < 0:
                return False
            if buffer[start : start + 1] != b"$":
                got = chr(buffer[start])
                raise ProtocolError(f"ERR Protocol error: expected '$', got '{got}'")
            size = _length(bytes(buffer[start:end]), _LONGEST_BULK, "invalid bulk length")
            if size < 0:
                raise ProtocolError("ERR Protocol error: invalid bulk length")
            begin = end + 2
            if len(buffer) < begin + size + 2:
                return False
            self._arguments.append(bytes(buffer[begin : begin + size]))
            self._position = begin + size + 2
            self._missing -= 1
        return True

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._position)
        if end < 0:
            if len(self._buffer) - self._position > _LONGEST_INLINE:
                raise ProtocolError("ERR Protocol error: too big inline request")
            return None
        line = bytes(self._buffer[self._position : end]).rstrip(b"\r")
        self._position = end + 1
        return line


def _length(line: bytes, most: int, complaint: str) -> int:
    try:
        number = int(line[1:])
    except ValueError:
        number = most + 1
    if number > most:
        raise ProtocolError(f"ERR Protocol error: {complaint}")
    return number


# -- numbers --------------------------------------------------------------------------------------


def format_double(value: float) -> bytes:
    """A double as Redis prints it: the fewest digits that are read back as the same number."""
    if math.isinf(value):
        return b"inf" if value > 0 else b"-inf"
    if math.isnan(value):
        return b"nan"
    if value == 0:
        return b"-0" if math.copysign(1.0, value) < 0 else b"0"
    if value.is_integer() and abs(value) < 2**62:
        return b"%d" % int(value)
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    power = int(exponent or 0) - len(fraction)
    stripped = digits.rstrip("0")
    power += len(digits) - len(stripped)
    return (sign + _layout(stripped, power)).encode()


def _layout(digits: str, power: int) -> str:
    """Lay out ``digits`` times ten to the ``power`` as Redis' fpconv does."""
    count = len(digits)
    exponent = power + count - 1
    if power >= 0 and abs(exponent) < count + 7:
        return digits + "0" * power
    if power < 0 and (power > -7 or abs(exponent) < 4):
        offset = count - abs(power)
        if offset <= 0:
            return "0." + "0" * -offset + digits
        return digits[:offset] + "." + digits[offset:]
    shown = digits[0] + ("." + digits[1:] if count > 1 else "")
    return f"{shown}e{'-' if exponent < 0 else '+'}{abs(exponent)}"


# -- replies --------------------------------------------------------------------------------------

_CRLF = b"\r\n"


def encode(reply: Reply, protocol: int) -> bytes:
    """A reply as bytes, in RESP ``protocol`` 2 or 3."""
    parts: list[bytes] = []
    _WRITERS[type(reply)](reply, protocol, parts)
    return b"".join(parts)


def _write(reply: Reply, protocol: int, parts: list[bytes]) -> None:
    _WRITERS[type(reply)](reply, protocol, parts)


def _write_status(reply: str, protocol: int, parts: list[bytes]) -> None:
    parts.append(b"+%s\r\n" % reply.encode())


def _write_bulk(reply: bytes, protocol: int, parts: list[bytes]) -> None:
    parts.append(b"$%d\r\n%s\r\n" % (len(reply), reply))


def _write_text(reply: bytes, protocol: int, parts: list[bytes]) -> None:
    if protocol == 3:
        parts.append(b"=%d\r\ntxt:%s\r\n" % (len(reply) + 4, reply))
    else:
        _write_bulk(reply, protocol, parts)


def _write_integer(reply: int, protocol: int, parts: list[bytes]) -> None:
    parts.append(b":%d\r\n" % reply)


def _write_double(reply: float, protocol: int, parts: list[bytes]) -> None:
    shown = format_double(reply)
    parts.append(b",%s\r\n" % shown if protocol == 3 else b"$%d\r\n%s\r\n" % (len(shown), shown))


def _write_null(reply: None, protocol: int, parts: list[bytes]) -> None:
    parts.append(b"_\r\n" if protocol == 3 else b"$-1\r\n")


def _write_null_array(reply: Any, protocol: int, parts: list[bytes]) -> None:
    parts.append(b"_\r\n" if protocol == 3 else b"*-1\r\n")


def _write_error(reply: RedisError, protocol: int, parts: list[bytes]) -> None:
    text = reply.text.replace("\r", " ").replace("\n", " ")
    parts.append(b"-%s\r\n" % text.encode("utf-8", "surrogateescape"))


def _array_writer(sign: bytes) -> Callable[[Any, int, list[bytes]], None]:
    def write(reply: Any, protocol: int, parts: list[bytes]) -> None:
        parts.append(b"%s%d\r\n" % (sign if protocol == 3 else b"*", len(reply)))
        for item in reply:
            _WRITERS[type(item)](item, protocol, parts)

    return write


def _write_map(reply: dict[Any, Any], protocol: int, parts: list[bytes]) -> None:
    parts.append(b"%%%d\r\n" % len(reply) if protocol == 3 else b"*%d\r\n" % (2 * len(reply)))
    for key, value in reply.items():
        _write(key, protocol, parts)
        _write(value, protocol, parts)


def _write_pairs(reply: Pairs, protocol: int, parts: list[bytes]) -> None:
    parts.append(b"*%d\r\n" % (len(reply) if protocol == 3 else 2 * len(reply)))
    for key, value in reply:
        if protocol == 3:
            parts.append(b"*2\r\n")
        _write(key, protocol, parts)
        _write(value, protocol, parts)


def _write_streams(reply: Streams, protocol: int, parts: list[bytes]) -> None:
    parts.append((b"%%%d\r\n" if protocol == 3 else b"*%d\r\n") % len(reply))
    for key, value in reply:
        if protocol != 3:
            parts.append(b"*2\r\n")
        _write(key, protocol, parts)
        _write(value, protocol, parts)


_WRITERS: dict[type, Callable[[Any, int, list[bytes]], None]] = {
    str: _write_status,
    bytes: _write_bulk,
    Text: _write_text,
    int: _write_integer,
    bool: _write_integer,
    float: _write_double,
    type(None): _write_null,
    type(NULL_ARRAY): _write_null_array,
    RedisError: _write_error,
    list: _array_writer(b"*"),
    tuple: _array_writer(b"*"),
    Members: _array_writer(b"~"),
    Push: _array_writer(b">"),
    dict: _write_map,
    Pairs: _write_pairs,
    Streams: _write_streams,
}
