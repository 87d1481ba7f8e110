"""Sorted sets."""

from __future__ import annotations

from typing import Any

import pytest

from .agreement import Client, Desk, contract, error_of


async def scores(r: Client, key: str = "z") -> dict[str, float]:
    return {member: float(score) for member, score in await r.zrange(key, 0, -1, withscores=True)}


@contract
async def test_members_are_in_the_order_of_their_scores(desk: Desk) -> None:
    """Lowest first, equal scores in the order of their bytes."""
    r = desk.r
    assert await r.zadd("z", {"b": 2, "c": 1, "a": 2, "B": 2}) == 4
    assert await r.zrange("z", 0, -1) == ["c", "B", "a", "b"]
    assert await r.zrange("z", 0, 1, desc=True) == ["b", "a"]
    assert await r.zadd("z", {"c": 3}) == 0
    assert await r.zrank("z", "c") == 3
    assert await r.zrevrank("z", "c") == 0
    assert await r.zrank("z", "nobody") is None
    assert await r.zcard("z") == 4


@contract
@pytest.mark.parametrize(
    ("options", "answer", "after"),
    [
        ({}, 1, {"a": 5.0, "b": 1.0}),
        ({"nx": True}, 1, {"a": 3.0, "b": 1.0}),
        ({"xx": True}, 0, {"a": 5.0}),
        ({"gt": True}, 1, {"a": 5.0, "b": 1.0}),
        ({"lt": True}, 1, {"a": 3.0, "b": 1.0}),
        ({"ch": True}, 2, {"a": 5.0, "b": 1.0}),
        ({"xx": True, "ch": True, "gt": True}, 1, {"a": 5.0}),
    ],
)
async def test_zadd_on_condition(
    desk: Desk, options: dict[str, bool], answer: int, after: dict[str, float]
) -> None:
    """NX, XX, GT, LT say which to set, CH counts the changed ones too."""
    r = desk.r
    await r.zadd("z", {"a": 3})
    assert await r.zadd("z", {"a": 5, "b": 1}, **options) == answer
    assert await scores(r) == after


@contract
async def test_scores_are_added_to(desk: Desk) -> None:
    """ZINCRBY and ZADD INCR give the new score, None if the condition did not hold."""
    r = desk.r
    assert await r.zincrby("z", 2.5, "a") == 2.5
    assert await r.zadd("z", {"a": 1}, incr=True) == 3.5
    assert await r.zadd("z", {"a": -1}, incr=True, gt=True) is None
    assert await r.zscore("z", "a") == 3.5
    assert await r.zmscore("z", ["a", "nobody"]) == [3.5, None]


@contract
@pytest.mark.parametrize(
    ("score", "shown"),
    [
        ("0.1", "0.1"),
        ("3.0", "3"),
        ("1e20", "1e+20"),
        ("1e-7", "1e-7"),
        ("10000000000", "10000000000"),
        ("1.0000000001", "1.0000000001"),
        ("-inf", "-inf"),
        ("123456.789", "123456.789"),
        ("0.00001", "0.00001"),
        ("-0.5", "-0.5"),
    ],
)
async def test_how_scores_are_written(desk: Desk, score: str, shown: str) -> None:
    """As few digits as say the same number."""
    raw = desk.client(protocol=2)
    await raw.execute_command("ZADD", "z", score, "a")
    reply: Any = await raw.execute_command("ZRANK", "z", "a", "WITHSCORE")
    assert str(reply[1]) in (shown, str(float(shown)))
    script = "return redis.call('ZSCORE', KEYS[1], 'a')"
    assert await raw.eval(script, 1, "z") == shown


@contract
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ZRANGE z 1 2", "b c"),
        ("ZRANGE z -2 -1 REV", "b a"),
        ("ZRANGE z 2 3 BYSCORE", "b c"),
        ("ZRANGE z (1 +inf BYSCORE LIMIT 1 2", "c d"),
        ("ZRANGE z +inf (2 BYSCORE REV", "d c"),
        ("ZRANGEBYSCORE z (1 (4", "b c"),
        ("ZREVRANGEBYSCORE z 3 -inf LIMIT 0 2", "c b"),
        ("ZREVRANGE z 0 1", "d c"),
        ("ZRANGE z 5 2 BYSCORE", ""),
    ],
)
async def test_ranges(desk: Desk, command: str, expected: str) -> None:
    """By rank and by score, from either end."""
    r = desk.r
    await r.zadd("z", {"a": 1, "b": 2, "c": 3, "d": 4})
    assert await r.execute_command(*command.split()) == expected.split()


