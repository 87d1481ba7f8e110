"""Reads numbers, limits and options out of a command's arguments, as strictly as Redis does."""

from __future__ import annotations

import functools
import math
import re
from decimal import Decimal, localcontext

from .replies import RedisError, not_a_float, not_an_integer

LOWEST, HIGHEST = -(2**63), 2**63 - 1
_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_FLOAT = re.compile(
    rb"[+-]?(inf(inity)?|([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?)", re.IGNORECASE
)


def integer_or_none(text: bytes) -> int | None:
    """A signed 64-bit integer in its one canonical spelling, or None."""
    if not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if LOWEST <= number <= HIGHEST else None


def integer(text: bytes, complaint: str = "") -> int:
    """A signed 64-bit integer; raises `RedisError`."""
    number = integer_or_none(text)
    if number is None:
        raise RedisError(complaint) if complaint else not_an_integer()
    return number


def positive(text: bytes, complaint: str = "ERR value is out of range, must be positive") -> int:
    """An integer that is not negative; raises `RedisError`."""
    number = integer_or_none(text)
    if number is None or number < 0:
        raise RedisError(complaint)
    return number


def double(text: bytes, complaint: str = "") -> float:
    """A double, infinities included; raises `RedisError`."""
    if not _FLOAT.fullmatch(text):
        raise RedisError(complaint) if complaint else not_a_float()
    return float(text)


def long_double(text: bytes) -> Decimal:
    """A number that is added to, with more digits than a double has; raises `RedisError`."""
    if not _FLOAT.fullmatch(text) or b"inf" in text.lower():
        raise not_a_float()
    return Decimal(text.decode())


def add_decimals(one: Decimal, other: Decimal) -> bytes:
    """The sum, printed as INCRBYFLOAT does: at most 17 decimals, no exponent, no zeros behind."""
    with localcontext() as context:
        context.prec = 60
        total = one + other
        shown = f"{total:.17f}"
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return b"0" if shown in ("-0", "") else shown.encode()


def seconds(text: bytes) -> int | None:
    """The timeout of a blocking command, in milliseconds; None for one that waits for ever."""
    if not _FLOAT.fullmatch(text) or math.isinf(float(text)):
        raise RedisError("ERR timeout is not a float or out of range")
    value = float(text)
    if value < 0:
        raise RedisError("ERR timeout is negative")
    if value * 1000 > HIGHEST:
        raise RedisError("ERR timeout is out of range")
    return math.ceil(value * 1000) or None


def milliseconds(text: bytes) -> int | None:
    """The BLOCK of a stream command, in milliseconds; None for one that waits for ever."""
    value = integer(text, "ERR timeout is not an integer or out of range")
    if value < 0:
        raise RedisError("ERR timeout is negative")
    return value or None


def bounds(start: int, stop: int, length: int) -> tuple[int, int]:
    """A range of positions with negative ones counted from the end, as a Python slice."""
    if start < 0:
        start = max(0, start + length)
    if stop < 0:
        stop += length
    return start, max(start, min(stop + 1, length))


@functools.lru_cache(maxsize=1024)
def glob(pattern: bytes) -> re.Pattern[bytes]:
    """A pattern with ``*``, ``?``, ``[a-z]``, ``[^a]`` and ``\\`` as a regular expression."""
    out, position = [], 0
    while position < len(pattern):
        char = pattern[position : position + 1]
        position += 1
        if char == b"*":
            out.append(b".*")
        elif char == b"?":
            out.append(b".")
        elif char == b"[":
            piece, position = _bracket(pattern, position)
            out.append(piece)
        else:
            if char == b"\\" and position < len(pattern):
                char = pattern[position : position + 1]
                position += 1
            out.append(re.escape(char))
    return re.compile(b"".join(out) + rb"\Z", re.DOTALL)


def _bracket(pattern: bytes, position: int) -> tuple[bytes, int]:
    """The characters between ``[`` and ``]``; a bracket that is never closed ends the pattern."""
    negated = pattern[position : position + 1] == b"^"
    position += negated
    items = []
    while position < len(pattern) and pattern[position : position + 1] != b"]":
        if pattern[position : position + 1] == b"\\" and position + 1 < len(pattern):
            position += 1
        elif pattern[position + 1 : position + 2] == b"-" and position + 2 < len(pattern):
            low, high = sorted((pattern[position], pattern[position + 2]))
            items.append(re.escape(bytes([low])) + b"-" + re.escape(bytes([high])))
            position += 3
            continue
        items.append(re.escape(pattern[position : position + 1]))
        position += 1
    if not items:
        return (b"." if negated else rb"(?!)"), position + 1
    return b"[" + (b"^" if negated else b"") + b"".join(items) + b"]", position + 1
