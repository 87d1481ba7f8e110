"""Reads numbers, limits and options out of a command's arguments, as strictly as Redis does."""

from __future__ import annotations

import functools
import math
import re
from fractions import Fraction

from .replies import RedisError, not_a_float, not_an_integer

LOWEST, HIGHEST = -(2**63), 2**63 - 1
_FARTHEST = 4932  # the exponent of a long double
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
    value = float(text) if _FLOAT.fullmatch(text) else math.nan
    endless = math.isinf(value) and b"inf" not in text.lower()
    too_small = value == 0 and _mantissa(text)
    if math.isnan(value) or endless or too_small:
        raise RedisError(complaint) if complaint else not_a_float()
    return value


def _mantissa(text: bytes) -> bool:
    """True if the number is not zero, however small it is."""
    return bool(text.lower().partition(b"e")[0].strip(b"+-0."))


def long_double(text: bytes, complaint: str = "") -> Fraction:
    """A number with the 64 bits that a long double has; raises `RedisError`."""
    exponent = text.lower().partition(b"e")[2] or b"0"
    if not _FLOAT.fullmatch(text) or b"inf" in text.lower() or abs(int(exponent)) > _FARTHEST:
        raise RedisError(complaint) if complaint else not_a_float()
    return _rounded(Fraction(text.decode()))


def add_long_doubles(one: Fraction, other: Fraction) -> bytes:
    """The sum, printed as INCRBYFLOAT does: at most 17 decimals, no exponent, no zeros behind."""
    total = round(_rounded(one + other) * 10**17)
    whole, decimals = divmod(abs(total), 10**17)
    fraction = f"{decimals:017}".rstrip("0")
    sign = "-" if total < 0 else ""
    return f"{sign}{whole}{'.' if fraction else ''}{fraction}".encode()


def _rounded(value: Fraction) -> Fraction:
    """The nearest number with a mantissa of 64 bits."""
    if not value:
        return value
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length() - 64
    while True:
        unit = Fraction(2) ** exponent
        mantissa = round(value / unit)
        if abs(mantissa) < 2**64:
            return mantissa * unit
        exponent += 1


def seconds(text: bytes) -> int | None:
    """The timeout of a blocking command, in milliseconds; None for one that waits for ever."""
    if not _FLOAT.fullmatch(text):
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
