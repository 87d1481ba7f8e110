"""Lua scripts: EVAL, EVALSHA and SCRIPT."""

from __future__ import annotations

from .. import lua
from ..arguments import integer
from ..replies import NOTHING_YET, RedisError, Reply
from .table import Call, command

_NO_SCRIPT = "NOSCRIPT No matching script."


def _run(call: Call, script: bytes, *, read_only: bool = False) -> Reply:
    count = integer(call.args[1])
    if count < 0:
        raise RedisError("ERR Number of keys can't be negative")
    if count > len(call.args) - 2:
        raise RedisError("ERR Number of keys can't be greater than number of args")
    keys, arguments = call.args[2 : 2 + count], call.args[2 + count :]
    before = call.session.db

    def do(words: list[bytes]) -> Reply:
        return _do(call, words, read_only)

    try:
        return lua.run(do, script, keys, arguments)
    finally:
        call.session.db = before


def _do(call: Call, words: list[bytes], read_only: bool) -> Reply:
    """What ``redis.call`` asks for."""
    try:
        found, args = call.engine.look_up(words)
    except RedisError as error:
        return _worded_for_scripts(error)
    if "noscript" in found.flags:
        return RedisError("ERR This Valkey command is not allowed from script")
    if read_only and "write" in found.flags:
        return RedisError("ERR Write commands are not allowed from read-only scripts.")
    reply = call.engine.call(call.session, found, args, waits=False)
    return None if reply is NOTHING_YET else reply


def _worded_for_scripts(error: RedisError) -> RedisError:
    if error.text.startswith("ERR unknown command"):
        return RedisError("ERR Unknown command called from script")
    if error.text.startswith("ERR wrong number"):
        return RedisError("ERR Wrong number of args calling command from script")
    return error


def _eval(call: Call, *, read_only: bool = False) -> Reply:
    script = call.args[0]
    call.engine.scripts[lua.sha1(script)] = script
    return _run(call, script, read_only=read_only)


def _evalsha(call: Call, *, read_only: bool = False) -> Reply:
    script = call.engine.scripts.get(call.args[0].lower())
    if script is None:
        raise RedisError(_NO_SCRIPT)
    return _run(call, script, read_only=read_only)


@command("EVAL", -3, "noscript")
def eval_(call: Call) -> Reply:
    return _eval(call)


@command("EVAL_RO", -3, "noscript readonly")
def eval_ro(call: Call) -> Reply:
    return _eval(call, read_only=True)


@command("EVALSHA", -3, "noscript")
def evalsha(call: Call) -> Reply:
    return _evalsha(call)


@command("EVALSHA_RO", -3, "noscript readonly")
def evalsha_ro(call: Call) -> Reply:
    return _evalsha(call, read_only=True)


@command("SCRIPT LOAD", 3, "noscript")
def script_load(call: Call) -> Reply:
    script = call.args[0]
    lua.check(script)
    name = lua.sha1(script)
    call.engine.scripts[name] = script
    return name


@command("SCRIPT EXISTS", -3, "noscript")
def script_exists(call: Call) -> Reply:
    return [int(name.lower() in call.engine.scripts) for name in call.args]


@command("SCRIPT FLUSH", -2, "noscript")
def script_flush(call: Call) -> Reply:
    if len(call.args) > 1 or (call.args and call.args[0].upper() not in (b"SYNC", b"ASYNC")):
        raise RedisError("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    call.engine.scripts.clear()
    return "OK"


@command("SCRIPT KILL", 2, "noscript")
def script_kill(call: Call) -> Reply:
    raise RedisError("NOTBUSY No scripts in execution right now.")
