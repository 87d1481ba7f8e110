"""Programs that do unusual things and nothing wrong: tasks that end, fail and are cancelled.

No detector may accuse any of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc

from autograder.simulation import World


async def cleans_up_slowly(world: World) -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(5)

    task = asyncio.create_task(work())
    await asyncio.sleep(1)
    task.cancel()


async def cleans_up_in_a_shield(world: World) -> None:
    async def save() -> None:
        await asyncio.sleep(5)

    async def work() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.shield(save())

    task = asyncio.create_task(work())
    await asyncio.sleep(1)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def shielded_work_ends_after_its_waiter(world: World) -> None:
    saved = []

    async def save() -> None:
        await asyncio.sleep(5)
        saved.append(1)

    async def work() -> None:
        saving = asyncio.create_task(save())
        try:
            await asyncio.shield(saving)
        except asyncio.CancelledError:
            await saving
            raise

    task = asyncio.create_task(work())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert saved == [1]


async def cancelled_before_its_second_coroutine(world: World) -> None:
    async def step() -> None:
        await asyncio.sleep(1)

    async def work() -> None:
        first, second = step(), step()
        await first
        await second

    task = asyncio.create_task(work())
    await asyncio.sleep(0.5)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def failed_before_its_second_coroutine(world: World) -> None:
    async def fail() -> None:
        raise ValueError("no")

    async def step() -> None: ...

    async def work() -> None:
        first, second = fail(), step()
        await first
        await second

    with contextlib.suppress(ValueError):
        await work()


async def failed_in_the_middle_of_a_list(world: World) -> None:
    async def step(number: int) -> None:
        await asyncio.sleep(1)
        if number == 1:
            raise ValueError("no")

    async def work() -> None:
        for coroutine in [step(number) for number in range(4)]:
            await coroutine

    with contextlib.suppress(ValueError):
        await work()


async def handed_over_and_lost_to_an_exception(world: World) -> None:
    async def step() -> None: ...

    async def work(steps: list[object]) -> None:
        raise ValueError("too many")

    with contextlib.suppress(ValueError):
        await work([step(), step()])


async def closes_a_coroutine_unused(world: World) -> None:
    async def step() -> None: ...

    step().close()


async def cancelled_before_it_began(world: World) -> None:
    async def work() -> None:
        await asyncio.sleep(1)

    task = asyncio.create_task(work())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    gathered = asyncio.gather(work(), work())
    gathered.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await gathered
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(work(), 0)


async def group_cancelled_before_its_members_began(world: World) -> None:
    async def fail() -> None:
        raise ValueError("no")

    async def work() -> None:
        await asyncio.sleep(1)

    with contextlib.suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            group.create_task(fail())
            group.create_task(work())


async def siblings_finish_after_a_failure(world: World) -> None:
    async def fail() -> None:
        raise ValueError("no")

    async def work() -> None:
        await asyncio.sleep(0.01)

    with contextlib.suppress(ValueError):
        await asyncio.gather(fail(), work())
    await asyncio.sleep(1)


async def siblings_fail_too(world: World) -> None:
    async def fail(after: float) -> None:
        await asyncio.sleep(after)
        raise ValueError("no")

    with contextlib.suppress(ValueError):
        await asyncio.gather(fail(0.1), fail(0.2))
    await asyncio.sleep(1)


async def failure_kept_and_looked_at_later(world: World) -> None:
    async def fail() -> None:
        raise ValueError("no")

    task = asyncio.create_task(fail())
    await asyncio.sleep(1)
    assert isinstance(task.exception(), ValueError)


async def failure_looked_at_by_a_callback(world: World) -> None:
    async def fail() -> None:
        raise ValueError("no")

    running, errors = set(), []

    def finished(task: asyncio.Task[None]) -> None:
        running.discard(task)
        errors.append(task.exception())

    task = asyncio.create_task(fail())
    running.add(task)
    task.add_done_callback(finished)
    del task
    await asyncio.sleep(1)
    assert len(errors) == 1
    assert not running


async def ends_together_with_the_test(world: World) -> None:
    async def work() -> None:
        await asyncio.sleep(1)

    task = asyncio.create_task(work())
    await asyncio.sleep(1)
    del task


async def ends_a_few_steps_after_the_test(world: World) -> None:
    async def work() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    del task


async def cancelled_task_returns_what_it_has(world: World) -> None:
    async def work() -> str:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return "half of it"
        return "all of it"

    task = asyncio.create_task(work())
    await asyncio.sleep(1)
    task.cancel()
    assert await task == "half of it"


async def cancellation_is_taken_back(world: World) -> None:
    async def work() -> int:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            assert current is not None
            current.uncancel()
        await asyncio.sleep(1000)
        return 1

    task = asyncio.create_task(work())
    await asyncio.sleep(1)
    task.cancel()
    assert await task == 1


async def slow_clean_up_is_awaited_by_its_group(world: World) -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(500)
        finally:
            await asyncio.sleep(400)

    async def fail() -> None:
        await asyncio.sleep(1)
        raise ValueError("no")

    with contextlib.suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            group.create_task(fail())


async def tasks_and_errors_are_in_cycles(world: World) -> None:
    async def fail() -> None:
        raise ValueError("no")

    task = asyncio.create_task(fail())
    with contextlib.suppress(ValueError):
        await task
    cycle: list[object] = [task]
    cycle.append(cycle)
    del task, cycle
    gc.collect()


INNOCENTS = [
    value
    for value in list(globals().values())
    if asyncio.iscoroutinefunction(value) and value.__module__ == __name__
]
