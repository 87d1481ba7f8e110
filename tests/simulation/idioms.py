"""Programs that are correct because asyncio runs what is ready first-in-first-out.

Each is an ``async def`` without arguments that asserts what it relies on. None measures time, so
that the same body also runs on asyncio's own loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
from collections.abc import AsyncIterator, Callable, Coroutine

TICK = 0.001
"""Seconds: long enough to be a timer, short enough to wait for on a real clock."""

Idiom = Callable[[], Coroutine[None, None, None]]


async def gather_starts_in_order() -> None:
    began: list[str] = []

    async def work(name: str) -> None:
        began.append(name)
        await asyncio.sleep(0)

    await asyncio.gather(*(work(name) for name in "abcd"))
    assert began == list("abcd")


async def one_yield_starts_a_new_task() -> None:
    running = asyncio.Event()

    async def serve() -> None:
        running.set()
        await asyncio.Event().wait()

    server = asyncio.create_task(serve())
    await asyncio.sleep(0)
    assert running.is_set()
    server.cancel()
    await asyncio.wait([server])


async def two_yields_finish_a_cancellation() -> None:
    sleeper = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sleeper.cancelled()


async def equal_sleeps_end_in_the_order_they_began() -> None:
    order = []

    async def work(number: int) -> None:
        await asyncio.sleep(TICK)
        order.append(number)

    await asyncio.gather(*(work(number) for number in range(5)))
    assert order == list(range(5))


async def callbacks_run_in_the_order_they_were_asked_for() -> None:
    loop, order = asyncio.get_running_loop(), []

    def first() -> None:
        order.append("first")
        loop.call_soon(order.append, "asked for by first")

    loop.call_soon(first)
    loop.call_soon(order.append, "second")
    await asyncio.sleep(0)
    assert order == ["first", "second"]
    await asyncio.sleep(0)
    assert order[2:] == ["asked for by first"]


async def timers_fire_by_deadline_then_by_age() -> None:
    loop, order, over = asyncio.get_running_loop(), [], asyncio.Event()
    now = loop.time()
    loop.call_at(now + 3 * TICK, over.set)
    loop.call_at(now + 2 * TICK, order.append, "late")
    loop.call_at(now + TICK, order.append, "early, asked first")
    loop.call_at(now + TICK, order.append, "early, asked second")
    loop.call_later(-1, order.append, "at once")
    await over.wait()
    assert order == ["at once", "early, asked first", "early, asked second", "late"]


async def cancellations_arrive_in_the_order_they_were_sent() -> None:
    order = []

    async def work(number: int) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            order.append(number)
            raise

    tasks = [asyncio.create_task(work(number)) for number in range(4)]
    await asyncio.sleep(0)
    for task in reversed(tasks):
        task.cancel()
    await asyncio.wait(tasks)
    assert order == [3, 2, 1, 0]


async def a_closed_generator_has_cleaned_up() -> None:
    closed = []

    async def rows() -> AsyncIterator[int]:
        try:
            for row in range(3):
                await asyncio.sleep(0)
                yield row
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    generator = rows()
    async with contextlib.aclosing(generator):  # type: ignore[type-var]
        async for _ in generator:
            break
    assert closed == [True]


_request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")


async def a_task_keeps_its_own_context() -> None:
    seen = {}

    async def handle(name: str) -> None:
        _request.set(name)
        await asyncio.sleep(0)
        seen[name] = _request.get()

    _request.set("the parent's")
    await asyncio.gather(handle("a"), handle("b"))
    assert seen == {"a": "a", "b": "b"}
    assert _request.get() == "the parent's"
    asyncio.get_running_loop().call_soon(lambda: seen.update(callback=_request.get()))
    await asyncio.sleep(0)
    assert seen["callback"] == "the parent's"


async def a_result_wakes_all_who_wait_in_order() -> None:
    answer = asyncio.get_running_loop().create_future()
    order = []

    async def wait(number: int) -> None:
        await answer
        order.append(number)

    answer.add_done_callback(lambda _: order.append("callback"))
    waiters = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    answer.set_result(None)
    await asyncio.gather(*waiters)
    assert order == ["callback", 0, 1, 2]


async def two_tasks_that_yield_take_turns() -> None:
    moves = []

    async def play(name: str) -> None:
        for _ in range(4):
            moves.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(play("ping"), play("pong"))
    assert moves == ["ping", "pong"] * 4


async def eager_tasks_start_at_once() -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    order = []

    async def work(name: str, yields: int) -> str:
        order.append(name)
        for _ in range(yields):
            await asyncio.sleep(0)
        return name

    try:
        quick = asyncio.create_task(work("quick", 0))
        assert quick.done()
        slow = asyncio.create_task(work("slow", 1))
        assert order == ["quick", "slow"]
        assert not slow.done()
        assert await asyncio.gather(quick, slow) == ["quick", "slow"]
    finally:
        loop.set_task_factory(None)


IDIOMS: list[Idiom] = [
    gather_starts_in_order,
    one_yield_starts_a_new_task,
    two_yields_finish_a_cancellation,
    equal_sleeps_end_in_the_order_they_began,
    callbacks_run_in_the_order_they_were_asked_for,
    timers_fire_by_deadline_then_by_age,
    cancellations_arrive_in_the_order_they_were_sent,
    a_closed_generator_has_cleaned_up,
    a_task_keeps_its_own_context,
    a_result_wakes_all_who_wait_in_order,
    two_tasks_that_yield_take_turns,
]
if sys.version_info >= (3, 12):
    IDIOMS.append(eager_tasks_start_at_once)
