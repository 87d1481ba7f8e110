"""AMQP 0-9-1 on the wire in a few words, for the timeline."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_PREFIX = struct.Struct(">BHI")
_GREETING = b"AMQP\x00\x00\x09\x01"
_METHOD, _BODY, _HEARTBEAT = 1, 3, 8
_END = 0xCE
_LONGEST = 24
_MOST = 3

_CLASSES = {
    10: "connection",
    20: "channel",
    40: "exchange",
    50: "queue",
    60: "basic",
    85: "confirm",
}
_METHODS = {
    (10, 10): "start", (10, 11): "start-ok", (10, 30): "tune", (10, 31): "tune-ok",
    (10, 40): "open", (10, 41): "open-ok", (10, 50): "close", (10, 51): "close-ok",
    (10, 60): "blocked", (10, 61): "unblocked",
    (20, 10): "open", (20, 11): "open-ok", (20, 20): "flow", (20, 21): "flow-ok",
    (20, 40): "close", (20, 41): "close-ok",
    (40, 10): "declare", (40, 11): "declare-ok", (40, 20): "delete", (40, 21): "delete-ok",
    (40, 30): "bind", (40, 31): "bind-ok", (40, 40): "unbind", (40, 51): "unbind-ok",
    (50, 10): "declare", (50, 11): "declare-ok", (50, 20): "bind", (50, 21): "bind-ok",
    (50, 30): "purge", (50, 31): "purge-ok", (50, 40): "delete", (50, 41): "delete-ok",
    (50, 50): "unbind", (50, 51): "unbind-ok",
    (60, 10): "qos", (60, 11): "qos-ok", (60, 20): "consume", (60, 21): "consume-ok",
    (60, 30): "cancel", (60, 31): "cancel-ok", (60, 40): "publish", (60, 50): "return",
    (60, 60): "deliver", (60, 70): "get", (60, 71): "get-ok", (60, 72): "get-empty",
    (60, 80): "ack", (60, 90): "reject", (60, 100): "recover-async", (60, 110): "recover",
    (60, 111): "recover-ok", (60, 120): "nack",
    (85, 10): "select", (85, 11): "select-ok",
}  # fmt: skip


def looks_like_frames(data: bytes) -> bool:
    """True for what begins and ends as AMQP's frames do, and for the header before them."""
    if data == _GREETING:
        return True
    return len(data) > _PREFIX.size and data[-1] == _END and data[0] in (1, 2, 3, 8)


def describe(data: bytes) -> str | None:
    """``basic.deliver 7 'tea', basic.deliver 8 'milk'``; None if these are no whole frames."""
    if data == _GREETING:
        return "AMQP 0-9-1"
    said: list[str] = []
    for kind, payload in _frames(data):
        if kind == _METHOD:
            said.append(_method(payload))
        elif kind == _BODY and said:
            said[-1] += f" {_text(payload)}"
        elif kind == _HEARTBEAT:
            said.append("heartbeat")
        elif kind < 0:
            return None
    if len(said) > _MOST:
        said[_MOST - 1 :] = [f"{len(said) - _MOST + 1} more"]
    return ", ".join(said) or None


def _frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each frame; type -1 where there is none."""
    at = 0
    while at < len(data):
        end = at + _PREFIX.size
        size = _PREFIX.unpack_from(data, at)[2] if end <= len(data) else len(data)
        if end + size >= len(data) or data[end + size] != _END:
            yield -1, b""
            return
        yield data[at], data[end : end + size]
        at = end + size + 1


def _method(payload: bytes) -> str:
    numbers = struct.unpack_from(">HH", payload)
    name = f"{_CLASSES.get(numbers[0], numbers[0])}.{_METHODS.get(numbers, numbers[1])}"
    arguments = payload[4:]
    if name in ("basic.ack", "basic.nack", "basic.reject", "basic.get-ok"):
        return f"{name} {_number(arguments)}"
    if name == "basic.deliver":
        return f"{name} {_number(arguments[1 + arguments[0] :])}"
    if name == "basic.publish":
        exchange, rest = _short(arguments[2:])
        key = _short(rest)[0]
        return f"{name} to {exchange or key}"
    return name


def _number(data: bytes) -> int:
    return int.from_bytes(data[:8], "big")


def _short(data: bytes) -> tuple[str, bytes]:
    """A short string, and what comes after it."""
    size = data[0]
    return data[1 : 1 + size].decode("utf-8", "replace"), data[1 + size :]


def _text(body: bytes) -> str:
    text = body[: _LONGEST + 1].decode("utf-8", "replace")
    return repr(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")
