"""Redis' protocol in a few words, for the timeline: ``XACK orders shipping 5-0``."""

from __future__ import annotations

import re

_REQUEST = re.compile(rb"\*[1-9][0-9]*\r\n\$[0-9]+\r\n")
_REPLY = re.compile(rb"[+\-:,_#$=*~%>][^\r\n]*\r\n")
_MOST = 200
"""Bytes of one value that are looked at: more is not shown anyway."""
_MOST_SAID = 45
_NOT_RESP = (ValueError, IndexError)


def request(data: bytes) -> str | None:
    """The commands that data is made of; None if it is no whole request."""
    if not _REQUEST.match(data):
        return None
    try:
        words, end = _array(data, 0, quoted=False)
        more, position = 0, end
        while position < len(data):
            _, position = _array(data, position, quoted=False)
            more += 1
    except _NOT_RESP:
        return None
    said = " ".join(" ".join(words).split())
    return f"{said[:_MOST_SAID]} and {more} more" if more else said


def reply(data: bytes) -> str | None:
    """What data answers; None if it is no whole reply."""
    if not _REPLY.match(data):
        return None
    said, position = [], 0
    try:
        while position < len(data):
            value, position = _value(data, position)
            said.append(value)
    except _NOT_RESP:
        return None
    return " ".join(", ".join(said).split())


def _value(data: bytes, position: int, *, quoted: bool = True) -> tuple[str, int]:
    end = data.index(b"\r\n", position)
    kind, rest = data[position : position + 1], data[position + 1 : end]
    if kind in b"$=":
        size = int(rest)
        if size < 0:
            return "nil", end + 2
        after = end + 2 + size + 2
        if data[after - 2 : after] != b"\r\n":
            raise ValueError(data)
        content = data[end + 2 : min(after - 2, end + 2 + _MOST)].decode("utf-8", "replace")
        return repr(content) if quoted else content, after
    if kind in b"*~>":
        items, after = _array(data, position, quoted=quoted)
        return f"[{', '.join(items)}]" if kind != b">" else " ".join(items), after
    if kind == b"%":
        pairs, after = _items(data, end + 2, 2 * int(rest), quoted=quoted)
        shown = ", ".join(f"{k}: {v}" for k, v in zip(pairs[::2], pairs[1::2], strict=True))
        return f"{{{shown}}}", after
    if kind not in b"+-:,_#":
        raise ValueError(data)
    text = rest.decode("utf-8", "replace")
    return f"error {text}" if kind == b"-" else text or "nil", end + 2


def _array(data: bytes, position: int, *, quoted: bool) -> tuple[list[str], int]:
    end = data.index(b"\r\n", position)
    if data[position : position + 1] not in b"*~>":
        raise ValueError(data)
    return _items(data, end + 2, max(0, int(data[position + 1 : end])), quoted=quoted)


def _items(data: bytes, position: int, count: int, *, quoted: bool) -> tuple[list[str], int]:
    items = []
    for _ in range(count):
        item, position = _value(data, position, quoted=quoted)
        items.append(item)
    return items, position
