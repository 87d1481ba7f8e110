"""Grades rpc.py when something breaks: the client, a server, the connection, the broker."""

import asyncio
import contextlib

import pytest

from autograder.grading import mistake
from autograder.grading.benches.rpc_servers import (
    LONG,
    QUEUE,
    answers,
    assert_nothing_left,
    assert_own_reply,
    calling,
    connections_of_clients,
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
    left = servers.queues_of_clients()
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
@simulate(seeds=5)
async def test_it_comes_back_after_a_break(world, submission):
    """If the connection breaks, calls under way end in time, and later ones go well; twice over."""

    async def slow(request):
        await asyncio.sleep(2)
        with contextlib.suppress(ConnectionError, RuntimeError):  # its connection may be broken
            await price(request)

    servers = await servers_at(world, slow)
    broker, most = servers.broker, [0]
    broker.on("connect", lambda _: most.append(connections_of_clients(servers)))
    async with calling(submission, servers) as client:
        for nth in range(2):
            before = len(servers.requests)
            calls = [asyncio.create_task(timed(client, body)) for body in (b"a", b"b")]
            await broker.until(lambda before=before: len(servers.requests) > before, LONG)
            said, cuts = await break_something(broker, world.seed + 2 * nth)
            during = await asyncio.gather(timed(client, b"c"), timed(client, b"d"), calm(cuts))
            for body, (took, outcome) in zip((b"a", b"b", b"c", b"d"), (
                *await asyncio.gather(*calls), *during[:2]
            ), strict=True):  # fmt: skip
                assert_fails_in_time(body, took, outcome, said)
            broker.faults.heal()
            outcome = await outcome_of(client, b"e", 5.0)
            assert answers(b"e", outcome), (
                f"{said}. 30 seconds after there was a connection to be had, a call ended with "
                f"{outcome!r}"
            )
            assert client.pending == 0, mistake(
                "leaked-waiter", f"All calls have ended, and pending is {client.pending}."
            )
    assert max(most) <= 1, (
        f"{said}, and then the client had {max(most)} connections at a time; 1 was allowed"
    )
    await asyncio.sleep(1)
    assert_nothing_left(servers, f"{said}, and later the block has ended")


async def calm(cuts):
    """Returns half a minute after the last of these cuts has happened, or now."""
    seconds, so_far = 0, 0
    while seconds < 30:
        await asyncio.sleep(1)
        happened = sum(cut.happened for cut in cuts)
        seconds, so_far = (seconds + 1 if happened == so_far else 0), happened


async def timed(client, body):
    """How many seconds a call took that had 20, and how it ended."""
    loop = asyncio.get_running_loop()
    before = loop.time()
    outcome = await outcome_of(client, body, 20.0)
    return loop.time() - before, outcome


def assert_fails_in_time(body, took, outcome, said):
    if isinstance(outcome, bytes):
        assert_own_reply(body, outcome, said)
    assert isinstance(outcome, (bytes, ConnectionError, TimeoutError)), (
        f"{said}, and a call raised {type(outcome).__name__}: {outcome}; expected "
        "ConnectionError or TimeoutError"
    )
    assert took <= 20.1, (
        f"{said}, and a call ended after {took:.1f} s with {outcome!r}; within was 20 s"
    )


async def break_something(broker, kind):
    """One of five faults: what it was, and the cuts that may come later. Then the broker is up."""
    match kind % 5:
        case 0:
            broker.disconnect("client")
            return "The connection broke", []
        case 1:
            cut = broker.cut(before="basic.publish", client="client")
            return "The connection broke before a request had reached the broker", [cut]
        case 2:
            steps = ("queue.declare", "channel.open")
            cuts = [broker.cut(before=step, client="client") for step in steps]
            broker.disconnect("client")
            return "The connection broke, and twice more on its way back", cuts
        case 3:
            await broker.restart(down_for=8, crash=True)
            return "The broker crashed", []
        case _:
            await broker.restart(down_for=133)
            return "The broker was down for 133 s", []


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_it_ends_while_the_broker_is_down(world, submission):
    """If the broker is down when the block ends, it ends, and no connection is made later on."""
    servers = await servers_at(world)
    async with calling(submission, servers) as client:
        assert_own_reply(b"lamp", await outcome_of(client, b"lamp"), "A call was made")
        servers.broker.stop(crash=bool(world.seed % 2))
        await outcome_of(client, b"radio", 5.0)
    servers.broker.start()
    await asyncio.sleep(90)
    assert_nothing_left(servers, "The block ended while the broker was down; now that is up again")
