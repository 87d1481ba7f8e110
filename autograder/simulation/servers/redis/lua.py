"""Lua scripts as Redis runs them: Lua 5.1, sandboxed, with ``redis.call``.

One interpreter serves the whole process, and each script gets an environment of its own: an
interpreter that knew its engine could never be collected.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import random
from collections.abc import Callable
from typing import Any

from .replies import NULL_ARRAY, Pairs, RedisError, Reply, Streams
from .resp import format_double

MISSING = "ERR scripts need the package lupa: pip install lupa, or say it with MULTI/EXEC and WATCH"
Command = Callable[[list[bytes]], Reply]
"""Does what ``redis.call`` asks for."""

_MOST_STEPS = 50_000_000
"""Instructions after which a script is stopped: a real server would be busy for ever."""

# What a script sees. ``ask`` does a command: false and a table with `err`, or true and the answer.
_PRELUDE = rb"""
local ask, sha1hex, encode, decode, draw, now, most = ...
local raise, protected, where, unpack_all = error, pcall, debug.getinfo, unpack
local hook, compile, environment = debug.sethook, loadstring, setfenv

local function copied(library, without)
    local copy = {}
    for name, value in pairs(library) do copy[name] = value end
    for _, name in ipairs(without or {}) do copy[name] = nil end
    return copy
end

local function line_of_script()  -- unknown in `return redis.call(...)`, a tail call
    for level = 3, 9 do
        local caller = where(level, 'Sl')
        if not caller then return nil end
        if caller.short_src == 'user_script' then return caller.currentline end
    end
end

local function answered(ok, value)
    if ok then return value end
    raise({err = value.err, line = line_of_script()}, 0)
end

local function readonly() raise('Attempt to modify a readonly table', 2) end

local function api()
    local redis = {
        call = function(...) return answered(ask(...)) end,
        pcall = function(...) local _, value = ask(...) return value end,
        error_reply = function(text)
            if string.sub(text, 1, 1) == '-' then text = string.sub(text, 2)
            elseif not string.find(text, ' ') then text = 'ERR ' .. text end
            return {err = text}
        end,
        status_reply = function(text) return {ok = text} end,
        sha1hex = sha1hex,
        log = function() end,
        setresp = function() end,
        replicate_commands = function() return true end,
        set_repl = function() end,
        breakpoint = function() return false end,
        LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
        REPL_ALL = 3, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_NONE = 0,
    }
    return setmetatable({}, {__index = redis, __newindex = readonly, __metatable = false})
end

local names = {'assert', 'collectgarbage', 'error', 'getmetatable', 'ipairs', 'next', 'pairs',
    'select', 'setmetatable', 'tonumber', 'tostring', 'type', 'unpack', 'rawequal', 'rawget',
    'rawset', 'xpcall', 'load', 'loadstring', '_VERSION'}

