"""A world that cannot go on says who waits for what, and who holds it."""

from __future__ import annotations

import asyncio
import contextlib

from autograder.simulation import World, explore

from .helpers import accuse, find


async def cross(world: World, heartbeat: bool = False) -> None:
    locks = {"a": asyncio.Lock(), "b": asyncio.Lock()}

    async def beat() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(1)

    async def move(first: str, second: str) -> None:
        async with locks[first]:
            await asyncio.sleep(1)
            async with locks[second]:  # here
                pass

    beating = asyncio.create_task(beat()) if heartbeat else None
    await asyncio.gather(move("a", "b"), move("b", "a"))
    assert beating is None or beating.cancel()


def test_two_tasks_that_wait_for_each_other_are_named() -> None:
    """Each row says which lock the task waits for, who holds it and since which line."""
    problem = accuse(cross, "deadlock", seeds=1)
    assert problem.message == "move('a') and move('b') wait for each other and can never go on"
    assert problem.line is not None
    first, second = problem.rows
    assert "move('a')  waits for lock locks[second] (second='b')" in first
    assert f"held by move('b') since line {problem.line - 2}" in first
    assert f"test_deadlock.py line {problem.line}" in first
    assert "held by move('a')" in second


def test_who_waits_though_it_was_cancelled_is_told() -> None:
    """Whoever swallows a cancellation, and be it a library, leaves somebody who waits in vain."""

    async def deaf(items: asyncio.Queue[int]) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await items.get()
        await items.get()  # here

    async def program(world: World) -> None:
        task = asyncio.create_task(deaf(asyncio.Queue()))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    [row, _] = accuse(program, "deadlock", seeds=1).rows
    assert row.startswith("deaf")
    assert row.endswith(", though it was cancelled")


def test_a_cycle_is_a_deadlock_while_heartbeats_tick() -> None:
    """Other tasks go on, and the two that cannot are found all the same, soon."""

    async def program(world: World) -> None:
        await cross(world, heartbeat=True)

    finding = find(program, seeds=1)
    assert [problem.name for problem in finding.problems] == ["deadlock"]
    assert len(finding.problems[0].rows) == 2
    assert finding.time < 1000


def test_a_cycle_of_locks_that_were_just_handed_on_is_found() -> None:
    """Each wants a lock that has been released to the other one, who has not run yet."""

    async def program(world: World) -> None:
        locks = {"a": asyncio.Lock(), "b": asyncio.Lock()}

        async def move(first: str, second: str) -> None:
            async with locks[first], locks[second]:  # here
                pass

        async with locks["a"], locks["b"]:
            moves = [asyncio.create_task(move(*order)) for order in ("ab", "ba")]
            await asyncio.sleep(1)
        await asyncio.wait(moves)

    problem = accuse(program, "deadlock", seeds=1)
    assert problem.message == "move('b') and move('a') wait for each other and can never go on"


def test_a_cycle_through_an_awaited_task_is_found() -> None:
    """Who holds a lock and awaits a task that wants it waits for itself."""

    async def program(world: World) -> None:
        lock = asyncio.Lock()

        async def work() -> None:
            async with lock:  # here
                pass

        async with lock:
            await asyncio.gather(work(), asyncio.sleep(1))

    problem = accuse(program, "deadlock", seeds=1)
    assert any("held by the test" in row for row in problem.rows)
    assert len(problem.rows) == 2


def test_a_lock_taken_twice_is_held_by_itself() -> None:
    """An asyncio.Lock is not reentrant."""

    async def program(world: World) -> None:
        lock = asyncio.Lock()
        async with lock:  # noqa: SIM117
            async with lock:  # here
                pass

    problem = accuse(program, "deadlock", seeds=1)
    assert "held by itself" in problem.rows[0]


def test_a_lock_whose_holder_ended_says_so() -> None:
    """A task that returned without releasing is named as the holder."""

    async def program(world: World) -> None:
        lock = asyncio.Lock()

        async def forget() -> None:
            await lock.acquire()

        await asyncio.create_task(forget(), name="forgetful")
        async with lock:  # here
            pass

    problem = accuse(program, "deadlock", seeds=1)
    assert "held by forgetful" in problem.rows[0]
    assert "which ended without releasing it" in problem.rows[0]


