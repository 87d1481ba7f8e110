"""Sorted sets: members with scores. What takes a range of them is in `zranges`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..arguments import double, integer, positive, seconds
from ..replies import NOTHING_YET, NULL_ARRAY, Pairs, RedisError, Reply, syntax_error
from ..resp import format_double
from ..values import SortedSet
from .hashes import sample
from .keys import ScanOptions
from .lists import count_option, numbered_keys
from .strings import ONE
from .table import Call, Words, command

_CONDITIONS = (b"NX", b"XX", b"GT", b"LT")


def read(call: Call, key: bytes | None = None) -> SortedSet:
    """The sorted set of a key, the first argument's if none is given; an empty one if none."""
    return call.db.get(call.args[0] if key is None else key, SortedSet) or SortedSet()


# -- add ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Added:
    new: int = 0
    changed: int = 0
    score: float | None = None


def _add(
    call: Call, pairs: list[tuple[float, bytes]], flags: set[bytes], *, increment: bool
) -> _Added:
    key = call.args[0]
    values = call.db.get_or_new(key, SortedSet)
    done = _Added()
    for amount, member in pairs:
        old = values.scores.get(member)
        if (old is None and b"XX" in flags) or (old is not None and b"NX" in flags):
            continue
        score = amount + (old or 0.0) if increment else amount
        if math.isnan(score):
            raise RedisError("ERR resulting score is not a number (NaN)")
        if old is not None and (
            (b"GT" in flags and score <= old) or (b"LT" in flags and score >= old)
        ):
            continue
        done.score = score
        if old is None:
            done.new += 1
        elif old != score:
            done.changed += 1
        values.put(member, score)
    if done.new or done.changed:
        call.db.store(key, values)
    return done


@command("ZADD", -4, "write denyoom fast", ONE)
def zadd(call: Call) -> Reply:
    flags: set[bytes] = set()
    words = Words(call.args, 1)
    while words:
        word = words.option()
        if word not in (*_CONDITIONS, b"CH", b"INCR"):
            words.position -= 1
            break
        flags.add(word)
    rest = words.rest()
    if not rest or len(rest) % 2:
        raise syntax_error()
    if {b"NX", b"XX"} <= flags:
        raise RedisError("ERR XX and NX options at the same time are not compatible")
    if {b"GT", b"LT"} <= flags or (b"NX" in flags and flags & {b"GT", b"LT"}):
        raise RedisError("ERR GT, LT, and/or NX options at the same time are not compatible")
    if b"INCR" in flags and len(rest) > 2:
        raise RedisError("ERR INCR option supports a single increment-element pair")
    pairs = [(double(score), member) for score, member in zip(rest[::2], rest[1::2], strict=True)]
    done = _add(call, pairs, flags, increment=b"INCR" in flags)
    if b"INCR" in flags:
        return done.score
    return done.new + done.changed if b"CH" in flags else done.new


@command("ZINCRBY", 4, "write denyoom fast", ONE)
def zincrby(call: Call) -> Reply:
    _, amount, member = call.args
    return _add(call, [(double(amount), member)], set(), increment=True).score


# -- look -----------------------------------------------------------------------------------------


@command("ZCARD", 2, "readonly fast", ONE)
def zcard(call: Call) -> Reply:
    return len(read(call))


@command("ZSCORE", 3, "readonly fast", ONE)
def zscore(call: Call) -> Reply:
    return read(call).scores.get(call.args[1])


@command("ZMSCORE", -3, "readonly fast", ONE)
def zmscore(call: Call) -> Reply:
    scores = read(call).scores
    return [scores.get(member) for member in call.args[1:]]


def _rank(call: Call, *, reverse: bool) -> Reply:
    with_score = False
    if len(call.args) > 2:
        if len(call.args) > 3:
            raise call.wrong_number()
        if call.args[2].upper() != b"WITHSCORE":
            raise syntax_error()
        with_score = True
    values, member = read(call), call.args[1]
    rank = values.rank(member)
    if rank is None:
        return NULL_ARRAY if with_score else None
    if reverse:
        rank = len(values) - 1 - rank
    return [rank, values.scores[member]] if with_score else rank


@command("ZRANK", -3, "readonly fast", ONE)
def zrank(call: Call) -> Reply:
    return _rank(call, reverse=False)


@command("ZREVRANK", -3, "readonly fast", ONE)
def zrevrank(call: Call) -> Reply:
    return _rank(call, reverse=True)


