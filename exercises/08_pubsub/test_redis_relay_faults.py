"""Grades what redis_relay.py does when connections are lost or quiet, and with two relays."""

import asyncio
import contextlib

import pytest

from autograder.grading import mistake
from autograder.grading.benches.relay_listeners import (
    HEARTBEAT,
    LONG,
    Listener,
    Publisher,
    assert_honest,
    in_time,
    is_gap,
)
from autograder.simulation import simulate

STEPS = 200_000
BACK = 10.0
"""Seconds after which, at most, everything is subscribed again."""
CHANNELS = ["lamps", "tea"]


def open_server(world):
    from autograder.simulation.servers.redis import RedisServer

    server = RedisServer(world)
    return server, Publisher(world, server)


async def cut(server, publisher):
    server.disconnect()
    return "The connection was cut."


async def restart(server, publisher):
    publisher.down = True
    await server.restart(down_for=20)
    publisher.down = False
    return "Redis was down for 20 s."


async def refuse(server, publisher):
    server.disconnect()
    await server.refuse(7)
    return "The connection was cut, and none was to be had for 7 s."


async def cut_twice(server, publisher):
    server.disconnect()
    server.cut(after="SUBSCRIBE")
    return "The connection was cut, and the next one as soon as it had been made."


FAULTS = (cut, restart, refuse, cut_twice)


async def assert_listens_again(listeners, publisher, when, what):
    """Everybody gets what is published from now on."""
    for listener in listeners:
        before = len(publisher.sent[listener.channel])
        publisher.publish(listener.channel)
        await asyncio.sleep(1)
        assert b"%d" % before in listener.data, (
            f"{what} {when:g} s later a subscriber of {listener.channel} still got nothing"
            + (f"; it ended: {listener.ended!r}" if listener.ended is not None else "")
        )


@pytest.mark.points(4)
@pytest.mark.hint("redis-py subscribes again by itself. What does it say about that, and to whom?")
@simulate(seeds=12, steps=STEPS)
async def test_a_lost_connection_is_told(world, submission):
    """After a lost connection everybody listens again, and was told when messages were lost."""
    server, publisher = open_server(world)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        listeners = [await Listener.join(world, relay, name) for name in [*CHANNELS, "lamps"]]
        talking = asyncio.create_task(publisher.talk(CHANNELS, 40, every=0.25))
        await asyncio.sleep(2 + 10 * world.draw("when"))
        dead = world.time()
        what = await FAULTS[world.seed % 4](server, publisher)
        await asyncio.sleep(BACK)
        await assert_listens_again(listeners, publisher, BACK, what)
        await talking
        await asyncio.sleep(1)
        for listener in listeners:
            assert_honest(listener, publisher, dead, what)
        assert server.connections == 1, f"{what} Now there are {server.connections} connections"


@pytest.mark.points(4)
@pytest.mark.hint("Nothing comes from a dead connection, no error either. Whom can you ask?")
@simulate(seeds=6, steps=STEPS)
async def test_a_connection_that_dies_without_a_word(world, submission):
    """A connection that is dead, with no error to show it, is replaced within 3 heartbeats."""
    server, publisher = open_server(world)
    heartbeat = HEARTBEAT if world.seed < 4 else 2.0
    async with submission.RedisRelay(server.url, heartbeat=heartbeat) as relay:
        listeners = [await Listener.join(world, relay, name) for name in CHANNELS]
        quiet = world.seed % 2
        talking = asyncio.create_task(publisher.talk(CHANNELS, 60, every=7 if quiet else 0.2))
        await asyncio.sleep(6 + 20 * world.draw("when"))
        dead = world.time()
        server.disconnect(silently=True)
        await asyncio.sleep(3 * heartbeat + 1)
        at_once = server.subscribers("lamps") and server.subscribers("tea")
        if not at_once:
            await asyncio.sleep(300)
        what = "The connection died without a word."
        back = server.subscribers("lamps") and server.subscribers("tea")
        assert back, mistake(
            "half-open-unnoticed",
            f"{what} Minutes later, with a heartbeat of {heartbeat:g} s, the relay has no other, "
            "and waits for messages.",
        )
        assert at_once, (
            f"{what} heartbeat={heartbeat:g}, and after {3 * heartbeat + 1:g} s the relay had no "
            "other yet; later it had"
        )
        await assert_listens_again(listeners, publisher, 3 * heartbeat + 1, what)
        await talking
        await asyncio.sleep(1)
        for listener in listeners:
            assert_honest(listener, publisher, dead, what)


@pytest.mark.points(2)
@pytest.mark.hint("What is sent on one connection comes in order. What does a PONG prove?")
@simulate(seeds=12, steps=STEPS)
async def test_a_gap_covers_what_was_on_its_way(world, submission):
    """A Gap covers the messages that were on their way when the connection was cut, too."""
    server, publisher = open_server(world)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        listener = await Listener.join(world, relay, "lamps")
        await asyncio.sleep(4 + 3 * world.draw("when"))
        talking = asyncio.create_task(publisher.talk(["lamps"], 0.5, every=0.004))
        await asyncio.sleep(0.2)
        dead = world.time()
        # The line breaks: what is on its way, in either direction, gets lost.
        world.network.stall("redis")
        server.disconnect()
        world.network.resume("redis")
        await asyncio.sleep(BACK)
        what = "The connection was cut."
        await assert_listens_again([listener], publisher, BACK, what)
        await talking
        await asyncio.sleep(1)
        assert_honest(listener, publisher, dead, what)


