"""Strings that are numbers: INCR and its like."""

from __future__ import annotations

from decimal import Decimal

from ..arguments import HIGHEST, LOWEST, add_decimals, double, integer, long_double
from ..replies import RedisError, Reply, not_a_float
from .strings import ONE
from .table import Call, command


def _add(call: Call, key: bytes, amount: int) -> Reply:
    total = integer(call.db.get(key, bytes) or b"0") + amount
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
    value = long_double(call.db.get(key, bytes) or b"0")
    total = sum_of(value, text, "ERR increment would produce NaN or Infinity")
    call.db.store(key, total)
    return total


def sum_of(value: Decimal, text: bytes, endless: str) -> bytes:
    """A number and what is added to it, printed; ``endless`` is the error for infinity."""
    if double(text) in (float("inf"), float("-inf")) and b"inf" in text.lower():
        raise RedisError(endless)
    try:
        return add_decimals(value, long_double(text))
    except ArithmeticError:
        raise not_a_float() from None
