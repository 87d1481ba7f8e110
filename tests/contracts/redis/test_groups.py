"""Consumer groups: who gets what, what is pending, what is acknowledged."""

from __future__ import annotations

from typing import Any

import pytest

from .agreement import Client, Desk, contract, error_of
from .test_streams import fill


async def read(
    r: Client, consumer: str, after: str = ">", group: str = "g", key: str = "s", **options: Any
) -> list[Any]:
    """What XREADGROUP gives of one stream: ids, or (id, fields) with ``whole``."""
    whole = options.pop("whole", False)
    got = await r.xreadgroup(group, consumer, {key: after}, **options)
    if not got:
        return []
    rows = dict(got)[key] if isinstance(got, list) else got[key][0]
    return rows if whole else [entry_id for entry_id, _ in rows]


async def group(r: Client, count: int = 0, start: str = "0") -> None:
    """A stream "s" with so many entries and a group "g" that reads from ``start``."""
    await fill(r, count)
    await r.xgroup_create("s", "g", id=start, mkstream=True)


async def owed(r: Client, consumer: str | None = None) -> dict[str, tuple[str, int]]:
    """Pending entries: id -> consumer and number of deliveries."""
    rows = await r.xpending_range("s", "g", "-", "+", 100, consumername=consumer)
    return {row["message_id"]: (row["consumer"], row["times_delivered"]) for row in rows}


@contract
async def test_each_entry_goes_to_one_consumer(desk: Desk) -> None:
    """Consumers of a group share its entries; another group gets all of them again."""
    r = desk.r
    await group(r, 5)
    await r.xgroup_create("s", "other", id="0")
    assert await read(r, "ada", count=2) == ["1-0", "2-0"]
    assert await read(r, "bob", count=2) == ["3-0", "4-0"]
    assert await read(r, "ada") == ["5-0"]
    assert await read(r, "bob") == []
    assert len(await read(r, "eve", group="other")) == 5


@contract
async def test_a_group_begins_where_it_was_told(desk: Desk) -> None:
    """$ is what comes from now on, 0 all there is, an id what comes after that."""
    r = desk.r
    await fill(r, 3)
    for name, start in (("new", "$"), ("all", "0"), ("some", "1-0")):
        await r.xgroup_create("s", name, id=start)
    await r.xadd("s", {"n": 4}, id="4-0")
    assert await read(r, "c", group="new") == ["4-0"]
    assert await read(r, "c", group="some") == ["2-0", "3-0", "4-0"]
    assert len(await read(r, "c", group="all")) == 4


@contract
async def test_what_was_delivered_is_pending_until_acknowledged(desk: Desk) -> None:
    """XACK takes an entry off the list, once."""
    r = desk.r
    await group(r, 3)
    await read(r, "ada", count=2)
    assert await owed(r) == {"1-0": ("ada", 1), "2-0": ("ada", 1)}
    assert await r.xack("s", "g", "1-0", "1-0", "3-0") == 1
    assert await r.xack("s", "g", "1-0") == 0
    assert await owed(r) == {"2-0": ("ada", 1)}
    assert await r.xlen("s") == 3
    assert await r.xack("s", "nobody", "2-0") == 0
    assert await r.xack("nothing", "g", "2-0") == 0


@contract
async def test_noack_leaves_nothing_pending(desk: Desk) -> None:
    """NOACK counts as acknowledged when it is sent."""
    r = desk.r
    await group(r, 2)
    assert await read(r, "ada", noack=True) == ["1-0", "2-0"]
    assert await owed(r) == {}


@contract
async def test_a_consumer_reads_its_own_history(desk: Desk) -> None:
    """An id instead of > gives what the consumer still owes after that, and counts it again."""
    r = desk.r
    await group(r, 4)
    await read(r, "ada", count=3)
    await r.xack("s", "g", "2-0")
    assert await read(r, "ada", "0") == ["1-0", "3-0"]
    assert await read(r, "ada", "1-0") == ["3-0"]
    assert await read(r, "ada", "0", count=1) == ["1-0"]
    assert await read(r, "bob", "0") == []
    assert await owed(r) == {"1-0": ("ada", 3), "3-0": ("ada", 3)}


@contract
async def test_history_does_not_block(desk: Desk) -> None:
    """What a consumer owes is there or is not: BLOCK makes no difference."""
    r = desk.r
    await group(r, 1)
    assert await read(r, "ada", "0", block=10_000) == []


@contract
async def test_history_shows_what_was_deleted(desk: Desk) -> None:
    """An entry that was trimmed away while pending is still owed, without its fields."""
    r = desk.r
    await group(r, 2)
    await read(r, "ada")
    await r.xdel("s", "1-0")
    rows = await read(r, "ada", "0", whole=True)
    assert [entry_id for entry_id, _ in rows] == ["1-0", "2-0"]
    assert not rows[0][1]
    assert await r.xack("s", "g", "1-0") == 1


@contract
async def test_xpending_summary(desk: Desk) -> None:
    """How many, from which id to which, and how many each consumer owes."""
    r = desk.r
    await group(r, 4)
    nothing = await r.xpending("s", "g")
    assert (nothing["pending"], nothing["min"], nothing["max"]) == (0, None, None)
    assert not nothing["consumers"]
    await read(r, "bob", count=3)
    await read(r, "ada", count=1)
    assert await r.xpending("s", "g") == {
        "pending": 4,
        "min": "1-0",
        "max": "4-0",
        "consumers": [{"name": "ada", "pending": 1}, {"name": "bob", "pending": 3}],
    }


