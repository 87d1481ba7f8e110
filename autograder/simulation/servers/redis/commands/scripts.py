"""Lua scripts."""

from __future__ import annotations

from ..replies import RedisError, Reply
from .table import Call, command

_NOT_SIMULATED = RedisError(
    "ERR Lua scripts are not simulated: use MULTI/EXEC with WATCH, or run this test live"
)


@command("EVAL", -3, "noscript")
@command("EVALSHA", -3, "noscript")
@command("SCRIPT LOAD", 3, "noscript")
def not_simulated(call: Call) -> Reply:
    raise _NOT_SIMULATED
