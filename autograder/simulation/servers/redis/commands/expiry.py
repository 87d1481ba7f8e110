"""When keys expire: EXPIRE and its like."""

from __future__ import annotations

from ..arguments import HIGHEST, integer
from ..replies import RedisError, Reply
from .strings import ONE
from .table import Call, command

_NEVER = HIGHEST


def _expire(call: Call, factor: int, absolute: bool) -> Reply:
    key, time, *options = call.args
    flags = _flags(options)
    value = integer(time)
    invalid = f"ERR invalid expire time in '{call.command.name}' command"
    if abs(value) > HIGHEST // factor:
        raise RedisError(invalid)
    when = value * factor + (0 if absolute else call.now)
    if when > HIGHEST:
        raise RedisError(invalid)
    if key not in call.db.values or not _permits(flags, call.db.expiries.get(key), when):
        return 0
    if when <= call.now:
        call.db.delete(key)
    else:
        call.db.expire_at(key, when)
        call.db.touch(key)
    return 1


def _flags(options: list[bytes]) -> set[bytes]:
    flags = set()
    for option in options:
        flag = option.upper()
        if flag not in (b"NX", b"XX", b"GT", b"LT"):
            raise RedisError(f"ERR Unsupported option {option.decode('utf-8', 'replace')}")
        flags.add(flag)
    if b"NX" in flags and len(flags) > 1:
        raise RedisError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if {b"GT", b"LT"} <= flags:
        raise RedisError("ERR GT and LT options at the same time are not compatible")
    return flags


def _permits(flags: set[bytes], before: int | None, when: int) -> bool:
    """A key without an expiry counts as one that expires at the end of time."""
    old = _NEVER if before is None else before
    return not (
        (b"NX" in flags and before is not None)
        or (b"XX" in flags and before is None)
        or (b"GT" in flags and (before is None or when <= old))
        or (b"LT" in flags and when >= old)
    )


@command("EXPIRE", -3, "write fast", ONE)
def expire(call: Call) -> Reply:
    return _expire(call, 1000, absolute=False)


@command("PEXPIRE", -3, "write fast", ONE)
def pexpire(call: Call) -> Reply:
    return _expire(call, 1, absolute=False)


@command("EXPIREAT", -3, "write fast", ONE)
def expireat(call: Call) -> Reply:
    return _expire(call, 1000, absolute=True)


@command("PEXPIREAT", -3, "write fast", ONE)
def pexpireat(call: Call) -> Reply:
    return _expire(call, 1, absolute=True)


def _time_of(call: Call) -> tuple[bool, int | None]:
    key = call.args[0]
    return key in call.db.values, call.db.expiries.get(key)


def _shown(there: bool, value: int | None) -> Reply:
    if value is not None:
        return value
    return -1 if there else -2


@command("TTL", 2, "readonly fast", ONE)
def ttl(call: Call) -> Reply:
    there, when = _time_of(call)
    return _shown(there, None if when is None else (max(0, when - call.now) + 500) // 1000)


@command("PTTL", 2, "readonly fast", ONE)
def pttl(call: Call) -> Reply:
    there, when = _time_of(call)
    return _shown(there, None if when is None else max(0, when - call.now))


@command("EXPIRETIME", 2, "readonly fast", ONE)
def expiretime(call: Call) -> Reply:
    there, when = _time_of(call)
    return _shown(there, None if when is None else (when + 500) // 1000)


@command("PEXPIRETIME", 2, "readonly fast", ONE)
def pexpiretime(call: Call) -> Reply:
    return _shown(*_time_of(call))


@command("PERSIST", 2, "write fast", ONE)
def persist(call: Call) -> Reply:
    key = call.args[0]
    if key not in call.db.expiries:
        return 0
    call.db.expire_at(key, None)
    call.db.touch(key)
    return 1