def test_every_kind_of_wait_is_named() -> None:
    """The report says what each task waits for, in the words of its own source."""

    async def program(world: World) -> None:
        orders: asyncio.Queue[int] = asyncio.Queue()
        full: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
        full.put_nowait(1)
        paid = asyncio.Event()
        slots = asyncio.Semaphore(0)
        changed = asyncio.Condition()

        async def ship() -> None:
            await orders.get()

        async def store() -> None:
            await full.put(2)

        async def pack() -> None:
            await paid.wait()

        async def work() -> None:
            async with slots:
                pass

        async def watch() -> None:
            async with changed:
                await changed.wait()

        async def future() -> None:
            await asyncio.get_running_loop().create_future()

        await asyncio.gather(ship(), store(), pack(), work(), watch(), future())

    (problem,) = find(program, seeds=1).problems
    assert problem.name == "deadlock"
    text = "\n".join(problem.rows)
    for words in (
        "ship  waits for item from a queue orders",
        "store  waits for room in a queue full",
        "pack  waits for event to be set paid",
        "work  waits for semaphore slots",
        "watch  waits for condition to be notified changed",
        "future  waits for asyncio.get_running_loop().create_future()",
        "the test  waits for ship, store, pack and 3 more",
    ):
        assert words in text, f"{words!r} is not in\n{text}"


def test_virtual_time_has_an_end() -> None:
    """A world that only lets time pass is a deadlock, and nothing real goes by."""

    async def program(world: World) -> None:
        for _ in range(1000):
            await asyncio.sleep(3600)

    (problem,) = find(program, seeds=1, until=7200.0).problems
    assert problem.name == "deadlock"
    assert "7200 seconds went by" in problem.message


def test_endless_steps_are_a_livelock() -> None:
    """Tasks that only yield to each other never get anywhere."""

    async def program(world: World) -> None:
        async def spin() -> None:
            while True:  # noqa: ASYNC110
                await asyncio.sleep(0)  # here

        await asyncio.gather(spin(), spin())

    problem = accuse(program, "livelock", seeds=1, steps=5_000)
    assert "5,000 steps" in problem.message
    assert any("spin #2" in row for row in problem.rows)


def test_who_never_waits_is_a_livelock_and_who_looks_now_and_then_is_none() -> None:
    """So many steps in a row say that nobody waits; so many with pauses do not."""

    async def look(pause: float) -> None:
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 60:  # noqa: ASYNC110
            await asyncio.sleep(pause)  # here

    async def patient(world: World) -> None:
        await asyncio.gather(look(0.01), look(0.02))
        assert world.loop.steps > 5000

    async def hasty(world: World) -> None:
        await asyncio.gather(look(0), asyncio.sleep(1))

    assert explore(patient, seeds=1, busy=500) is None
    problem = accuse(hasty, "livelock", seeds=1, busy=500)
    assert "500 steps in a row" in problem.message


def test_a_deadlock_cannot_be_caught_by_the_code_under_study() -> None:
    """The world ends from outside: no except clause sees it."""

    async def program(world: World) -> None:
        with contextlib.suppress(BaseException):
            await asyncio.get_running_loop().create_future()

    (problem,) = find(program, seeds=1).problems
    assert problem.name == "deadlock"


def test_a_retry_that_breaks_the_cycle_is_no_deadlock() -> None:
    """A time limit longer than most, on either side, still gives way."""

    async def program(world: World) -> None:
        a, b = asyncio.Lock(), asyncio.Lock()

        async def move(first: asyncio.Lock, second: asyncio.Lock, patience: float) -> bool:
            async with first:
                await asyncio.sleep(1)
                try:
                    async with asyncio.timeout(patience), second:
                        return True
                except TimeoutError:
                    return False

        assert await asyncio.gather(move(a, b, 500), move(b, a, 1000)) == [False, True]

    assert explore(program, seeds=3) is None
