"""Interrupting a coroutine at one of its awaits."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Interrupted:
    """What became of a coroutine that a test interrupted.

    ``fired`` is False when it ended before its n-th await. ``error`` is what it raised, None if it
    returned ``result``.
    """

    fired: bool = False
    result: Any = None
    error: BaseException | None = None


@types.coroutine
def _drive(
    coro: Coroutine[Any, Any, Any], at: int, by: type[BaseException], outcome: Interrupted
) -> Generator[Any, Any, Any]:
    """Run ``coro`` as part of this task; at its n-th suspension raise ``by`` there instead."""
    send, value, suspensions = coro.send, None, 0
    while True:
        try:
            waited = send(value)
        except StopIteration as stop:
            return stop.value
        suspensions += 1
        if suspensions == at:
            outcome.fired = True
            if waited is not None and issubclass(by, asyncio.CancelledError) and waited.cancel():
                # As Task.cancel does: the coroutine hears of it once what it waits for has taken
                # the cancellation. A gather first sees all its children end.
                try:
                    value, send = (yield waited), coro.send
                except BaseException as error:
                    send, value = coro.throw, error
                continue
            if waited is not None:
                # What it was about to wait for is given up.
                waited._asyncio_future_blocking = False
                waited.cancel()
            send, value = coro.throw, by()
            continue
        try:
            value, send = (yield waited), coro.send
        except BaseException as error:
            send, value = coro.throw, error


async def interrupt(
    coro: Coroutine[Any, Any, Any],
    at: int,
    by: type[BaseException] = asyncio.CancelledError,
) -> Any:
    """Await ``coro``, but raise ``by`` inside it at its ``at``-th suspension (1 is the first)."""
    return await _drive(coro, at, by, Interrupted())


async def run_interrupted(
    coro: Coroutine[Any, Any, Any], at: int, by: type[BaseException]
) -> Interrupted:
    """As `interrupt`, but gives back how it ended; a cancellation from outside goes through."""
    outcome = Interrupted()
    try:
        outcome.result = await _drive(coro, at, by, outcome)
    except by as error:
        task = asyncio.current_task()
        if not outcome.fired or (
            isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling()
        ):
            raise
        outcome.error = error
    except Exception as error:
        outcome.error = error
    return outcome
