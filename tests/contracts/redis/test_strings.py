"""Strings and counters."""

from __future__ import annotations

from typing import Any

import pytest

from .agreement import Desk, contract, error_of

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@contract
async def test_what_is_set_is_got(desk: Desk) -> None:
    """GET gives what SET put there, and None for a key that nobody set."""
    r = desk.r
    assert await r.set("tea", "2.50") is True
    assert await r.get("tea") == "2.50"
    assert await r.get("coffee") is None


@contract
async def test_bytes_come_back_as_they_were(desk: Desk) -> None:
    """Values are bytes: nothing in them means anything."""
    r = desk.client(decode_responses=False)
    value = bytes(range(256)) + b"\r\n$3\r\n"
    await r.set(value, value)
    assert await r.get(value) == value


@contract
async def test_large_values_pass(desk: Desk) -> None:
    """A megabyte there and back."""
    value = "x" * 1_000_000
    await desk.r.set("large", value)
    assert await desk.r.get("large") == value


@contract
async def test_set_nx_sets_only_what_is_not_there(desk: Desk) -> None:
    """SET NX says whether it was the first."""
    r = desk.r
    assert await r.set("lock", "ada", nx=True) is True
    assert await r.set("lock", "bob", nx=True) is None
    assert await r.get("lock") == "ada"


@contract
async def test_set_xx_sets_only_what_is_there(desk: Desk) -> None:
    """SET XX leaves a missing key missing."""
    r = desk.r
    assert await r.set("a", 1, xx=True) is None
    assert await r.exists("a") == 0
    await r.set("a", 1)
    assert await r.set("a", 2, xx=True) is True


@contract
async def test_set_get_gives_what_was_there(desk: Desk) -> None:
    """SET GET answers with the old value, also where NX keeps it."""
    r = desk.r
    assert await r.set("a", 1, get=True) is None
    assert await r.set("a", 2, get=True) == "1"
    assert await r.set("a", 3, nx=True, get=True) == "2"
    assert await r.get("a") == "2"


@contract
async def test_set_takes_an_expiry_away(desk: Desk) -> None:
    """A plain SET makes a key last for ever; KEEPTTL does not."""
    r = desk.r
    await r.set("a", 1, ex=100)
    await r.set("a", 2, keepttl=True)
    assert await r.ttl("a") > 0
    await r.set("a", 3)
    assert await r.ttl("a") == -1


@contract
async def test_set_with_an_expiry(desk: Desk) -> None:
    """EX, PX, EXAT and PXAT say in four ways when a key is to go."""
    r = desk.r
    now = int((await r.time())[0])
    await r.set("ex", 1, ex=100)
    await r.set("px", 1, px=100_000)
    await r.set("exat", 1, exat=now + 100)
    await r.set("pxat", 1, pxat=(now + 100) * 1000)
    for key in ("ex", "px", "exat", "pxat"):
        assert 97 <= await r.ttl(key) <= 100
    await r.set("past", 1, exat=now - 10)
    assert await r.get("past") is None


@contract
@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("SET a 1 NX XX", "syntax error"),
        ("SET a 1 EX 10 PX 10", "syntax error"),
        ("SET a 1 EX 10 KEEPTTL", "syntax error"),
        ("SET a 1 EX 0", "invalid expire time in 'set' command"),
        ("SET a 1 PX -5", "invalid expire time in 'set' command"),
        ("SET a 1 EX soon", "value is not an integer or out of range"),
        ("SET a", "wrong number of arguments for 'set' command"),
        ("SETEX a 0 v", "invalid expire time in 'setex' command"),
        ("GETEX a EX 0", "invalid expire time in 'getex' command"),
        ("MSET a 1 b", "wrong number of arguments for 'mset' command"),
        ("SETRANGE a -1 x", "offset is out of range"),
        ("SPICE a", "unknown command 'SPICE', with args beginning with: 'a' "),
    ],
)
async def test_what_cannot_be_set(desk: Desk, command: str, error: str) -> None:
    """Wrong options and times are refused, and nothing is set."""
    assert await error_of(desk.r.execute_command(*command.split())) == error
    assert await desk.r.dbsize() == 0


@contract
async def test_getdel_and_getex(desk: Desk) -> None:
    """GETDEL takes, GETEX moves the expiry."""
    r = desk.r
    await r.set("a", 1, ex=100)
    assert await r.getex("a", ex=1000) == "1"
    assert await r.ttl("a") > 100
    assert await r.getex("a", persist=True) == "1"
    assert await r.ttl("a") == -1
    assert await r.getdel("a") == "1"
    assert await r.getdel("a") is None


