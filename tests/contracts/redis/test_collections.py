"""Hashes, lists and sets."""

from __future__ import annotations

import pytest

from .agreement import Desk, contract, error_of

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


# -- hashes ---------------------------------------------------------------------------------------


@contract
async def test_fields_of_a_hash(desk: Desk) -> None:
    """HSET counts new fields; HGETALL gives them all."""
    r = desk.r
    assert await r.hset("h", mapping={"a": 1, "b": 2}) == 2
    assert await r.hset("h", mapping={"b": 3, "c": 4}) == 1
    assert await r.hgetall("h") == {"a": "1", "b": "3", "c": "4"}
    assert await r.hget("h", "b") == "3"
    assert await r.hget("h", "nothing") is None
    assert await r.hmget("h", ["a", "nothing"]) == ["1", None]
    assert await r.hlen("h") == 3
    assert await r.hexists("h", "a") in (1, True)
    assert sorted(await r.hkeys("h")) == ["a", "b", "c"]
    assert sorted(await r.hvals("h")) == ["1", "3", "4"]
    assert await r.hdel("h", "a", "nothing") == 1
    assert await r.hgetall("nobody") == {}


@contract
async def test_hsetnx_keeps_what_is_there(desk: Desk) -> None:
    """HSETNX sets a field once."""
    r = desk.r
    assert await r.hsetnx("h", "a", 1) in (1, True)
    assert await r.hsetnx("h", "a", 2) in (0, False)
    assert await r.hget("h", "a") == "1"


@contract
async def test_counters_in_a_hash(desk: Desk) -> None:
    """HINCRBY and HINCRBYFLOAT begin at 0."""
    r = desk.r
    assert await r.hincrby("h", "n", 5) == 5
    assert await r.hincrby("h", "n", -7) == -2
    assert float(await r.hincrbyfloat("h", "n", 0.5)) == -1.5
    assert await r.hget("h", "n") == "-1.5"
    assert await error_of(r.hincrby("h", "n", 1)) == "hash value is not an integer"
    await r.hset("h", "text", "x")
    assert await error_of(r.hincrbyfloat("h", "text", 1)) == "hash value is not a float"


# -- lists ----------------------------------------------------------------------------------------


@contract
async def test_both_ends_of_a_list(desk: Desk) -> None:
    """LPUSH puts each in front of the one before; LPOP and RPOP take from the ends."""
    r = desk.r
    assert await r.rpush("l", "c", "d") == 2
    assert await r.lpush("l", "b", "a") == 4
    assert await r.lrange("l", 0, -1) == ["a", "b", "c", "d"]
    assert await r.lpop("l") == "a"
    assert await r.rpop("l") == "d"
    assert await r.lpop("l", 5) == ["b", "c"]
    assert await r.lpop("l") is None
    assert not await r.lpop("l", 2)


@contract
@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [(0, -1, "abcde"), (1, 2, "bc"), (-2, -1, "de"), (3, 100, "de"), (3, 1, ""), (-100, 1, "ab")],
)
async def test_ranges_of_a_list(desk: Desk, start: int, stop: int, expected: str) -> None:
    """Both ends are included, negative ones count from the end; LTRIM keeps the same."""
    r = desk.r
    await r.rpush("l", *"abcde")
    assert "".join(await r.lrange("l", start, stop)) == expected
    await r.ltrim("l", start, stop)
    assert "".join(await r.lrange("l", 0, -1)) == expected


@contract
async def test_elements_in_a_list(desk: Desk) -> None:
    """LINDEX, LSET, LINSERT, LREM from either side, LPOS."""
    r = desk.r
    await r.rpush("l", *"abcab")
    assert await r.lindex("l", -1) == "b"
    assert await r.lset("l", 2, "x") is True
    assert await r.linsert("l", "BEFORE", "x", "w") == 6
    assert await r.linsert("l", "AFTER", "nothing", "w") == -1
    assert await r.lrem("l", -1, "a") == 1
    assert await r.lrange("l", 0, -1) == ["a", "b", "w", "x", "b"]
    assert await r.lpos("l", "b") == 1
    assert await r.lpos("l", "b", rank=-1) == 4
    assert await r.lpos("l", "b", count=0) == [1, 4]
    assert await error_of(r.lset("l", 99, "x")) == "index out of range"
    assert await error_of(r.lset("nobody", 0, "x")) == "no such key"


