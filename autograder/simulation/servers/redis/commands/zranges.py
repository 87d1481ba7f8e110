"""Ranges of sorted sets, by rank, score or member, and several sorted sets at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..arguments import bounds, double, integer
from ..replies import Pairs, RedisError, Reply, syntax_error
from ..values import Set, SortedSet
from .sets import limit_option
from .sorted_sets import read, remove
from .strings import ONE
from .table import Call, Words, command

Entry = tuple[float, bytes]
Limit = tuple[int, bytes, int]


@dataclass(slots=True)
class _Range:
    """A range as it was asked for; ``by`` is b"RANK", b"BYSCORE" or b"BYLEX"."""

    low: bytes
    high: bytes
    by: bytes = b"RANK"
    reverse: bool = False
    with_scores: bool = False
    offset: int = 0
    count: int = -1

    def of(self, values: SortedSet) -> list[Entry]:
        """Its entries, in the order they are answered."""
        if self.by == b"RANK":
            start, stop = bounds(integer(self.low), integer(self.high), len(values))
            if self.reverse:
                size = len(values)
                return values.slice(size - stop, size - start)[::-1]
            return values.slice(start, stop)
        found = between(values, self.by, self.low, self.high)
        if self.reverse:
            found.reverse()
        if self.offset < 0:
            return []
        found = found[self.offset :]
        return found if self.count < 0 else found[: self.count]

    def check(self) -> None:
        """Raise the error for limits that are none, whatever the key holds."""
        if self.by == b"RANK":
            integer(self.low)
            integer(self.high)
        else:
            between(SortedSet(), self.by, self.low, self.high)


def between(values: SortedSet, by: bytes, low: bytes, high: bytes) -> list[Entry]:
    """Entries from one limit to the other."""
    if by == b"BYSCORE":
        (lowest, low_open), (highest, high_open) = _score_limit(low), _score_limit(high)
        return [
            (score, member)
            for score, member in values
            if (lowest < score if low_open else lowest <= score)
            and (score < highest if high_open else score <= highest)
        ]
    return _between_members(list(values), _lex_limit(low, 1), _lex_limit(high, -1))


def _between_members(entries: list[Entry], low: Limit, high: Limit) -> list[Entry]:
    """From the first member that is high enough to the last one before one that is too high.

    That is a range where all scores are equal. Where they are not Redis promises nothing, and does
    this as long as there are few of them.
    """
    places = [(1, member, 0) for _, member in entries]
    if not places or places[-1] < low or places[0] > high:
        return []
    start = next(index for index, place in enumerate(places) if place >= low)
    stop = next((i for i in range(start, len(places)) if places[i] > high), len(places))
    return entries[start:stop]


def _score_limit(text: bytes) -> tuple[float, bool]:
    is_open = text.startswith(b"(")
    return double(text[is_open:], "ERR min or max is not a float"), is_open


def _lex_limit(text: bytes, inwards: int) -> Limit:
    """Where a limit lies among members: below all of them, above all, at one, or just beside it."""
    if text in (b"-", b"+"):
        return (0, b"", 0) if text == b"-" else (2, b"", 0)
    if text.startswith(b"["):
        return (1, text[1:], 0)
    if text.startswith(b"("):
        return (1, text[1:], inwards)
    raise RedisError("ERR min or max not valid string range item")


def _read_options(asked: _Range, words: Words, allowed: tuple[bytes, ...]) -> None:
    limited = False
    while words:
        word = words.option()
        if word not in allowed:
            raise syntax_error()
        if word == b"WITHSCORES":
            asked.with_scores = True
        elif word == b"REV":
            asked.reverse = True
        elif word == b"LIMIT":
            if words.left() < 2:
                raise syntax_error()
            asked.offset, asked.count = integer(words.word()), integer(words.word())
            limited = True
        elif asked.by not in (b"RANK", word):
            raise syntax_error()
        else:
            asked.by = word
    if limited and asked.by == b"RANK":
        raise RedisError(
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
        )
    if asked.with_scores and asked.by == b"BYLEX":
        raise RedisError("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
    if asked.reverse and asked.by != b"RANK":
        asked.low, asked.high = asked.high, asked.low


def _answer(call: Call, asked: _Range) -> Reply:
    asked.check()
    found = asked.of(read(call))
    if asked.with_scores:
        return Pairs((member, score) for score, member in found)
    return [member for _, member in found]


_ALL = (b"BYSCORE", b"BYLEX", b"REV", b"LIMIT", b"WITHSCORES")


@command("ZRANGE", -4, "readonly", ONE)
def zrange(call: Call) -> Reply:
    asked = _Range(call.args[1], call.args[2])
    _read_options(asked, Words(call.args, 3), _ALL)
    return _answer(call, asked)


@command("ZREVRANGE", -4, "readonly", ONE)
def zrevrange(call: Call) -> Reply:
    asked = _Range(call.args[1], call.args[2], reverse=True)
    _read_options(asked, Words(call.args, 3), (b"WITHSCORES",))
    return _answer(call, asked)


@command("ZRANGEBYSCORE", -4, "readonly", ONE)
def zrangebyscore(call: Call) -> Reply:
    asked = _Range(call.args[1], call.args[2], by=b"BYSCORE")
    _read_options(asked, Words(call.args, 3), (b"LIMIT", b"WITHSCORES"))
    return _answer(call, asked)


@command("ZREVRANGEBYSCORE", -4, "readonly", ONE)
def zrevrangebyscore(call: Call) -> Reply:
    asked = _Range(call.args[1], call.args[2], by=b"BYSCORE", reverse=True)
    _read_options(asked, Words(call.args, 3), (b"LIMIT", b"WITHSCORES"))
    return _answer(call, asked)


@command("ZRANGEBYLEX", -4, "readonly", ONE)
def zrangebylex(call: Call) -> Reply:
    asked = _Range(call.args[1], call.args[2], by=b"BYLEX")
    _read_options(asked, Words(call.args, 3), (b"LIMIT",))
    return _answer(call, asked)


@command("ZREVRANGEBYLEX", -4, "readonly", ONE)
def zrevrangebylex(call: Call) -> Reply:
    asked = _Range(call.args[1], call.args[2], by=b"BYLEX", reverse=True)
    _read_options(asked, Words(call.args, 3), (b"LIMIT",))
    return _answer(call, asked)


@command("ZRANGESTORE", -5, "write denyoom", (1, 2, 1))
def zrangestore(call: Call) -> Reply:
    target, source = call.args[:2]
    asked = _Range(call.args[2], call.args[3])
    _read_options(asked, Words(call.args, 4), _ALL[:-1])
    asked.check()
    return _store(call, target, {m: score for score, m in asked.of(read(call, source))})


@command("ZCOUNT", 4, "readonly fast", ONE)
def zcount(call: Call) -> Reply:
    asked = _Range(call.args[1], call.args[2], by=b"BYSCORE")
    asked.check()
    return len(asked.of(read(call)))


@command("ZLEXCOUNT", 4, "readonly fast", ONE)
def zlexcount(call: Call) -> Reply:
    asked = _Range(call.args[1], call.args[2], by=b"BYLEX")
    asked.check()
    return len(asked.of(read(call)))


def _remove_range(call: Call, asked: _Range) -> Reply:
    asked.check()
    return remove(call, call.args[0], [member for _, member in asked.of(read(call))])


@command("ZREMRANGEBYRANK", 4, "write", ONE)
def zremrangebyrank(call: Call) -> Reply:
    return _remove_range(call, _Range(call.args[1], call.args[2]))


@command("ZREMRANGEBYSCORE", 4, "write", ONE)
def zremrangebyscore(call: Call) -> Reply:
    return _remove_range(call, _Range(call.args[1], call.args[2], by=b"BYSCORE"))


@command("ZREMRANGEBYLEX", 4, "write", ONE)
def zremrangebylex(call: Call) -> Reply:
    return _remove_range(call, _Range(call.args[1], call.args[2], by=b"BYLEX"))


# -- several sorted sets --------------------------------------------------------------------------


@dataclass(slots=True)
class _Inputs:
    scores: list[dict[bytes, float]]
    weights: list[float]
    aggregate: bytes = b"SUM"
    with_scores: bool = False


def _inputs(call: Call, position: int, *, weighted: bool, scored: bool) -> _Inputs:
    words = Words(call.args, position)
    count = _number_of_keys(call, words)
    keys = [words.word() for _ in range(count)]
    asked = _Inputs([_scores(call, key) for key in keys], [1.0] * count)
    while words:
        word = words.option()
        if word == b"WEIGHTS" and weighted and words.left() >= count:
            complaint = "ERR weight value is not a float"
            asked.weights = [double(words.word(), complaint) for _ in range(count)]
        elif word == b"AGGREGATE" and weighted and words:
            asked.aggregate = words.option()
            if asked.aggregate not in (b"SUM", b"MIN", b"MAX"):
                raise syntax_error()
        elif word == b"WITHSCORES" and scored:
            asked.with_scores = True
        else:
            raise syntax_error()
    return asked


def _number_of_keys(call: Call, words: Words) -> int:
    count = integer(words.word())
    if count < 1:
        raise RedisError(f"ERR at least 1 input key is needed for '{call.command.name}' command")
    if count > words.left():
        raise syntax_error()
    return count


def _scores(call: Call, key: bytes) -> dict[bytes, float]:
    """A sorted set, or a plain set whose members all have the score 1."""
    value = call.db.values.get(key)
    if type(value) is Set:
        return dict.fromkeys(value, 1.0)
    return read(call, key).scores


def _combine(asked: _Inputs, kind: str) -> dict[bytes, float]:
    first = asked.scores[0]
    if kind == "diff":
        return {m: s for m, s in first.items() if not any(m in o for o in asked.scores[1:])}
    result: dict[bytes, float] = {}
    for scores, weight in zip(asked.scores, asked.weights, strict=True):
        for member, score in scores.items():
            value = 0.0 if math.isnan(score * weight) else score * weight
            old = result.get(member)
            result[member] = value if old is None else _aggregate(asked.aggregate, old, value)
    if kind == "inter":
        return {m: s for m, s in result.items() if all(m in one for one in asked.scores)}
    return result


def _aggregate(how: bytes, one: float, other: float) -> float:
    if how == b"SUM":
        total = one + other
        return 0.0 if math.isnan(total) else total
    return min(one, other) if how == b"MIN" else max(one, other)


def _store(call: Call, target: bytes, scores: dict[bytes, float]) -> Reply:
    values = SortedSet()
    for member, score in scores.items():
        values.put(member, score)
    call.db.delete(target)
    call.db.store(target, values)
    return len(values)


def _show(call: Call, kind: str) -> Reply:
    asked = _inputs(call, 0, weighted=kind != "diff", scored=True)
    found = sorted((score, member) for member, score in _combine(asked, kind).items())
    if asked.with_scores:
        return Pairs((member, score) for score, member in found)
    return [member for _, member in found]


def _store_combined(call: Call, kind: str) -> Reply:
    asked = _inputs(call, 1, weighted=kind != "diff", scored=False)
    return _store(call, call.args[0], _combine(asked, kind))


@command("ZUNION", -3, "readonly")
def zunion(call: Call) -> Reply:
    return _show(call, "union")


@command("ZINTER", -3, "readonly")
def zinter(call: Call) -> Reply:
    return _show(call, "inter")


@command("ZDIFF", -3, "readonly")
def zdiff(call: Call) -> Reply:
    return _show(call, "diff")


@command("ZUNIONSTORE", -4, "write denyoom", ONE)
def zunionstore(call: Call) -> Reply:
    return _store_combined(call, "union")


@command("ZINTERSTORE", -4, "write denyoom", ONE)
def zinterstore(call: Call) -> Reply:
    return _store_combined(call, "inter")


@command("ZDIFFSTORE", -4, "write denyoom", ONE)
def zdiffstore(call: Call) -> Reply:
    return _store_combined(call, "diff")


@command("ZINTERCARD", -3, "readonly")
def zintercard(call: Call) -> Reply:
    words = Words(call.args)
    count = _number_of_keys(call, words)
    scores = [_scores(call, words.word()) for _ in range(count)]
    limit = limit_option(words)
    found = len(_combine(_Inputs(scores, [1.0] * len(scores)), "inter"))
    return min(found, limit) if limit else found
