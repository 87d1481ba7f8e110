"""Grades publisher.py on a simulated RabbitMQ."""

import asyncio
import contextlib

import pytest

from autograder.grading import mistake
from autograder.grading.benches.amqp_side import arrange, ended
from autograder.simulation import simulate
from autograder.simulation.servers.amqp import AmqpBroker

PAID, SHIPPED = "order.paid", "order.shipped"
LONG = 300.0
"""Seconds after which what has not ended will not end."""
CUTS = (
    ("before", "basic.publish", "before the message had reached the broker"),
    ("after", "basic.publish", "when the message had reached the broker, and before the confirm"),
    ("before", "confirm", "just before the broker sent the confirm"),
    ("after", "confirm", "while the confirm was on its way"),
)


async def broker_with(world, arguments=None, **options):
    """A broker with the exchange "events", and two queues: of what is paid, and of all."""
    broker = AmqpBroker(world, **options)
    with world.network.at("the operator"):
        await arrange(broker.url, "events", {"paid": [PAID], "all": ["order.*"]}, arguments)
    return broker


def ids(queue):
    return [message.properties.message_id for message in queue.messages]


async def published(publisher, key, body, seconds=LONG):
    return await ended(publisher.publish(key, body), seconds, f"publish({key!r}, ...)")


@contextlib.asynccontextmanager
async def publishing(submission, broker):
    """A publisher that is open; its connection must be there in time."""
    publisher = submission.Publisher(broker.url, "events")
    entered = await ended(publisher.__aenter__(), LONG, "async with Publisher(...)")
    try:
        yield entered
    except BaseException as error:
        await publisher.__aexit__(type(error), error, error.__traceback__)
        raise
    await ended(publisher.__aexit__(None, None, None), LONG, "the end of async with Publisher(...)")


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_a_message_is_in_every_queue_that_wants_it(world, submission):
    """A published message is once in every queue that is bound for it, with the id it returns."""
    broker = await broker_with(world)
    async with publishing(submission, broker) as publisher:
        first = await published(publisher, PAID, b"17")
        second = await published(publisher, SHIPPED, b"17")
        third = await published(publisher, PAID, b"18")
    async with publishing(submission, broker) as another:
        fourth = await published(another, SHIPPED, b"19")
    assert fourth not in (first, second, third), (
        f"two publishers published, one after the other, and both gave a message the id "
        f"{fourth!r}: whoever gets it takes the second message for the first one, come again"
    )
    returned = [first, second, third, fourth]
    assert all(isinstance(each, str) and each for each in returned), (
        f"publish returned {returned}; expected the ids of four messages, as strings"
    )
    assert len(set(returned)) == 4, f"four messages, and their ids are {returned}"
    assert broker.queue("paid").bodies == [b"17", b"18"], (
        f"17 and 18 were paid; in that queue are {broker.queue('paid').bodies}"
    )
    assert ids(broker.queue("paid")) == [first, third], (
        f"publish returned the ids {first} and {third}, and the messages in the queue have "
        f"{ids(broker.queue('paid'))}"
    )
    assert ids(broker.queue("all")) == returned, (
        f"publish returned the ids {returned}; in the queue of all messages are "
        f"{ids(broker.queue('all'))}"
    )


@pytest.mark.points(2)
@pytest.mark.hint("aio-pika's channels confirm by default, and publish() waits: if you await it.")
@simulate(seeds=3)
async def test_it_returns_when_the_broker_has_confirmed(world, submission):
    """publish returns after the broker has confirmed the message, and not before."""
    broker = await broker_with(world, storing=(2.0, 2.0))
    async with publishing(submission, broker) as publisher:
        before = world.time()
        await published(publisher, PAID, b"17", 60)
        took, confirms = world.time() - before, broker.happened("confirm")
        await asyncio.sleep(10)
    assert confirms, mistake(
        "fire-and-forget",
        f"publish returned after {took:.3f} s, and the broker had not confirmed anything; it "
        "takes 2 s to store a message. Had it crashed in between, nobody would know.",
    )


