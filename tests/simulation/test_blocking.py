"""Calls that stop the event loop are named, and code that never comes back is cut short."""

# ruff: noqa: ASYNC110, ASYNC251, SIM105 (the mistakes under test)

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from time import sleep
from time import sleep as nap

import pytest

from autograder.simulation import Refused, Settings, World, explore, limits, run_world, time_limit
from autograder.simulation.ownership import Ownership
from autograder.simulation.problems import Stuck
from autograder.simulation.running import Program

from . import corpus
from .helpers import accuse, find, source


async def by_attribute(world: World) -> None:
    # The linter knows this mistake too: ruff's ASYNC251.
    time.sleep(0.5)  # here


async def by_name(world: World) -> None:
    sleep(0.5)  # here


async def by_another_name(world: World) -> None:
    nap(0.5)  # here


async def imported_inside(world: World) -> None:
    from time import sleep as doze

    doze(0.5)  # here


def helper() -> None:
    time.sleep(0.5)  # here


async def in_a_helper(world: World) -> None:
    helper()


async def in_a_task(world: World) -> None:
    async def work() -> None:
        await asyncio.sleep(0.1)
        helper()

    await asyncio.gather(work(), asyncio.sleep(1))


async def in_a_callback(world: World) -> None:
    asyncio.get_running_loop().call_soon(helper)
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    "program",
    [
        by_attribute,
        by_name,
        by_another_name,
        imported_inside,
        in_a_helper,
        in_a_task,
        in_a_callback,
    ],
)
def test_a_blocking_sleep_is_named_however_it_is_imported(program: Program) -> None:
    """The line that sleeps is named, and what to use in its place."""
    problem = accuse(program, "blocking-call", seeds=1)
    assert "time.sleep(0.5)" in problem.message
    assert "await asyncio.sleep" in problem.message


def test_a_blocking_sleep_takes_virtual_time_from_everybody() -> None:
    """No real time goes by, and what was due meanwhile is late, as on a real loop."""

    async def program(world: World) -> float:
        asyncio.get_running_loop().call_later(0.1, lambda: None)
        time.sleep(3600)
        await asyncio.sleep(0)
        return world.time()

    assert run_world(program).result == 3600.0


def ask_urllib() -> None:
    urllib.request.urlopen("http://shop.example/")  # here


def connect() -> None:
    socket.create_connection(("shop.example", 80))  # here


def connect_by_address() -> None:
    with socket.socket() as sock:
        sock.connect(("127.0.0.1", 9))  # here


def resolve() -> None:
    socket.gethostbyname("shop.example")  # here


def run_program() -> None:
    subprocess.run([sys.executable, "-c", ""], check=False)  # here


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (ask_urllib, urllib.error.URLError),
        (connect, OSError),
        (connect_by_address, OSError),
        (resolve, OSError),
        (run_program, Refused),
    ],
)
def test_a_call_that_waits_for_the_outside_is_named(
    call: Callable[[], None], error: type[Exception]
) -> None:
    """It is refused with an error that says so, and it is a blocking call whoever catches that."""

    async def program(world: World) -> None:
        with contextlib.suppress(error):
            call()

    accuse(program, "blocking-call", seeds=1)
    assert isinstance(find(uncaught(call), seeds=1).error, error)


def uncaught(call: Callable[[], None]) -> Program:
    async def program(world: World) -> None:
        call()

    return program


def test_waiting_for_a_threads_result_is_named() -> None:
    """Future.result() on the loop's thread blocks until the thread is done."""

    async def program(world: World) -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            gate = threading.Event()
            future = pool.submit(gate.wait)
            asyncio.get_running_loop()
            threading.Timer(0.01, gate.set).start()
            future.result()  # here

    accuse(program, "blocking-call", seeds=1)


def test_the_result_of_a_finished_future_blocks_nobody() -> None:
    """Asking for a result that is there is no wait."""

    async def program(world: World) -> None:
        future: concurrent.futures.Future[int] = concurrent.futures.Future()
        future.set_result(7)
        assert future.result() == 7

    assert explore(program, seeds=2) is None


def spin() -> None:
    turns = 0
    while True:
        turns += 1


async def endless(world: World) -> None:
    spin()


async def endless_although_it_awaits(world: World) -> None:
    async def done() -> None: ...

    while True:
        with contextlib.suppress(BaseException):
            await done()


async def endless_behind_an_except(world: World) -> None:
    while True:
        try:
            spin()
        except BaseException:
            pass


