"""Grades publisher.py on a simulated RabbitMQ; what happens when something breaks is in
test_publisher_faults.py."""

import asyncio
import contextlib

import pytest

from autograder.grading import mistake
from autograder.grading.benches.amqp_side import ended
from autograder.grading.benches.publishers import (
    LONG,
    PAID,
    SHIPPED,
    broker_with,
    entered,
    ids,
    published,
    publishing,
)
from autograder.simulation import simulate


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_a_message_is_in_every_queue_that_wants_it(world, submission):
    """A published message is once in every queue that is bound for it, with the id it returns."""
    broker = await broker_with(world)
    async with publishing(submission, broker) as publisher:
        first = await published(publisher, PAID, b"17")
        second = await published(publisher, SHIPPED, b"17")
        third = await published(publisher, PAID, b"")
    returned = [first, second, third]
    assert all(isinstance(each, str) and each for each in returned), (
        f"publish returned {returned}; expected the ids of three messages, as strings"
    )
    assert broker.queue("paid").bodies == [b"17", b""], (
        f"17 and an empty body were paid; in that queue are {broker.queue('paid').bodies}"
    )
    assert ids(broker.queue("paid")) == [first, third], (
        f"publish returned the ids {first} and {third}, and the messages in the queue have "
        f"{ids(broker.queue('paid'))}"
    )
    assert ids(broker.queue("all")) == returned, (
        f"publish returned the ids {returned}; in the queue of all messages are "
        f"{ids(broker.queue('all'))}"
    )


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_no_two_messages_have_one_id(world, submission):
    """The same message once more is another one; and no other program uses the same ids."""
    broker = await broker_with(world)
    one = submission.restart().Publisher(broker.url, "events")
    await asyncio.sleep(1)
    other = submission.restart().Publisher(broker.url, "events")  # as in another process
    async with entered(one), entered(other):
        ours = [await published(one, PAID, b"17") for _ in range(2)]
        theirs = [await published(other, PAID, b"17") for _ in range(2)]
        ours += await asyncio.gather(*(published(one, PAID, b"17") for _ in range(3)))
    twice = [each for each in ours if ours.count(each) > 1]
    assert not twice, (
        f"publish was called five times with the same arguments, and returned {ours}: whoever "
        f"gets the next {twice[0]!r} takes it for the first one, come again"
    )
    shared = [each for each in theirs if each in ours]
    assert not shared, (
        f"two programs published, and both gave a message the id {shared[0]!r}: whoever gets it "
        "takes the second message for the first one, come again"
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
        outcomes = await all_of(publisher, (PAID, b"1"), ("oder.paid", b"2"), (SHIPPED, b"3"))
        after = await published(publisher, PAID, b"4")
        broker.disconnect()
        (again,) = await all_of(publisher, ("oder.paid", b"5"))
    sent = [one.message.properties.message_id for one in broker.happened("publish")][:3]
    assert len(set(sent)) == len(sent), f"messages were published at once, with the ids {sent}"
    assert_unroutable(submission, outcomes[1], "")
    assert_unroutable(submission, again, "The connection had broken and come back. ")
    for key, outcome in ((PAID, outcomes[0]), (SHIPPED, outcomes[2])):
        assert isinstance(outcome, str), (
            f"publish({key!r}, ...) ended with {outcome!r} while another message was unroutable"
        )
    assert ids(broker.queue("paid")) == [outcomes[0], after], (
        "an unroutable message was among four, and two were for the queue of paid orders; it "
        f"holds {broker.queue('paid').bodies}"
    )


async def all_of(publisher, *messages):
    """What becomes of messages, pairs of key and body, that are published at the same time."""
    sending = [publisher.publish(key, body) for key, body in messages]
    outcomes = asyncio.wait_for(asyncio.gather(*sending, return_exceptions=True), LONG)
    return await ended(outcomes, 2 * LONG, f"publishing {len(messages)} messages at once")


def assert_unroutable(submission, outcome, said):
    assert not isinstance(outcome, str), mistake(
        "unroutable-lost",
        f"{said}'oder.paid' is bound to no queue, so the broker dropped the message; publish "
        f"returned {outcome!r}, as if all were well.",
    )
    assert isinstance(outcome, submission.Unroutable), (
        f"{said}no queue is bound for 'oder.paid', and publish ended with {outcome!r}; expected "
        "Unroutable"
    )


@pytest.mark.points(1)
@pytest.mark.hint("PublishError is a DeliveryError. Which of them does your `except` meet first?")
@simulate(seeds=3)
async def test_what_the_broker_does_not_take_is_refused(world, submission):
    """If the broker answers with basic.nack, publish raises Refused; others go their way."""
    full = {"x-max-length": 2, "x-overflow": "reject-publish"}
    broker = await broker_with(world, full)
    async with publishing(submission, broker) as publisher:
        outcomes = await all_of(publisher, *((PAID, b"%d" % number) for number in range(3)))
        (again,) = await all_of(publisher, (PAID, b"3"))
    confirmed = [outcome for outcome in outcomes if isinstance(outcome, str)]
    refused = [outcome for outcome in (*outcomes, again) if not isinstance(outcome, str)]
    assert all(isinstance(outcome, submission.Refused) for outcome in refused), (
        f"the queue was full and the broker refused messages; publish ended with {refused}, "
        "expected Refused"
    )
    assert len(refused) == 2, (
        f"a queue takes 2 messages, and was sent 3 at once, and then another; publish ended with "
        f"{[*outcomes, again]}"
    )
    assert sorted(ids(broker.queue("paid"))) == sorted(confirmed), (
        f"publish returned the ids {confirmed}; the queue, which is full, holds "
        f"{ids(broker.queue('paid'))}"
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
    """Thirty messages, of which each takes 4 s to be stored, do not take turns."""
    broker = await broker_with(world, storing=(4.0, 4.0))

    async def one_more(number):
        await asyncio.sleep(number / 100)
        before = world.time()
        await published(publisher, PAID, b"%d" % number)
        return world.time() - before

    async with publishing(submission, broker) as publisher:
        took = await asyncio.gather(*(one_more(number) for number in range(30)))
    assert max(took) < 7.5, (
        f"a message is stored in 4 s; of 30 that were published within 0.3 s the last one took "
        f"{max(took):.1f} s: it has waited for the confirms of others"
    )
    assert min(took) >= 4, (
        "a persistent message is confirmed when it is stored, which takes 4 s; of 30 that were "
        f"published within 0.3 s one took {min(took):.2f} s"
    )
