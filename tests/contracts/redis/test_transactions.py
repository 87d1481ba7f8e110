"""MULTI, EXEC and WATCH."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ResponseError, WatchError

from .agreement import Desk, contract, error_of


@contract
async def test_a_transaction_runs_as_one(desk: Desk) -> None:
    """Nothing happens before EXEC, then all of it; each command has its answer."""
    r = desk.r
    async with r.pipeline() as pipe:
        pipe.set("a", 1)
        pipe.incr("a")
        pipe.get("a")
        assert await r.exists("a") == 0
        assert await pipe.execute() == [True, 2, "2"]


@contract
async def test_an_error_inside_stops_nothing(desk: Desk) -> None:
    """A command that fails inside of EXEC fails alone: there is no rollback."""
    r = desk.r
    async with r.pipeline() as pipe:
        pipe.set("a", "text")
        pipe.incr("a")
        pipe.lpush("a", 1)
        pipe.set("b", 1)
        answers = await pipe.execute(raise_on_error=False)
    assert answers[0] is True
    assert answers[3] is True
    assert str(answers[1]) == "value is not an integer or out of range"
    assert str(answers[2]).startswith("WRONGTYPE")
    assert await r.mget("a", "b") == ["text", "1"]


@contract
async def test_a_command_that_cannot_be_queued_aborts_all(desk: Desk) -> None:
    """A wrong command in the queue makes EXEC refuse everything."""
    client = desk.client(single_connection_client=True)
    assert await client.execute_command("MULTI") in ("OK", True)
    await client.connection.send_command("SET", "a", 1)
    assert await client.connection.read_response() == "QUEUED"
    assert await error_of(client.execute_command("GET")) == (
        "wrong number of arguments for 'get' command"
    )
    with pytest.raises(ResponseError, match=r"^Transaction discarded because of previous errors"):
        await client.execute_command("EXEC")
    assert await client.exists("a") == 0


@contract
@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("EXEC", "EXEC without MULTI"),
        ("DISCARD", "DISCARD without MULTI"),
        ("MULTI MULTI", "Command 'multi' not allowed inside a transaction"),
        ("MULTI WATCH", "Command 'watch' not allowed inside a transaction"),
    ],
)
async def test_out_of_turn(desk: Desk, command: str, error: str) -> None:
    """EXEC and DISCARD need a MULTI, and MULTI needs none."""
    client = desk.client(single_connection_client=True)
    await client.ping()
    *before, last = command.split()
    for word in before:
        await client.execute_command(word)
    words = [last, "key"] if last == "WATCH" else [last]
    assert await error_of(client.execute_command(*words)) == error


@contract
async def test_discard_forgets_the_queue(desk: Desk) -> None:
    """After DISCARD nothing was done."""
    client = desk.client(single_connection_client=True)
    await client.execute_command("MULTI")
    await client.connection.send_command("SET", "a", 1)
    assert await client.connection.read_response() == "QUEUED"
    await client.execute_command("DISCARD")
    assert await client.exists("a") == 0


@contract
async def test_watch_notices_a_change(desk: Desk) -> None:
    """When a watched key was changed by somebody else, EXEC does nothing."""
    r = desk.r
    await r.set("stock", 1)
    async with r.pipeline() as pipe:
        await pipe.watch("stock")
        stock = int(await pipe.get("stock"))
        await r.decr("stock")
        pipe.multi()
        pipe.set("stock", stock - 1)
        with pytest.raises(WatchError):
            await pipe.execute()
    assert await r.get("stock") == "0"


@contract
@pytest.mark.parametrize(
    ("change", "noticed"),
    [
        ("SET k 1", True),
        ("SET k v", True),
        ("DEL k", True),
        ("EXPIRE k 100", True),
        ("APPEND k x", True),
        ("RENAME k l", True),
        ("RENAME other k", True),
        ("COPY other k REPLACE", True),
        ("FLUSHDB", True),
        ("SET other x", False),
        ("GET k", False),
        ("DEL missing", False),
        ("SET k 1 NX", False),
        ("PERSIST k", False),
        ("SREM set nobody", False),
        ("SADD set ada", False),
        ("SADD set bob", True),
        ("HDEL hash nothing", False),
        ("HSET hash a 1", True),
        ("ZADD zset 1 ada", False),
        ("ZADD zset 2 ada", True),
        ("LREM list 0 nothing", False),
        ("LTRIM list 0 -1", False),
        ("LTRIM list 0 0", True),
        ("XADD stream 2-0 a 1", True),
        ("XDEL stream 9-9", False),
        ("XTRIM stream MAXLEN 5", False),
        ("XGROUP CREATE stream g 0", False),
        ("XTRIM stream MAXLEN 0", True),
        ("MSET k 1 other 2", True),
        ("GETDEL k", True),
        ("SETRANGE k 0 v", True),
        ("INCRBYFLOAT number 0", True),
        ("BLPOP list 1", True),
    ],
)
async def test_what_watch_notices(desk: Desk, change: str, noticed: bool) -> None:
    """A command that changes a key counts, even to the same value; one that finds nothing to do
    does not."""
    r = desk.r
    await r.set("k", "v")
    await r.set("other", "x")
    await r.set("number", 1)
    await r.sadd("set", "ada")
    await r.hset("hash", "a", "1")
    await r.zadd("zset", {"ada": 1})
    await r.rpush("list", "a", "b")
    await r.xadd("stream", {"a": 1}, id="1-0")
    async with r.pipeline() as pipe:
        await pipe.watch("k", "set", "hash", "zset", "list", "stream", "number")
        await r.execute_command(*change.split())
        pipe.multi()
        pipe.ping()
        if noticed:
            with pytest.raises(WatchError):
                await pipe.execute()
        else:
            assert await pipe.execute() == [True]


@contract
async def test_watch_notices_an_expiry(desk: Desk) -> None:
    """A watched key that expires has changed."""
    r = desk.r
    await r.set("k", "v", px=200)
    async with r.pipeline() as pipe:
        await pipe.watch("k")
        await asyncio.sleep(0.3)
        pipe.multi()
        pipe.ping()
        with pytest.raises(WatchError):
            await pipe.execute()


@contract
async def test_watching_ends_with_exec_and_unwatch(desk: Desk) -> None:
    """EXEC, DISCARD and UNWATCH let go of all watched keys."""
    r = desk.r
    async with r.pipeline() as pipe:
        await pipe.watch("k")
        await r.set("k", 1)
        await pipe.unwatch()
        pipe.multi()
        pipe.ping()
        assert await pipe.execute() == [True]
    async with r.pipeline() as pipe:
        await pipe.watch("k")
        pipe.multi()
        pipe.set("k", 2)
        assert await pipe.execute() == [True]


@contract
async def test_optimistic_updates_lose_nothing(desk: Desk) -> None:
    """Ten clients that read, add and write under WATCH count to ten."""
    r = desk.r

    async def add_one() -> None:
        async with r.pipeline() as pipe:
            while True:
                try:
                    await pipe.watch("n")
                    value = int(await pipe.get("n") or 0)
                    pipe.multi()
                    pipe.set("n", value + 1)
                    await pipe.execute()
                except WatchError:
                    continue
                return

    await asyncio.gather(*(add_one() for _ in range(10)))
    assert await r.get("n") == "10"


@contract
async def test_a_plain_pipeline_is_no_transaction(desk: Desk) -> None:
    """Without MULTI commands only travel together."""
    async with desk.r.pipeline(transaction=False) as pipe:
        for n in range(50):
            pipe.rpush("list", n)
        assert await pipe.execute() == list(range(1, 51))


@contract
async def test_nothing_blocks_inside_a_transaction(desk: Desk) -> None:
    """Blocking commands inside of EXEC answer at once that nothing is there."""
    async with desk.r.pipeline() as pipe:
        pipe.blpop("list", 0)
        pipe.execute_command("BLMOVE", "list", "other", "LEFT", "LEFT", 0)
        pipe.xread({"s": "$"}, block=0)
        answers = await pipe.execute()
    assert [answer or None for answer in answers] == [None, None, None]