@contract
async def test_xpending_range(desk: Desk) -> None:
    """Which ones: within a range, of one consumer, idle for so long."""
    r = desk.r
    await group(r, 4)
    await read(r, "ada", count=2)
    await read(r, "bob", count=2)
    assert list(await owed(r, "bob")) == ["3-0", "4-0"]
    assert await owed(r, "nobody") == {}
    rows = await r.xpending_range("s", "g", "(1-0", "3", 10)
    assert [row["message_id"] for row in rows] == ["2-0", "3-0"]
    rows = await r.xpending_range("s", "g", "-", "+", 1)
    assert [row["message_id"] for row in rows] == ["1-0"]
    assert await r.xpending_range("s", "g", "-", "+", 10, idle=100_000) == []


NO_KEY_OR_GROUP = "NOGROUP No such key 's' or consumer group 'nobody'"


@contract
@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("XGROUP CREATE s g 0", "BUSYGROUP Consumer Group name already exists"),
        ("XGROUP CREATE s h x", "Invalid stream ID specified as stream command argument"),
        ("XGROUP SETID s nobody 0", "NOGROUP No such consumer group 'nobody' for key name 's'"),
        ("XINFO CONSUMERS s nobody", "NOGROUP No such consumer group 'nobody' for key name 's'"),
        (
            "XREADGROUP GROUP nobody c STREAMS s >",
            "NOGROUP No such key 's' or consumer group 'nobody' in XREADGROUP with GROUP option",
        ),
        (
            "XREADGROUP GROUP g c STREAMS t >",
            "NOGROUP No such key 't' or consumer group 'g' in XREADGROUP with GROUP option",
        ),
        ("XPENDING s nobody", NO_KEY_OR_GROUP),
        ("XPENDING s g - +", "syntax error"),
        ("XCLAIM s nobody c 0 1-0", NO_KEY_OR_GROUP),
        ("XCLAIM s g c soon 1-0", "Invalid min-idle-time argument for XCLAIM"),
        ("XCLAIM s g c 0 1-0 NOW", "Unrecognized XCLAIM option 'NOW'"),
        ("XAUTOCLAIM s nobody c 0 0", NO_KEY_OR_GROUP),
        ("XAUTOCLAIM s g c 0 0 COUNT 0", "COUNT must be > 0"),
        ("XACK s g x", "Invalid stream ID specified as stream command argument"),
    ],
)
async def test_what_groups_refuse(desk: Desk, command: str, error: str) -> None:
    """The errors of groups that are or are not there."""
    await group(desk.r, 1)
    assert await error_of(desk.r.execute_command(*command.split())) == error


@contract
async def test_a_group_is_set_back(desk: Desk) -> None:
    """XGROUP SETID lets a group read again; what is still pending is delivered anew."""
    r = desk.r
    await group(r, 3)
    await read(r, "ada")
    await r.xgroup_setid("s", "g", "1-0")
    assert await read(r, "bob") == ["2-0", "3-0"]
    assert await owed(r) == {"1-0": ("ada", 1), "2-0": ("bob", 1), "3-0": ("bob", 1)}


@contract
async def test_consumers_and_groups_go(desk: Desk) -> None:
    """DELCONSUMER throws away what a consumer owes: nobody gets it any more. DESTROY, the group."""
    r = desk.r
    await group(r, 3)
    assert await r.xgroup_createconsumer("s", "g", "bob") == 1
    assert await r.xgroup_createconsumer("s", "g", "bob") == 0
    await read(r, "ada")
    assert await r.xgroup_delconsumer("s", "g", "ada") == 3
    assert await owed(r) == {}
    assert await read(r, "bob") == []
    assert await r.xgroup_destroy("s", "g") in (1, True)
    assert await r.xgroup_destroy("s", "g") in (0, False)


@contract
async def test_xinfo_groups_and_consumers(desk: Desk) -> None:
    """How far a group is, what it lags behind, and what its consumers owe."""
    r = desk.r
    await group(r, 5)
    await read(r, "ada", count=2)
    (found,) = await r.xinfo_groups("s")
    assert found == {
        "name": "g",
        "consumers": 1,
        "pending": 2,
        "last-delivered-id": "2-0",
        "entries-read": 2,
        "lag": 3,
    }
    (consumer,) = await r.xinfo_consumers("s", "g")
    assert (consumer["name"], consumer["pending"]) == ("ada", 2)
    assert 0 <= consumer["idle"] < 5_000
    await read(r, "bob", "0")
    bob = (await r.xinfo_consumers("s", "g"))[1]
    assert (bob["pending"], bob["inactive"]) == (0, -1)


@contract
async def test_the_lag_is_unknown_after_deletions(desk: Desk) -> None:
    """When entries ahead of a group were deleted, nobody can say how many are left."""
    r = desk.r
    await group(r, 5)
    await read(r, "ada", count=1)
    await r.xdel("s", "3-0")
    assert (await r.xinfo_groups("s"))[0]["lag"] is None
    await read(r, "ada")
    assert (await r.xinfo_groups("s"))[0]["lag"] == 0


@contract
async def test_trimming_takes_what_nobody_has_read(desk: Desk) -> None:
    """MAXLEN does not ask groups: unread entries are lost, pending ones lose their fields."""
    r = desk.r
    await group(r, 6)
    await read(r, "ada", count=2)
    await r.xtrim("s", maxlen=2, approximate=False)
    assert await read(r, "ada") == ["5-0", "6-0"]
    rows = await read(r, "ada", "0", whole=True)
    assert [(entry_id, bool(fields)) for entry_id, fields in rows] == [
        ("1-0", False),
        ("2-0", False),
        ("5-0", True),
        ("6-0", True),
    ]
