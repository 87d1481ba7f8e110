"""Hashes."""

from __future__ import annotations

from fractions import Fraction

from ..arguments import HIGHEST, LOWEST, integer, integer_or_none, long_double
from ..replies import Pairs, RedisError, Reply, syntax_error
from ..values import Hash
from .counters import sum_of
from .keys import ScanOptions
from .strings import ONE
from .table import Call, Words, command


def _read(call: Call) -> Hash:
    return call.db.get(call.args[0], Hash) or Hash()


def _put(call: Call) -> int:
    """Set fields; how many of them are new."""
    if not len(call.args) % 2:
        raise call.wrong_number()
    key = call.args[0]
    fields = call.db.get_or_new(key, Hash)
    before = len(fields)
    fields.update(zip(call.args[1::2], call.args[2::2], strict=True))
    call.db.store(key, fields)
    return len(fields) - before


@command("HSET", -4, "write denyoom fast", ONE)
def hset(call: Call) -> Reply:
    return _put(call)


@command("HMSET", -4, "write denyoom fast", ONE)
def hmset(call: Call) -> Reply:
    _put(call)
    return "OK"


@command("HSETNX", 4, "write denyoom fast", ONE)
def hsetnx(call: Call) -> Reply:
    key, field, value = call.args
    fields = call.db.get_or_new(key, Hash)
    if field in fields:
        return 0
    fields[field] = value
    call.db.store(key, fields)
    return 1


@command("HGET", 3, "readonly fast", ONE)
def hget(call: Call) -> Reply:
    return _read(call).get(call.args[1])


@command("HMGET", -3, "readonly fast", ONE)
def hmget(call: Call) -> Reply:
    fields = _read(call)
    return [fields.get(field) for field in call.args[1:]]


@command("HGETALL", 2, "readonly", ONE)
def hgetall(call: Call) -> Reply:
    return dict(_read(call))


@command("HKEYS", 2, "readonly", ONE)
def hkeys(call: Call) -> Reply:
    return list(_read(call))


@command("HVALS", 2, "readonly", ONE)
def hvals(call: Call) -> Reply:
    return list(_read(call).values())


@command("HLEN", 2, "readonly fast", ONE)
def hlen(call: Call) -> Reply:
    return len(_read(call))


@command("HEXISTS", 3, "readonly fast", ONE)
def hexists(call: Call) -> Reply:
    return int(call.args[1] in _read(call))


@command("HSTRLEN", 3, "readonly fast", ONE)
def hstrlen(call: Call) -> Reply:
    return len(_read(call).get(call.args[1], b""))


@command("HDEL", -3, "write fast", ONE)
def hdel(call: Call) -> Reply:
    key, fields = call.args[0], _read(call)
    gone = sum(fields.pop(field, None) is not None for field in call.args[1:])
    if gone:
        call.db.store(key, fields)
    return gone


@command("HINCRBY", 4, "write denyoom fast", ONE)
def hincrby(call: Call) -> Reply:
    key, field, text = call.args
    amount = integer(text)
    fields = call.db.get_or_new(key, Hash)
    value = integer_or_none(fields.get(field, b"0"))
    if value is None:
        raise RedisError("ERR hash value is not an integer")
    if not LOWEST <= value + amount <= HIGHEST:
        raise RedisError("ERR increment or decrement would overflow")
    fields[field] = b"%d" % (value + amount)
    call.db.store(key, fields)
    return value + amount


@command("HINCRBYFLOAT", 4, "write denyoom fast", ONE)
def hincrbyfloat(call: Call) -> Reply:
    key, field, text = call.args
    endless = "ERR value is NaN or Infinity"
    sum_of(Fraction(0), text, endless)
    fields = call.db.get_or_new(key, Hash)
    value = long_double(fields.get(field, b"0"), "ERR hash value is not a float")
    fields[field] = sum_of(value, text, endless)
    call.db.store(key, fields)
    return fields[field]


@command("HSCAN", -3, "readonly", ONE)
def hscan(call: Call) -> Reply:
    options = ScanOptions(Words(call.args, 1))
    fields = call.db.get(call.args[0], Hash)
    if fields is None:
        return [b"0", []]
    options.read(flags=(b"NOVALUES",))
    cursor, found = options.page_of_value(fields, len(fields))
    if options.flags:
        return [cursor, found]
    return [cursor, [part for field in found for part in (field, fields[field])]]


@command("HRANDFIELD", -2, "readonly", ONE)
def hrandfield(call: Call) -> Reply:
    words = Words(call.args, 1)
    if not words:
        fields = list(_read(call))
        return fields[call.engine.choose(len(fields))] if fields else None
    count, with_values = integer(words.word()), False
    if words:
        if words.option() != b"WITHVALUES" or words:
            raise syntax_error()
        with_values = True
    values = _read(call)
    chosen = sample(call, list(values), count)
    return Pairs((field, values[field]) for field in chosen) if with_values else chosen


def sample(call: Call, items: list[bytes], count: int) -> list[bytes]:
    """So many items at random: different ones, or with repeats for a negative count."""
    if not items:
        return []
    if count < 0:
        return [items[call.engine.choose(len(items))] for _ in range(-count)]
    chosen = []
    for _ in range(min(count, len(items))):
        chosen.append(items.pop(call.engine.choose(len(items))))
    return chosen
