"""Keys whatever they hold, and when they expire."""

from __future__ import annotations

import asyncio

import pytest

from .agreement import Desk, contract, error_of


@contract
async def test_keys_come_and_go(desk: Desk) -> None:
    """DEL, UNLINK and EXISTS count; TYPE and DBSIZE tell."""
    r = desk.r
    await r.mset({"a": 1, "b": 2, "c": 3})
    await r.rpush("list", 1)
    assert await r.exists("a", "b", "nobody", "a") == 3
    assert await r.delete("a", "nobody") == 1
    assert await r.unlink("b", "c") == 2
    assert await r.dbsize() == 1
    assert await r.type("list") == "list"
    assert await r.type("nobody") == "none"
    assert await r.randomkey() == "list"


@contract
async def test_a_key_without_elements_is_gone(desk: Desk) -> None:
    """Lists, sets, hashes and sorted sets disappear with their last element."""
    r = desk.r
    await r.rpush("l", 1)
    await r.sadd("s", 1)
    await r.hset("h", "a", "1")
    await r.zadd("z", {"a": 1})
    await r.lpop("l")
    await r.srem("s", 1)
    await r.hdel("h", "a")
    await r.zrem("z", "a")
    assert await r.dbsize() == 0


@contract
async def test_keys_by_pattern(desk: Desk) -> None:
    """KEYS and SCAN find what a glob matches."""
    r = desk.r
    await r.mset({f"user:{n}": n for n in range(300)})
    await r.set("other", 1)
    assert sorted(await r.keys("user:1?")) == [f"user:{n}" for n in range(10, 20)]
    found = [key async for key in r.scan_iter("user:*", count=50)]
    assert len(set(found)) == 300
    assert await r.keys("*t?e[r-s]") == ["other"]


@contract
async def test_a_scan_meets_what_is_there_all_the_time(desk: Desk) -> None:
    """Keys that come or go while one scans take nothing away from those that stay."""
    r = desk.r
    await r.mset({f"stays:{n}": n for n in range(200)})
    await r.mset({f"goes:{n}": n for n in range(200)})
    met: set[str] = set()
    cursor, pages = 0, 0
    while True:
        cursor, found = await r.scan(cursor, count=20)
        met.update(found)
        await r.delete(*[f"goes:{n}" for n in range(pages * 10, pages * 10 + 10)])
        await r.set(f"comes:{pages}", 1)
        pages += 1
        if int(cursor) == 0:
            break
    assert pages > 5
    assert {f"stays:{n}" for n in range(200)} <= met


@contract
async def test_scans_by_type(desk: Desk) -> None:
    """SCAN TYPE leaves out other kinds."""
    r = desk.r
    await r.set("a", 1)
    await r.rpush("b", 1)
    assert [key async for key in r.scan_iter(_type="list")] == ["b"]
    assert await error_of(r.execute_command("SCAN", "x")) == "invalid cursor"


@contract
async def test_large_values_are_scanned_in_pages(desk: Desk) -> None:
    """SSCAN, HSCAN and ZSCAN go through everything once."""
    r = desk.r
    names = [f"member {n}" for n in range(700)]
    await r.sadd("s", *names)
    await r.hset("h", mapping=dict.fromkeys(names, 1))
    await r.zadd("z", dict.fromkeys(names, 1))
    assert {name async for name in r.sscan_iter("s")} == set(names)
    assert {name async for name, _ in r.hscan_iter("h")} == set(names)
    assert {name async for name, _ in r.zscan_iter("z")} == set(names)


@contract
async def test_renaming_and_copying(desk: Desk) -> None:
    """RENAME takes the expiry along and overwrites; RENAMENX and COPY do not overwrite."""
    r = desk.r
    await r.set("a", 1, ex=100)
    await r.set("b", 2)
    assert await r.rename("a", "b") is True
    assert await r.get("b") == "1"
    assert await r.ttl("b") > 0
    await r.set("c", 3)
    assert await r.renamenx("b", "c") in (0, False)
    assert await r.copy("b", "c") in (0, False)
    assert await r.copy("b", "c", replace=True) in (1, True)
    assert await r.mget("b", "c") == ["1", "1"]
    assert await error_of(r.rename("nobody", "x")) == "no such key"


