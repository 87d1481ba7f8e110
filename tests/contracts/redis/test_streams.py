"""Streams without groups: add, look, trim, delete, describe."""

from __future__ import annotations

import pytest

from .agreement import Client, Desk, contract, error_of

MISSING_GROUP_KEY = (
    "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
    "MKSTREAM option to create an empty stream automatically."
)
TOO_SMALL = "The ID specified in XADD is equal or smaller than the target stream top item"


async def fill(r: Client, count: int, key: str = "s") -> list[str]:
    """Add entries 1-0, 2-0, ...; their ids."""
    return [await r.xadd(key, {"n": n}, id=f"{n}-0") for n in range(1, count + 1)]


async def ids(r: Client, key: str = "s") -> list[str]:
    return [entry_id for entry_id, _ in await r.xrange(key)]


@contract
async def test_an_entry_gets_the_time_as_its_id(desk: Desk) -> None:
    """The server's clock makes the id, and a number what came in the same millisecond."""
    r = desk.r
    seconds, microseconds = await r.time()
    first = await r.xadd("s", {"a": 1})
    second = await r.xadd("s", {"a": 2})
    milliseconds = int(seconds) * 1000 + int(microseconds) // 1000
    assert milliseconds <= int(first.split("-")[0]) < milliseconds + 10_000
    assert await r.xrange("s") == [(first, {"a": "1"}), (second, {"a": "2"})]
    assert await r.xlen("s") == 2


@contract
async def test_ids_only_grow(desk: Desk) -> None:
    """An id of one's own must be above every id there ever was."""
    r = desk.r
    assert await r.xadd("s", {"a": 1}, id="5-1") == "5-1"
    for entry_id in ("5-1", "5-0", "4", "4-*"):
        assert await error_of(r.xadd("s", {"a": 1}, id=entry_id)) == TOO_SMALL
    assert await r.xadd("s", {"a": 1}, id="5-*") == "5-2"
    assert await r.xadd("s", {"a": 1}, id="7-*") == "7-0"
    assert await r.xadd("s", {"a": 1}, id="8") == "8-0"
    await r.xdel("s", "8-0")
    assert await error_of(r.xadd("s", {"a": 1}, id="8-0")) == TOO_SMALL


@contract
async def test_an_id_from_the_future_is_followed_on(desk: Desk) -> None:
    """When the clock is behind the last id, the next one is that plus one."""
    r = desk.r
    await r.xadd("s", {"a": 1}, id="9999999999999-7")
    assert await r.xadd("s", {"a": 1}) == "9999999999999-8"


@contract
@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("XADD s 0-0 a 1", "The ID specified in XADD must be greater than 0-0"),
        ("XADD s x a 1", "Invalid stream ID specified as stream command argument"),
        ("XADD s 1-x a 1", "Invalid stream ID specified as stream command argument"),
        ("XADD s * a", "wrong number of arguments for 'xadd' command"),
        ("XADD s * a 1 b", "wrong number of arguments for 'xadd' command"),
        ("XADD s MAXLEN -1 * a 1", "The MAXLEN argument must be >= 0."),
        (
            "XADD s MAXLEN = 5 LIMIT 2 * a 1",
            "syntax error, LIMIT cannot be used without the special ~ option",
        ),
        (
            "XADD s MAXLEN 5 MINID 2 * a 1",
            "syntax error, MAXLEN and MINID options at the same time are not compatible",
        ),
        ("XRANGE s x +", "Invalid stream ID specified as stream command argument"),
        ("XRANGE s - + COUNT", "syntax error"),
        ("XTRIM s FAR 1", "syntax error"),
        ("XSETID s 1-0", "no such key"),
        ("XINFO STREAM s", "no such key"),
        ("XGROUP CREATE s g 0", MISSING_GROUP_KEY),
        ("XREAD STREAMS s", "wrong number of arguments for 'xread' command"),
        ("XREAD COUNT few STREAMS s 0", "value is not an integer or out of range"),
        ("XREAD BLOCK -1 STREAMS s 0", "timeout is negative"),
    ],
)
async def test_what_streams_refuse(desk: Desk, command: str, error: str) -> None:
    """The errors of wrong ids and options."""
    assert await error_of(desk.r.execute_command(*command.split())) == error
    assert await desk.r.dbsize() == 0


@contract
async def test_nomkstream_makes_no_stream(desk: Desk) -> None:
    """XADD NOMKSTREAM adds only to what is there."""
    r = desk.r
    assert await r.xadd("s", {"a": 1}, nomkstream=True) is None
    assert await r.exists("s") == 0
    await r.xadd("s", {"a": 1})
    assert await r.xadd("s", {"a": 1}, nomkstream=True) is not None


@contract
async def test_ranges(desk: Desk) -> None:
    """XRANGE and XREVRANGE, with ends left out, parts of ids and a count."""
    r = desk.r
    await fill(r, 5)
    assert [i for i, _ in await r.xrange("s", "2", "4")] == ["2-0", "3-0", "4-0"]
    assert [i for i, _ in await r.xrange("s", "(2-0", "(5-0")] == ["3-0", "4-0"]
    assert [i for i, _ in await r.xrange("s", count=2)] == ["1-0", "2-0"]
    assert [i for i, _ in await r.xrevrange("s", count=2)] == ["5-0", "4-0"]
    assert [i for i, _ in await r.xrevrange("s", "3", "-")] == ["3-0", "2-0", "1-0"]
    assert await r.xrange("nobody") == []


