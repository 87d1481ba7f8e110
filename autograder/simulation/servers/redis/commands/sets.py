"""Sets."""

from __future__ import annotations

from collections.abc import Callable

from ..arguments import integer, positive
from ..replies import Members, RedisError, Reply, syntax_error
from ..values import Set
from .hashes import sample
from .keys import ScanOptions
from .strings import ONE
from .table import Call, Words, command


def _read(call: Call, key: bytes | None = None) -> Set:
    return call.db.get(call.args[0] if key is None else key, Set) or Set()


@command("SADD", -3, "write denyoom fast", ONE)
def sadd(call: Call) -> Reply:
    key, *members = call.args
    values = call.db.get_or_new(key, Set)
    before = len(values)
    values.update(dict.fromkeys(members))
    if len(values) > before:
        call.db.store(key, values)
    return len(values) - before


@command("SREM", -3, "write fast", ONE)
def srem(call: Call) -> Reply:
    key, *members = call.args
    return _remove(call, key, members)


def _remove(call: Call, key: bytes, members: list[bytes]) -> int:
    values = _read(call, key)
    gone = [member for member in dict.fromkeys(members) if member in values]
    for member in gone:
        del values[member]
    if gone:
        call.db.store(key, values)
    return len(gone)


@command("SMEMBERS", 2, "readonly", ONE)
def smembers(call: Call) -> Reply:
    return Members(_read(call))


@command("SCARD", 2, "readonly fast", ONE)
def scard(call: Call) -> Reply:
    return len(_read(call))


@command("SISMEMBER", 3, "readonly fast", ONE)
def sismember(call: Call) -> Reply:
    return int(call.args[1] in _read(call))


@command("SMISMEMBER", -3, "readonly fast", ONE)
def smismember(call: Call) -> Reply:
    values = _read(call)
    return [int(member in values) for member in call.args[1:]]


@command("SMOVE", 4, "write fast", (1, 2, 1))
def smove(call: Call) -> Reply:
    source, target, member = call.args
    values = call.db.get(source, Set)
    if values is None:
        return 0
    goal = call.db.get_or_new(target, Set)
    if member not in values:
        return 0
    if source != target:
        _remove(call, source, [member])
        goal[member] = None
        call.db.store(target, goal)
    return 1


@command("SPOP", -2, "write fast", ONE)
def spop(call: Call) -> Reply:
    if len(call.args) > 2:
        raise syntax_error()
    key = call.args[0]
    count = positive(call.args[1]) if len(call.args) == 2 else None
    chosen = sample(call, list(_read(call)), 1 if count is None else count)
    _remove(call, key, chosen)
    if count is None:
        return chosen[0] if chosen else None
    return Members(chosen)


@command("SRANDMEMBER", -2, "readonly", ONE)
def srandmember(call: Call) -> Reply:
    if len(call.args) > 2:
        raise syntax_error()
    count = integer(call.args[1]) if len(call.args) == 2 else None
    chosen = sample(call, list(_read(call)), 1 if count is None else count)
    if count is None:
        return chosen[0] if chosen else None
    return chosen


@command("SSCAN", -3, "readonly", ONE)
def sscan(call: Call) -> Reply:
    options = ScanOptions(Words(call.args, 1))
    values = call.db.get(call.args[0], Set)
    if values is None:
        return [b"0", []]
    options.read()
    return list(options.page_of_value(values, len(values)))


# -- several sets ---------------------------------------------------------------------------------


def _union(sets: list[Set]) -> list[bytes]:
    return list(dict.fromkeys(member for one in sets for member in one))


def _intersection(sets: list[Set]) -> list[bytes]:
    return [member for member in sets[0] if all(member in other for other in sets[1:])]


def _difference(sets: list[Set]) -> list[bytes]:
    return [member for member in sets[0] if not any(member in other for other in sets[1:])]


Combine = Callable[[list[Set]], list[bytes]]


def _combined(call: Call, combine: Combine, keys: list[bytes]) -> list[bytes]:
    return combine([_read(call, key) for key in keys])


def _store(call: Call, combine: Combine) -> Reply:
    target, *keys = call.args
    members = _combined(call, combine, keys)
    call.db.delete(target)
    call.db.store(target, Set(dict.fromkeys(members)))
    return len(members)


@command("SUNION", -2, "readonly", (1, -1, 1))
def sunion(call: Call) -> Reply:
    return Members(_combined(call, _union, call.args))


@command("SINTER", -2, "readonly", (1, -1, 1))
def sinter(call: Call) -> Reply:
    return Members(_combined(call, _intersection, call.args))


@command("SDIFF", -2, "readonly", (1, -1, 1))
def sdiff(call: Call) -> Reply:
    return Members(_combined(call, _difference, call.args))


@command("SUNIONSTORE", -3, "write denyoom", (1, -1, 1))
def sunionstore(call: Call) -> Reply:
    return _store(call, _union)


@command("SINTERSTORE", -3, "write denyoom", (1, -1, 1))
def sinterstore(call: Call) -> Reply:
    return _store(call, _intersection)


@command("SDIFFSTORE", -3, "write denyoom", (1, -1, 1))
def sdiffstore(call: Call) -> Reply:
    return _store(call, _difference)


@command("SINTERCARD", -3, "readonly")
def sintercard(call: Call) -> Reply:
    words = Words(call.args)
    keys = counted_keys(words)
    limit = limit_option(words)
    found = len(_combined(call, _intersection, keys))
    return min(found, limit) if limit else found


def counted_keys(words: Words) -> list[bytes]:
    """Keys with their number in front, for commands that count what keys have in common."""
    try:
        count = integer(words.word())
    except RedisError:
        count = 0
    if count <= 0:
        raise RedisError("ERR numkeys should be greater than 0")
    if count > words.left():
        raise RedisError("ERR Number of keys can't be greater than number of args")
    return [words.word() for _ in range(count)]


def limit_option(words: Words) -> int:
    """``LIMIT`` and a number, if they are there; 0 for none."""
    limit = 0
    while words:
        if words.option() != b"LIMIT":
            raise syntax_error()
        limit = positive(words.word(), "ERR LIMIT can't be negative")
    return limit
