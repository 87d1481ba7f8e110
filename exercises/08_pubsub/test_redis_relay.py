"""Grades what redis_relay.py does while the connection holds."""

import asyncio
import contextlib

import pytest

from autograder.grading import mistake
from autograder.grading.benches.relay_listeners import (
    HEARTBEAT,
    Listener,
    Publisher,
    in_time,
)
from autograder.simulation import simulate

STEPS = 200_000


class CannotWork(Exception):
    """What the block of a subscriber raises."""


async def rest_of(subscription):
    return [one async for one in subscription]


async def fail_in_its_block(subscription):
    try:
        async with subscription as messages:
            async for _ in messages:
                raise CannotWork
    except CannotWork:
        return
    raise AssertionError("an exception was raised in a subscription's block, and did not leave it")


def open_server(world):
    from autograder.simulation.servers.redis import RedisServer

    server = RedisServer(world)
    return server, Publisher(world, server)


@pytest.mark.points(1)
@simulate(seeds=3, steps=STEPS)
async def test_messages_come_to_all_who_listen(world, submission):
    """Whoever listens to a channel gets its messages, each once, in order, and no others."""
    server, publisher = open_server(world)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        ada = await Listener.join(world, relay, "lamps")
        bob = await Listener.join(world, relay, "tea")
        cem = await Listener.join(world, relay, "lamps")
        for _ in range(5):
            publisher.publish("lamps")
            publisher.publish("tea", "grün".encode())
            publisher.publish("lampshades")
            await world.pause("next")
        await asyncio.sleep(1)
        expected = [submission.Message("lamps", b"%d" % number) for number in range(5)]
        for name, listener in (("ada", ada), ("cem", cem)):
            got = [one for _, one in listener.got]
            assert got == expected, f"{name} listens to lamps, and got {got}"
        got = [one for _, one in bob.got]
        assert got == [submission.Message("tea", "grün".encode())] * 5, f"tea: {got}"


@pytest.mark.points(3)
@simulate(seeds=3, steps=STEPS)
async def test_one_connection_for_all(world, submission):
    """Twenty subscribers of five channels share one connection to Redis."""
    server, publisher = open_server(world)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        listeners = await asyncio.gather(
            *(Listener.join(world, relay, f"channel {number % 5}") for number in range(20))
        )
        await asyncio.sleep(1)
        assert server.connections < 5, mistake(
            "connection-per-subscriber",
            f"20 subscribers listen to 5 channels, over {server.connections} connections to Redis.",
        )
        assert server.connections == 1, f"the relay has {server.connections} connections, not 1"
        reached = [publisher.publish(f"channel {number}") for number in range(5)]
        assert reached == [1] * 5, f"Redis sent one message of each channel to {reached} clients"
        await asyncio.sleep(1)
        assert all(listener.data == [b"0"] for listener in listeners), (
            f"one message in each channel, and they got {[one.data for one in listeners]}"
        )


@pytest.mark.points(3)
@pytest.mark.hint("redis-py's subscribe() comes back when the command is written. Who says more?")
@simulate(seeds=8, steps=STEPS)
async def test_subscribed_means_confirmed(world, submission):
    """subscribe() returns when Redis has confirmed it: the first one's, and the second one's."""
    server, publisher = open_server(world)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        first = await Listener.join(world, relay, "warm")
        server.slow(0.5, 2.0, command="SUBSCRIBE")

        async def join(wait):
            await asyncio.sleep(wait)
            subscription = await in_time(relay.subscribe("lamps"), "subscribe()")
            return publisher.publish("lamps"), Listener(world, "lamps", subscription)

        joined = await asyncio.gather(join(0), join(0.1), join(0.2), join(0.9))
        for number, (reached, _) in enumerate(joined):
            assert reached, mistake(
                "subscribes-after-publish",
                f"subscribe() number {number + 1} had returned, and Redis was not yet subscribed: "
                "a message that was published then reached nobody.",
            )
        await asyncio.sleep(1)
        last = joined[-1][1]
        assert last.data, f"a message was published after subscribe() had returned: {last.data}"
        assert not first.data, f"another channel's subscriber got {first.data}"