@pytest.mark.points(2)
@pytest.mark.hint("Which delivery_mode does a Message have if you say nothing?")
@simulate(seeds=3)
async def test_it_outlives_a_crash_of_the_broker(world, submission):
    """What was published is still there when the broker has crashed and is up again."""
    broker = await broker_with(world)
    async with publishing(submission, broker) as publisher:
        sent = await published(publisher, PAID, b"17")
        await broker.until(lambda: not broker.unconfirmed)
        await asyncio.sleep(1)
        message = next(iter(broker.queue("paid").messages), None)
        await broker.restart(down_for=3, crash=True)
    assert message is not None, "publish returned, and the message is in no queue"
    assert message.persistent, mistake(
        "not-persistent",
        "The broker had confirmed the message. Then it crashed, and the message was gone: it was "
        "not persistent, and so never on the disk.",
    )
    assert ids(broker.queue("paid")) == [sent], (
        f"after the crash the queue holds {ids(broker.queue('paid'))}; expected [{sent!r}]"
    )


@pytest.mark.points(2)
@pytest.mark.hint("What does aio-pika's publish() return for a message that came back?")
@simulate(seeds=3)
async def test_what_no_queue_wants_is_unroutable(world, submission):
    """If no queue is bound for the routing key, publish raises Unroutable; others go their way."""
    broker = await broker_with(world)
    async with publishing(submission, broker) as publisher:
        outcomes = await ended(
            asyncio.wait_for(
                asyncio.gather(
                    publisher.publish(PAID, b"1"),
                    publisher.publish("oder.paid", b"2"),
                    publisher.publish(SHIPPED, b"3"),
                    return_exceptions=True,
                ),
                LONG,
            ),
            2 * LONG,
            "publishing three messages",
        )
        after = await published(publisher, PAID, b"4")
    lost = outcomes[1]
    assert not isinstance(lost, str), mistake(
        "unroutable-lost",
        f"'oder.paid' is bound to no queue, so the broker dropped the message; publish returned "
        f"{lost!r}, as if all were well.",
    )
    assert isinstance(lost, submission.Unroutable), (
        f"no queue is bound for 'oder.paid', and publish ended with {lost!r}; expected Unroutable"
    )
    for key, outcome in ((PAID, outcomes[0]), (SHIPPED, outcomes[2])):
        assert isinstance(outcome, str), (
            f"publish({key!r}, ...) ended with {outcome!r} while another message was unroutable"
        )
    assert ids(broker.queue("paid")) == [outcomes[0], after], (
        "an unroutable message was among four, and two were for the queue of paid orders; it "
        f"holds {broker.queue('paid').bodies}"
    )


@pytest.mark.points(1)
@pytest.mark.hint("PublishError is a DeliveryError. Which of them does your `except` meet first?")
@simulate(seeds=3)
async def test_what_the_broker_does_not_take_is_refused(world, submission):
    """If the broker answers with basic.nack, publish raises Refused."""
    full = {"x-max-length": 1, "x-overflow": "reject-publish"}
    broker = await broker_with(world, full)
    async with publishing(submission, broker) as publisher:
        await published(publisher, PAID, b"1")
        try:
            outcome = await published(publisher, PAID, b"2", 30)
        except submission.Refused as error:
            outcome = error
    assert isinstance(outcome, submission.Refused), (
        f"the queue was full and the broker refused the message; publish returned {outcome!r}"
    )
    assert broker.queue("paid").bodies == [b"1"]


