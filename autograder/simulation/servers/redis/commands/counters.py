"""Strings that are numbers: INCR and its like."""

from __future__ import annotations

from fractions import Fraction

from ..arguments import HIGHEST, LOWEST, add_long_doubles, integer, long_double
from ..replies import RedisError, Reply
from .strings import ONE
from .table import Call, command


def _add(call: Call, key: bytes, amount: int) -> Reply:
    value = call.db.get(key, bytes)
    total = (0 if value is None else integer(value)) + amount
    if not LOWEST <= total <= HIGHEST:
        raise RedisError("ERR increment or decrement would overflow")
    call.db.store(key, b"%d" % total)
    return total


@command("INCR", 2, "write denyoom fast", ONE)
def incr(call: Call) -> Reply:
    return _add(call, call.args[0], 1)


@command("DECR", 2, "write denyoom fast", ONE)
def decr(call: Call) -> Reply:
    return _add(call, call.args[0], -1)


@command("INCRBY", 3, "write denyoom fast", ONE)
def incrby(call: Call) -> Reply:
    return _add(call, call.args[0], integer(call.args[1]))


@command("DECRBY", 3, "write denyoom fast", ONE)
def decrby(call: Call) -> Reply:
    amount = integer(call.args[1])
    if amount == LOWEST:
        raise RedisError("ERR decrement would overflow")
    return _add(call, call.args[0], -amount)


@command("INCRBYFLOAT", 3, "write denyoom fast", ONE)
def incrbyfloat(call: Call) -> Reply:
    key, text = call.args
    before = call.db.get(key, bytes)
    value = Fraction(0) if before is None else long_double(before)
    total = sum_of(value, text, "ERR increment would produce NaN or Infinity")
    call.db.store(key, total)
    return total


def sum_of(value: Fraction, text: bytes, endless: str) -> bytes:
    """A number and what is added to it, printed; ``endless`` is the error for infinity."""
    if b"inf" in text.lower():
        raise RedisError(endless)
    return add_long_doubles(value, long_double(text))
