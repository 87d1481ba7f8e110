"""Strings: SET with all its options, GET and its like, several keys at once, parts of values."""

from __future__ import annotations

from dataclasses import dataclass

from ..arguments import HIGHEST, bounds, integer
from ..replies import RedisError, Reply, syntax_error
from .table import Call, Words, command

ONE = (1, 1, 1)
LONGEST = 512 * 1024 * 1024
_UNITS = {b"EX": (1000, False), b"PX": (1, False), b"EXAT": (1000, True), b"PXAT": (1, True)}


def expiry_time(call: Call, unit: bytes, text: bytes) -> int:
    """When a key is to expire, in ms since 1970, from ``EX 10``, ``PXAT 1767225600000``, ..."""
    factor, absolute = _UNITS[unit]
    value = integer(text)
    name = call.command.name
    if value <= 0 or value > HIGHEST // factor:
        raise RedisError(f"ERR invalid expire time in '{name}' command")
    when = value * factor
    if not absolute:
        when += call.now
    if when > HIGHEST:
        raise RedisError(f"ERR invalid expire time in '{name}' command")
    return when


def put(call: Call, key: bytes, value: bytes, when: int | None = None, keep: bool = False) -> None:
    """Set a key to a string that expires at ``when``; ``keep`` leaves its expiry as it is."""
    if when is not None and when <= call.now:
        call.db.delete(key)
        return
    call.db.store(key, value, keep_expiry=keep)
    if when is not None:
        call.db.expire_at(key, when)


@dataclass(slots=True)
class _SetOptions:
    only_if: bytes = b""
    expected: bytes = b""
    get: bool = False
    keep: bool = False
    expiry: tuple[bytes, bytes] | None = None


def _read_set_options(call: Call) -> _SetOptions:
    options, words = _SetOptions(), Words(call.args, 2)
    while words:
        word = words.option()
        if word in (b"NX", b"XX", b"IFEQ") and options.only_if in (b"", word):
            options.only_if = word
            if word == b"IFEQ":
                options.expected = words.word()
        elif word == b"GET":
            options.get = True
        elif word == b"KEEPTTL" and options.expiry is None:
            options.keep = True
        elif _may_expire(word, options.expiry) and not options.keep:
            options.expiry = word, words.word()
        else:
            raise syntax_error()
    return options


def _may_expire(word: bytes, before: tuple[bytes, bytes] | None) -> bool:
    """A unit may be given once more, but not another one."""
    return word in _UNITS and (before is None or before[0] == word)


@command("SET", -3, "write denyoom", ONE)
def set_(call: Call) -> Reply:
    key, value = call.args[:2]
    options = _read_set_options(call)
    when = expiry_time(call, *options.expiry) if options.expiry else None
    if options.get or options.only_if == b"IFEQ":
        before: bytes | None = call.db.get(key, bytes)
    else:
        before = None
    there = key in call.db.values
    allowed = {
        b"": True,
        b"NX": not there,
        b"XX": there,
        b"IFEQ": before == options.expected,
    }[options.only_if]
    if allowed:
        put(call, key, value, when, options.keep)
    if options.get:
        return before
    return "OK" if allowed else None


@command("GET", 2, "readonly fast", ONE)
def get(call: Call) -> Reply:
    return call.db.get(call.args[0], bytes)


@command("SETNX", 3, "write denyoom fast", ONE)
def setnx(call: Call) -> Reply:
    key, value = call.args
    if key in call.db.values:
        return 0
    put(call, key, value)
    return 1


@command("SETEX", 4, "write denyoom", ONE)
def setex(call: Call) -> Reply:
    key, time, value = call.args
    put(call, key, value, expiry_time(call, b"EX", time))
    return "OK"


@command("PSETEX", 4, "write denyoom", ONE)
def psetex(call: Call) -> Reply:
    key, time, value = call.args
    put(call, key, value, expiry_time(call, b"PX", time))
    return "OK"


@command("GETSET", 3, "write denyoom fast", ONE)
def getset(call: Call) -> Reply:
    key, value = call.args
    before = call.db.get(key, bytes)
    put(call, key, value)
    return before


@command("GETDEL", 2, "write fast", ONE)
def getdel(call: Call) -> Reply:
    before = call.db.get(call.args[0], bytes)
    call.db.delete(call.args[0])
    return before


@command("GETEX", -2, "write fast", ONE)
def getex(call: Call) -> Reply:
    key, words = call.args[0], Words(call.args, 1)
    expiry: tuple[bytes, bytes] | None = None
    persist = False
    while words:
        word = words.option()
        if word == b"PERSIST" and expiry is None:
            persist = True
        elif _may_expire(word, expiry) and not persist:
            expiry = word, words.word()
        else:
            raise syntax_error()
    when = expiry_time(call, *expiry) if expiry else None
    value = call.db.get(key, bytes)
    if value is None:
        return None
    if when is not None and when <= call.now:
        call.db.delete(key)
    elif when is not None or (persist and key in call.db.expiries):
        call.db.expire_at(key, when)
        call.db.touch(key)
    return value


@command("DELIFEQ", 3, "write fast", ONE)
def delifeq(call: Call) -> Reply:
    key, expected = call.args
    if call.db.get(key, bytes) != expected:
        return 0
    return int(call.db.delete(key))


# -- several keys ---------------------------------------------------------------------------------


@command("MGET", -2, "readonly fast", (1, -1, 1))
def mget(call: Call) -> Reply:
    values = (call.db.values.get(key) for key in call.args)
    return [value if type(value) is bytes else None for value in values]


def _by_key(call: Call) -> list[tuple[bytes, bytes]]:
    if len(call.args) % 2:
        raise call.wrong_number()
    return list(zip(call.args[::2], call.args[1::2], strict=True))


@command("MSET", -3, "write denyoom", (1, -1, 2))
def mset(call: Call) -> Reply:
    for key, value in _by_key(call):
        put(call, key, value)
    return "OK"


@command("MSETNX", -3, "write denyoom", (1, -1, 2))
def msetnx(call: Call) -> Reply:
    wanted = _by_key(call)
    if any(key in call.db.values for key, _ in wanted):
        return 0
    for key, value in wanted:
        put(call, key, value)
    return 1


# -- parts of a value -----------------------------------------------------------------------------


@command("APPEND", 3, "write denyoom fast", ONE)
def append(call: Call) -> Reply:
    key, more = call.args
    value = (call.db.get(key, bytes) or b"") + more
    call.db.store(key, value)
    return len(value)


@command("STRLEN", 2, "readonly fast", ONE)
def strlen(call: Call) -> Reply:
    return len(call.db.get(call.args[0], bytes) or b"")


@command("GETRANGE", 4, "readonly", ONE)
@command("SUBSTR", 4, "readonly", ONE)
def getrange(call: Call) -> Reply:
    key, start, stop = call.args
    first, last = integer(start), integer(stop)
    value = call.db.get(key, bytes) or b""
    if first < 0 and last < 0 and first > last:
        return b""
    low, high = bounds(first, max(last, -len(value)), len(value))
    return value[low:high]


@command("SETRANGE", 4, "write denyoom", ONE)
def setrange(call: Call) -> Reply:
    key, text, part = call.args
    offset = integer(text)
    if offset < 0:
        raise RedisError("ERR offset is out of range")
    value = call.db.get(key, bytes)
    if not part:
        return len(value or b"")
    if offset + len(part) > LONGEST:
        raise RedisError("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    old = (value or b"").ljust(offset, b"\0")
    call.db.store(key, old[:offset] + part + old[offset + len(part) :])
    return max(len(old), offset + len(part))
