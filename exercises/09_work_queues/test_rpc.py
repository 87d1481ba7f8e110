"""Grades rpc.py on a simulated RabbitMQ; what happens when something breaks is in
test_rpc_faults.py."""

import asyncio
import contextlib

import pytest

from autograder.grading import mistake
from autograder.grading.benches.rpc_servers import (
    OTHER_QUEUE,
    QUEUE,
    assert_nothing_left,
    assert_own_reply,
    calling,
    outcome_of,
    price,
    servers_at,
)
from autograder.grading.benches.things_held import things_held_by
from autograder.simulation import simulate


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_a_call_returns_the_reply(world, submission):
    """A call returns the body of the reply to its request, from the servers of its queue."""

    async def colour(request):
        await request.reply(white, type="colour")
        await request.done()

    white = b"lamp: \xff\xff\x00\n "
    servers = await servers_at(world)
    await servers.start(colour, "another server", OTHER_QUEUE)
    async with calling(submission, servers) as client:
        for body in (b"lamp", b"kettle", b""):
            outcome = await outcome_of(client, body)
            assert_own_reply(body, outcome, "One call after another was made")
        outcome = await outcome_of(client, b"lamp", queue=OTHER_QUEUE)
    assert outcome == white, (
        f"a call was made to the queue {OTHER_QUEUE!r}; the reply of its server has the body "
        f"{white!r}, and the call ended with {outcome!r}"
    )


@pytest.mark.points(3)
@pytest.mark.hint("What tells one reply from another? The order in which they come does not.")
@simulate(seeds=4)
async def test_each_call_gets_its_own_reply(world, submission):
    """Of many calls at once each gets the reply to its own request, in whichever order."""
    taken = []

    async def all_at_once(request):
        taken.append(request)
        if len(taken) < len(bodies):
            return
        order = list(range(len(taken)))
        if world.seed:
            order.sort(key=lambda n: world.draw(f"reply {n}"))
        else:
            order.reverse()
        for number in order:
            await taken[number].reply(taken[number].body + b" #%d" % number)
            await taken[number].done()

    bodies = [b"lamp", b"kettle", b"radio", b"lamp", *(b"chair %d" % n for n in range(16))]
    servers = await servers_at(world, all_at_once)
    async with calling(submission, servers) as client:
        outcomes = await asyncio.gather(*(outcome_of(client, body) for body in bodies))
    assert len(taken) == len(bodies), (
        f"{len(bodies)} calls were made at once, and after 10 s the server had {len(taken)} "
        "requests: a call waits for another one"
    )
    for body, outcome in zip(bodies, outcomes, strict=True):
        assert_own_reply(body, outcome, f"{len(bodies)} calls were under way at once")
    assert outcomes[0] != outcomes[3], mistake(
        "reply-mixed-up",
        f"Two calls had the same body, and both returned {outcomes[0]!r}: the reply to one of "
        "them.",
    )


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_a_failure_of_the_server_is_raised(world, submission):
    """A reply of type "error" is raised as RemoteError, with its text."""

    async def fails(request):
        await request.reply("no such thing: Löwe".encode(), type="error")
        await request.done()

    servers = await servers_at(world, fails)
    async with calling(submission, servers) as client:
        outcome = await outcome_of(client, b"lion")
        left = client.pending
    assert isinstance(outcome, submission.RemoteError), (
        f"the server replied with type 'error', and the call ended with {outcome!r}"
    )
    assert str(outcome) == "no such thing: Löwe", (
        f"the server said 'no such thing: Löwe', and the RemoteError says {str(outcome)!r}"
    )
    assert left == 0, mistake(
        "leaked-waiter", f"The only call has ended with an error, and pending is {left}."
    )


@pytest.mark.points(2)
@simulate(seeds=2)
async def test_no_reply_is_a_timeout(world, submission):
    """If no reply comes, the call raises TimeoutError when its time is up."""

    async def silent(request):
        await request.done()

    servers = await servers_at(world, silent)
    async with calling(submission, servers) as client:
        for within in (5.0, 90.0):
            before = world.time()
            outcome = await outcome_of(client, b"lamp", within)
            took = world.time() - before
            assert isinstance(outcome, TimeoutError), (
                f"no reply came, and the call ended with {outcome!r} after {took:.1f} s"
            )
            assert within - 0.01 <= took <= within + 0.1, (
                f"TimeoutError came after {took:.1f} s; within was {within:g} s"
            )
        servers.broker.latency = (3.0, 3.0)  # to be published takes a while, too
        before = world.time()
        outcome = await outcome_of(client, b"lamp", 5.0)
        took = world.time() - before
        assert isinstance(outcome, TimeoutError), f"no reply came, and the call ended: {outcome!r}"
        assert took <= 5.1, (
            f"the broker took 3 s to confirm the request; within was 5 s, and the call took "
            f"{took:.1f} s"
        )
        servers.broker.latency = (0.0, 0.0)
        servers.broker.stop(crash=bool(world.seed % 2))
        await asyncio.sleep(3)
        before = world.time()
        outcome = await outcome_of(client, b"lamp", 5.0)
        took = world.time() - before
        assert isinstance(outcome, (TimeoutError, ConnectionError)), (
            f"the broker was down, and the call ended with {outcome!r} after {took:.1f} s; "
            "expected TimeoutError or ConnectionError"
        )
        assert took <= 5.1, f"the broker was down; within was 5 s, and the call took {took:.1f} s"
        servers.broker.start()


