"""The signal notes its moment, and draining is a block of asyncio.timeout_at from there."""

from __future__ import annotations

import asyncio
import signal
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
    loop = asyncio.get_running_loop()
    counts = {"done": 0, "failed": 0, "cancelled": 0}
    in_flight = set()
    accepting = None
    stopped_at = None

    def stop():
        nonlocal stopped_at
        if stopped_at is None:
            stopped_at = loop.time()
            if accepting is not None:
                accepting.cancel()

    def ended(task):
        in_flight.discard(task)
        if task.cancelled():
            counts["cancelled"] += 1
        elif task.exception():
            counts["failed"] += 1
        else:
            counts["done"] += 1

    async def accept():
        try:
            while stopped_at is None:
                request = await receive()
                task = asyncio.create_task(handle(request))
                in_flight.add(task)
                task.add_done_callback(ended)
        finally:
            stop()

    async def finish():
        for task in in_flight:
            task.cancel()
        await asyncio.wait([accepting, *in_flight])
        await clean_up()

    on_signal(signal.SIGTERM, stop)
    accepting = asyncio.create_task(accept())
    cancellation = None
    try:
        await asyncio.wait([accepting])
        if in_flight:
            try:
                async with asyncio.timeout_at(stopped_at + grace):
                    while in_flight:
                        await asyncio.wait(in_flight)
            except TimeoutError:
                pass
    except asyncio.CancelledError as error:
        cancellation = error
        stop()

    finishing = asyncio.create_task(finish())
    while not finishing.done():
        try:
            await asyncio.shield(finishing)
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation:
        raise cancellation
    finishing.result()
    if not accepting.cancelled():
        accepting.result()
    return Summary(**counts)