@pytest.mark.points(3)
@pytest.mark.hint("Where is the Message made: inside the loop that tries again, or before it?")
@simulate(seeds=12)
async def test_a_broken_connection_loses_nothing(world, submission):
    """If the connection breaks before the answer, the message is published again, id and all."""
    broker = await broker_with(world)
    when, what, said = CUTS[world.seed % 4]
    async with publishing(submission, broker) as publisher:
        await published(publisher, PAID, b"first")
        for nth in ([1], [1, 2], [1] * 5)[world.seed // 4 % 3]:  # once; twice; five times running
            broker.cut(**{when: what}, nth=nth)
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


async def not_given_up(publishing, said):
    """The id; `said` is when the connection broke."""
    from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

    try:
        return await publishing
    except (AMQPError, ChannelInvalidStateError, ConnectionError) as error:
        raise AssertionError(
            mistake(
                "gives-up-unconfirmed",
                f"The connection broke {said}, and publish raised {type(error).__name__}. It may "
                "have arrived or not: nobody knows, and nobody tries again.",
            )
        ) from error


@pytest.mark.points(2)
@simulate(seeds=4)
async def test_a_broker_that_is_down_is_waited_for(world, submission):
    """While the broker is down, publish waits; when it is up again, the message is published."""
    broker = await broker_with(world)
    async with publishing(submission, broker) as publisher:
        before = await published(publisher, PAID, b"1")
        broker.stop(crash=world.seed % 2 == 1)
        if world.seed // 2 % 2:
            await asyncio.sleep(20)
        waiting = asyncio.create_task(
            not_given_up(published(publisher, PAID, b"2"), "because the broker went down")
        )
        await asyncio.wait([waiting], timeout=25)
        early = waiting.done() and not waiting.exception()
        broker.start()
        up = world.time()
        after = await waiting
        took, connections = world.time() - up, broker.connections
        await asyncio.sleep(60)
        connections = max(connections, broker.connections)
    assert not early, "the broker was down, and publish returned"
    assert took <= 30, f"the broker was up again, and publish returned {took:.0f} s later"
    assert connections == 1, (
        f"the broker was down and came up again; then there were {connections} connections at a "
        "time, and 1 was allowed"
    )
    assert ids(broker.queue("paid")) == [before, after], (
        f"the broker was down for a while; the queue holds {broker.queue('paid').bodies}, and "
        "1 and 2 were published"
    )


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_the_beginning_waits_for_the_broker_too(world, submission):
    """If the broker is down when the block begins, or breaks off then, the beginning waits."""
    broker = await broker_with(world)
    if world.seed % 2:
        broker.cut(before="channel.open")
        told = "the connection broke when the first channel was to be opened"
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
async def test_there_is_one_connection(world, submission):
    """All messages go over one connection, there from the beginning, and closed at the end."""
    broker = await broker_with(world)
    before = len(broker.happened("connect"))
    async with publishing(submission, broker) as publisher:
        at_first = broker.connections
        for number in range(3):
            await published(publisher, PAID, b"%d" % number)
        sending = [publisher.publish(PAID, b"%d" % number) for number in range(5)]
        await ended(asyncio.wait_for(asyncio.gather(*sending), LONG), 2 * LONG, "publishing five")
    made = len(broker.happened("connect")) - before
    assert made <= 2, mistake(
        "connection-per-message", f"8 messages were published, over {made} connections."
    )
    assert made == 1, f"8 messages were published over {made} connections; 1 was allowed"
    assert at_first == 1, f"when the block began there were {at_first} connections; expected 1"
    await asyncio.sleep(1)
    assert broker.connections == 0, "the block has ended, and the connection is still open"
    with contextlib.suppress(KeyError):
        async with publishing(submission, broker) as publisher:
            await published(publisher, PAID, b"9")
            raise KeyError("of the caller")
    await asyncio.sleep(1)
    assert broker.connections == 0, (
        "the block has ended with an exception of the caller's, and the connection is still open"
    )


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_messages_do_not_wait_for_each_other(world, submission):
    """Twenty messages at once, of which each takes a second to be stored, take no twenty."""
    broker = await broker_with(world, storing=(1.0, 1.0))
    async with publishing(submission, broker) as publisher:
        before = world.time()
        sending = [publisher.publish(PAID, b"%d" % number) for number in range(20)]
        await ended(asyncio.wait_for(asyncio.gather(*sending), LONG), 2 * LONG, "publishing 20")
        took = world.time() - before
    assert took < 10, (
        f"a message is stored in 1 s, and 20 at once took {took:.0f} s: each has waited for the "
        "confirm of the one before"
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
        sent = await ended(asyncio.wait_for(waits, LONG), 2 * LONG, "the other publish")
        again = await published(publisher, PAID, b"3")
    assert stopped, "publish was cancelled, and 5 s later it has not ended as cancelled"
    assert {sent, again} <= set(ids(broker.queue("paid"))), (
        "a publish was cancelled, and the one beside it and the one after it are not in the queue"
    )