@command("ZRANDMEMBER", -2, "readonly", ONE)
def zrandmember(call: Call) -> Reply:
    words = Words(call.args, 1)
    values = read(call)
    members = [member for _, member in values]
    if not words:
        return members[call.engine.choose(len(members))] if members else None
    count, with_scores = integer(words.word()), False
    if words:
        if words.option() != b"WITHSCORES" or words:
            raise syntax_error()
        with_scores = True
    chosen = sample(call, members, count)
    return Pairs((member, values.scores[member]) for member in chosen) if with_scores else chosen


@command("ZSCAN", -3, "readonly", ONE)
def zscan(call: Call) -> Reply:
    options = ScanOptions(Words(call.args, 1))
    values = call.db.get(call.args[0], SortedSet)
    if values is None:
        return [b"0", []]
    options.read(flags=(b"NOSCORES",))
    cursor, found = options.page_of_value((member for _, member in values), len(values))
    if options.flags:
        return [cursor, found]
    scores = values.scores
    return [cursor, [part for m in found for part in (m, format_double(scores[m]))]]


# -- remove ---------------------------------------------------------------------------------------


def remove(call: Call, key: bytes, members: list[bytes]) -> int:
    """Take members out; how many were there."""
    values = read(call, key)
    gone = sum(values.remove(member) for member in members)
    if gone:
        call.db.store(key, values)
    return gone


@command("ZREM", -3, "write fast", ONE)
def zrem(call: Call) -> Reply:
    return remove(call, call.args[0], call.args[1:])


def _take(call: Call, key: bytes, highest: bool, count: int) -> list[tuple[bytes, float]]:
    """Take the members with the lowest or highest scores."""
    values = read(call, key)
    size = len(values)
    found = values.slice(max(0, size - count), size)[::-1] if highest else values.slice(0, count)
    remove(call, key, [member for _, member in found])
    return [(member, score) for score, member in found]


def _pop(call: Call, *, highest: bool) -> Reply:
    if len(call.args) > 2:
        raise syntax_error()
    count = positive(call.args[1]) if len(call.args) == 2 else None
    taken = _take(call, call.args[0], highest, 1 if count is None else count)
    if count is None:
        return [part for pair in taken for part in pair]
    return Pairs(taken)


@command("ZPOPMIN", -2, "write fast", ONE)
def zpopmin(call: Call) -> Reply:
    return _pop(call, highest=False)


@command("ZPOPMAX", -2, "write fast", ONE)
def zpopmax(call: Call) -> Reply:
    return _pop(call, highest=True)


def _first_there(call: Call, keys: list[bytes], found: Callable[[bytes], Reply]) -> Reply:
    for key in keys:
        if read(call, key):
            return found(key)
    return NOTHING_YET


def _pop_when_there(call: Call, *, highest: bool) -> Reply:
    *keys, time = call.args

    def take(key: bytes) -> Reply:
        ((member, score),) = _take(call, key, highest, 1)
        return [key, member, score]

    return call.block(
        keys, SortedSet, lambda: _first_there(call, keys, take), seconds(time), NULL_ARRAY
    )


@command("BZPOPMIN", -3, "write fast blocking", (1, -2, 1))
def bzpopmin(call: Call) -> Reply:
    return _pop_when_there(call, highest=False)


@command("BZPOPMAX", -3, "write fast blocking", (1, -2, 1))
def bzpopmax(call: Call) -> Reply:
    return _pop_when_there(call, highest=True)


def _read_zmpop(call: Call, words: Words) -> tuple[list[bytes], Callable[[bytes], Reply]]:
    keys = numbered_keys(words)
    end = words.option()
    if end not in (b"MIN", b"MAX"):
        raise syntax_error()
    count = count_option(words)

    def take(key: bytes) -> Reply:
        return [key, [list(pair) for pair in _take(call, key, end == b"MAX", count)]]

    return keys, take


@command("ZMPOP", -4, "write")
def zmpop(call: Call) -> Reply:
    keys, take = _read_zmpop(call, Words(call.args))
    found = _first_there(call, keys, take)
    return NULL_ARRAY if found is NOTHING_YET else found


@command("BZMPOP", -5, "write blocking")
def bzmpop(call: Call) -> Reply:
    words = Words(call.args)
    timeout = seconds(words.word())
    keys, take = _read_zmpop(call, words)
    return call.block(keys, SortedSet, lambda: _first_there(call, keys, take), timeout, NULL_ARRAY)
