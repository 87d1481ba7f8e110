"""Grades publisher.py when something breaks: the connection, the broker, the caller's patience."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.publishers import (
    LONG,
    PAID,
    SHIPPED,
    broker_with,
    ids,
    not_given_up,
    published,
    publishing,
)
from autograder.simulation import simulate

CUTS = (
    ("before", "basic.publish", "before the message had reached the broker"),
    ("after", "basic.publish", "when the message had reached the broker, and before the confirm"),
    ("before", "confirm", "just before the broker sent the confirm"),
    ("after", "confirm", "while the confirm was on its way"),
)
OPENING = ("channel.open", "connection.tune-ok", "connection.open", "confirm.select")
"""What a client says until it can publish."""


@pytest.mark.points(3)
@pytest.mark.hint("Where is the Message made: inside the loop that tries again, or before it?")
@simulate(seeds=12)
async def test_a_broken_connection_loses_nothing(world, submission):
    """If the connection breaks before the answer, the message is published again, id and all."""
    broker = await broker_with(world)
    when, what, said = CUTS[world.seed % 4]
    async with publishing(submission, broker) as publisher:
        await published(publisher, PAID, b"first")
        kind = world.seed // 4 % 3
        for nth in ([1], [1, 2], [1] * 5)[kind]:  # once; twice; five times running
            broker.cut(**{when: what}, nth=nth)
        if not kind:  # and once more, on the way back
            broker.cut(before=OPENING[world.seed % 4])
        sent = await not_given_up(published(publisher, PAID, b"17"), said)
        copies = [m for m in broker.queue("paid").messages if m.body == b"17"]
        other = await not_given_up(published(publisher, SHIPPED, b"18"), said)
    assert copies, f"the connection broke {said}, and publish returned; the message is in no queue"
    found = {message.properties.message_id for message in copies}
    assert len(found) == 1, mistake(
        "new-id-on-retry",
        f"The connection broke {said}. The message was published again under another id, and now "
        f"it is in the queue {len(copies)} times, as {len(found)} different messages.",
    )
    assert found == {sent}, f"publish returned the id {sent}; in the queue the message is {found}"
    assert other in ids(broker.queue("all")), "the next message was published, and is in no queue"


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_what_is_confirmed_is_not_published_again(world, submission):
    """If the connection breaks, what had been confirmed is once in the queue, and the rest, too."""
    broker = await broker_with(world, storing=(0.5, 5.0))
    async with publishing(submission, broker) as publisher:
        sending = [
            asyncio.create_task(not_given_up(published(publisher, PAID, b"%d" % n), "then"))
            for n in range(8)
        ]
        while sum(task.done() for task in sending) < 4:
            await asyncio.wait(
                [task for task in sending if not task.done()], return_when=asyncio.FIRST_COMPLETED
            )
        safe = [task.result() for task in sending if task.done()]
        broker.disconnect()
        sent = await asyncio.gather(*sending)
    found = ids(broker.queue("paid"))
    again = [each for each in safe if found.count(each) > 1]
    assert not again, (
        f"8 messages were published, {len(safe)} of them were confirmed, and the connection broke. "
        f"Of those {len(again)} were published again."
    )
    lost = [each for each in sent if each not in found]
    assert not lost, f"the connection broke, 8 publishes returned, and {len(lost)} are in no queue"


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_a_broker_that_is_down_is_waited_for(world, submission):
    """While the broker is down, publish waits; when it is up again, all is published."""
    broker = await broker_with(world)
    down = (25, 25, 425)[world.seed % 3]
    most = [0]
    broker.on("connect", lambda _: most.append(broker.connections))
    async with publishing(submission, broker) as publisher:
        before = await published(publisher, PAID, b"1")
        broker.stop(crash=world.seed % 2 == 1)
        said = "because the broker went down"
        waiting = [
            asyncio.create_task(not_given_up(publisher.publish(PAID, b"%d" % n), said))
            for n in range(2, 6)
        ]
        await asyncio.wait(waiting, timeout=down, return_when=asyncio.FIRST_COMPLETED)
        early = [task for task in waiting if task.done() and not task.exception()]
        broker.start()
        _, late = await asyncio.wait(waiting, timeout=30)
        for task in late:
            task.cancel()
        after = await asyncio.gather(*(task for task in waiting if task not in late))
        await asyncio.sleep(60)
    assert not early, "the broker was down, and publish returned"
    assert not late, (
        f"the broker was down for {down} s and up again, and half a minute later {len(late)} of 4 "
        "messages that waited had not been published"
    )
    assert max(most) <= 1, (
        f"the broker was down and came up again; then there were {max(most)} connections at a "
        "time, and 1 was allowed"
    )
    assert sorted(ids(broker.queue("paid"))) == sorted([before, *after]), (
        f"the broker was down for a while; the queue holds {broker.queue('paid').bodies}, and "
        "1 to 5 were published"
    )


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_the_beginning_waits_for_the_broker_too(world, submission):
    """If the broker is down when the block begins, or breaks off then, the beginning waits."""
    broker = await broker_with(world)
    if world.seed % 3:
        what = OPENING[world.seed % 3 - 1]
        broker.cut(before=what)
        told = f"the connection broke at the beginning, before {what} got through"
    else:
        broker.stop()
        asyncio.get_running_loop().call_later(60, broker.start)
        told = "the broker was down for the first minute"
    try:
        async with publishing(submission, broker) as publisher:
            sent = await published(publisher, PAID, b"1")
    except (OSError, RuntimeError) as error:
        raise AssertionError(
            f"{told}, and async with Publisher(...) raised {type(error).__name__}: {error}"
        ) from error
    assert ids(broker.queue("paid")) == [sent]
    await asyncio.sleep(30)
    assert broker.connections == 0, (
        f"{told}. The block has ended, and {broker.connections} connections are still open."
    )


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_it_ends_while_the_broker_is_down(world, submission):
    """If the broker is down when the block ends, it ends, and no connection is made later on."""
    broker = await broker_with(world)
    async with publishing(submission, broker) as publisher:
        await published(publisher, PAID, b"1")
        broker.stop(crash=bool(world.seed % 2))
        given_up = asyncio.create_task(publisher.publish(PAID, b"2"))
        await asyncio.wait([given_up], timeout=10)
        given_up.cancel()
        await asyncio.wait([given_up], timeout=5)
    broker.start()
    await asyncio.sleep(90)
    assert broker.connections == 0, (
        "the block ended while the broker was down; the broker came up again, and a minute and a "
        f"half later there are connections: {broker.connections}"
    )


@pytest.mark.points(1)
@simulate(seeds=4)
async def test_a_cancelled_publish_ends_at_once(world, submission):
    """A publish that is cancelled while the broker is down ends at once; the others carry on."""
    broker = await broker_with(world)
    async with publishing(submission, broker) as publisher:
        if world.seed % 2:
            broker.stop(crash=True)
            await asyncio.sleep(10)
        else:
            broker.latency = (60.0, 60.0)
        gives_up = asyncio.create_task(publisher.publish(PAID, b"1"))
        waits = asyncio.create_task(publisher.publish(PAID, b"2"))
        await asyncio.sleep(10)
        gives_up.cancel()
        await asyncio.wait([gives_up], timeout=5)
        stopped = gives_up.cancelled()
        broker.start()
        broker.latency = (0.0, 0.0)
        await asyncio.wait([waits], timeout=LONG)
        assert waits.done(), f"a publish was cancelled; the one beside it has not ended in {LONG} s"
        assert not waits.cancelled(), "a publish was cancelled, and the one beside it along with it"
        sent = waits.result()
        again = await published(publisher, PAID, b"3")
    assert stopped, "publish was cancelled, and 5 s later it has not ended as cancelled"
    assert {sent, again} <= set(ids(broker.queue("paid"))), (
        "a publish was cancelled, and the one beside it and the one after it are not in the queue"
    )


@pytest.mark.points(1)
@simulate(seeds=1, at_every_await=True)
async def test_cancelled_anywhere_it_costs_nobody_anything(world, submission):
    """A publish that is cancelled, at whichever await, after a break, leaves others in peace."""
    broker = await broker_with(world)
    async with publishing(submission, broker) as publisher:
        broker.disconnect()
        await world.interrupted(publisher.publish(PAID, b"1"))
        sent = await published(publisher, PAID, b"2")
        await asyncio.sleep(5)
        connections = broker.connections
    assert sent in ids(broker.queue("paid")), "the next message was published, and is in no queue"
    assert connections == 1, (
        f"a publish was cancelled while the connection was made anew, another one went on, and "
        f"there are {connections} connections; expected 1"
    )
    await asyncio.sleep(1)
    assert broker.connections == 0, "the block has ended, and a connection is still open"