local function fresh(keys, arguments)
    local globals = {}
    for _, name in ipairs(names) do globals[name] = _G[name] end
    globals.string, globals.table = copied(string), copied(table)
    globals.coroutine, globals.math = copied(coroutine), copied(math, {'randomseed'})
    globals.math.random, globals.math.randomseed = draw, function() end
    globals.os = {clock = now}
    globals.cjson = {encode = encode, decode = decode}
    globals.redis = api()
    globals.server = globals.redis
    globals.pcall = function(...)
        local results = {protected(...)}
        if not results[1] and type(results[2]) == 'table' and results[2].err then
            results[2] = results[2].err
        end
        return unpack_all(results, 1, 2 + #results)
    end
    globals.KEYS, globals.ARGV = keys, arguments
    globals._G = globals
    return setmetatable({}, {
        __index = function(_, name)
            local value = globals[name]
            if value == nil then
                raise("Script attempted to access nonexistent global variable '"
                    .. tostring(name) .. "'", 2)
            end
            return value
        end,
        __newindex = readonly,
        __metatable = false,
    })
end

local function run(code, keys, arguments)
    local script, problem = compile(code, '@user_script')
    if not script then return false, {compile = problem} end
    environment(script, fresh(keys, arguments))
    hook(function() raise('Script runs without end', 0) end, '', most)
    local ok, result = protected(script)
    hook()
    return ok, result
end

return run
"""


def sha1(script: bytes) -> bytes:
    """The name that EVALSHA knows a script by."""
    return hashlib.sha1(script).hexdigest().encode()


class _Interpreter:
    """The process's interpreter. ``commands`` are those of the scripts that run now."""

    def __init__(self) -> None:
        self._lua: Any = _lupa().LuaRuntime(
            encoding=None,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
        )
        self._commands: list[Command] = []
        self._random = random.Random(0)
        self._compile = self._lua.execute(b"return loadstring")
        prelude = self._compile(_PRELUDE, b"=prelude")
        self._run = prelude(
            self._ask, sha1, self._encode, self._decode, self._draw, lambda: 0.0, _MOST_STEPS
        )

    def run(self, command: Command, script: bytes, keys: list[bytes], args: list[bytes]) -> Reply:
        self._random.seed(0)  # as Redis does: a script draws the same numbers every time
        self._commands.append(command)
        try:
            ok, result = self._run(script, self._table(keys), self._table(args))
        finally:
            self._commands.pop()
        return self._reply(result) if ok else _error(result)

    def check(self, script: bytes) -> None:
        """Raise `RedisError` if a script cannot be compiled."""
        compiled = self._compile(script, b"@user_script")
        if isinstance(compiled, tuple):
            raise RedisError(_compile_error(compiled[1]))

    # -- what scripts call ----------------------------------------------------------------------

    def _ask(self, *words: Any) -> tuple[bool, Any]:
        if not words:
            return self._refuse("ERR Please specify at least one argument for this call")
        encoded = [_argument(word) for word in words]
        if None in encoded:
            return self._refuse("ERR Command arguments must be strings or integers")
        reply = self._commands[-1]([word for word in encoded if word is not None])
        if isinstance(reply, RedisError):
            return self._refuse(reply.text)
        return True, self._value(reply)

    def _refuse(self, text: str) -> tuple[bool, Any]:
        return False, self._lua.table_from({b"err": text.encode()})

    def _draw(self, low: Any = None, high: Any = None) -> Any:
        if low is None:
            return self._random.random()
        return self._random.randint(1, low) if high is None else self._random.randint(low, high)

    def _encode(self, value: Any) -> bytes:
        return json.dumps(self._plain(value), separators=(",", ":")).encode()

    def _decode(self, data: bytes) -> Any:
        return self._from_json(json.loads(data))

    # -- values, to and from Lua ----------------------------------------------------------------

    def _table(self, items: list[Any]) -> Any:
        return self._lua.table_from(items)

    def _value(self, reply: Reply) -> Any:
        """A reply as a script sees it: as RESP2 says it, with false for null."""
        if reply is None or reply is NULL_ARRAY:
            return False
        if isinstance(reply, str):
            return self._lua.table_from({b"ok": reply.encode()})
        if isinstance(reply, bytes | int):
            return bytes(reply) if isinstance(reply, bytes) else reply
        if isinstance(reply, float):
            return format_double(reply)
        if isinstance(reply, RedisError):
            return self._lua.table_from({b"err": reply.text.encode()})
        if isinstance(reply, dict):
            reply = [part for pair in reply.items() for part in pair]
        elif isinstance(reply, Streams):
            reply = [[key, entries] for key, entries in reply]
        elif isinstance(reply, Pairs):
            reply = [part for pair in reply for part in pair]
        return self._table([self._value(item) for item in reply])

    def _reply(self, value: Any) -> Reply:
        """What a script returns, as a reply."""
        if value is None or value is False:
            return None
        if value is True:
            return 1
        if isinstance(value, int | float):
            return int(value)
        if isinstance(value, bytes):
            return value
        if _kind(value) != "table":
            return None
        if value[b"err"] is not None:
            return RedisError(value[b"err"].decode("utf-8", "replace"))
        if value[b"ok"] is not None:
            return str(value[b"ok"].decode("utf-8", "replace"))
        if value[b"double"] is not None:
            return float(value[b"double"])
        items, position = [], 1
        while value[position] is not None:
            items.append(self._reply(value[position]))
            position += 1
        return items

    def _plain(self, value: Any) -> Any:
        """A Lua value as JSON's Python: a table that begins with 1 is a list."""
        if isinstance(value, bytes):
            return value.decode("utf-8", "surrogateescape")
        if _kind(value) != "table":
            return value
        if len(value):
            return [self._plain(value[position]) for position in range(1, len(value) + 1)]
        return {self._name(key): self._plain(item) for key, item in value.items()}

    def _name(self, key: Any) -> str:
        return key.decode() if isinstance(key, bytes) else f"{key:g}"

    def _from_json(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, list):
            return self._table([self._from_json(item) for item in value])
        if isinstance(value, dict):
            items = {key.encode(): self._from_json(item) for key, item in value.items()}
            return self._lua.table_from(items)
        return value


def _lupa() -> Any:
    return importlib.import_module("lupa.lua51")


def _kind(value: Any) -> str:
    return str(_lupa().lua_type(value) or "")


def _argument(word: Any) -> bytes | None:
    if isinstance(word, bytes):
        return word
    if isinstance(word, bool) or not isinstance(word, int | float):
        return None
    return b"%d" % word if isinstance(word, int) else format_double(word)


def _error(result: Any) -> RedisError:
    """An error that ended a script, as Redis words it."""
    if isinstance(result, bytes):
        line = result.split(b":")[1] if result.startswith(b"user_script:") else b"1"
        said = result.decode("utf-8", "replace")
        return RedisError(f"ERR {said} script: on @user_script:{line.decode()}.")
    if _kind(result) != "table":
        return RedisError(f"ERR {result} script: on @user_script:1.")
    if result[b"compile"] is not None:
        return RedisError(_compile_error(result[b"compile"]))
    text = (result[b"err"] or b"ERR unknown error").decode("utf-8", "replace")
    return RedisError(f"{text} script: on @user_script:{int(result[b'line'] or 1)}.")


def _compile_error(problem: bytes) -> str:
    said = problem.decode("utf-8", "replace")
    return f"ERR Error compiling script (new function): {said}"


_interpreters: list[_Interpreter] = []


def run(command: Command, script: bytes, keys: list[bytes], args: list[bytes]) -> Reply:
    """Run a script; its reply, or the error that ended it.

    Raises `RedisError` where lupa is not installed.
    """
    return interpreter().run(command, script, keys, args)


def check(script: bytes) -> None:
    """Raise `RedisError` if a script cannot be compiled."""
    interpreter().check(script)


def interpreter() -> _Interpreter:
    """The interpreter of this process."""
    if not _interpreters:
        try:
            _interpreters.append(_Interpreter())
        except ImportError:
            raise RedisError(MISSING) from None
    return _interpreters[0]
