"""A world shares nothing with what is outside of it, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import copyreg
import gc
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
import warnings
from typing import Any

import pytest

from autograder.simulation import Refused, SimulatedLoop, World, explore, run_world
from autograder.simulation.ownership import Ownership

from .helpers import find


async def passes(world: World) -> None:
    await world.pause()


async def fails(world: World) -> None:
    await world.pause()
    raise AssertionError("no")


async def crashes(world: World) -> None:
    raise SystemExit(3)


async def hangs(world: World) -> None:
    lock = asyncio.Lock()
    async with lock, lock:
        pass


async def leaks(world: World) -> None:
    tasks = [asyncio.create_task(asyncio.Event().wait()) for _ in range(3)]
    await world.pause()
    assert len(tasks) == 3


async def ignores_its_end(world: World) -> None:
    async def stubborn() -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(600)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(1)
    task.cancel()


async def uses_threads(world: World) -> None:
    await asyncio.to_thread(time.sleep, 1)


# -- chance ---------------------------------------------------------------------------------------


def chance() -> list[Any]:
    return [
        random.random(),
        random.sample(range(100), 5),
        random.SystemRandom().random(),
        uuid.uuid4(),
        uuid.uuid1(),
        secrets.token_hex(8),
        secrets.choice("abcdefgh"),
        os.urandom(8),
        random.Random().random(),
        random.Random(7).random(),
        random.seed() or random.random(),  # type: ignore[func-returns-value]
    ]


def test_every_source_of_chance_comes_from_the_seed() -> None:
    """random, uuid, secrets and os.urandom repeat in the same world and differ between worlds."""

    async def program(world: World) -> list[Any]:
        return chance()

    first, again, other = (run_world(program, seed).result for seed in (5, 5, 6))
    assert first == again
    assert all(mine != theirs for mine, theirs in zip(first[:5], other[:5], strict=True))


def test_chance_outside_is_untouched() -> None:
    """The generator of whoever explores goes on as if no world had been, and stays random."""
    random.seed(1)
    expected = [random.random() for _ in range(3)]
    random.seed(1)
    seen = [random.random()]
    explore(passes, seeds=5)
    seen += [random.random() for _ in range(2)]
    assert seen == expected
    assert uuid.uuid4() != uuid.uuid4()
    assert os.urandom(8) != os.urandom(8)


# -- output ---------------------------------------------------------------------------------------


def test_only_the_reported_world_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    """What other worlds print is nobody's business; nothing reaches the terminal."""

    async def program(world: World) -> None:
        print(f"world {world.seed}")
        print("to the error stream", file=sys.stderr)
        assert world.seed < 5

    finding = find(program)
    assert finding.output == "world 5\nto the error stream\n"
    assert capsys.readouterr() == ("", "")


def test_output_is_bounded() -> None:
    """Megabytes are cut, and their number is told."""

    async def program(world: World) -> None:
        for _ in range(1000):
            print("x" * 10_000)
        raise AssertionError

    output = find(program).output
    assert len(output) < 100_000
    assert "characters more" in output


def test_streams_are_put_back_after_every_end() -> None:
    """Also when a program replaces them itself."""

    async def program(world: World) -> None:
        sys.stdout = None  # type: ignore[assignment]

    before = sys.stdout, sys.stderr
    for ending in (passes, fails, crashes, hangs, program):
        explore(ending, seeds=2)
        assert (sys.stdout, sys.stderr) == before


# -- what is refused ------------------------------------------------------------------------------


async def start_subprocess() -> None:
    await asyncio.create_subprocess_exec(sys.executable, "-c", "")


async def start_shell() -> None:
    await asyncio.create_subprocess_shell("true")


async def handle_signal() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print)


async def handle_signal_plainly() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (start_subprocess, "no subprocesses"),
        (start_shell, "no subprocesses"),
        (handle_signal, "no signals"),
        (handle_signal_plainly, "no signals"),
    ],
)
def test_what_a_world_does_not_have_is_refused(ask: Any, words: str) -> None:
    """With an error of one sentence that says so."""

    async def program(world: World) -> None:
        await ask()

    outcome = run_world(program)
    assert isinstance(outcome.error, Refused)
    assert words in str(outcome.error)


# -- loops in loops -------------------------------------------------------------------------------


def test_worlds_run_inside_a_running_loop() -> None:
    """As in a notebook, whose own loop runs and goes on afterwards."""

    async def notebook() -> list[object]:
        loop = asyncio.get_running_loop()
        ticks = []
        loop.call_soon(ticks.append, "tick")
        assert explore(passes, seeds=5) is None
        finding = explore(fails, seeds=5)
        assert explore(hangs, seeds=1) is not None
        assert asyncio.get_running_loop() is loop
        task = asyncio.current_task()
        assert task is not None
        assert ticks == []
        await asyncio.sleep(0)
        assert asyncio.current_task() is task
        assert ticks == ["tick"]
        return [finding]

    (finding,) = asyncio.run(notebook())
    assert finding is not None


def test_a_task_outside_stays_the_current_one() -> None:
    """The world's tasks are current in the world only."""

    async def notebook() -> None:
        outside = asyncio.current_task()
        inside: list[object] = []

        async def program(world: World) -> None:
            inside.append(asyncio.current_task())

        explore(program, seeds=1)
        assert asyncio.current_task() is outside
        assert inside[0] is not outside

    asyncio.run(notebook())