@pytest.mark.points(2)
@pytest.mark.hint("Redis answers every command, in order. Which answer is it that you wait for?")
@simulate(seeds=15, steps=STEPS)
async def test_leaving_and_coming_at_once(world, submission):
    """Somebody leaves as the last one while another comes: who is subscribed gets the messages."""
    server, publisher = open_server(world)
    server.slow(0.0, 0.2)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        one = await in_time(relay.subscribe("lamps"), "subscribe()")
        for number in range(6):
            leaving = asyncio.create_task(one.aclose())
            await world.pause("between", 0.0, 0.1)
            if number % 2:  # somebody comes, and gives up
                giving_up = asyncio.create_task(relay.subscribe("lamps"))
                await world.pause("before it gives up", 0.0, 0.1)
                giving_up.cancel()
                await asyncio.gather(giving_up, return_exceptions=True)
                if not giving_up.cancelled():
                    await giving_up.result().aclose()
            one = await in_time(relay.subscribe("lamps"), "subscribe()")
            for when in (b"at once", b"later"):
                reached = publisher.publish("lamps", b"%s %d" % (when, number))
                assert reached, mistake(
                    "subscribes-after-publish",
                    "The last subscriber left, another came, and subscribe() returned. Redis was "
                    "not subscribed: a message that was published then reached nobody.",
                )
                await world.pause("a little later", 0.0, 0.5)
            await leaving
            for data in (b"at once %d" % number, b"later %d" % number):
                got = await in_time(anext(one), f"anext(), for {data.decode()!r},")
                assert got == submission.Message("lamps", data), (
                    f"one left, another came and was subscribed, and {data!r} was published. "
                    f"It got {got}"
                )
        await asyncio.sleep(1)


@pytest.mark.points(1)
@simulate(seeds=10, steps=STEPS)
async def test_many_leave_and_come_at_once(world, submission):
    """The last ones leave several channels in one moment, and others come in the same moment."""
    server, publisher = open_server(world)
    channels = ["lamps", "tea", "chairs", "books"]
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        ones = [await in_time(relay.subscribe(channel), "subscribe()") for channel in channels]

        async def come(channel, turns):
            for _ in range(turns):
                await asyncio.sleep(0)
            one = await in_time(relay.subscribe(channel), "subscribe()")
            reached = []
            for wait in (0.0, 0.01, 0.05, 0.2):
                await asyncio.sleep(wait)
                reached.append(publisher.publish(channel))
            assert all(reached), mistake(
                "subscribes-after-publish",
                "The last subscribers left four channels, others came in the same moment, and "
                "subscribe() returned. Of four messages that were published after that, "
                f"{reached.count(0)} reached nobody.",
            )
            last = b"%d" % (len(publisher.sent[channel]) - 1)
            got = []
            while not got or got[-1] != submission.Message(channel, last):
                got.append(await in_time(anext(one), "anext(), for a message that came,"))
            assert len(got) == 4, f"four messages were published, and it got {got}"
            return one

        for round_ in range(6):
            turns = [world.choose(12, f"{channel} {round_}") for channel in channels]
            results = await asyncio.gather(
                *(one.aclose() for one in ones), *map(come, channels, turns)
            )
            ones = results[4:]
            await asyncio.sleep(1)