@contract
async def test_a_key_expires(desk: Desk) -> None:
    """After its time a key is gone for every command, and for DBSIZE soon."""
    r = desk.r
    await r.set("a", 1, px=100)
    await r.set("b", 1)
    assert await r.pexpire("b", 100) in (1, True)
    assert 0 < await r.pttl("b") <= 100
    await asyncio.sleep(0.2)
    assert await r.exists("a", "b") == 0
    assert await r.get("a") is None
    assert await r.ttl("a") == -2
    assert await r.incr("a") == 1
    assert await r.ttl("a") == -1


@contract
async def test_a_time_that_has_passed_deletes(desk: Desk) -> None:
    """EXPIRE with a negative time, and EXPIREAT in the past, delete at once."""
    r = desk.r
    await r.mset({"a": 1, "b": 1})
    assert await r.expire("a", -1) in (1, True)
    assert await r.expireat("b", 1000) in (1, True)
    assert await r.exists("a", "b") == 0
    assert await r.expire("nobody", 10) in (0, False)


@contract
@pytest.mark.parametrize(
    ("before", "options", "seconds", "set_"),
    [
        (None, {"nx": True}, 100, True),
        (50, {"nx": True}, 100, False),
        (None, {"xx": True}, 100, False),
        (50, {"xx": True}, 100, True),
        (50, {"gt": True}, 100, True),
        (150, {"gt": True}, 100, False),
        (None, {"gt": True}, 100, False),
        (150, {"lt": True}, 100, True),
        (50, {"lt": True}, 100, False),
        (None, {"lt": True}, 100, True),
    ],
)
async def test_expiry_on_condition(
    desk: Desk, before: int | None, options: dict[str, bool], seconds: int, set_: bool
) -> None:
    """NX, XX, GT and LT; a key that lasts for ever is longer than any time."""
    r = desk.r
    await r.set("a", 1, ex=before)
    assert bool(await r.expire("a", seconds, **options)) is set_
    expected = seconds if set_ else -1 if before is None else before
    assert expected - 3 <= await r.ttl("a") <= expected


@contract
async def test_persist_and_expiretime(desk: Desk) -> None:
    """PERSIST takes the expiry away; EXPIRETIME says when it is."""
    r = desk.r
    now = int((await r.time())[0])
    await r.set("a", 1, exat=now + 1000)
    assert await r.expiretime("a") == now + 1000
    assert await r.pexpiretime("a") == (now + 1000) * 1000
    assert await r.persist("a") in (1, True)
    assert await r.persist("a") in (0, False)
    assert await r.expiretime("a") == -1
    assert await r.expiretime("nobody") == -2


@contract
@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("EXPIRE a soon", "value is not an integer or out of range"),
        (
            "EXPIRE a 10 NX XX",
            "NX and XX, GT or LT options at the same time are not compatible",
        ),
        ("EXPIRE a 10 GT LT", "GT and LT options at the same time are not compatible"),
        ("EXPIRE a 10 SOON", "Unsupported option SOON"),
        ("EXPIRE a 9223372036854775807", "invalid expire time in 'expire' command"),
        ("COPY a a", "source and destination objects are the same"),
        ("SELECT 1000", "DB index is out of range"),
        ("OBJECT SPICE a", "unknown subcommand 'SPICE'. Try OBJECT HELP."),
    ],
)
async def test_what_keys_refuse(desk: Desk, command: str, error: str) -> None:
    """The errors of times and options that are none."""
    await desk.r.set("a", 1)
    assert await error_of(desk.r.execute_command(*command.split())) == error
    assert await desk.r.ttl("a") == -1


@contract
async def test_flushing(desk: Desk) -> None:
    """FLUSHDB leaves nothing."""
    r = desk.r
    await r.mset({"a": 1, "b": 2})
    assert await r.flushdb() is True
    assert await r.dbsize() == 0
