"""A TaskGroup holds the handlers, and a timeout that is set at the signal ends it.

The group waits, cancels and waits again; what is added is the moment from which the time counts.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

Request = TypeVar("Request")


@dataclass(frozen=True)
class Summary:
    done: int
    failed: int
    cancelled: int


class Tally:
    def __init__(self) -> None:
        self.done = self.failed = self.cancelled = 0

    async def count(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except Exception:
            self.failed += 1
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        else:
            self.done += 1


async def serve(
    receive: Callable[[], Coroutine[Any, Any, Request]],
    handle: Callable[[Request], Coroutine[Any, Any, object]],
    clean_up: Callable[[], Coroutine[Any, Any, object]],
    on_signal: Callable[[signal.Signals, Callable[[], object]], object],
    *,
    grace: float = 10.0,
) -> Summary:
    loop = asyncio.get_running_loop()
    tally = Tally()
    failures: list[Exception] = []

    async def drain() -> None:
        try:
            async with asyncio.timeout(None) as patience, asyncio.TaskGroup() as group:

                async def accept() -> None:
                    try:
                        while True:
                            group.create_task(tally.count(handle(await receive())))
                    except Exception as error:
                        failures.append(error)
                    finally:
                        if patience.when() is None:
                            patience.reschedule(loop.time() + grace)

                accepting = group.create_task(accept())
                on_signal(signal.SIGTERM, accepting.cancel)
        except TimeoutError:
            pass

    draining = asyncio.create_task(drain())
    interruption: asyncio.CancelledError | None = None
    while not draining.done():
        try:
            await asyncio.wait([draining])
        except asyncio.CancelledError as error:
            # Only once: a second time would interrupt handlers that clean up.
            if interruption is None:
                draining.cancel()
            interruption = error
    cleaning = asyncio.create_task(clean_up())
    while not cleaning.done():
        try:
            await asyncio.wait([cleaning])
        except asyncio.CancelledError as error:
            interruption = error
    if interruption is not None:
        raise interruption
    if failures:
        raise failures[0]
    return Summary(tally.done, tally.failed, tally.cancelled)