@pytest.mark.points(2)
@simulate(seeds=3, steps=STEPS)
async def test_the_last_one_out_unsubscribes(world, submission):
    """Redis is unsubscribed from a channel when its last subscriber has left, and not before."""
    server, publisher = open_server(world)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        other = await Listener.join(world, relay, "tea")
        stayer = await in_time(relay.subscribe("lamps"), "subscribe()")
        leaver = await in_time(relay.subscribe("lamps"), "subscribe()")
        await leaver.aclose()
        await leaver.aclose()
        await asyncio.sleep(1.5)
        assert publisher.publish("lamps") == 1, "one of two left, and Redis has nobody for lamps"
        await fail_in_its_block(stayer)
        await asyncio.sleep(1.5)
        reached = publisher.publish("lamps")
        assert reached == 0, mistake(
            "forgets-to-unsubscribe",
            "The last subscriber of lamps left 1.5 s ago, by an exception in its block, and Redis "
            f"still sends the channel's messages to {reached} connection.",
        )
        publisher.publish("tea")
        await asyncio.sleep(1)
        assert other.data == [b"0"], f"another channel, with a subscriber, got {other.data}"
        unread = await in_time(relay.subscribe("books"), "subscribe()")
        publisher.publish("books")
        reader = await Listener.join(world, relay, "chairs")
        await in_time(reader.subscription.aclose(), "aclose()")
        await asyncio.sleep(1)
        assert reader.ended == "", (
            "a task waited for the next message while another closed the subscription. A second "
            f"later it {'waits still' if reader.ended is None else 'got ' + reader.ended}"
        )
        await unread.aclose()
        for subscription in (leaver, stayer, unread, unread):
            left = await in_time(rest_of(subscription), "the end of a closed subscription")
            assert left == [], f"a closed subscription gave {left}"


@pytest.mark.points(3)
@simulate(seeds=3, steps=STEPS)
async def test_who_does_not_read_holds_up_nobody(world, submission):
    """A subscriber that does not read is disconnected; it gets what waits, and then TooSlow."""
    server, publisher = open_server(world)
    async with submission.RedisRelay(server.url, capacity=5, heartbeat=HEARTBEAT) as relay:
        stuck = await in_time(relay.subscribe("lamps"), "subscribe()")
        reader = await Listener.join(world, relay, "lamps")
        other = await Listener.join(world, relay, "tea")
        for _ in range(20):
            publisher.publish("lamps")
            publisher.publish("tea")
            await asyncio.sleep(0.1)
        await asyncio.sleep(10)
        for listener in (reader, other):
            assert len(listener.data) == 20, mistake(
                "publisher-waits-for-slowest",
                "One subscriber of lamps does not read. Another one, that reads, got "
                f"{len(listener.data)} of 20 messages of {listener.channel}.",
            )
        late = Listener(world, "lamps", stuck)
        await asyncio.sleep(1)
        count = len(late.data)
        assert count <= 5, mistake(
            "unbounded-queue",
            f"A subscriber did not read while 20 messages came, and then got {count} of them; "
            "capacity is 5.",
        )
        assert late.ended is not None, mistake(
            "drops-silently",
            f"20 messages came while a subscriber did not read, and then it got {late.data}. It "
            "was not disconnected, and listens on as if it had all of them.",
        )
        assert (late.data, late.ended) == ([b"0", b"1", b"2", b"3", b"4"], "TooSlow"), (
            f"capacity 5, 20 messages: it got {late.data} and ended with {late.ended!r}"
        )
        await reader.stop()
        await reader.subscription.aclose()
        await asyncio.sleep(1.5)
        assert publisher.publish("lamps") == 0, (
            "one was disconnected, the other has left, and Redis is still subscribed"
        )


@pytest.mark.points(1)
@simulate(seeds=2, steps=STEPS)
async def test_as_many_as_its_capacity_may_wait(world, submission):
    """A subscriber that is behind by `capacity` messages, and no more, misses nothing."""
    server, publisher = open_server(world)
    options = {"capacity": 5} if world.seed else {}
    async with submission.RedisRelay(server.url, **options) as relay:
        capacity = options.get("capacity", 100)
        one = await in_time(relay.subscribe("lamps"), "subscribe()")
        await asyncio.sleep(1)
        for round_ in range(3):
            for number in range(capacity):
                publisher.publish("lamps", b"%d" % number)
            await asyncio.sleep(1)
            for number in range(capacity):
                got = await in_time(anext(one), "anext()")
                assert got.data == b"%d" % number, (
                    f"capacity {capacity}, and as many waited: number {number} was {got}"
                )
            del round_


