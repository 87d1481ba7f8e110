"""Worker threads that wait: for the loop, for each other, and for something real."""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
import time
from typing import Any

import pytest

from autograder.simulation import World, run_world

from .helpers import accuse


def run(program: Any, seed: int = 0) -> Any:
    outcome = run_world(program, seed)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.problems == []
    return outcome.result


def test_a_thread_may_wait_for_what_the_loop_gives_it() -> None:
    """A blocking queue between a thread and the loop is no deadlock."""

    async def program(world: World) -> list[int]:
        orders: queue.Queue[int | None] = queue.Queue()
        seen = []

        def work() -> None:
            while (order := orders.get()) is not None:
                seen.append(order)

        working = asyncio.create_task(asyncio.to_thread(work))
        for number in range(3):
            await asyncio.sleep(0.01)
            orders.put(number)
        orders.put(None)
        await working
        return seen

    assert run(program) == [0, 1, 2]


def test_threads_that_wait_for_the_loop_repeat_from_their_seed() -> None:
    """Two consumers in threads, fed by the loop, do the same in the same world."""

    async def program(world: World) -> list[tuple[float, str, int]]:
        orders: queue.Queue[int | None] = queue.Queue()
        seen: list[tuple[float, str, int]] = []

        def work(name: str) -> None:
            while (order := orders.get()) is not None:
                time.sleep(0.003)
                seen.append((world.time(), name, order))

        working = [asyncio.create_task(asyncio.to_thread(work, name)) for name in ("a", "b")]
        for number in range(6):
            await world.pause(high=0.010)
            orders.put(number)
        for _ in working:
            orders.put(None)
        await asyncio.gather(*working)
        return seen

    results = [run(program, seed) for seed in range(20)]
    assert results == [run(program, seed) for seed in range(20)]
    assert len({tuple(name for _, name, _ in result) for result in results}) > 1


def test_a_thread_may_call_back_into_the_loop() -> None:
    """call_soon_threadsafe and run_coroutine_threadsafe work from a thread."""

    async def program(world: World) -> list[Any]:
        loop, seen = asyncio.get_running_loop(), []

        async def ask() -> str:
            await asyncio.sleep(5)
            return "answer"

        def work() -> str:
            loop.call_soon_threadsafe(seen.append, "called")
            return asyncio.run_coroutine_threadsafe(ask(), loop).result()

        seen.append(await asyncio.to_thread(work))
        return seen

    assert run(program) == ["called", "answer"]


def test_a_thread_that_waits_forever_is_a_deadlock() -> None:
    """Nothing is left that could give it what it waits for, and no real time is spent on it."""

    async def program(world: World) -> None:
        orders: queue.Queue[int] = queue.Queue()
        await asyncio.to_thread(orders.get)  # here

    problem = accuse(program, "deadlock", seeds=1)
    assert problem.message == "nothing can run any more"


def test_a_thread_that_blocks_for_real_is_waited_for() -> None:
    """A raw lock is not simulated: virtual time stands still until the thread has it."""

    async def program(world: World) -> bool:
        taken = threading.Lock()
        taken.acquire()
        got = await asyncio.to_thread(taken.acquire, timeout=0.02)
        assert world.time() < 0.01
        return got

    assert run(program) is False


def test_a_thread_waits_with_a_limit_in_virtual_time() -> None:
    """Queues, events, semaphores and conditions give up after virtual seconds."""

    async def program(world: World) -> float:
        def work() -> None:
            with pytest.raises(queue.Empty):
                queue.Queue[int]().get(timeout=1000)
            assert not threading.Event().wait(1000)
            assert not threading.Semaphore(0).acquire(timeout=1000)
            condition = threading.Condition()
            with condition:
                assert not condition.wait_for(lambda: False, timeout=1000)

        await asyncio.to_thread(work)
        return world.time()

    assert run(program) == pytest.approx(4000, abs=0.01)


def test_threads_wait_for_each_other() -> None:
    """One thread's event, barrier and condition wake another, before their limits."""

    async def program(world: World) -> list[str]:
        ready, barrier, seen = threading.Event(), threading.Barrier(2), []

        def first() -> None:
            time.sleep(5)
            ready.set()
            barrier.wait()
            seen.append("first")

        def second() -> None:
            assert ready.wait(60)
            time.sleep(5)
            barrier.wait()
            seen.append("second")

        await asyncio.gather(asyncio.to_thread(first), asyncio.to_thread(second))
        assert world.time() == pytest.approx(10, abs=0.1)
        return sorted(seen)

    assert run(program) == ["first", "second"]


def test_a_thread_may_use_a_pool_of_its_own() -> None:
    """Real threads that studied code starts are waited for, and taken for no deadlock."""

    async def program(world: World) -> int:
        def work() -> int:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                return sum(pool.map(abs, [-1, -2]))

        return await asyncio.to_thread(work)

    assert run(program) == 3


def test_an_endless_loop_in_a_thread_ends_with_its_world() -> None:
    """The world goes on without it, and it does not stay behind to slow down all others."""
    turns = 0

    def spin() -> None:
        nonlocal turns
        while True:
            turns += 1

    async def program(world: World) -> None:
        waiting = asyncio.create_task(asyncio.to_thread(spin))
        await asyncio.sleep(1)
        waiting.cancel()

    run(program)
    for _ in range(200):
        counted = turns
        threading.Event().wait(0.05)
        if counted == turns:
            return
    pytest.fail("the loop is still running")
