"""Interruptions at any await: cancellations and crashes."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from autograder.simulation import Crash, Token, World, explore, interrupt, read_token, run_world

from .helpers import find


async def three_steps(done: list[int]) -> str:
    for number in (1, 2, 3):
        await asyncio.sleep(1)
        done.append(number)
    return "all"


@pytest.mark.parametrize("by", [asyncio.CancelledError, Crash, ConnectionError])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_coroutine_is_interrupted_at_its_nth_await(by: type[BaseException], at: int) -> None:
    """What came before has happened, and nothing after it does."""

    async def program(world: World) -> list[int]:
        done: list[int] = []
        with pytest.raises(by):
            await interrupt(three_steps(done), at, by)
        await asyncio.sleep(10)
        return done

    outcome = run_world(program)
    assert outcome.problems == []
    assert outcome.result == [1, 2, 3][: at - 1]


def test_a_coroutine_with_fewer_awaits_ends_as_always() -> None:
    """Nothing is left to interrupt."""

    async def program(world: World) -> str:
        return str(await interrupt(three_steps([]), at=4))

    assert run_world(program).result == "all"


def test_clean_up_runs_when_interrupted_and_may_await() -> None:
    """A finally clause does its work, awaits included."""

    async def program(world: World) -> list[str]:
        log = []

        async def work() -> None:
            try:
                await asyncio.sleep(1)
            finally:
                await asyncio.sleep(1)
                log.append("closed")

        for by in (asyncio.CancelledError, Crash):
            with contextlib.suppress(by):
                await interrupt(work(), 1, by)
        return log

    assert run_world(program).result == ["closed", "closed"]


def test_every_await_is_interrupted_in_turn() -> None:
    """One world for each await of the coroutine, and a last one in which it ends untouched."""
    seen = []

    async def program(world: World) -> None:
        done: list[int] = []
        outcome = await world.interrupted(three_steps(done))
        seen.append((world.interruption, outcome.fired, len(done), outcome.result))

    assert explore(program, seeds=2, at_every_await=True) is None
    one_seed = [(1, True, 0, None), (2, True, 1, None), (3, True, 2, None), (4, False, 3, "all")]
    assert seen == one_seed * 2


def test_of_many_awaits_not_every_one_is_interrupted() -> None:
    """A loop of a thousand awaits is not run a thousand times: the later ones with gaps."""
    seen = []

    async def program(world: World) -> None:
        async def polls() -> None:
            for _ in range(1000):
                await asyncio.sleep(0.001)

        await world.interrupted(polls())
        seen.append(world.interruption)

    assert explore(program, at_every_await=True, seeds=1) is None
    assert seen[:200] == list(range(1, 201))
    assert len(seen) < 220
    assert seen[-2] <= 1000 < seen[-1]


def test_the_outcome_of_an_interruption_tells_how_it_ended() -> None:
    """The error that came out, or the result of a coroutine that coped with it."""

    async def program(world: World) -> None:
        async def cope() -> str:
            try:
                await asyncio.sleep(1)
            except ConnectionError:
                return "coped"
            return "never interrupted"

        async def turn() -> None:
            try:
                await asyncio.sleep(1)
            except ConnectionError:
                raise LookupError("turned into another") from None

        coped = await world.interrupted(cope(), by=ConnectionError)
        assert (coped.fired, coped.result, coped.error) == (True, "coped", None)
        turned = await world.interrupted(turn(), by=ConnectionError)
        assert isinstance(turned.error, LookupError)
        crashed = await world.interrupted(three_steps([]), by=Crash)
        assert isinstance(crashed.error, Crash)

    outcome = run_world(program, interruption=1)
    assert outcome.error is None
    assert outcome.problems == []


def test_a_cancellation_from_outside_goes_through() -> None:
    """The test that interrupts may itself be cancelled, and then that counts."""

    async def program(world: World) -> None:
        async def inner() -> None:
            await world.interrupted(asyncio.sleep(100))

        task = asyncio.create_task(inner())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    outcome = run_world(program, interruption=2)
    assert outcome.error is None


def test_the_token_of_an_interrupted_world_names_the_await() -> None:
    """A failure at the second await of a seed is replayed by seed@2."""

    async def program(world: World) -> None:
        done: list[int] = []
        await world.interrupted(three_steps(done))
        assert done != [1], "interrupted between the first and the second"

    finding = find(program, seeds=3, at_every_await=True)
    assert finding.token == "0@2"
    assert read_token(finding.token) == Token(0, interruption=2)
    assert "interrupted between" in str(finding.error)
