"""Cancels a handler, waits until it has cleaned up, and cancels the next.

mistake: none
fails: test_the_rest_is_cancelled
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

Request = TypeVar("Request")


@dataclass(frozen=True)
class Summary:
    """How many requests ended in which way."""

    done: int
    failed: int
    cancelled: int


async def serve(
    receive: Callable[[], Coroutine[Any, Any, Request]],
    handle: Callable[[Request], Coroutine[Any, Any, object]],
    clean_up: Callable[[], Coroutine[Any, Any, object]],
    on_signal: Callable[[signal.Signals, Callable[[], object]], object],
    *,
    grace: float = 10.0,
) -> Summary:
    """Handle requests until SIGTERM; then drain for `grace` seconds, cancel the rest, clean up."""
    in_flight: set[asyncio.Task[object]] = set()
    ends: Counter[str] = Counter()

    def ended(task: asyncio.Task[object]) -> None:
        in_flight.discard(task)
        if task.cancelled():
            ends["cancelled"] += 1
        else:
            ends["done" if task.exception() is None else "failed"] += 1

    async def accept() -> None:
        while True:
            request = await receive()
            # No await from here to create_task: what is accepted is in flight, at any moment.
            task = asyncio.create_task(handle(request))
            in_flight.add(task)
            task.add_done_callback(ended)

    async def wind_down() -> None:
        for task in list(in_flight):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await clean_up()

    accepting = asyncio.create_task(accept())
    on_signal(signal.SIGTERM, accepting.cancel)  # once it has ended, it does nothing
    try:
        await asyncio.wait([accepting])
        if in_flight:
            await asyncio.wait(in_flight, timeout=grace)
    finally:
        # Also if we are cancelled in one of the waits above: that is the way without grace.
        accepting.cancel()
        await _to_the_end(wind_down())
    if not accepting.cancelled():
        accepting.result()  # receive has failed
    return Summary(ends["done"], ends["failed"], ends["cancelled"])


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await work that must not be interrupted; a cancellation meanwhile is raised afterwards."""
    task = asyncio.create_task(work)
    cancellation = None
    while not task.done():
        try:
            # shield keeps the cancellation from the task, but not from us: we have to come back.
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        raise cancellation