@pytest.mark.points(2)
@pytest.mark.hint("A PONG is on its way for a while. What may be published meanwhile?")
@simulate(seeds=2, steps=STEPS)
async def test_a_gap_begins_when_the_ping_was_sent(world, submission):
    """A Gap covers what was published while the last PONG was on its way."""
    server, publisher = open_server(world)
    pinged = asyncio.Event()
    server.on_command(lambda one: pinged.set() if one.name == "PING" else None)
    world.network.link("relay", "redis", latency=(0.5, 0.5))
    relay = submission.RedisRelay(server.url, heartbeat=HEARTBEAT)
    with world.network.at("relay"):
        async with relay:
            listener = await Listener.join(world, relay, "lamps")
            await asyncio.sleep(HEARTBEAT)
            pinged.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(pinged.wait(), 2 * HEARTBEAT)
            await asyncio.sleep(0.1)
            dead = world.time()
            server.disconnect(silently=True)
            await asyncio.sleep(0.1)
            publisher.publish("lamps")
            await asyncio.sleep(3 * HEARTBEAT + 1)
            what = "The connection died without a word while a PONG was on its way."
            await assert_listens_again([listener], publisher, 3 * HEARTBEAT + 1, what)
            await asyncio.sleep(1)
            assert_honest(listener, publisher, dead, what)


@pytest.mark.points(1)
@simulate(seeds=4, steps=STEPS)
async def test_every_loss_is_told(world, submission):
    """A connection that is lost again and again: every loss is told."""
    server, publisher = open_server(world)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        listener = await Listener.join(world, relay, "lamps")
        for number in range(4):
            await asyncio.sleep(12)
            publisher.publish("lamps")
            await asyncio.sleep(1)
            server.disconnect()
            publisher.publish("lamps")
            await asyncio.sleep(BACK)
            count = len(listener.gaps)
            assert count == number + 1, (
                f"the connection was cut {number + 1} times, and there were {count} Gaps"
            )
        got = [one.data if hasattr(one, "data") else "gap" for _, one in listener.got]
        assert got == [b"0", "gap", b"2", "gap", b"4", "gap", b"6", "gap"], f"got {got}"


@pytest.mark.points(2)
@simulate(seeds=4, steps=STEPS)
async def test_who_comes_in_an_outage_waits(world, submission):
    """While Redis is away subscribe() waits; who came then has missed nothing, and gets no Gap."""
    server, publisher = open_server(world)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        old = None
        if world.seed % 2:
            old = await Listener.join(world, relay, "lamps")
            await asyncio.sleep(1)
        server.stop()
        await asyncio.sleep(1)
        coming = asyncio.create_task(relay.subscribe("lamps"))
        giving_up = asyncio.create_task(relay.subscribe("tea"))
        await asyncio.sleep(12)
        assert not coming.done(), "Redis was away, and subscribe() did not wait: " + (
            repr(coming.exception()) if coming.exception() else "it returned"
        )
        giving_up.cancel()
        await asyncio.gather(giving_up, return_exceptions=True)
        server.start()
        new = Listener(world, "lamps", await in_time(coming, "subscribe(), with Redis back,"))
        publisher.publish("lamps")
        await asyncio.sleep(1)
        assert publisher.publish("tea") == 0, mistake(
            "forgets-to-unsubscribe",
            "A subscribe() was cancelled while Redis was away. When it was back, the relay "
            "subscribed to that channel all the same.",
        )
        assert new.data == [b"0"], f"after the outage a message came, and the new one got {new.got}"
        assert not new.gaps, f"who came during the outage has missed nothing; it got {new.gaps}"
        if old is not None:
            assert (len(old.gaps), old.data) == (1, [b"0"]), f"who was there before got {old.got}"


@pytest.mark.points(1)
@simulate(seeds=4, steps=STEPS)
async def test_leaving_in_an_outage(world, submission):
    """Who leaves while Redis is away, or comes back later, is not subscribed for again."""
    server, publisher = open_server(world)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        stayer = await Listener.join(world, relay, "tea")
        leaver = await in_time(relay.subscribe("lamps"), "subscribe()")
        await asyncio.sleep(1)
        server.stop()
        await asyncio.sleep(5)
        await in_time(leaver.aclose(), "aclose()")
        server.start()
        await asyncio.sleep(BACK)
        reached = publisher.publish("lamps")
        assert reached == 0, mistake(
            "forgets-to-unsubscribe",
            "The only subscriber of lamps left while Redis was away, and the new connection was "
            "subscribed to lamps.",
        )
        publisher.publish("tea")
        await asyncio.sleep(1)
        assert stayer.data == [b"0"], f"who stayed got {stayer.got}"


