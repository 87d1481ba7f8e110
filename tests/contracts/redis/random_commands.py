"""Random commands, and what of their answers must be the same on two servers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Words = list[str]

_KEYS = ["a", "b", "c", "d"]
_FIELDS = ["f", "g", "h", "7", "longer field"]
_VALUES = ["", "0", "1", "-3", "10", "2.5", "abc", "x" * 70, "9223372036854775807", "1e3"]
_INTEGERS = ["0", "1", "2", "3", "-1", "-2", "5", "100", "x", "1.5", "9223372036854775808"]
_FLOATS = ["0", "1", "-1", "2.5", "3.14159", "1e10", "inf", "-inf", "nan", "x", "1e-7", "0.1"]
_SCORES = ["0", "1", "1.5", "2", "(1", "(2", "-inf", "+inf", "inf", "x", "3"]
_LEX = ["-", "+", "[a", "(a", "[g", "(h", "a", "[", "[zz"]
_IDS = ["0-0", "0", "1-0", "2", "3-1", "5-0", "7-3", "9", "12-0", "x", "5-x"]
_BOUNDS = [*_IDS, "-", "+", "(1-0", "(3-1", "(x"]
# Ranges of members are only defined where all scores are equal: they have key "e" to themselves.
_GLOBS = ["*", "a*", "?", "[ab]", "[^a]", "x", "[a-c]", "\\a", "[", "*[0-9]*"]
_GROUPS = ["g", "h"]
_CONSUMERS = ["ada", "bob"]


class Dealer:
    """Deals commands, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._last = 100
        self._makers: list[Callable[[], Words]] = [
            *[self._strings] * 3, self._keys, *[self._hashes] * 2, *[self._lists] * 3,
            *[self._sets] * 2, *[self._sorted_sets] * 3, *[self._ranges] * 2, *[self._streams] * 4,
            *[self._groups] * 6,
        ]  # fmt: skip

    def command(self) -> Words:
        """One command, sensible or not."""
        words = self._pick(self._makers)()
        if self._chance(0.03):
            words = words[: self._random.randrange(1, len(words) + 1)]
        if self._chance(0.02):
            words = [*words, "extra"]
        return words

    # -- dealing --------------------------------------------------------------------------------

    def _pick(self, items: list[Any]) -> Any:
        return self._random.choice(items)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _fill(self, template: str) -> Words:
        """A template's words: names in capitals in braces stand for something random."""
        decks = {
            "K": _KEYS, "F": _FIELDS, "V": _VALUES, "I": _INTEGERS, "D": _FLOATS, "S": _SCORES,
            "L": _LEX, "ID": _IDS, "B": _BOUNDS, "P": _GLOBS, "G": _GROUPS, "C": _CONSUMERS,
        }  # fmt: skip
        words: Words = []
        for word in template.split(" "):
            if word == "{N}":
                self._last += 1
                words.append(f"{self._last}-0")
            elif word.startswith("{") and "|" not in word:
                words.append(self._pick(decks[word.strip("{}")]))
            elif word.startswith("["):
                if self._chance(0.4):
                    words += self._fill(self._pick(word.strip("[]").replace("_", " ").split("|")))
            else:
                words += self._fill(self._pick(word.split("|"))) if "|" in word else [word]
        return words

    def _any_of(self, *templates: str) -> Words:
        return self._fill(self._pick(list(templates)))

    def _strings(self) -> Words:
        return self._any_of(
            "SET {K} {V} [NX|XX|GET|KEEPTTL|EX_1000|PX_100000|EX_0|IFEQ_{V}] [GET|NX|XX]",
            "GET|INCR|DECR|STRLEN|GETDEL {K}",
            "INCRBY|DECRBY {K} {I}",
            "INCRBYFLOAT {K} {D}",
            "APPEND|SETNX|GETSET {K} {V}",
            "GETRANGE {K} {I} {I}",
            "SETRANGE {K} 0|1|3|-1 {V}",
            "MSET|MSETNX {K} {V} {K} {V}",
            "MGET {K} {K} {K}",
            "GETEX {K} [PERSIST|EX_1000|EX_0]",
            "SETEX|PSETEX {K} 1000000|0|x {V}",
            "DELIFEQ {K} {V}",
        )

    def _keys(self) -> Words:
        return self._any_of(
            "DEL|UNLINK|EXISTS|TOUCH {K} {K}",
            "TYPE|PERSIST {K}",
            "EXPIRE|PEXPIRE {K} 100000|-1|x [NX|XX|GT|LT|FOO]",
            "EXPIREAT {K} 4000000000 [NX|XX|GT|LT]",
            "TTL|EXPIRETIME {K}",
            "RENAME|RENAMENX {K} {K}",
            "COPY {K} {K} [REPLACE]",
            "KEYS {P}",
            "SCAN 0 [MATCH_{P}] [COUNT_100] [TYPE_list|TYPE_zset|TYPE_foo]",
            "DBSIZE",
        )

    def _hashes(self) -> Words:
        return self._any_of(
            "HSET|HMSET {K} {F} {V} [{F}_{V}]",
            "HGET|HDEL|HEXISTS|HSTRLEN {K} {F}",
            "HSETNX {K} {F} {V}",
            "HMGET|HDEL {K} {F} {F}",
            "HGETALL|HKEYS|HVALS|HLEN {K}",
            "HINCRBY {K} {F} {I}",
            "HINCRBYFLOAT {K} {F} {D}",
            "HSCAN {K} 0 [MATCH_{P}] [NOVALUES]",
        )

    def _lists(self) -> Words:
        return self._any_of(
            "LPUSH|RPUSH|LPUSHX|RPUSHX {K} {V} [{V}]",
            "LPOP|RPOP {K} [{I}]",
            "LRANGE {K} {I} {I}",
            "LLEN {K}",
            "LINDEX {K} {I}",
            "LSET {K} {I} {V}",
            "LINSERT {K} BEFORE|AFTER|foo {V} {V}",
            "LREM {K} {I} {V}",
            "LTRIM {K} {I} {I}",
            "LMOVE {K} {K} LEFT|RIGHT LEFT|RIGHT|foo",
            "RPOPLPUSH {K} {K}",
            "LPOS {K} {V} [RANK_{I}] [COUNT_{I}] [MAXLEN_{I}]",
            "LMPOP 2 {K} {K} LEFT|RIGHT [COUNT_{I}]",
            "BLPOP|BRPOP {K} {K} 0.001",
            "BLMOVE {K} {K} LEFT|RIGHT LEFT|RIGHT 0.001",
            "BLMPOP 0.001 1 {K} LEFT [COUNT_2]",
        )

    def _sets(self) -> Words:
        return self._any_of(
            "SADD|SREM {K} {F} {F}",
            "SADD {K} {F} {F} {V}",
            "SISMEMBER {K} {F}",
            "SMISMEMBER {K} {F} {F}",
            "SMEMBERS|SCARD {K}",
            "SMOVE {K} {K} {F}",
            "SINTER|SUNION|SDIFF {K} {K}",
            "SINTERSTORE|SUNIONSTORE|SDIFFSTORE {K} {K} {K}",
            "SINTERCARD 2 {K} {K} [LIMIT_{I}]",
            "SSCAN {K} 0 [MATCH_{P}]",
            "SPOP {K} 100|0|-1",
            "SRANDMEMBER {K} 0",
        )

    def _sorted_sets(self) -> Words:
        return self._any_of(
            "ZADD {K} [NX|XX|GT|LT] [CH|INCR] {D} {F} [{D}_{F}]",
            "ZINCRBY {K} {D} {F}",
            "ZSCORE|ZREM {K} {F}",
            "ZMSCORE {K} {F} {F}",
            "ZRANK|ZREVRANK {K} {F} [WITHSCORE]",
            "ZCARD {K}",
            "ZCOUNT {K} {S} {S}",
            "ZADD e 0 {F}",
            "ZLEXCOUNT e {L} {L}",
            "ZPOPMIN|ZPOPMAX {K} [{I}]",
            "ZMPOP 2 {K} {K} MIN|MAX [COUNT_{I}]",
            "BZPOPMIN|BZPOPMAX {K} {K} 0.001",
            "ZSCAN {K} 0 [MATCH_{P}]",
        )

    def _ranges(self) -> Words:
        return self._any_of(
            "ZRANGE {K} {I} {I} [REV] [WITHSCORES]",
            "ZRANGE {K} {S} {S} BYSCORE [REV] [LIMIT_{I}_{I}] [WITHSCORES]",
            "ZRANGE e {L} {L} BYLEX [REV] [LIMIT_{I}_{I}] [WITHSCORES]",
            "ZREVRANGE {K} {I} {I} [WITHSCORES]",
            "ZRANGEBYSCORE|ZREVRANGEBYSCORE {K} {S} {S} [WITHSCORES] [LIMIT_{I}_{I}]",
            "ZRANGEBYLEX|ZREVRANGEBYLEX e {L} {L} [LIMIT_{I}_{I}]",
            "ZREMRANGEBYRANK {K} {I} {I}",
            "ZREMRANGEBYSCORE {K} {S} {S}",
            "ZREMRANGEBYLEX e {L} {L}",
            "ZRANGESTORE {K} {K} {S} {S} BYSCORE [LIMIT_{I}_{I}]",
            "ZUNION|ZINTER 2 {K} {K} [WEIGHTS_{D}_{D}] [AGGREGATE_MIN|AGGREGATE_MAX] [WITHSCORES]",
            "ZDIFF 2 {K} {K} [WITHSCORES]",
            "ZUNIONSTORE|ZINTERSTORE {K} 2 {K} {K} [WEIGHTS_{D}_{D}] [AGGREGATE_MAX]",
            "ZDIFFSTORE {K} 2 {K} {K}",
            "ZINTERCARD 2 {K} {K} [LIMIT_{I}]",
        )

    def _streams(self) -> Words:
        trim = "[MAXLEN_{I}|MAXLEN_~_{I}|MAXLEN_=_{I}|MINID_{ID}|MINID_~_{ID}]"
        return self._any_of(
            f"XADD {{K}} [NOMKSTREAM] {trim} {{ID}} {{F}} {{V}} [{{F}}_{{V}}]",
            "XADD {K} 5-*|20-*|0-* {F} {V}",
            "XLEN {K}",
            "XRANGE|XREVRANGE {K} {B} {B} [COUNT_{I}]",
            "XDEL {K} {ID} {ID}",
            f"XTRIM {{K}} {trim} [LIMIT_{{I}}]",
            "XREAD [COUNT_{I}] STREAMS {K} {K} {ID} {ID}",
            "XREAD [COUNT_{I}] [BLOCK_1] STREAMS {K} $|+|{ID}",
            "XSETID {K} {ID} [ENTRIESADDED_{I}] [MAXDELETEDID_{ID}]",
            "XINFO STREAM {K} [FULL]",
        )

    def _groups(self) -> Words:
        return self._any_of(
            "XADD {K} {N} {F} {V}",
            "XGROUP CREATE {K} {G} 0|$|{ID} [MKSTREAM] [ENTRIESREAD_{I}]",
            "XGROUP SETID {K} {G} 0|$|{ID} [ENTRIESREAD_{I}]",
            "XGROUP DESTROY {K} {G}",
            "XGROUP CREATECONSUMER|DELCONSUMER {K} {G} {C}",
            "XREADGROUP GROUP {G} {C} [COUNT_{I}] [NOACK] STREAMS {K} >|0|{ID}",
            "XREADGROUP GROUP {G} {C} [COUNT_1] [BLOCK_1] STREAMS {K} {K} > >|0",
            "XREADGROUP GROUP {G} {C} [COUNT_2] STREAMS {K} >",
            "XACK {K} {G} {ID} {ID}",
            "XPENDING {K} {G}",
            "XPENDING {K} {G} [IDLE_0] {B} {B} {I} [{C}]",
            "XCLAIM {K} {G} {C} 0 {ID} {ID} [FORCE|JUSTID|RETRYCOUNT_5|IDLE_0|LASTID_{ID}]",
            "XAUTOCLAIM {K} {G} {C} 0 {ID} [COUNT_{I}] [JUSTID]",
            "XINFO GROUPS {K}",
            "XINFO CONSUMERS {K} {G}",
        )


