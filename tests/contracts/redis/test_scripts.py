"""Lua scripts, and redis-py's lock, which is made of them."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import LockNotOwnedError, NoScriptError

from .agreement import Desk, contract, error_of


@contract
@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ("return 3.99", 3),
        ("return 'text'", "text"),
        ("return {1, 'two', {3}}", [1, "two", [3]]),
        ("return {1, nil, 3}", [1]),
        ("return true", 1),
        ("return false", None),
        ("return nil", None),
        ("return redis.status_reply('FINE')", "FINE"),
        ("return #KEYS .. KEYS[1] .. ARGV[1]", "1kv"),
        ("return redis.call('GET', 'missing')", None),
        ("return type(redis.call('GET', 'missing'))", "boolean"),
        ("return redis.call('SET', KEYS[1], ARGV[1]).ok", "OK"),
        ("redis.call('INCRBY', 'n', 3) return redis.call('INCR', 'n')", 4),
        ("redis.call('HSET', 'h', 'a', 1) return redis.call('HGETALL', 'h')", ["a", "1"]),
        ("redis.call('ZADD', 'z', 1.5, 'a') return redis.call('ZSCORE', 'z', 'a')", "1.5"),
        ("return redis.call('XADD', 's', '1-0', 'a', 1)", "1-0"),
        ("return redis.call('BLPOP', 'q', 0)", None),
        ("return cjson.encode({1, 2, 'x'})", '[1,2,"x"]'),
        ("return cjson.decode(ARGV[2]).price", 5),
        ("return redis.sha1hex('')", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("return redis.pcall('LPUSH', 'k').err ~= nil and 1 or 0", 1),
        ("return tonumber('0x10')", 16),
        ("return string.format('%05.1f', 2.5)", "002.5"),
    ],
)
async def test_what_a_script_returns(desk: Desk, script: str, answer: object) -> None:
    """Lua's values become replies, and replies Lua's values."""
    assert await desk.r.eval(script, 1, "k", "v", '{"price": 5}') == answer


@contract
@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("return redis.error_reply('CODE what happened')", "CODE what happened"),
        ("return redis.error_reply('oops')", "oops"),
        ("error('boo')", "user_script:1: boo script: on @user_script:1."),
        (
            "return nothing",
            "user_script:1: Script attempted to access nonexistent global variable 'nothing' "
            "script: on @user_script:1.",
        ),
        (
            "global = 1",
            "user_script:1: Attempt to modify a readonly table script: on @user_script:1.",
        ),
        (
            "redis.call('SET', 'k', 1) redis.call('LPUSH', 'k', 1)",
            "WRONGTYPE Operation against a key holding the wrong kind of value "
            "script: on @user_script:1.",
        ),
        (
            "\nlocal a = redis.call('SPICE')",
            "Unknown command called from script script: on @user_script:2.",
        ),
        (
            "local a = redis.call('MULTI')",
            "This Valkey command is not allowed from script script: on @user_script:1.",
        ),
        (
            "this is no Lua",
            "Error compiling script (new function): user_script:1: '=' expected near 'is'",
        ),
    ],
)
async def test_how_a_script_fails(desk: Desk, script: str, error: str) -> None:
    """An error ends a script; what it did before stays done."""
    assert await error_of(desk.r.eval(script, 0)) == error


@contract
async def test_a_script_runs_whole(desk: Desk) -> None:
    """Nobody comes in between: compare and set loses nothing."""
    script = desk.r.register_script(
        "local n = tonumber(redis.call('GET', KEYS[1]) or 0) "
        "if n >= 5 then return 0 end redis.call('SET', KEYS[1], n + 1) return 1"
    )
    results = await asyncio.gather(*(script(keys=["n"], client=desk.client()) for _ in range(8)))
    assert sum(results) == 5
    assert await desk.r.get("n") == "5"


@contract
async def test_scripts_are_known_by_their_hash(desk: Desk) -> None:
    """EVALSHA runs what SCRIPT LOAD or EVAL has left; FLUSH forgets it."""
    r = desk.r
    name = await r.script_load("return ARGV[1]")
    assert await r.evalsha(name, 0, "x") == "x"
    assert await r.script_exists(name, "0" * 40) == [True, False]
    await r.script_flush()
    with pytest.raises(NoScriptError):
        await r.evalsha(name, 0, "x")


@contract
async def test_scripts_in_transactions_are_watched(desk: Desk) -> None:
    """What a script changes counts as changed."""
    r = desk.r
    async with r.pipeline() as pipe:
        pipe.eval("return redis.call('INCR', KEYS[1])", 1, "n")
        pipe.incr("n")
        assert await pipe.execute() == [1, 2]


@contract
async def test_a_script_wakes_who_waits(desk: Desk) -> None:
    """A push by a script ends a wait, once the script is over."""
    task = await desk.blocked(desk.client().blpop(["q"], timeout=5))
    await desk.r.eval("redis.call('RPUSH', 'q', 'a') redis.call('LPUSH', 'q', 'b')", 0)
    assert (await task)[1] == "b"


@contract
async def test_a_lock_lets_in_one_at_a_time(desk: Desk) -> None:
    """redis-py's lock: who holds it keeps others out until it is released."""
    r = desk.r
    async with r.lock("door", timeout=10):
        other = desk.client().lock("door", timeout=10, blocking=False)
        assert await other.acquire() is False
    assert await other.acquire() is True
    await other.extend(20)
    assert await r.ttl("door") > 20
    await other.reacquire()
    await other.release()
    assert await r.exists("door") == 0


@contract
async def test_a_lock_that_has_run_out_is_not_released(desk: Desk) -> None:
    """Who comes too late finds the lock somebody else's."""
    late = desk.r.lock("door", timeout=0.2)
    await late.acquire()
    await asyncio.sleep(0.3)
    assert await desk.client().lock("door", timeout=10).acquire() is True
    with pytest.raises(LockNotOwnedError):
        await late.release()
    assert await desk.r.exists("door") == 1