@contract
@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("-", "+", "abcd"),
        ("[b", "[c", "bc"),
        ("(b", "+", "cd"),
        ("-", "(c", "ab"),
        ("(a", "(b", ""),
    ],
)
async def test_ranges_of_members(desk: Desk, low: str, high: str, expected: str) -> None:
    """By the members themselves, where all scores are equal."""
    r = desk.r
    await r.zadd("z", dict.fromkeys("abcd", 0))
    assert "".join(await r.zrange("z", low, high, bylex=True)) == expected
    assert await r.zlexcount("z", low, high) == len(expected)
    await r.zremrangebylex("z", low, high)
    assert await r.zcard("z") == 4 - len(expected)


@contract
async def test_removing_ranges(desk: Desk) -> None:
    """ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZCOUNT."""
    r = desk.r
    await r.zadd("z", {str(n): n for n in range(10)})
    assert await r.zcount("z", 2, "(5") == 3
    assert await r.zremrangebyscore("z", 2, "(5") == 3
    assert await r.zremrangebyrank("z", 0, 1) == 2
    assert await r.zrem("z", "9", "nobody") == 1
    assert await r.zrange("z", 0, -1) == ["5", "6", "7", "8"]


@contract
async def test_popping(desk: Desk) -> None:
    """ZPOPMIN and ZPOPMAX take from the ends."""
    r = desk.r
    await r.zadd("z", {"a": 1, "b": 2, "c": 3, "d": 4})
    assert [tuple(pair) for pair in await r.zpopmin("z", 2)] == [("a", 1.0), ("b", 2.0)]
    reply = await r.zpopmax("z", 1)
    assert [tuple(pair) for pair in reply] == [("d", 4.0)]
    key, members = await r.zmpop(1, ["z"], min=True)
    assert key == "z"
    assert [(m, float(s)) for m, s in members] == [("c", 3.0)]
    assert await r.zpopmin("z") == []


@contract
async def test_several_sorted_sets(desk: Desk) -> None:
    """Union, intersection and difference, with weights."""
    r = desk.r
    await r.zadd("y", {"a": 1, "b": 2})
    await r.zadd("z", {"b": 10, "c": 20})
    assert await r.zunionstore("u", ["y", "z"]) == 3
    assert await scores(r, "u") == {"a": 1.0, "b": 12.0, "c": 20.0}
    assert await r.zinterstore("i", {"y": 2, "z": 3}, aggregate="MAX") == 1
    assert await scores(r, "i") == {"b": 30.0}
    assert await r.zdiff(["y", "z"]) == ["a"]
    assert await r.zintercard(2, ["y", "z"]) == 1
    assert await r.zrangestore("t", "u", 0, 1) in (2, True)
    assert await scores(r, "t") == {"a": 1.0, "b": 12.0}


@contract
@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("ZADD z much a", "value is not a valid float"),
        ("ZADD z nan a", "value is not a valid float"),
        ("ZADD z 1", "wrong number of arguments for 'zadd' command"),
        ("ZADD z NX XX 1 a", "XX and NX options at the same time are not compatible"),
        ("ZADD z GT LT 1 a", "GT, LT, and/or NX options at the same time are not compatible"),
        ("ZADD z INCR 1 a 2 b", "INCR option supports a single increment-element pair"),
        ("ZRANGE z low high BYSCORE", "min or max is not a float"),
        ("ZRANGE z a b BYLEX", "min or max not valid string range item"),
        (
            "ZRANGE z 0 1 LIMIT 0 1",
            "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        ("ZPOPMIN z -1", "value is out of range, must be positive"),
        ("ZUNION 0 z", "at least 1 input key is needed for 'zunion' command"),
    ],
)
async def test_what_sorted_sets_refuse(desk: Desk, command: str, error: str) -> None:
    """The errors of scores, ranges and options that are none."""
    assert await error_of(desk.r.execute_command(*command.split())) == error
    assert await desk.r.dbsize() == 0


@contract
async def test_infinities_cannot_be_added_up(desk: Desk) -> None:
    """A score that would be no number is refused."""
    r = desk.r
    await r.zadd("z", {"a": float("inf")})
    assert await error_of(r.zincrby("z", float("-inf"), "a")) == (
        "resulting score is not a number (NaN)"
    )