# -- answers --------------------------------------------------------------------------------------

_UNORDERED = {"SMEMBERS", "SINTER", "SUNION", "SDIFF", "KEYS", "SCAN", "SSCAN", "HKEYS", "HVALS",
              "HGETALL", "HSCAN", "ZSCAN", "SPOP"}  # fmt: skip
_TIMES = {b"idle", b"inactive", b"seen-time", b"active-time", b"radix-tree-nodes"}


def comparable(words: Words, answer: Any) -> Any:
    """An answer without what may differ: the order of sets, and times."""
    name = words[0].upper()
    if name in _UNORDERED:
        return _sorted(answer)
    if name in ("TTL", "EXPIRETIME") and isinstance(answer, int):
        return min(answer, 1)
    if name == "XPENDING" and isinstance(answer, list):
        return [_without_time(row, 2) for row in answer]
    if name == "XINFO":
        return _timeless(answer)
    return answer


def _sorted(answer: Any) -> Any:
    if isinstance(answer, list):
        return sorted((_sorted(item) for item in answer), key=repr)
    return answer


def _without_time(row: Any, position: int) -> Any:
    if isinstance(row, list) and len(row) == 4:
        return [item for index, item in enumerate(row) if index != position]
    return row


def _timeless(answer: Any) -> Any:
    """Without times, in the flat arrays of RESP2 and in the maps of RESP3."""
    if isinstance(answer, dict):
        return {k: None if k in _TIMES else _timeless(v) for k, v in answer.items()}
    if not isinstance(answer, list):
        return answer
    if len(answer) in (3, 4) and isinstance(answer[-1], int) and isinstance(answer[-2], int):
        return _without_time([*answer, None][:4], 2 if len(answer) == 4 else 1)
    shown, hide = [], False
    for item in answer:
        shown.append(None if hide else _timeless(item))
        hide = isinstance(item, bytes) and item in _TIMES
    return shown
