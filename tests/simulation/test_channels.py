"""Services and channels: what travels takes time, and may be lost, doubled or late."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Any

import pytest

from autograder.simulation import Channel, Closed, World, explore, run_world


def collect(seeds: int, **options: Any) -> list[list[int]]:
    """What arrives of ten messages, in each of many worlds."""

    async def program(world: World) -> list[int]:
        channel = world.channel("orders", **options)
        for number in range(10):
            channel.send(number)
        channel.close()
        return [message async for message in channel]

    outcomes = [run_world(program, seed) for seed in range(seeds)]
    assert not any(outcome.failed for outcome in outcomes)
    return [outcome.result for outcome in outcomes]


def test_a_plain_channel_keeps_everything_in_order() -> None:
    """Latencies differ, but no message overtakes another."""
    assert collect(50) == [list(range(10))] * 50


def test_a_dropping_channel_loses_its_share() -> None:
    """In the calm world nothing is lost; elsewhere about as much as was asked for."""
    calm, *others = collect(200, drop=0.2)
    assert calm == list(range(10))
    assert all(arrived == sorted(set(arrived)) for arrived in others)
    assert 0.15 < 1 - sum(map(len, others)) / (10 * len(others)) < 0.25


def test_a_doubling_channel_delivers_some_twice() -> None:
    """Every message arrives, some of them two times."""
    calm, *others = collect(200, duplicate=0.2)
    assert calm == list(range(10))
    assert all(set(arrived) == set(range(10)) for arrived in others)
    counts = Counter(count for arrived in others for count in Counter(arrived).values())
    assert set(counts) == {1, 2}
    assert 0.15 < counts[2] / sum(counts.values()) < 0.25


def test_a_reordering_channel_lets_messages_overtake() -> None:
    """Everything arrives, in another order in most worlds."""
    calm, *others = collect(100, reorder=True)
    assert calm == list(range(10))
    assert all(sorted(arrived) == calm for arrived in others)
    assert sum(arrived != calm for arrived in others) > 50


def test_a_message_takes_its_latency() -> None:
    """No less than the least and no more than the most."""

    async def program(world: World) -> float:
        channel = world.channel("slow", latency=(2.0, 3.0))
        channel.send("x")
        await channel.receive()
        return world.time()

    times = [run_world(program, seed).result for seed in range(50)]
    assert times[0] == 2.0
    assert all(2.0 <= time <= 3.0 for time in times)
    assert max(times) > 2.5


def test_a_closed_channel_still_delivers_what_is_under_way() -> None:
    """Then it says that it is closed, to every receiver, and takes no more."""

    async def program(world: World) -> None:
        channel = world.channel("orders")
        waiting = [asyncio.create_task(channel.receive()) for _ in range(3)]
        channel.send("last")
        channel.close()
        with pytest.raises(Closed):
            channel.send("too late")
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert results[0] == "last"
        assert [type(result) for result in results[1:]] == [Closed, Closed]

    assert explore(program, seeds=50) is None


def test_receivers_are_served_in_order_and_none_is_forgotten() -> None:
    """A receiver that gives up passes its turn on."""

    async def program(world: World) -> None:
        channel = world.channel("orders")
        first = asyncio.create_task(channel.receive())
        second = asyncio.create_task(channel.receive())
        await asyncio.sleep(0)
        channel.send("x")
        await world.pause()
        first.cancel()
        channel.send("y")
        with contextlib.suppress(asyncio.CancelledError):
            await first
        await asyncio.wait_for(second, 10)

    assert explore(program, seeds=100) is None


def test_a_channel_counts_its_messages() -> None:
    """sent, delivered and lost add up."""

    async def program(world: World) -> Channel:
        channel = world.channel("orders", drop=0.3)
        for number in range(20):
            channel.send(number)
        await asyncio.sleep(1)
        return channel

    for seed in range(20):
        channel = run_world(program, seed).result
        assert channel.sent == 20
        assert channel.delivered + channel.lost == 20


def test_a_service_answers_after_two_trips() -> None:
    """The function runs in between, sync or async, with its arguments."""

    async def program(world: World) -> list[Any]:
        times = []

        def price(sku: str, *, currency: str = "EUR") -> str:
            times.append(world.time())
            return f"{sku} 3 {currency}"

        async def slow(sku: str) -> str:
            await asyncio.sleep(5)
            return sku

        answer = await world.service(price, latency=(1.0, 1.0))("tea", currency="USD")
        assert await world.service(slow, latency=(1.0, 1.0))("jam") == "jam"
        return [answer, times, world.time()]

    assert run_world(program).result == ["tea 3 USD", [1.0], 9.0]


def test_a_service_that_fails_never_ran() -> None:
    """The request is lost on its way, with the error that was asked for."""

    async def program(world: World) -> tuple[int, int]:
        calls = failures = 0

        def charge() -> None:
            nonlocal calls
            calls += 1

        service = world.service(charge, fails=0.3, error=TimeoutError)
        for _ in range(20):
            try:
                await service()
            except TimeoutError:
                failures += 1
        return calls, failures

    results = [run_world(program, seed).result for seed in range(50)]
    assert results[0] == (20, 0)
    assert all(calls + failures == 20 for calls, failures in results)
    assert 0.2 < sum(failures for _, failures in results) / (20 * 49) < 0.4


def test_an_error_of_the_function_comes_back() -> None:
    """It travels like an answer."""

    async def program(world: World) -> None:
        def refuse() -> None:
            raise PermissionError("card expired")

        with pytest.raises(PermissionError, match="expired"):
            await world.service(refuse)()

    assert explore(program, seeds=5) is None


def test_draws_depend_on_the_key_and_its_count_alone() -> None:
    """What else is drawn, and in which order, changes nothing."""

    async def alone(world: World) -> list[float]:
        return [world.draw("link a") for _ in range(5)]

    async def mixed(world: World) -> list[float]:
        draws = []
        for number in range(5):
            world.draw("link b")
            world.choose(10, f"link {number}")
            draws.append(world.draw("link a"))
        return draws

    for seed in range(20):
        assert run_world(alone, seed).result == run_world(mixed, seed).result


def test_draws_are_spread_evenly_over_worlds_and_counts() -> None:
    """Neither the seeds nor the keys have a pattern."""

    async def program(world: World) -> list[float]:
        return [world.draw(f"link {number % 7}") for number in range(50)]

    draws = [draw for seed in range(1, 201) for draw in run_world(program, seed).result]
    assert len(set(draws)) == len(draws)
    tenths = Counter(int(draw * 10) for draw in draws)
    assert set(tenths) == set(range(10))
    assert all(900 < count < 1100 for count in tenths.values())


def test_the_calm_world_draws_nothing() -> None:
    """World 0 has the least latencies and no faults at all."""

    async def program(world: World) -> tuple[object, ...]:
        return (
            world.seed,
            world.draw("x"),
            world.chance(0.999, "x"),
            world.choose(9, "x"),
            world.latency("x", 0.25, 9),
        )

    assert run_world(program).result == (0, 0.0, False, 0, 0.25)
