"""Worker threads: blocking is allowed there, takes virtual time, and repeats from its seed."""

# ruff: noqa: ASYNC251 (the mistake under test)

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import hashlib
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


def test_a_pool_handed_to_run_in_executor_is_simulated() -> None:
    """Its threads sleep in virtual time like all others."""

    async def program(world: World) -> float:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.run_in_executor(pool, time.sleep, 100) for _ in range(2)))
        return world.time()

    assert run(program) == pytest.approx(100, abs=0.1)


def test_a_pool_of_one_thread_is_one_thread() -> None:
    """Its jobs come one after another, in order, all in the same thread."""

    async def program(world: World) -> tuple[list[int], int, float]:
        done, threads = [], set()
        pool = concurrent.futures.ThreadPoolExecutor(1)

        def job(number: int) -> None:
            threads.add(threading.get_ident())
            time.sleep(10 - number)
            done.append(number)

        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(pool, job, n) for n in range(4)))
        await asyncio.to_thread(time.sleep, 1)  # which is another thread
        await loop.run_in_executor(pool, job, 4)
        return done, len(threads), world.time()

    for seed in range(20):
        done, threads, seconds = run(program, seed)
        assert done == [0, 1, 2, 3, 4]
        assert threads == 1
        assert seconds == pytest.approx(10 + 9 + 8 + 7 + 1 + 6, abs=0.1)


def test_a_pool_of_two_threads_has_two_jobs_at_a_time() -> None:
    """The third one waits for whichever is done first, and each thread is made ready once."""

    async def program(world: World) -> tuple[float, int]:
        ready: list[str] = []
        pool = concurrent.futures.ThreadPoolExecutor(2, initializer=ready.append, initargs=("",))
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(pool, time.sleep, 10) for _ in range(5)))
        return world.time(), len(ready)

    assert run(program) == (pytest.approx(30, abs=0.1), 2)


def test_a_job_that_was_cancelled_in_time_is_not_done() -> None:
    """Whoever cancels what still waits for a thread of the pool has it left out."""

    async def program(world: World) -> list[str]:
        done: list[str] = []
        pool = concurrent.futures.ThreadPoolExecutor(1)
        loop = asyncio.get_running_loop()
        first = loop.run_in_executor(pool, time.sleep, 10)
        second = loop.run_in_executor(pool, done.append, "second")
        third = loop.run_in_executor(pool, done.append, "third")
        await asyncio.sleep(1)
        second.cancel()
        await asyncio.wait([first, third])
        return done

    assert run(program) == ["third"]


def test_the_threads_of_a_pool_are_used_again() -> None:
    """Many worlds with pools of their own do not make more and more threads."""

    async def program(world: World) -> None:
        pool = concurrent.futures.ThreadPoolExecutor(2)
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(pool, time.sleep, 1) for _ in range(3)))
        loop.run_in_executor(pool, time.sleep, 1000)  # nobody waits for that

    run(program)
    before = threading.active_count()
    for seed in range(30):
        run(program, seed)
    assert threading.active_count() <= before + 2


def test_what_is_submitted_to_a_pool_is_the_worlds() -> None:
    """submit with wrap_future is run_in_executor by another name."""

    async def program(world: World) -> tuple[int, float]:
        pool = concurrent.futures.ThreadPoolExecutor(1)
        later = asyncio.wrap_future(pool.submit(time.sleep, 100))
        after = asyncio.wrap_future(pool.submit(pow, 3, 2))
        with pytest.raises(ZeroDivisionError):
            await asyncio.wrap_future(pool.submit(divmod, 1, 0))
        await later
        return await after, world.time()

    assert run(program) == (9, pytest.approx(100, abs=0.1))


def test_a_pool_of_threads_that_wait_for_a_pool() -> None:
    """map in a thread has the world's threads wait for each other in virtual time."""

    async def program(world: World) -> tuple[list[int], float]:
        def double(number: int) -> int:
            time.sleep(10)
            return 2 * number

        def work() -> list[int]:
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                return list(pool.map(double, range(4)))

        return await asyncio.to_thread(work), world.time()

    assert run(program) == ([0, 2, 4, 6], pytest.approx(20, abs=0.1))


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


def test_blocking_on_the_loop_is_still_named_beside_threads() -> None:
    """What a thread may do the loop may not."""

    async def program(world: World) -> None:
        await asyncio.to_thread(time.sleep, 1)
        time.sleep(1)  # here

    accuse(program, "blocking-call", seeds=1)
