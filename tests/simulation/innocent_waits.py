"""Programs that do unusual things and nothing wrong: they wait long, lock, poll and generate.

No detector may accuse any of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from autograder.simulation import World


async def background_task_is_cancelled_and_awaited(world: World) -> None:
    async def tick() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(1)

    task = asyncio.create_task(tick())
    await asyncio.sleep(3.5)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def background_task_is_only_cancelled(world: World) -> None:
    async def tick() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(1)

    task = asyncio.create_task(tick())
    try:
        await asyncio.sleep(3.5)
    finally:
        task.cancel()


async def time_limits_are_caught_for_hours(world: World) -> None:
    for _ in range(50):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.Event().wait()


async def first_of_three_wins(world: World) -> None:
    async def work(seconds: int) -> int:
        await asyncio.sleep(seconds)
        return seconds

    tasks = [asyncio.create_task(work(seconds)) for seconds in (3, 1, 2)]
    done, losers = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert done.pop().result() == 1
    for loser in losers:
        loser.cancel()
    await asyncio.gather(*losers, return_exceptions=True)


async def as_completed_runs_out_of_time(world: World) -> None:
    tasks = [asyncio.create_task(asyncio.sleep(seconds)) for seconds in (1, 20)]
    with contextlib.suppress(TimeoutError):
        for result in asyncio.as_completed(tasks, timeout=3):
            await result
    for task in tasks:
        task.cancel()


async def lock_cycle_is_broken_by_time_limits(world: World) -> None:
    first, second = asyncio.Lock(), asyncio.Lock()

    async def move(one: asyncio.Lock, other: asyncio.Lock, patience: float) -> None:
        while True:
            try:
                async with asyncio.timeout(patience), one:
                    await asyncio.sleep(1)
                    async with other:
                        return
            except TimeoutError:
                await asyncio.sleep(patience)

    await asyncio.gather(move(first, second, 50), move(second, first, 70))


async def lock_is_held_for_hours(world: World) -> None:
    lock = asyncio.Lock()

    async def work() -> None:
        async with lock:
            await asyncio.sleep(3 * 3600)

    await asyncio.gather(*(work() for _ in range(3)))


async def lock_is_released_by_another_task(world: World) -> None:
    lock, held = asyncio.Lock(), asyncio.Lock()

    async def release_later() -> None:
        await asyncio.sleep(5000)
        lock.release()

    await lock.acquire()
    releasing = asyncio.create_task(release_later())
    async with held:
        await lock.acquire()
    lock.release()
    await releasing


async def lock_is_kept_after_a_failed_gather(world: World) -> None:
    lock = asyncio.Lock()

    async def fail() -> None:
        await asyncio.sleep(1)
        raise ValueError("no")

    async def work() -> None:
        async with lock:
            pass

    async with lock:
        working = asyncio.create_task(work())
        with contextlib.suppress(ValueError):
            await asyncio.gather(working, fail())
        await asyncio.sleep(3600)
    await working


async def lock_is_a_gate(world: World) -> None:
    gate = asyncio.Lock()

    async def work() -> str:
        async with gate:
            return "done"

    await gate.acquire()
    asyncio.get_running_loop().call_later(3600, gate.release)
    assert await asyncio.create_task(work()) == "done"


async def generator_is_left_early(world: World) -> None:
    closed = []

    async def rows() -> AsyncIterator[int]:
        try:
            for row in range(3):
                yield row
        finally:
            await asyncio.sleep(1)
            closed.append(1)

    async for _ in rows():
        break
    await asyncio.sleep(2)
    assert closed == [1]


async def generator_is_left_to_the_end_of_the_loop(world: World) -> None:
    async def rows() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(0)

    generator = rows()
    assert await anext(generator) == 1


async def coroutine_travels_before_it_is_awaited(world: World) -> None:
    async def work() -> int:
        return 1

    queue: asyncio.Queue[object] = asyncio.Queue()

    async def run() -> int:
        return await (await queue.get())  # type: ignore[misc, no-any-return]

    running = asyncio.create_task(run())
    await queue.put(work())
    assert await running == 1


async def polls_a_queue_without_sleeping(world: World) -> None:
    arrived: list[int] = []
    asyncio.get_running_loop().call_later(0.5, arrived.append, 1)
    while not arrived:  # noqa: ASYNC110
        await asyncio.sleep(0)


INNOCENTS = [
    value
    for value in list(globals().values())
    if asyncio.iscoroutinefunction(value) and value.__module__ == __name__
]