@contract
async def test_moving_between_lists(desk: Desk) -> None:
    """LMOVE takes from one end and puts to another, also of the same list."""
    r = desk.r
    await r.rpush("l", *"abc")
    assert await r.lmove("l", "m", "LEFT", "RIGHT") == "a"
    assert await r.lmove("l", "l", "RIGHT", "LEFT") == "c"
    assert await r.lrange("l", 0, -1) == ["c", "b"]
    assert await r.lmove("nobody", "m", "LEFT", "RIGHT") is None
    assert await r.lmpop(2, "nobody", "l", direction="LEFT", count=5) == ["l", ["c", "b"]]


@contract
async def test_pushing_to_what_is_there(desk: Desk) -> None:
    """LPUSHX and RPUSHX make no list."""
    r = desk.r
    assert await r.rpushx("l", "a") == 0
    await r.rpush("l", "a")
    assert await r.lpushx("l", "b") == 2


# -- sets -----------------------------------------------------------------------------------------


@contract
async def test_members_of_a_set(desk: Desk) -> None:
    """SADD and SREM count what they changed."""
    r = desk.r
    assert await r.sadd("s", "a", "b", "a") == 2
    assert await r.sadd("s", "b", "c") == 1
    assert await r.smembers("s") == {"a", "b", "c"}
    assert await r.sismember("s", "a") in (1, True)
    assert await r.smismember("s", ["a", "x"]) == [1, 0]
    assert await r.srem("s", "a", "x") == 1
    assert await r.scard("s") == 2
    assert await r.smove("s", "t", "b") in (1, True)
    assert await r.smembers("t") == {"b"}
    assert await r.smembers("nobody") == set()


@contract
async def test_several_sets(desk: Desk) -> None:
    """Union, intersection and difference, also stored."""
    r = desk.r
    await r.sadd("s", *"abc")
    await r.sadd("t", *"bcd")
    assert await r.sunion("s", "t") == set("abcd")
    assert await r.sinter("s", "t") == set("bc")
    assert await r.sdiff("s", "t") == {"a"}
    assert await r.sintercard(2, ["s", "t"]) == 2
    assert await r.sinterstore("u", "s", "t") == 2
    assert await r.smembers("u") == set("bc")
    assert await r.sinterstore("u", "s", "nobody") == 0
    assert await r.exists("u") == 0


@contract
async def test_taking_members_at_random(desk: Desk) -> None:
    """SPOP takes different members until there are none; SRANDMEMBER only looks."""
    r = desk.r
    await r.sadd("s", *"abcdef")
    first = await r.spop("s")
    rest = await r.spop("s", 10)
    assert sorted([first, *rest]) == list("abcdef")
    assert await r.spop("s") is None
    await r.sadd("s", *"ab")
    assert sorted(await r.srandmember("s", 5)) == ["a", "b"]
    assert len(await r.srandmember("s", -5)) == 5
    assert await r.scard("s") == 2


@contract
@pytest.mark.parametrize(
    "command",
    ["HGET k f", "HSET k f v", "LPUSH k v", "LRANGE k 0 -1", "SADD k m", "SMEMBERS k", "ZADD k 1 m",
     "ZRANGE k 0 -1", "XADD k * f v", "XLEN k", "SINTER other k", "LMOVE k other LEFT LEFT"],
)  # fmt: skip
async def test_a_string_is_no_collection(desk: Desk, command: str) -> None:
    """A command for one kind of value refuses a key that holds another."""
    await desk.r.set("k", "v")
    assert await error_of(desk.r.execute_command(*command.split())) == WRONG_TYPE