@contract
async def test_trimming_exactly(desk: Desk) -> None:
    """MAXLEN keeps the newest, MINID what is not below an id."""
    r = desk.r
    await fill(r, 10)
    assert await r.xtrim("s", maxlen=6, approximate=False) == 4
    assert await ids(r) == ["5-0", "6-0", "7-0", "8-0", "9-0", "10-0"]
    assert await r.xtrim("s", minid="8", approximate=False) == 3
    assert await ids(r) == ["8-0", "9-0", "10-0"]
    await r.xadd("s", {"n": 11}, id="11-0", maxlen=2, approximate=False)
    assert await ids(r) == ["10-0", "11-0"]
    assert await r.xtrim("s", maxlen=0, approximate=False) == 2
    assert await r.exists("s") == 1


@contract
async def test_trimming_roughly_drops_whole_nodes(desk: Desk) -> None:
    """MAXLEN ~ drops entries by the hundred, and never too many."""
    r = desk.r
    await fill(r, 250)
    assert await r.xtrim("s", maxlen=120) == 100
    assert await r.xtrim("s", maxlen=120) == 0
    assert await r.xtrim("s", maxlen=10) == 100
    assert await r.xlen("s") == 50
    assert await r.xtrim("s", maxlen=0) == 50


@contract
async def test_trimming_roughly_by_id_and_by_size(desk: Desk) -> None:
    """Large entries make small nodes; MINID ~ drops the nodes that lie below the id."""
    r = desk.r
    for n in range(1, 41):
        await r.xadd("s", {"text": "x" * 1000}, id=f"{n}-0")
    assert (await r.xinfo_stream("s"))["radix-tree-keys"] == 10
    assert await r.xtrim("s", minid="10") == 8
    assert await r.xadd("s", {"text": "y"}, id="50-0", maxlen=20) == "50-0"
    assert await r.xlen("s") == 21


@contract
async def test_trimming_roughly_stops_at_its_limit(desk: Desk) -> None:
    """LIMIT bounds the work of one trim."""
    r = desk.r
    await fill(r, 350)
    assert await r.xtrim("s", maxlen=0, limit=250) == 200
    assert await r.xtrim("s", maxlen=0, limit=10) == 0


@contract
async def test_deleting(desk: Desk) -> None:
    """XDEL counts what it found; the stream stays, empty, with its last id."""
    r = desk.r
    await fill(r, 3)
    assert await r.xdel("s", "1-0", "2-0", "9-9") == 2
    assert await ids(r) == ["3-0"]
    assert await r.xdel("s", "3-0") == 1
    assert await r.xlen("s") == 0
    assert await r.type("s") == "stream"
    info = await r.xinfo_stream("s")
    assert info["last-generated-id"] == "3-0"
    assert info["max-deleted-entry-id"] == "3-0"
    assert info["entries-added"] == 3
    assert info["first-entry"] is None


@contract
async def test_xread_reads_what_is_newer(desk: Desk) -> None:
    """XREAD gives, for each stream, what comes after an id; 0 is the beginning."""
    r = desk.r
    await fill(r, 3)
    await fill(r, 2, key="t")
    got = await r.xread({"s": "1-0", "t": "0", "u": "0"})
    rows = dict(got) if isinstance(got, list) else {k: v[0] for k, v in got.items()}
    assert [i for i, _ in rows["s"]] == ["2-0", "3-0"]
    assert [i for i, _ in rows["t"]] == ["1-0", "2-0"]
    assert "u" not in rows
    assert await r.xread({"s": "3-0"}) in ([], {})
    assert await r.xread({"s": "$"}) in ([], {})


@contract
async def test_xread_counts_for_each_stream(desk: Desk) -> None:
    """COUNT is for each stream; + asks for the last entry."""
    r = desk.r
    await fill(r, 3)
    raw = desk.client(protocol=2)
    reply = await raw.execute_command("XREAD", "COUNT", 2, "STREAMS", "s", "0")
    assert [i for i, _ in reply[0][1]] == ["1-0", "2-0"]
    reply = await raw.execute_command("XREAD", "STREAMS", "s", "+")
    assert [i for i, _ in reply[0][1]] == ["3-0"]


@contract
async def test_xinfo_stream(desk: Desk) -> None:
    """XINFO STREAM says how long it is, what was added, and what comes first and last."""
    r = desk.r
    await fill(r, 3)
    await r.xgroup_create("s", "g", id="0")
    info = await r.xinfo_stream("s")
    assert info["length"] == 3
    assert info["groups"] == 1
    assert info["recorded-first-entry-id"] == "1-0"
    assert info["first-entry"] == ("1-0", {"n": "1"})
    assert info["last-entry"] == ("3-0", {"n": "3"})


@contract
async def test_xsetid(desk: Desk) -> None:
    """XSETID moves the last id, not below what is there."""
    r = desk.r
    await fill(r, 3)
    ask = r.execute_command
    assert await ask("XSETID", "s", "10-0") in ("OK", True)
    assert await error_of(r.xadd("s", {"a": 1}, id="9-0")) == TOO_SMALL
    assert (
        await error_of(ask("XSETID", "s", "2-0"))
        == "The ID specified in XSETID is smaller than the target stream top item"
    )