@pytest.mark.points(2)
@pytest.mark.hint("How long does a message live in a queue? Its publisher can say: `expiration`.")
@simulate(seeds=2)
async def test_a_request_that_nobody_waits_for_is_not_served(world, submission):
    """A request that no server has taken before its time is up is not given to one any more."""
    servers = await servers_at(world, None)
    async with calling(submission, servers) as client:
        outcomes = await asyncio.gather(
            outcome_of(client, b"lamp", 5.0), outcome_of(client, b"radio", 60.0),
            outcome_of(client, b"table", 10.6), called_late(client, b"chair", 10.9),
            started_late(servers),
        )  # fmt: skip
    assert b"radio" in servers.requests, (
        "a call had 49 seconds left when a server came, and the server did not get the request"
    )
    assert b"chair" in servers.requests, (
        "a call had 0.6 of its 10.9 seconds left when a server came, and the server did not get it"
    )
    assert_own_reply(b"radio", outcomes[1], "A server came while the call was waiting")
    assert_own_reply(b"chair", outcomes[3], "A server came 0.6 s before the time was up")
    assert b"lamp" not in servers.requests, mistake(
        "serves-the-dead",
        "A call had timed out after 5 s. A server that came 6 s later was given its request, and "
        "worked for nobody.",
    )
    assert b"table" not in servers.requests, (
        "a call had timed out after 10.6 s; a server that came 0.2 s later was given its request"
    )


async def called_late(client, body, within):
    await asyncio.sleep(0.5)
    return await outcome_of(client, body, within)


async def started_late(servers):
    await asyncio.sleep(10.8)
    await servers.start(price)


@pytest.mark.points(3)
@pytest.mark.hint("What happens in your code when the reply comes, and nobody waits for it?")
@simulate(seeds=6)
async def test_late_and_odd_replies_are_dropped(world, submission):
    """A late reply, a second one, one with a strange id or with none: each is dropped."""

    async def odd(request):
        if request.body == b"slow":
            await asyncio.sleep(7)
        if request.body == b"other":
            await asyncio.sleep(5)
        if request.body in (b"strange", b"nameless"):
            name = "nobody" if request.body == b"strange" else None
            await request.reply(b"for nobody", correlation_id=name)
        await request.reply(request.body + b": 89.00")
        if request.body == b"twice":
            await request.reply(request.body + b": 98.00")
        await request.done()
        if request.body == b"at once":
            again = [request.reply(b"at once: %d" % number) for number in range(5)]
            await asyncio.gather(*again)

    servers = await servers_at(world, odd)
    async with calling(submission, servers) as client:
        first = await outcome_of(client, b"lamp", 5.0)
        assert_own_reply(b"lamp", first, "One call was made")
        slow = await outcome_of(client, b"slow", 5.0)
        assert isinstance(slow, TimeoutError), f"the reply came after 7 s of 5, and call: {slow!r}"
        other = await outcome_of(client, b"other", 30.0)
        assert_not_choked(b"other", other, "A reply came too late")
        for body, said in (
            (b"twice", "A reply came twice"),
            (b"at once", "A reply came six times at once"),
            (b"strange", "A reply came with an id that nobody knows"),
            (b"nameless", "A reply came without an id"),
        ):
            assert_not_choked(body, await outcome_of(client, body, 30.0), said)
            again = await outcome_of(client, b"radio", 30.0)
            assert_not_choked(b"radio", again, f"{said}, and then another call was made")
        assert client.pending == 0, mistake(
            "leaked-waiter", f"All calls have ended, and pending is {client.pending}."
        )


def assert_not_choked(body, outcome, said):
    assert not isinstance(outcome, TimeoutError), mistake(
        "chokes-on-late-reply",
        f"{said}. After that a call for {body!r} got no reply any more, although one was sent.",
    )
    assert_own_reply(body, outcome, said)


