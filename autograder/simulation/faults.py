"""Interrupting a coroutine at one of its awaits: by a cancellation, or by a crash."""

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
def _cancel_at(
    coro: Coroutine[Any, Any, Any], at: int, outcome: Interrupted
) -> Generator[Any, Any, Any]:
    """Run ``coro`` as a task of its own, and cancel that task once it waits for the n-th time."""
    task = asyncio.current_task()
    assert task is not None
    send, value, suspensions = coro.send, None, 0
    while True:
        try:
            waited = send(value)
        except StopIteration as stop:
            return stop.value
        suspensions += 1
        if suspensions == at:
            outcome.fired = True
            asyncio.get_running_loop().call_soon(task.cancel)
        try:
            value, send = (yield waited), coro.send
        except BaseException as error:
            send, value = coro.throw, error


@types.coroutine
def _throw_at(
    coro: Coroutine[Any, Any, Any], at: int, by: type[BaseException], outcome: Interrupted
) -> Generator[Any, Any, Any]:
    """Run ``coro`` as part of this task; raise ``by`` in it where it waits for the n-th time."""
    send, value, suspensions = coro.send, None, 0
    while True:
        try:
            waited = send(value)
        except StopIteration as stop:
            return stop.value
        suspensions += 1
        if suspensions == at:
            outcome.fired = True
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
    """Await ``coro``, but interrupt it at its ``at``-th suspension (1 is the first).

    A CancelledError comes as ``Task.cancel`` sends it; anything else is raised where it waits.
    """
    return await _interrupted(coro, at, by, Interrupted())


async def _interrupted(
    coro: Coroutine[Any, Any, Any], at: int, by: type[BaseException], outcome: Interrupted
) -> Any:
    if not issubclass(by, asyncio.CancelledError):
        return await _throw_at(coro, at, by, outcome)

    async def run() -> Any:
        return await _cancel_at(coro, at, outcome)

    return await asyncio.create_task(run(), name=getattr(coro, "__name__", None))


async def run_interrupted(
    coro: Coroutine[Any, Any, Any], at: int, by: type[BaseException]
) -> Interrupted:
    """As `interrupt`, but gives back how it ended.

    What it raises without having been interrupted, and a cancellation from outside, go through.
    """
    outcome = Interrupted()
    try:
        outcome.result = await _interrupted(coro, at, by, outcome)
    except by as error:
        task = asyncio.current_task()
        if not outcome.fired or (
            isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling()
        ):
            raise
        outcome.error = error
    except Exception as error:
        if not outcome.fired:
            raise  # nobody interrupted it: this is its own failure
        outcome.error = error
    return outcome