@pytest.mark.points(2)
@simulate(seeds=3, steps=STEPS)
async def test_closing_the_relay(world, submission):
    """A closed relay ends its subscriptions, refuses new ones, and has no connection."""
    server, publisher = open_server(world)
    relay = submission.RedisRelay(server.url, heartbeat=HEARTBEAT)
    one = await Listener.join(world, relay, "lamps")
    publisher.publish("lamps")
    await asyncio.sleep(1)
    server.slow(30, command="SUBSCRIBE")
    waiting = asyncio.create_task(relay.subscribe("tea"))
    await asyncio.sleep(1)
    await in_time(relay.aclose(), "aclose()")
    await in_time(relay.aclose(), "the second aclose()")
    await asyncio.wait([waiting], timeout=1)
    assert waiting.done(), "the relay is closed, and a call of subscribe() waits still"
    assert isinstance(waiting.exception(), submission.RelayClosed), (
        f"subscribe() waited as the relay was closed, and then: {waiting.exception()!r}"
    )
    with pytest.raises(submission.RelayClosed):
        await relay.subscribe("lamps")
    await asyncio.sleep(1)
    assert one.ended == "", f"the relay is closed; a subscription ended with {one.ended!r}"
    assert server.connections == 0, f"the relay is closed; it has {server.connections} connections"
    async with submission.RedisRelay(server.url):
        pass  # without a subscriber it closes, too
    server.slow(0.0, 0.01, command="SUBSCRIBE")
    with contextlib.suppress(CannotWork):
        async with submission.RedisRelay(server.url) as relay:
            one = await Listener.join(world, relay, "lamps")
            raise CannotWork
    await asyncio.sleep(1)
    assert (one.ended, server.connections) == ("", 0), (
        f"the relay's block raised. A subscription of it ended with {one.ended!r} (None: it has "
        f"not), and the relay has {server.connections} connections"
    )


@pytest.mark.points(2)
@simulate(seeds=2, at_every_await=True, steps=STEPS)
async def test_a_cancelled_subscribe_leaves_nothing(world, submission):
    """A subscribe() that is cancelled, at whichever await, leaves nothing; the relay goes on."""
    server, publisher = open_server(world)
    server.slow(0.1, 0.2)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        other = await Listener.join(world, relay, "tea") if world.seed else None
        outcome = await world.interrupted(relay.subscribe("lamps"))
        if outcome.error is None:
            await outcome.result.aclose()
        await asyncio.sleep(2)
        reached = publisher.publish("lamps")
        assert reached == 0, mistake(
            "forgets-to-unsubscribe",
            "subscribe() was cancelled two seconds ago, nobody else listens to the channel, and "
            "Redis still sends its messages.",
        )
        again = await Listener.join(world, relay, "lamps")
        publisher.publish("lamps", b"again")
        publisher.publish("tea", b"again")
        await asyncio.sleep(1)
        for listener in filter(None, (again, other)):
            assert listener.data == [b"again"], (
                f"a subscribe() was cancelled; then {listener.channel} had a message, and its "
                f"subscriber got {listener.data}"
            )


@pytest.mark.points(1)
@pytest.mark.hint("Cancelled, and at that moment it is confirmed: who takes it off the list?")
@simulate(seeds=1, steps=STEPS)
async def test_cancelled_as_it_is_confirmed(world, submission):
    """A subscribe() that is cancelled in the moment of its confirmation leaves nothing, either."""
    server, publisher = open_server(world)
    world.network.link("relay", "redis", latency=(0.1, 0.1))
    relay = submission.RedisRelay(server.url, heartbeat=HEARTBEAT)
    with world.network.at("relay"):
        async with relay:
            await Listener.join(world, relay, "tea")
            begun = world.time()
            await in_time(relay.subscribe("chairs"), "subscribe()")
            takes = world.time() - begun
            channels = [f"channel {number}" for number in range(12)]
            for turns, channel in enumerate(channels):
                coming = asyncio.create_task(relay.subscribe(channel))
                await asyncio.sleep(takes)
                for _ in range(turns):
                    await asyncio.sleep(0)
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
                if not coming.cancelled():
                    await coming.result().aclose()
            await asyncio.sleep(2)
            left = [channel for channel in channels if publisher.publish(channel)]
            assert not left, mistake(
                "forgets-to-unsubscribe",
                "12 calls of subscribe() were cancelled about when Redis confirmed them, and "
                f"{len(left)} left their channel subscribed.",
            )