@contract
async def test_setnx_getset_and_setex(desk: Desk) -> None:
    """The older spellings do the same."""
    r = desk.r
    ask = r.execute_command
    assert await ask("SETNX", "a", 1) in (1, True)
    assert await ask("SETNX", "a", 2) in (0, False)
    assert await ask("GETSET", "a", 3) == "1"
    await ask("SETEX", "b", 100, 1)
    await ask("PSETEX", "c", 100_000, 1)
    assert await r.ttl("b") > 0 < await r.ttl("c")


@contract
async def test_several_keys_at_once(desk: Desk) -> None:
    """MSET, MGET, and MSETNX, which sets all or nothing."""
    r = desk.r
    await r.mset({"a": 1, "b": 2})
    await r.lpush("list", 1)
    assert await r.mget("a", "b", "c", "list") == ["1", "2", None, None]
    assert await r.msetnx({"c": 3, "a": 9}) in (0, False)
    assert await r.mget("a", "c") == ["1", None]
    assert await r.msetnx({"c": 3, "d": 4}) in (1, True)


@contract
async def test_parts_of_a_value(desk: Desk) -> None:
    """APPEND, STRLEN, GETRANGE with negative positions, SETRANGE beyond the end."""
    r = desk.r
    assert await r.append("a", "Hello") == 5
    assert await r.append("a", " World") == 11
    assert await r.strlen("a") == 11
    assert await r.getrange("a", -5, -1) == "World"
    assert await r.getrange("a", 3, 1) == ""
    assert await r.setrange("b", 2, "x") == 3
    assert await r.get("b") == "\0\0x"


@contract
async def test_counters(desk: Desk) -> None:
    """INCR and its like begin at 0 and answer with the new value."""
    r = desk.r
    assert await r.incr("n") == 1
    assert await r.incr("n", 9) == 10
    assert await r.decr("n", 11) == -1
    assert await r.get("n") == "-1"


@contract
@pytest.mark.parametrize(
    ("before", "amount", "after"),
    [
        ("10.50", "0.1", "10.6"),
        ("5.0e3", "2.0e2", "5200"),
        ("3", "-5", "-2"),
        ("0", "0.000000000000000001", "0"),
        ("1", "1e-5", "1.00001"),
    ],
)
async def test_counters_with_a_fraction(desk: Desk, before: str, amount: str, after: str) -> None:
    """INCRBYFLOAT prints no zeros behind and no exponent."""
    await desk.r.set("n", before)
    assert await desk.r.execute_command("INCRBYFLOAT", "n", amount) in (after, float(after))
    assert await desk.r.get("n") == after


@contract
@pytest.mark.parametrize(
    ("value", "command", "error"),
    [
        ("many", "INCR n", "value is not an integer or out of range"),
        ("01", "INCR n", "value is not an integer or out of range"),
        (" 1", "INCR n", "value is not an integer or out of range"),
        ("9223372036854775807", "INCR n", "increment or decrement would overflow"),
        ("5", "INCRBY n much", "value is not an integer or out of range"),
        ("5", "DECRBY n -9223372036854775808", "decrement would overflow"),
        ("5", "INCRBYFLOAT n much", "value is not a valid float"),
        ("5", "INCRBYFLOAT n inf", "increment would produce NaN or Infinity"),
    ],
)
async def test_what_is_no_number_does_not_count(
    desk: Desk, value: str, command: str, error: str
) -> None:
    """What is no integer of 64 bits, or would be none, is refused and left as it was."""
    await desk.r.set("n", value)
    assert await error_of(desk.r.execute_command(*command.split())) == error
    assert await desk.r.get("n") == value


@contract
@pytest.mark.parametrize(
    "command", ["GET k", "INCR k", "APPEND k x", "GETSET k 1", "SET k 1 GET", "STRLEN k"]
)
async def test_a_list_is_no_string(desk: Desk, command: str) -> None:
    """A command for strings refuses a key that holds something else."""
    await desk.r.rpush("k", 1)
    attempt: Any = desk.r.execute_command(*command.split())
    assert await error_of(attempt) == WRONG_TYPE
    assert await desk.r.lrange("k", 0, -1) == ["1"]


@contract
async def test_a_plain_set_replaces_whatever_is_there(desk: Desk) -> None:
    """SET does not ask what the key held."""
    await desk.r.rpush("k", 1)
    await desk.r.set("k", "v")
    assert await desk.r.type("k") == "string"
