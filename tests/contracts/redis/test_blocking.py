"""Commands that wait: for how long, who is served first, and what ends a wait."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ResponseError

from .agreement import Desk, contract, error_of
from .test_groups import group, owed, read


@contract
async def test_blpop_waits_for_an_element(desk: Desk) -> None:
    """A list that is empty is waited for; the element goes to who waits."""
    r = desk.r
    task = await desk.blocked(desk.client().blpop(["one", "two"], timeout=5))
    assert await r.rpush("two", "x") == 1
    assert await task in (("two", "x"), ["two", "x"])
    assert await r.exists("two") == 0


@contract
async def test_blocking_gives_up(desk: Desk) -> None:
    """When the time is up the answer is that nothing came, not before."""
    r = desk.r
    loop = asyncio.get_running_loop()
    for attempt in (
        lambda: r.blpop(["no"], timeout=0.05),
        lambda: r.brpop(["no"], timeout=0.05),
        lambda: r.bzpopmin(["no"], timeout=0.05),
        lambda: r.execute_command("BLMOVE", "no", "other", "LEFT", "RIGHT", 0.05),
        lambda: r.execute_command("BLMPOP", 0.05, 1, "no", "LEFT"),
        lambda: r.xread({"no": "$"}, block=50),
    ):
        before = loop.time()
        assert not await attempt()
        assert loop.time() - before >= 0.045


@contract
async def test_who_waits_longest_is_served_first(desk: Desk) -> None:
    """Waiting clients are served in the order in which they came."""
    tasks = [await desk.blocked(desk.client().blpop(["q"], timeout=5)) for _ in range(3)]
    for n in range(3):
        await desk.r.rpush("q", n)
        assert (await tasks[n])[1] == str(n)


@contract
async def test_one_push_serves_several(desk: Desk) -> None:
    """Each waiting client gets one of several elements that are pushed together."""
    tasks = [await desk.blocked(desk.client().blpop(["q"], timeout=5)) for _ in range(3)]
    await desk.r.rpush("q", "a", "b", "c", "d")
    assert [(await task)[1] for task in tasks] == ["a", "b", "c"]
    assert await desk.r.lrange("q", 0, -1) == ["d"]


@contract
async def test_a_transaction_that_takes_its_own_push_wakes_nobody(desk: Desk) -> None:
    """Who waits looks when the whole transaction is over."""
    task = await desk.blocked(desk.client().blpop(["q"], timeout=5))
    async with desk.r.pipeline() as pipe:
        pipe.rpush("q", "gone")
        pipe.lpop("q")
        await pipe.execute()
    await desk.r.rpush("q", "here")
    assert (await task)[1] == "here"


@contract
async def test_blmove_hands_on(desk: Desk) -> None:
    """What BLMOVE moves can be waited for in turn."""
    last = await desk.blocked(desk.client().blpop(["done"], timeout=5))
    move = await desk.blocked(desk.client().blmove("todo", "done", 5, "LEFT", "RIGHT"))
    await desk.r.rpush("todo", "job")
    assert await move == "job"
    assert (await last)[1] == "job"


@contract
async def test_another_type_is_waited_through(desk: Desk) -> None:
    """A key that turns up as something else does not end the wait."""
    task = await desk.blocked(desk.client().blpop(["q"], timeout=5))
    await desk.r.set("q", "no list")
    await desk.r.delete("q")
    await desk.r.rpush("q", "x")
    assert (await task)[1] == "x"


@contract
async def test_what_is_of_another_type_already_is_an_error(desk: Desk) -> None:
    """BLPOP on a string fails at once."""
    await desk.r.set("q", "no list")
    assert (await error_of(desk.r.blpop(["q"], timeout=5))).startswith("WRONGTYPE")


@contract
async def test_bzpopmin_waits(desk: Desk) -> None:
    """A sorted set can be waited for too."""
    task = await desk.blocked(desk.client().bzpopmin(["z"], timeout=5))
    await desk.r.zadd("z", {"b": 2, "a": 1})
    assert list(await task) == ["z", "a", 1.0]


@contract
async def test_xread_waits_for_what_is_new(desk: Desk) -> None:
    """XREAD BLOCK with $ gets only what comes after it was asked; all who wait get it."""
    r = desk.r
    await r.xadd("s", {"n": 1}, id="1-0")
    tasks = [await desk.blocked(desk.client().xread({"s": "$"}, block=5000)) for _ in range(2)]
    await r.xadd("s", {"n": 2}, id="2-0")
    for task in tasks:
        got = await task
        rows = got[0][1] if isinstance(got, list) else got["s"][0]
        assert [entry_id for entry_id, _ in rows] == ["2-0"]


@contract
async def test_xread_has_what_is_there_already(desk: Desk) -> None:
    """BLOCK does not wait when something is there."""
    await desk.r.xadd("s", {"n": 1}, id="1-0")
    assert await desk.r.xread({"s": "0"}, block=100_000)


@contract
async def test_xreadgroup_waits_and_shares(desk: Desk) -> None:
    """Of two consumers that wait, the one that came first gets the entry."""
    r = desk.r
    await group(r)
    ada = await desk.blocked(read(desk.client(), "ada", block=5000))
    bob = await desk.blocked(read(desk.client(), "bob", block=5000))
    await r.xadd("s", {"n": 1}, id="1-0")
    assert await ada == ["1-0"]
    await r.xadd("s", {"n": 2}, id="2-0")
    assert await bob == ["2-0"]
    assert await owed(r) == {"1-0": ("ada", 1), "2-0": ("bob", 1)}


@contract
@pytest.mark.parametrize("change", ["XGROUP DESTROY s g", "DEL s", "SET s text"])
async def test_a_group_that_goes_ends_the_wait(desk: Desk, change: str) -> None:
    """Who waits for a group is told when it is gone, by whatever way."""
    r = desk.r
    await group(r)
    task = await desk.blocked(read(desk.client(), "ada", block=5000))
    await r.execute_command(*change.split())
    with pytest.raises(ResponseError) as caught:
        await task
    expected = "WRONGTYPE" if change.startswith("SET") else "NOGROUP No such key 's' or consumer"
    assert str(caught.value).startswith(expected)


@contract
async def test_client_unblock(desk: Desk) -> None:
    """CLIENT UNBLOCK ends a wait as if the time were up, or with an error."""
    r = desk.r
    client = desk.client(single_connection_client=True)
    number = await client.client_id()
    task = await desk.blocked(client.blpop(["q"], timeout=5))
    assert await r.client_unblock(number) in (1, True)
    assert await task is None
    task = await desk.blocked(client.blpop(["q"], timeout=5))
    await r.client_unblock(number, error=True)
    assert await error_of(task) == "UNBLOCKED client unblocked via CLIENT UNBLOCK"
    assert await r.client_unblock(number) in (0, False)


@contract
async def test_who_has_left_is_not_served(desk: Desk) -> None:
    """A client that is gone takes no element with it."""
    gone = desk.client(single_connection_client=True)
    number = await gone.client_id()
    task = await desk.blocked(gone.blpop(["q"], timeout=5))
    task.cancel()
    await asyncio.wait([task])
    assert await desk.r.client_kill_filter(_id=str(number)) in (0, 1)
    await desk.r.rpush("q", "x")
    assert await desk.r.lpop("q") == "x"


@contract
async def test_what_follows_a_blocking_command_waits(desk: Desk) -> None:
    """Commands of one connection are answered in order, also behind one that waits."""
    r = desk.r
    pipe = desk.client().pipeline(transaction=False)
    pipe.blpop("q", timeout=5)
    pipe.set("a", 1)
    task = await desk.blocked(pipe.execute())
    assert await r.exists("a") == 0
    await r.rpush("q", "x")
    popped, was_set = await task
    assert (popped[1], was_set) == ("x", True)


@contract
@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("BLPOP q soon", "timeout is not a float or out of range"),
        ("BLPOP q -1", "timeout is negative"),
        ("BLMPOP 0 0 q LEFT", "numkeys should be greater than 0"),
    ],
)
async def test_timeouts_that_are_none(desk: Desk, command: str, error: str) -> None:
    """A timeout is a number of seconds, 0 for ever."""
    assert await error_of(desk.r.execute_command(*command.split())) == error