async def all_of(subscription):
    """What waits, up to five."""
    got = []
    try:
        async with asyncio.timeout(1):
            while len(got) < 5:
                got.append(await anext(subscription))
    except TimeoutError:
        pass
    return got


@pytest.mark.points(2)
@simulate(seeds=4, steps=STEPS)
async def test_what_waits_survives_the_connection(world, submission):
    """What waits to be read when the connection is lost is still given, and then the Gap."""
    server, publisher = open_server(world)
    async with submission.RedisRelay(server.url, capacity=4, heartbeat=HEARTBEAT) as relay:
        slow = await in_time(relay.subscribe("lamps"), "subscribe()")
        await asyncio.sleep(1)
        for _ in range(3):
            publisher.publish("lamps")
        await asyncio.sleep(1)
        server.disconnect()
        await asyncio.sleep(BACK)
        publisher.publish("lamps")
        await asyncio.sleep(1)
        got = await all_of(slow)
        told = ["Gap" if is_gap(one) else one.data.decode() for one in got]
        said = (
            "Three messages waited to be read, the connection was lost and replaced, and one more "
            f"came, for a subscriber with room for 4. It got: {', '.join(told)}."
        )
        assert {"0", "1", "2"} <= set(told), mistake("drops-silently", said)
        assert told == ["0", "1", "2", "Gap", "3"], said + " Right is: 0, 1, 2, Gap, 3."
        waiting = asyncio.create_task(in_time(anext(slow), "anext()"))
        publisher.publish("lamps")
        assert (await waiting).data == b"4", f"after that it got {waiting.result()}"


@pytest.mark.points(1)
@simulate(seeds=3, steps=STEPS)
async def test_it_does_not_hammer(world, submission):
    """Between two attempts that fail is a pause: a Redis in trouble is not made busier."""
    server, _ = open_server(world)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        await Listener.join(world, relay, "lamps")
        await asyncio.sleep(1)
        before = server.connections_made
        for number in range(1, 2000):
            server.cut(before="SUBSCRIBE", nth=number)
        server.disconnect()
        await asyncio.sleep(3)
        made = server.connections_made - before
        most = 3 / 0.05 + 2
        assert made <= most, (
            f"in 3 s, in which no subscription succeeded, the relay connected {made} times; with "
            f"0.05 s between two attempts it is {most:.0f} at most"
        )


@pytest.mark.points(1)
@simulate(seeds=2, steps=STEPS)
async def test_closing_in_an_outage(world, submission):
    """The relay can be closed while Redis is away, and nothing is left running."""
    server, _ = open_server(world)
    relay = submission.RedisRelay(server.url, heartbeat=HEARTBEAT)
    one = await Listener.join(world, relay, "lamps")
    server.stop()
    await asyncio.sleep(3 + world.seed % 2)
    await in_time(relay.aclose(), "aclose(), with Redis away,")
    await asyncio.sleep(1)
    assert one.ended == "", f"the relay is closed; a subscription ended with {one.ended!r}"
    server.start()
    await asyncio.sleep(30)
    assert server.connections_made == 0, "a closed relay connected again"


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_two_relays_know_nothing_of_each_other(world, submission):
    """A relay that is closed does not disturb another one of the same process."""
    server, publisher = open_server(world)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as stays:
        one = await Listener.join(world, stays, "lamps")
        async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as goes:
            await Listener.join(world, goes, "lamps")
            publisher.publish("lamps")
            await asyncio.sleep(1)
        await asyncio.sleep(BACK)
        publisher.publish("lamps")
        await asyncio.sleep(1)
        got = [got for _, got in one.got]
        expected = [submission.Message("lamps", b"%d" % number) for number in range(2)]
        assert (got, one.ended) == (expected, None), (
            "a message came while there were two relays, and another one when the second had been "
            f"closed. A subscriber of the first got {got}"
            + ("" if one.ended is None else f", and ended with {one.ended!r}")
        )


@pytest.mark.points(2)
@simulate(seeds=2, steps=STEPS)
async def test_quiet_minutes_are_no_gap(world, submission):
    """While the connection holds nobody gets a Gap, however quiet it is."""
    server, publisher = open_server(world)
    async with submission.RedisRelay(server.url, heartbeat=HEARTBEAT) as relay:
        one = await Listener.join(world, relay, "lamps")
        await asyncio.sleep(600)
        publisher.publish("lamps")
        await asyncio.sleep(LONG)
        got = [one for _, one in one.got]
        assert got == [submission.Message("lamps", b"0")], (
            f"ten minutes without a message, then one, and the connection held: got {got}"
        )
        assert server.connections_made <= 2, (
            f"the connection held, and the relay made {server.connections_made}"
        )
        pings = len(server.commands("PING"))
        most_rare = 600 / HEARTBEAT - 2
        assert pings >= most_rare, (
            f"heartbeat={HEARTBEAT}, so 600 s have {600 / HEARTBEAT:.0f}; the relay sent {pings} "
            "PINGs"
        )
