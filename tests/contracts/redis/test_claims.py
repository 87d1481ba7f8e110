"""XCLAIM and XAUTOCLAIM: taking over what somebody else owes."""

from __future__ import annotations

import asyncio

from .agreement import Desk, contract
from .test_groups import group, owed, read


@contract
async def test_xclaim_takes_over_what_is_idle(desk: Desk) -> None:
    """Who claims gets the entry; it counts as delivered once more."""
    r = desk.r
    await group(r, 2)
    await read(r, "ada")
    assert await r.xclaim("s", "g", "bob", 100_000, ["1-0"]) == []
    assert await r.xclaim("s", "g", "bob", 0, ["1-0", "9-9"]) == [("1-0", {"n": "1"})]
    assert await owed(r) == {"1-0": ("bob", 2), "2-0": ("ada", 1)}


@contract
async def test_idle_times_grow(desk: Desk) -> None:
    """What lies long enough can be claimed; a delivery makes it young again."""
    r = desk.r
    await group(r, 2)
    await read(r, "ada", count=1)
    await asyncio.sleep(0.2)
    await read(r, "ada", count=1)
    old = await r.xpending_range("s", "g", "-", "+", 10, idle=150)
    assert [row["message_id"] for row in old] == ["1-0"]
    assert [i for i, _ in await r.xclaim("s", "g", "bob", 150, ["1-0", "2-0"])] == ["1-0"]
    assert await r.xclaim("s", "g", "eve", 150, ["1-0"]) == []


@contract
async def test_xclaim_options(desk: Desk) -> None:
    """JUSTID counts no delivery; IDLE and RETRYCOUNT set what they say; FORCE needs no delivery."""
    r = desk.r
    await group(r, 3)
    await read(r, "ada", count=1)
    assert await r.xclaim("s", "g", "bob", 0, ["1-0"], justid=True) == ["1-0"]
    assert await owed(r) == {"1-0": ("bob", 1)}
    await r.xclaim("s", "g", "bob", 0, ["1-0"], idle=60_000, retrycount=7, justid=True)
    (row,) = await r.xpending_range("s", "g", "-", "+", 10)
    assert row["times_delivered"] == 7
    assert 60_000 <= row["time_since_delivered"] < 65_000
    assert await r.xclaim("s", "g", "eve", 0, ["3-0"]) == []
    assert [i for i, _ in await r.xclaim("s", "g", "eve", 0, ["3-0"], force=True)] == ["3-0"]
    assert (await owed(r))["3-0"] == ("eve", 2)


@contract
async def test_xclaim_forgets_what_was_deleted(desk: Desk) -> None:
    """A pending entry that is not in the stream any more is dropped by a claim."""
    r = desk.r
    await group(r, 2)
    await read(r, "ada")
    await r.xdel("s", "1-0")
    assert [i for i, _ in await r.xclaim("s", "g", "bob", 0, ["1-0", "2-0"])] == ["2-0"]
    assert await owed(r) == {"2-0": ("bob", 2)}


@contract
async def test_xautoclaim_goes_through_all(desk: Desk) -> None:
    """XAUTOCLAIM claims what is idle, a page at a time; its cursor ends at 0-0."""
    r = desk.r
    await group(r, 5)
    await read(r, "ada")
    cursor, rows, _ = await r.xautoclaim("s", "g", "bob", 0, "0-0", count=2)
    assert (cursor, [i for i, _ in rows]) == ("3-0", ["1-0", "2-0"])
    cursor, rows, _ = await r.xautoclaim("s", "g", "bob", 0, cursor, count=10)
    assert (cursor, [i for i, _ in rows]) == ("0-0", ["3-0", "4-0", "5-0"])
    assert set((await owed(r)).values()) == {("bob", 2)}


@contract
async def test_xautoclaim_leaves_the_living_alone(desk: Desk) -> None:
    """Entries that were delivered lately stay where they are."""
    r = desk.r
    await group(r, 2)
    await read(r, "ada")
    assert await r.xautoclaim("s", "g", "bob", 100_000, "0-0") == ["0-0", [], []]
    assert set((await owed(r)).values()) == {("ada", 1)}


@contract
async def test_xautoclaim_tells_what_was_deleted(desk: Desk) -> None:
    """What was deleted while pending comes as ids alone, and is pending no more."""
    r = desk.r
    await group(r, 4)
    await read(r, "ada")
    await r.xdel("s", "1-0", "3-0")
    cursor, rows, deleted = await r.xautoclaim("s", "g", "bob", 0, "0-0")
    assert (cursor, [i for i, _ in rows], deleted) == ("0-0", ["2-0", "4-0"], ["1-0", "3-0"])
    assert await owed(r) == {"2-0": ("bob", 2), "4-0": ("bob", 2)}


@contract
async def test_xautoclaim_justid(desk: Desk) -> None:
    """JUSTID gives ids, and counts no delivery."""
    r = desk.r
    await group(r, 2)
    await read(r, "ada")
    assert await r.xautoclaim("s", "g", "bob", 0, "0-0", justid=True) == ["1-0", "2-0"]
    assert set((await owed(r)).values()) == {("bob", 1)}


@contract
async def test_a_deleted_entry_counts_for_xautoclaims_page(desk: Desk) -> None:
    """COUNT is of entries looked at and gone, too."""
    r = desk.r
    await group(r, 4)
    await read(r, "ada")
    await r.xdel("s", "1-0")
    cursor, rows, deleted = await r.xautoclaim("s", "g", "bob", 0, "0-0", count=2)
    assert (cursor, [i for i, _ in rows], deleted) == ("3-0", ["2-0"], ["1-0"])
