"""Worker threads: blocking is allowed there, takes virtual time, and repeats from its seed."""

# ruff: noqa: ASYNC251 (the mistake under test)

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import hashlib
import queue
import random
import threading
import time
from typing import Any

import pytest

from autograder.simulation import Plan, World, explore, run_world

from .helpers import accuse, find


def run(program: Any, seed: int = 0) -> Any:
    outcome = run_world(program, seed)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.problems == []
    return outcome.result


def test_blocking_in_a_thread_takes_virtual_time_from_nobody_else() -> None:
    """time.sleep in to_thread moves the world's clock; the loop goes on meanwhile."""

    async def program(world: World) -> tuple[float, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(60)
                ticks += 1

        ticking = asyncio.create_task(tick())
        await asyncio.to_thread(time.sleep, 3600)
        ticking.cancel()
        return world.time(), ticks

    took, ticks = run(program)
    assert took == pytest.approx(3600, abs=0.01)
    assert ticks == 60


def test_a_thread_gives_its_result_or_its_exception() -> None:
    """As concurrent.futures would."""

    def fail() -> None:
        time.sleep(1)
        raise LookupError("not in the archive")

    async def program(world: World) -> int:
        with pytest.raises(LookupError, match="archive"):
            await asyncio.to_thread(fail)
        return await asyncio.to_thread(lambda first, second: first + second, 3, second=4)

    assert run(program) == 7


def test_threads_at_work_at_the_same_time_overlap() -> None:
    """Ten threads that sleep a minute each take a minute."""

    async def program(world: World) -> tuple[float, list[int]]:
        def work(number: int) -> int:
            time.sleep(60)
            return number

        results = await asyncio.gather(*(asyncio.to_thread(work, n) for n in range(10)))
        return world.time(), results

    took, results = run(program, seed=5)
    assert took == pytest.approx(60, abs=0.1)
    assert results == list(range(10))


def test_a_thread_sees_the_context_of_its_caller() -> None:
    """to_thread copies context variables, and nothing of the thread's comes back."""
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")

    async def program(world: World) -> tuple[str, str]:
        def work() -> str:
            seen = user.get()
            user.set("the thread")
            return seen

        user.set("ada")
        return await asyncio.to_thread(work), user.get()

    assert run(program) == ("ada", "ada")


def test_a_cancelled_wait_leaves_the_thread_to_finish() -> None:
    """A thread cannot be cancelled: its work is done although nobody waits for it."""

    async def program(world: World) -> list[str]:
        done = []

        def work() -> None:
            time.sleep(10)
            done.append("written")

        waiting = asyncio.create_task(asyncio.to_thread(work))
        await asyncio.sleep(1)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        assert done == []
        await asyncio.sleep(10)
        return done

    assert run(program) == ["written"]


def test_a_time_limit_on_a_thread_is_kept() -> None:
    """asyncio.timeout gives up waiting at its time."""

    async def program(world: World) -> float:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.to_thread(time.sleep, 500)
        return world.time()

    assert run(program) == pytest.approx(5)


def test_a_thread_still_at_work_at_the_end_is_no_leak() -> None:
    """The task was cancelled; the thread is ended with its world."""

    async def program(world: World) -> None:
        waiting = asyncio.create_task(asyncio.to_thread(time.sleep, 1e6))
        await asyncio.sleep(1)
        waiting.cancel()

    before = threading.active_count()
    assert explore(program, seeds=20) is None
    assert threading.active_count() <= before + 2


def test_real_work_in_a_thread_takes_no_virtual_time() -> None:
    """Computing is instant in a world, in a thread as on the loop."""

    async def program(world: World) -> str:
        def work() -> str:
            return hashlib.sha256(b"x" * 1_000_000).hexdigest()

        return await asyncio.to_thread(work)

    assert run(program) == hashlib.sha256(b"x" * 1_000_000).hexdigest()
    assert run_world(program).time < 0.01


def test_long_work_in_a_thread_is_no_blocking_call() -> None:
    """A thread may compute for longer than one step of the loop is allowed to take."""

    async def program(world: World) -> bool:
        def work() -> bool:
            end = cpu() + 0.4
            while cpu() < end:
                pass
            return True

        return await asyncio.to_thread(work)

    cpu = time.process_time
    outcome = run_world(program, plan=Plan(wall=0.15))
    assert outcome.problems == []
    assert outcome.result is True


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


def test_a_pool_handed_to_run_in_executor_is_simulated() -> None:
    """Its threads sleep in virtual time like all others."""

    async def program(world: World) -> float:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.run_in_executor(pool, time.sleep, 100) for _ in range(2)))
        return world.time()

    assert run(program) == pytest.approx(100, abs=0.1)


def test_threads_repeat_from_their_seed() -> None:
    """Who finishes first differs from world to world, and is the same in the same world."""

    async def program(world: World) -> list[int]:
        order = []

        def work(number: int) -> None:
            time.sleep(0.001)
            order.append(number)

        await asyncio.gather(*(asyncio.to_thread(work, n) for n in range(4)))
        return order

    orders = {seed: run(program, seed) for seed in range(20)}
    assert orders == {seed: run(program, seed) for seed in range(20)}
    assert len({tuple(order) for order in orders.values()}) > 3


def test_a_race_between_threads_and_the_loop_is_found() -> None:
    """Two threads that update a file-like total by turns lose an update in some world."""

    async def program(world: World) -> None:
        total = 0

        def add() -> None:
            nonlocal total
            seen = total
            time.sleep(0.002)
            total = seen + 1

        async def request(trips: int) -> None:
            for _ in range(trips):
                await world.pause()
            await asyncio.to_thread(add)

        await asyncio.gather(request(1), request(4))
        assert total == 2

    assert isinstance(find(program, seeds=200).error, AssertionError)


def test_clocks_and_chance_in_a_thread_are_the_worlds() -> None:
    """A thread reads virtual time and draws from the world's seed."""

    async def program(world: World) -> tuple[float, float]:
        def work() -> tuple[float, float]:
            began = time.monotonic()
            time.sleep(7)
            return time.monotonic() - began, random.random()

        return await asyncio.to_thread(work)

    assert run(program, 3) == run(program, 3)
    assert run(program, 3)[0] == 7.0


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
    counted = -1
    while counted != turns:
        counted = turns
        threading.Event().wait(0.05)


def test_blocking_on_the_loop_is_still_named_beside_threads() -> None:
    """What a thread may do the loop may not."""

    async def program(world: World) -> None:
        await asyncio.to_thread(time.sleep, 1)
        time.sleep(1)  # here

    accuse(program, "blocking-call", seeds=1)
