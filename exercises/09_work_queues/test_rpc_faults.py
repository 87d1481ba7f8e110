"""Grades rpc.py when something breaks: the client, a server, the connection, the broker."""

import asyncio
import contextlib

import pytest

from autograder.grading import mistake
from autograder.grading.benches.rpc_servers import (
    LONG,
    QUEUE,
    answers,
    assert_own_reply,
    calling,
    outcome_of,
    price,
    servers_at,
)
from autograder.simulation import simulate


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_a_crash_leaves_no_queue(world, submission):
    """If the client crashes, its reply queue is gone as well."""
    servers = await servers_at(world)

    async def client_that_dies():
        async with submission.RpcClient(servers.broker.url) as client:
            await client.call(QUEUE, b"lamp", within=10)
            await asyncio.sleep(1000)

    with world.network.at("the one that dies"):
        client = asyncio.create_task(client_that_dies())
    await servers.broker.until(lambda: servers.requests, LONG)
    await asyncio.sleep(5)
    if client.done():
        client.result()
    world.kill("the one that dies")
    await asyncio.sleep(120)
    left = [queue.name for queue in servers.broker.queues() if queue.name != QUEUE]
    assert not left, (
        f"the client was killed, and two minutes later its queue is still there: {left}"
    )


@pytest.mark.points(2)
@simulate(seeds=4)
async def test_a_server_that_dies_is_replaced(world, submission):
    """If a server dies before or after its reply, another one replies: the call goes well."""
    replies_first = bool(world.seed % 2)

    async def dies(request):
        if replies_first:
            await request.reply(request.body + b": 89.00")
        await asyncio.sleep(3)
        world.kill("the first server")

    servers = await servers_at(world, None)
    await servers.start(dies, "the first server")
    async with calling(submission, servers) as client:
        call = asyncio.create_task(outcome_of(client, b"lamp", 30.0))
        await servers.broker.until(lambda: servers.requests, LONG)
        await servers.start(price, "the second server")
        said = f"A server died {'after' if replies_first else 'before'} its reply, and another came"
        assert_own_reply(b"lamp", await call, said)
        await asyncio.sleep(10)
        assert_own_reply(b"radio", await outcome_of(client, b"radio"), said)


@pytest.mark.points(2)
@pytest.mark.hint(
    "After a break there must be a reply queue again, and somebody who reads from it."
)
@simulate(seeds=8)
async def test_it_comes_back_after_a_break(world, submission):
    """If the connection breaks, calls under way fail in time, and later ones go well again."""

    async def slow(request):
        await asyncio.sleep(2)
        with contextlib.suppress(ConnectionError, RuntimeError):  # its connection may be broken
            await price(request)

    servers = await servers_at(world, slow)
    async with calling(submission, servers) as client:
        calls = [asyncio.create_task(outcome_of(client, body, 20.0)) for body in (b"a", b"b")]
        await servers.broker.until(lambda: servers.requests, LONG)
        said = await break_something(world, servers.broker)
        during = await outcome_of(client, b"c", 20.0)
        under_way = await asyncio.gather(*calls)
        await asyncio.sleep(30)
        after = await outcome_of(client, b"d", 20.0)
        pending = client.pending
    for body, outcome in zip((b"a", b"b", b"c"), (*under_way, during), strict=True):
        if isinstance(outcome, bytes):
            assert_own_reply(body, outcome, said)
        assert isinstance(outcome, (bytes, ConnectionError, TimeoutError)), (
            f"{said}, and a call raised {type(outcome).__name__}: {outcome}; expected "
            "ConnectionError or TimeoutError"
        )
    assert answers(b"d", after), (
        f"{said}. 30 seconds later there was a connection to be had, and a call ended with "
        f"{after!r}"
    )
    assert pending == 0, mistake(
        "leaked-waiter", f"All calls have ended, and pending is {pending}."
    )


async def break_something(world, broker):
    """One of four faults; what it was."""
    kind = world.seed % 4
    if kind == 0:
        broker.disconnect("client")
        return "The connection broke"
    if kind == 1:
        broker.cut(before="basic.publish", client="client")
        return "The connection broke before a request had reached the broker"
    await broker.restart(down_for=8, crash=kind == 2)
    return f"The broker {'crashed' if kind == 2 else 'was restarted'}"