def test_asyncio_run_inside_a_world_is_the_error_it_always_is() -> None:
    """A coroutine cannot start a second loop."""

    async def program(world: World) -> None:
        coroutine = asyncio.sleep(0)
        try:
            with pytest.raises(RuntimeError, match="running event loop"):
                asyncio.run(coroutine)
        finally:
            coroutine.close()

    assert explore(program, seeds=2) is None


def test_a_runner_can_drive_a_worlds_loop() -> None:
    """asyncio.Runner takes the simulated loop from its loop_factory and closes it."""

    def make_loop() -> asyncio.AbstractEventLoop:
        return World(3, ownership=Ownership()).loop

    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        await asyncio.sleep(3600)
        return loop.world.time()

    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(main()) == 3600.0
        assert runner.run(main()) == 7200.0


# -- nothing is left behind -----------------------------------------------------------------------


def state() -> dict[str, object]:
    """Everything that worlds replace for a while."""
    return {
        "clocks": [getattr(time, name) for name in dir(time)],
        "datetime": sys.modules["datetime"].datetime,
        "locks": [asyncio.Lock.acquire, asyncio.Lock.release],
        "conditions": threading.Condition.wait,
        "sockets": [(name, value) for name, value in sorted(vars(socket.socket).items())],
        "resolvers": [socket.getaddrinfo, socket.gethostbyname],
        "processes": [subprocess.Popen.__init__, os.system, getattr(os, "fork", None)],
        "entropy": [os.urandom, random.Random.seed, random.seed],
        "garbage": [gc.isenabled(), gc.get_threshold(), gc.get_debug()],
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "timer": signal.getitimer(signal.ITIMER_REAL) if hasattr(signal, "getitimer") else None,
        "tracing": [sys.gettrace(), sys.getprofile(), sys.get_asyncgen_hooks()],
        "origins": sys.get_coroutine_origin_tracking_depth(),
        "hooks": [sys.breakpointhook, sys.excepthook, sys.unraisablehook, threading.excepthook],
        "warnings": [warnings.filters[:], warnings.showwarning, warnings._warn_unawaited_coroutine],  # type: ignore[attr-defined]
        "streams": [sys.stdout, sys.stderr],
        "random": random.getstate(),
        "pickling": dict(copyreg.dispatch_table),
        "loop": asyncio.events._get_running_loop(),
        "context": os.environ.copy(),
    }


@pytest.mark.parametrize(
    "ending", [passes, fails, crashes, hangs, leaks, ignores_its_end, uses_threads]
)
def test_nothing_is_left_behind_however_a_world_ends(ending: Any) -> None:
    """Clocks, locks, sockets, signals, tracing, garbage collection: all as they were."""
    explore(ending, seeds=1)
    before = state()
    explore(ending, seeds=5)
    after = state()
    for name, value in before.items():
        assert after[name] == value, name


def test_worlds_are_garbage_when_they_are_over() -> None:
    """A thousand worlds take no more memory than one."""

    def alive() -> int:
        gc.collect()
        # By its type: isinstance() asks a weak proxy whose object may be gone.
        return sum(issubclass(type(thing), (World, SimulatedLoop)) for thing in gc.get_objects())

    before = alive()
    for ending in (passes, leaks, uses_threads, hangs, ignores_its_end):
        explore(ending, seeds=20)
    assert alive() <= before


def test_ctrl_c_ends_the_exploration() -> None:
    """Whoever sits at the keyboard wins, and finds everything as it was."""

    async def program(world: World) -> None:
        await world.pause()
        if world.seed == 3:
            signal.raise_signal(signal.SIGINT)
        await world.pause()

    before = state()
    with pytest.raises(KeyboardInterrupt):
        explore(program, seeds=10)
    for name, value in before.items():
        assert state()[name] == value, name


def test_ctrl_c_is_not_lost_in_an_except_clause() -> None:
    """Code that catches everything does not keep the exploration alive."""
    worlds = 0

    async def program(world: World) -> None:
        nonlocal worlds
        worlds += 1
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        explore(program, seeds=10)
    assert worlds == 1


def test_a_keyboard_interrupt_of_the_code_itself_is_a_failure_like_others() -> None:
    """Studied code cannot end the session by raising it."""

    async def program(world: World) -> None:
        raise KeyboardInterrupt

    assert isinstance(find(program).error, KeyboardInterrupt)


def test_sys_exit_of_the_code_itself_is_a_failure_like_others() -> None:
    """Nor by leaving, whether in the test's own task or in another one."""

    async def elsewhere(world: World) -> None:
        task = asyncio.create_task(crashes(world))
        await asyncio.sleep(1)
        assert task.done()

    for program in (crashes, elsewhere):
        finding = find(program)
        assert isinstance(finding.error, SystemExit)


def test_a_world_inside_a_world_is_refused() -> None:
    """An exploration started by studied code is told so, and the outer world goes on."""

    async def program(world: World) -> None:
        with pytest.raises(Refused, match="already runs in a simulated world"):
            explore(passes, seeds=1)
        await asyncio.sleep(5)
        assert world.time() == 5

    assert explore(program, seeds=2) is None
