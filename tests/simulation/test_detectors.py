"""Each detector names its mistake, at the right line of the code under study."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import weakref

import pytest

from autograder.simulation import Crash, Settings, World, explore, run_world

from .helpers import MARK, accuse, find, source

# -- never-awaited --------------------------------------------------------------------------------


async def step() -> str:
    return "done"


def test_a_call_that_is_thrown_away_was_never_awaited() -> None:
    """The line of the call is named, and the coroutine."""

    async def program(world: World) -> None:
        step()  # here

    assert "step(...)" in accuse(program, "never-awaited").message


def test_a_coroutine_that_is_kept_was_never_awaited() -> None:
    """A coroutine in a variable that ends with its function is found as well."""

    async def program(world: World) -> None:
        kept = [step()]  # here
        await asyncio.sleep(1)
        assert len(kept) == 1

    accuse(program, "never-awaited")


def test_a_coroutine_taken_for_its_result_is_named_beside_the_failure() -> None:
    """The failed comparison and its cause are both told."""

    async def program(world: World) -> None:
        result = step()  # here
        assert result == "done"  # type: ignore[comparison-overlap]

    finding = find(program)
    assert isinstance(finding.error, AssertionError)
    assert [problem.name for problem in finding.problems] == ["never-awaited"]
    assert source(finding.problems[0]).endswith(MARK)


def test_the_search_for_leftovers_survives_dead_proxies() -> None:
    """A weak proxy whose object is gone, as logging leaves some, does not break the search."""

    async def program(world: World) -> None:
        gone = step()
        proxies = [weakref.proxy(gone)]
        gone.close()
        del gone
        raise ValueError(f"{len(proxies)} proxy")

    finding = find(program)
    assert isinstance(finding.error, ValueError)


def test_a_sleep_that_is_not_awaited_is_the_callers_mistake() -> None:
    """Coroutines of the standard library count when studied code makes them."""

    async def program(world: World) -> None:
        asyncio.sleep(1)  # here

    assert "sleep(...)" in accuse(program, "never-awaited").message


def test_a_coroutine_lost_in_a_task_is_found() -> None:
    """It does not matter which task forgets to await."""

    async def handle() -> None:
        await asyncio.sleep(0.1)
        step()  # here

    async def program(world: World) -> None:
        await asyncio.gather(handle(), asyncio.sleep(1))

    accuse(program, "never-awaited")


def test_a_coroutine_in_a_reference_cycle_is_found_in_its_own_world() -> None:
    """What only the garbage collector frees is still counted to the world that made it."""

    async def program(world: World) -> None:
        cycle: list[object] = [step()]  # here
        cycle.append(cycle)

    finding = find(program)
    assert finding.world == 1
    assert [problem.name for problem in finding.problems] == ["never-awaited"]


@pytest.mark.parametrize("ends", ["is cancelled", "raises", "is killed"])
def test_a_coroutine_whose_turn_never_came_was_not_forgotten(ends: str) -> None:
    """It stood in the same line as an await that was cancelled, that raised, or during which the
    process was killed."""

    async def time_left() -> float:
        await asyncio.sleep(1)
        if ends == "raises":
            raise ValueError("no time")
        return 1.0

    async def work() -> None:
        await asyncio.wait_for(step(), await time_left())

    async def program(world: World) -> None:
        with world.network.at("worker"):
            task = asyncio.create_task(work())
        await asyncio.sleep(0.5)
        if ends == "is killed":
            world.kill("worker")
        elif ends == "is cancelled":
            task.cancel()
        await asyncio.wait([task], timeout=5)
        if task.done() and not task.cancelled():
            task.exception()

    assert explore(program, seeds=1) is None


# -- leaked-task ----------------------------------------------------------------------------------


def test_a_task_nobody_ends_has_leaked() -> None:
    """The line that made it is named, and what it waits for."""

    async def tick() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(60)

    async def program(world: World) -> None:
        ticking = asyncio.create_task(tick())  # here
        await asyncio.sleep(1)
        assert not ticking.done()

    problem = accuse(program, "leaked-task")
    assert problem.message.startswith("tick, made on line ")
    assert "sleep(60)" in problem.message


def test_the_siblings_of_a_failed_gather_have_leaked() -> None:
    """gather() leaves them running."""

    async def fail() -> None:
        raise ValueError("no")

    async def program(world: World) -> None:
        with contextlib.suppress(ValueError):
            await asyncio.gather(fail(), asyncio.sleep(100))  # here

    accuse(program, "leaked-task")


def test_a_task_that_waits_forever_has_leaked() -> None:
    """A task that nothing will ever wake is named as well."""

    async def program(world: World) -> None:
        waiting = asyncio.create_task(asyncio.Event().wait())  # here
        await asyncio.sleep(1)
        assert not waiting.done()

    accuse(program, "leaked-task")


def as_library(filename: str) -> bool:
    """Nothing in this file is studied."""
    return filename != __file__ and Settings().learner(filename)


def test_tasks_that_a_library_makes_are_no_leak() -> None:
    """A library looks after its own tasks; studied code never knew of them."""

    async def program(world: World) -> None:
        library = asyncio.create_task(asyncio.sleep(3600))
        await asyncio.sleep(1)
        assert not library.done()

    assert explore(program, seeds=2, settings=Settings(learner=as_library)) is None
    assert explore(program, seeds=2) is not None


# -- lost-exception -------------------------------------------------------------------------------


def test_a_failure_nobody_looked_at_is_lost() -> None:
    """The line that raised is named, and the exception."""

    async def notify() -> None:
        await asyncio.sleep(0.1)
        raise ConnectionError("mail server down")  # here

    async def program(world: World) -> None:
        notifying = asyncio.create_task(notify())
        await asyncio.sleep(1)
        assert notifying.done()

    problem = accuse(program, "lost-exception")
    assert "ConnectionError: mail server down" in problem.message
    assert "notify" in problem.message


def test_a_failure_of_a_task_nobody_kept_is_lost() -> None:
    """The task may be gone by then."""

    async def notify() -> None:
        raise ConnectionError("mail server down")  # here

    async def program(world: World) -> None:
        asyncio.create_task(notify())  # noqa: RUF006 (the bug)
        await asyncio.sleep(1)

    accuse(program, "lost-exception")


def test_a_failure_after_the_test_ended_is_lost() -> None:
    """A task that still runs its last steps when the test returns counts."""

    async def notify() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        raise ConnectionError("mail server down")  # here

    async def program(world: World) -> None:
        asyncio.create_task(notify())  # noqa: RUF006 (the bug)

    accuse(program, "lost-exception")


def test_a_callback_that_fails_is_lost() -> None:
    """Only the log of the event loop ever sees it."""

    def callback() -> None:
        raise KeyError("order")  # here

    async def program(world: World) -> None:
        asyncio.get_running_loop().call_later(0.1, callback)
        await asyncio.sleep(1)

    assert "a callback failed with KeyError" in accuse(program, "lost-exception").message


def test_an_injected_crash_is_nobodys_lost_exception() -> None:
    """The test itself let the process die."""

    async def program(world: World) -> None:
        async def die() -> None:
            raise Crash

        dying = asyncio.create_task(die())
        with contextlib.suppress(Crash):
            await dying

    assert explore(program, seeds=2) is None


def test_an_exception_of_the_test_itself_is_the_failure() -> None:
    """What the test raises is told as it is, with no problem beside it."""

    async def program(world: World) -> None:
        raise LookupError("nothing here")

    finding = find(program)
    assert repr(finding.error) == "LookupError('nothing here')"
    assert finding.problems == []


# -- swallowed-cancellation -----------------------------------------------------------------------


async def stubborn() -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(600)  # here


def test_a_task_that_goes_on_has_swallowed_its_cancellation() -> None:
    """Nobody waits for it: it is found when the test is over."""

    async def program(world: World) -> None:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(1)
        task.cancel()

    problem = accuse(program, "swallowed-cancellation", seeds=3)
    assert problem.message.startswith("stubborn was cancelled but went on")


def test_waiting_for_a_task_that_goes_on_is_no_deadlock() -> None:
    """The world never ends, and the task that ignores its cancellation is the reason."""

    async def program(world: World) -> None:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])

    accuse(program, "swallowed-cancellation", seeds=3)


def test_a_time_limit_that_is_swallowed_is_named() -> None:
    """wait_for cancels what it waits for; what ignores that is named, even at an idle end."""

    async def ask() -> None:
        never = asyncio.Event()
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await never.wait()  # here

    async def program(world: World) -> None:
        asking = asyncio.create_task(ask())
        await asyncio.sleep(1)
        asking.cancel()

    accuse(program, "swallowed-cancellation", seeds=3)


# -- what is listened to --------------------------------------------------------------------------


def test_a_plan_may_ignore_a_detector() -> None:
    """A test about one mistake need not hear of another."""

    async def program(world: World) -> None:
        step()

    assert explore(program, seeds=3, ignore=frozenset({"never-awaited"})) is None


def test_all_problems_of_a_world_are_told_once_each() -> None:
    """Several mistakes in one world are all named, and none twice."""

    async def program(world: World) -> None:
        for _ in range(3):
            step()
        forever = asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)
        assert not forever.done()

    names = [problem.name for problem in find(program).problems]
    assert sorted(names) == ["leaked-task", "never-awaited"]


@pytest.mark.parametrize(
    "make", [lambda: step(), functools.partial(step)], ids=["lambda", "partial"]
)
def test_code_that_only_studied_code_calls_counts_as_its_own(make: object) -> None:
    """A call through a lambda or a partial is still a call by studied code."""

    async def program(world: World) -> None:
        make()  # type: ignore[operator]

    assert [problem.name for problem in run_world(program).problems] == ["never-awaited"]


# -- names of tasks --------------------------------------------------------------------------------


def test_a_task_is_called_by_the_name_it_was_given() -> None:
    """On every Python, in problems and in the timeline, also when asyncio names it late."""

    async def fail() -> None:
        raise ValueError("no")

    async def program(world: World) -> None:
        asyncio.create_task(fail(), name="first of many")  # noqa: RUF006 (the bug)
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(1), name="second of many")

    finding = find(program)
    assert finding.problems[0].message.startswith("first of many failed")
    spawned = [event.text for event in finding.events if event.kind == "spawn"]
    assert spawned == ["first of many", "second of many"]