@pytest.mark.points(2)
@pytest.mark.hint("Which ways out of `call` are there? All of them lead through a `finally`.")
@simulate(seeds=2)
async def test_a_call_that_has_ended_is_not_remembered(world, submission):
    """`pending` counts the calls that wait; one that has ended, however it has, leaves nothing."""

    async def silent(request):
        await request.done()

    async def some_end():
        """4 calls: 3 that time out, and one that is cancelled."""
        tasks = [asyncio.create_task(outcome_of(client, b"%d" % n, 20.0)) for n in range(3)]
        given_up = asyncio.create_task(client.call(QUEUE, b"lamp", within=500))
        await asyncio.sleep(5)
        assert client.pending == 4, f"4 calls wait for a reply, and pending is {client.pending}"
        given_up.cancel()
        await asyncio.wait([given_up], timeout=30)
        assert given_up.cancelled(), "a call was cancelled, and it has not ended as cancelled"
        assert client.pending == 3, mistake(
            "leaked-waiter", f"One of 4 calls was cancelled, and pending is {client.pending}."
        )
        await asyncio.gather(*tasks)
        assert client.pending == 0, mistake(
            "leaked-waiter",
            f"3 calls have timed out, and pending is {client.pending}: each timeout leaves "
            "something behind, for ever.",
        )

    servers = await servers_at(world, silent)
    async with calling(submission, servers) as client:
        assert client.pending == 0, f"no call was made, and pending is {client.pending}"
        await some_end()
        await asyncio.sleep(1)
        held = things_held_by(client)
        for _ in range(3):
            await some_end()
        await asyncio.sleep(1)
        more = things_held_by(client) - held
    assert more < 12, mistake(
        "leaked-waiter",
        f"12 more calls have ended, and the client holds {more} things more than before, in its "
        "dictionaries, sets and lists: each call leaves something behind, for ever.",
    )


@pytest.mark.points(1)
@simulate(seeds=1, at_every_await=True)
async def test_cancelled_anywhere_it_leaves_nothing(world, submission):
    """If a call is cancelled, at whichever await, nothing of it is left, and others go well."""
    servers = await servers_at(world)
    async with calling(submission, servers) as client:
        await world.interrupted(client.call(QUEUE, b"lamp", within=10))
        assert client.pending == 0, mistake(
            "leaked-waiter", f"The only call has ended, and pending is {client.pending}."
        )
        assert_own_reply(b"radio", await outcome_of(client, b"radio"), "A call had been cancelled")


@pytest.mark.points(2)
@simulate(seeds=2)
async def test_all_calls_share_one_queue_and_connection(world, submission):
    """All calls have one connection and one reply queue; both are gone at the end."""
    servers = await servers_at(world)
    broker = servers.broker
    connections, declared = len(broker.happened("connect")), len(broker.happened("declare-queue"))
    async with calling(submission, servers) as client:
        at_first, queues_at_first = broker.connections, len(servers.queues_of_clients())
        for _ in range(3):
            assert_own_reply(b"lamp", await outcome_of(client, b"lamp"), "Several calls were made")
        await asyncio.gather(*(outcome_of(client, b"radio") for _ in range(4)))
        connections = len(broker.happened("connect")) - connections
        declared = len(broker.happened("declare-queue")) - declared
        queues = servers.queues_of_clients()
    assert declared <= 2, mistake(
        "reply-queue-per-call",
        f"7 calls were made, and {declared} queues declared for the replies.",
    )
    assert declared <= 1, f"{declared} queues were declared for the replies of one client"
    assert connections <= 2, mistake(
        "connection-per-message", f"7 calls were made, over {connections} connections."
    )
    assert (at_first, connections) == (2, 1), (
        f"7 calls were made over {connections} connections, 1 was allowed; {at_first - 1} of them "
        "were there when the block began"
    )
    assert queues_at_first == len(queues), (
        f"when the block began there were {queues_at_first} queues for replies, and after 7 calls "
        f"there are {queues}"
    )
    await asyncio.sleep(1)
    assert_nothing_left(servers, "the block has ended")
    with contextlib.suppress(KeyError):
        async with calling(submission, servers) as client:
            raise KeyError("of the caller")
    await asyncio.sleep(1)
    assert_nothing_left(servers, "the block has ended with an exception of the caller's")


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_clients_do_not_disturb_each_other(world, submission):
    """Clients at one broker, in one program or in several, have nothing to do with each other."""
    servers = await servers_at(world)
    async with calling(submission, servers) as one:
        async with calling(submission, servers) as other:
            for body, again in ((b"lamp", b"radio"), (b"chair", b"table")):
                outcomes = await asyncio.gather(outcome_of(one, body), outcome_of(other, again))
                assert_own_reply(body, outcomes[0], "Two clients made calls")
                assert_own_reply(again, outcomes[1], "Two clients made calls")
            waiting = asyncio.create_task(one.call(OTHER_QUEUE, b"", within=500))
            await asyncio.sleep(1)
            pending = one.pending, other.pending
            waiting.cancel()
        outcome = await outcome_of(one, b"lamp")
        assert_own_reply(b"lamp", outcome, "One of two clients has come to its end")
        async with calling(submission.restart(), servers) as other:  # as in another process
            outcomes = await asyncio.gather(outcome_of(one, b"cup"), outcome_of(other, b"spoon"))
            assert_own_reply(b"cup", outcomes[0], "Clients in two programs made calls")
            assert_own_reply(b"spoon", outcomes[1], "Clients in two programs made calls")
    assert pending == (1, 0), (
        f"one call of one client waited, and none of another one; their pending were {pending}"
    )