async def endless_behind_two_excepts(world: World) -> None:
    while True:
        try:
            try:
                spin()
            except BaseException:
                continue
        except BaseException:
            continue


async def endless_in_another_task(world: World) -> None:
    task = asyncio.create_task(endless(world))
    await asyncio.sleep(1)
    task.cancel()


async def endless_in_a_callback(world: World) -> None:
    asyncio.get_running_loop().call_soon(spin)
    await asyncio.sleep(1)


async def endless_when_it_is_cancelled(world: World) -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            spin()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()


@pytest.mark.parametrize(
    "program",
    [
        endless,
        endless_although_it_awaits,
        endless_behind_an_except,
        endless_behind_two_excepts,
        endless_in_another_task,
        endless_in_a_callback,
        endless_when_it_is_cancelled,
    ],
)
def test_a_loop_that_never_comes_back_is_cut_short(program: Program) -> None:
    """Wherever it runs and whatever it catches, and nothing else is blamed."""
    finding = find(program, seeds=5, wall=0.05)
    assert [problem.name for problem in finding.problems] == ["blocking-call"]
    assert finding.world == 1
    assert finding.problems[0].file == __file__
    assert "without reaching an await" in finding.problems[0].message
    assert sys.gettrace() is None


def test_worlds_after_an_endless_one_are_as_before() -> None:
    """Nothing of the stop is left in the next exploration, not even for its timeline."""

    async def program(world: World) -> None:
        await asyncio.sleep(1)
        assert world.time() == 0

    find(endless_behind_an_except, seeds=5, wall=0.05)
    kinds = [event.kind for event in find(program, seeds=1).events]
    assert kinds.count("line") == 2


def test_only_code_that_was_stuck_before_meets_impatience() -> None:
    """Where a file was stuck it is cut short sooner; all other code has its full time."""

    async def program(world: World) -> None:
        end = cpu() + 0.35
        while cpu() < end:
            pass

    cpu = time.process_time
    find(endless, seeds=1, wall=0.05)
    elsewhere = Settings(learner=lambda filename: filename == corpus.__file__)
    assert explore(program, seeds=1, settings=elsewhere) is None
    assert find(program, seeds=1).problems[0].name == "blocking-call"


def test_an_endless_loop_is_named_where_it_runs() -> None:
    """The line may be any of the loop's, in the function that does not return."""

    def search() -> None:
        found = False
        while not found:
            found = False

    async def program(world: World) -> None:
        search()

    problem = find(program, seeds=5, wall=0.05).problems[0]
    assert source(problem) in ("while not found:", "found = False")


def test_an_endless_loop_on_another_thread_than_main_is_cut_short() -> None:
    """Where no timer can interrupt, a watchdog does."""

    found = []
    thread = threading.Thread(target=lambda: found.append(explore(endless, seeds=1, wall=0.05)))
    thread.start()
    thread.join()
    assert [problem.name for problem in found[0].problems] == ["blocking-call"]


def test_code_outside_worlds_can_be_limited_too() -> None:
    """An import that never ends is cut short in the same way."""

    with pytest.raises(Stuck) as caught, time_limit(0.05, Ownership()):
        spin()
    assert caught.value.problem.file == __file__


@pytest.mark.parametrize(("queued", "due"), [(0.0, True), (19.5, False)])
def test_time_in_which_others_had_all_cores_does_not_count(
    monkeypatch: pytest.MonkeyPatch, queued: float, due: bool
) -> None:
    """Twenty seconds without progress, of which the process stood in line for so many."""
    now = iter([0.0, 20.0])
    line = iter([100.0, 100.0 + queued])
    monkeypatch.setattr(limits, "real_monotonic", lambda: next(now))
    monkeypatch.setattr(limits, "queued_for_a_core", lambda: next(line))
    monkeypatch.setattr(time, "process_time", lambda: 0.0)
    watch = limits.Watch(1.0, lambda: "the same", lambda: Ownership())
    assert not watch.due(None), "the first look only looks"
    assert watch.due(None) is due


def test_the_system_tells_how_long_a_process_stood_in_line() -> None:
    assert 0.0 <= limits.queued_for_a_core() <= limits.queued_for_a_core()


def test_long_work_that_awaits_now_and_then_is_no_blocking_call() -> None:
    """Only time between two awaits counts."""

    async def program(world: World) -> None:
        end = cpu() + 0.25
        while cpu() < end:
            await asyncio.sleep(0)

    cpu = time.process_time
    assert explore(program, seeds=1, wall=0.2, steps=10_000_000) is None
