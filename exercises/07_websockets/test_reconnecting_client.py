"""Grades what reconnecting_client.py handles, through every kind of outage."""

import asyncio

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.frames import Close

from autograder.grading import mistake
from autograder.grading.benches.chat_feed import HOST, Follower, Manners, open_feed
from autograder.simulation import simulate

STEPS = 50_000


def check_handled(feed, follower, what, begin=1):
    """Every message was handled once, in order."""
    ids, count = follower.ids, len(feed.messages)
    expected = list(range(begin, count + 1))
    again = sorted({number for number in ids if ids.count(number) > 1}, key=str)
    assert not again, mistake(
        "duplicate-on-reconnect", f"{what}, and message {again[0]} was handled twice."
    )
    missing = [number for number in expected if number not in ids]
    jumped = [number for number in missing if any(later > number for later in ids)]
    assert not jumped, mistake(
        "gap-on-reconnect",
        f"{what}. Message {jumped[0]} was never handled, and later ones were: of "
        f"{len(expected)} messages {len(ids)} were handled.",
    )
    assert ids == expected, (
        f"{what}; of the messages {begin} to {count} were handled {ids}{died(follower)}"
    )


def died(follower):
    """That follow has ended, to end a message with."""
    return f"; {follower.ended()}" if follower.ended() else ""


async def stop(follower):
    """Cancel it and wait for its end."""
    follower.task.cancel()
    await asyncio.wait([follower.task], timeout=60)


@pytest.mark.points(1)
@simulate(seeds=3, steps=STEPS)
async def test_every_message_is_handled_once(world, submission):
    """History and news after `after` are handled once, in order, one at a time."""
    async with open_feed(world, *(f"text {number}" for number in range(1, 6))) as feed:
        follower = Follower(world, submission, after=2, base=20.0).start()
        follower.pause = 0.5
        await feed.until(lambda: feed.joins, 30)
        first = feed.attempts[0] if feed.attempts else 30.0
        assert first < 1.0, f"base=20.0; the very first attempt, at once, was made at {first:.1f} s"
        expected = {"type": "join", "room": "lamps", "name": "bot", "after": 2}
        assert feed.joins[:1] == [expected], f"first came {feed.joins}, expected {expected}"
        for number in range(6, 11):
            feed.say(f"text {number}")
            await world.pause("ada talks", 0.0, 0.3)
        await feed.until(lambda: 10 in follower.ids or follower.ended(), 30)
        await asyncio.sleep(2)
        check_handled(feed, follower, "Nothing went wrong", begin=3)
        assert follower.handled == feed.messages[2:], (
            f"handle got {follower.handled[:1]}; expected the message as it came"
        )
        assert follower.most_at_once == 1, (
            f"handle was called {follower.most_at_once} times at once; one at a time was asked for"
        )
        assert not follower.ended(), f"the server is there, and {follower.ended()}"
        assert len(feed.attempts) == 1, f"1 connection was enough, there were {len(feed.attempts)}"
        await stop(follower)


@pytest.mark.points(3)
@pytest.mark.hint(
    "What is the last thing that is certain to have been handled, and who asks for more?"
)
@simulate(seeds=50, steps=STEPS)
async def test_a_broken_connection_costs_nothing(world, submission):
    """Wherever a connection breaks, handshake included, no message is left out or comes twice."""
    async with open_feed(world, "one", "two", "three") as feed:
        feed.manners.repeats = world.choose(4, "repeats")
        # The answer to the handshake has 200 bytes, the welcome 250, and a message 80.
        bytes_through = 1 + world.choose(1200, "bytes")
        if world.chance(0.3, "dies"):
            world.network.half_open(HOST, after=bytes_through)
        else:
            world.network.reset(HOST, after=bytes_through)
        follower = Follower(world, submission, heartbeat=10, base=0.2).start()
        follower.pause = world.latency("handling", 0.0, 0.3)
        for number in range(6):
            await world.pause("ada talks", 0.1, 2.0)
            feed.say(f"text {number}")
        await asyncio.sleep(1)
        world.network.heal(HOST)
        feed.say("the network is well")
        await feed.until(lambda: len(follower.ids) >= 10 or follower.ended(), 240)
        await asyncio.sleep(5)
        check_handled(feed, follower, f"The connection broke after {bytes_through} bytes")
        await stop(follower)


@pytest.mark.points(2)
@simulate(seeds=10, steps=STEPS)
async def test_what_a_server_repeats_is_handled_once(world, submission):
    """A server that repeats old messages in its welcome has them handled once."""
    async with open_feed(world, "one", "two", "three") as feed:
        follower = Follower(world, submission, base=0.2).start()
        for number in range(3):
            await feed.until(lambda: len(follower.ids) == len(feed.messages), 10)
            feed.manners.repeats = 1 + world.choose(4, "repeats")
            await feed.crash()
            feed.say(f"while it was away, {number}")
            await feed.open()
            before, last = len(feed.joins), follower.ids[-1:]
            await feed.until(lambda: feed.members, 60)
            asked = [join.get("after") for join in feed.joins[before : before + 1]]
            assert asked == last, (
                f"the last message handled was {last}, and the client joined again with "
                f"after={asked}{died(follower)}"
            )
            feed.say(f"text {number}")
        await feed.until(lambda: len(follower.ids) >= 9, 60)
        await asyncio.sleep(1)
        check_handled(feed, follower, "The server was restarted, and repeated some messages")
        await stop(follower)


CODES = [1000, 1001, 1003, 1011, 1012, 1013, 4000]


@pytest.mark.points(2)
@simulate(seeds=2, steps=STEPS)
async def test_a_good_bye_is_no_end(world, submission):
    """A connection that the server closes, with whatever code, is replaced by another one."""
    async with open_feed(world) as feed:
        follower = Follower(world, submission, base=0.1).start()
        for code in CODES:
            await feed.until(lambda: feed.members, 30)
            connection = next(iter(feed.members), None)
            assert connection is not None, (
                f"the server was there, and nobody connected for 30 s{died(follower)}"
            )
            await connection.close(code)
            feed.say(f"after {code}")
            await feed.until(lambda: len(follower.ids) >= len(feed.messages), 30)
            assert follower.ended() != "follow returned", mistake(
                "stops-at-good-bye",
                f"The server closed the connection with code {code}, and follow returned. "
                "Nobody reads along any more.",
            )
            assert not follower.ended(), (
                f"the server closed the connection with code {code}, and {follower.ended()}"
            )
            check_handled(feed, follower, f"The server closed the connection with code {code}")
        await stop(follower)


@pytest.mark.points(2)
@simulate(seeds=5, steps=STEPS)
async def test_a_handshake_that_fails_is_repeated(world, submission):
    """Status 500 and above, 429, no answer, and no welcome: all of them are tried again."""
    async with open_feed(world) as feed:
        troubles = {
            "answered the handshake with status 500": Manners(status=500),
            "answered the handshake with status 503": Manners(status=503),
            "answered the handshake with status 429": Manners(status=429),
            "agreed to speak, and never said welcome": Manners(mute=True),
            "took a minute for the handshake": Manners(takes=60.0),
            "closed with code 1011 in answer to the join": Manners(code=1011),
        }
        feed.manners = Manners(status=500)
        follower = Follower(world, submission, base=0.1, cap=1.0, patience=5).start()
        for trouble, feed.manners in troubles.items():
            before = len(feed.attempts)
            await feed.until(lambda: len(feed.attempts) >= before + 3, 60)  # noqa: B023
            assert len(feed.attempts) >= before + 3, (
                f"the server {trouble}, and was not asked again within a minute{died(follower)}"
            )
            apart = feed.attempts[before + 2] - feed.attempts[before + 1]
            assert apart < 8, (
                f"the server {trouble}. patience=5, cap=1.0: the next attempt is due after 6 s at "
                f"most, and it came after {apart:.1f} s"
            )
        feed.manners = Manners()
        world.network.silence(HOST)
        await asyncio.sleep(20)
        world.network.heal(HOST)
        feed.say("well again")
        await feed.until(lambda: follower.ids, 60)
        check_handled(feed, follower, "The server was in trouble for a while, and is well again")
        await stop(follower)


@pytest.mark.points(1)
@simulate(seeds=2, steps=STEPS)
async def test_a_slow_server_is_waited_for(world, submission):
    """The handshake may take `patience` seconds, and the welcome as many again."""
    async with open_feed(world, "one") as feed:
        feed.manners.takes = 4.5
        follower = Follower(world, submission, patience=5.0).start()
        await feed.until(lambda: follower.ids or follower.ended(), 30)
        check_handled(
            feed, follower, "The server took 4.5 s for the handshake, 4.5 for the welcome"
        )
        assert len(feed.attempts) == 1, (
            f"patience=5.0, and the server took 4.5 s for the handshake and 4.5 s for the welcome: "
            f"it was asked {len(feed.attempts)} times"
        )
        await stop(follower)


@pytest.mark.points(2)
@pytest.mark.hint("Nothing comes. Is that because nothing is said, or because nobody is there?")
@simulate(seeds=3, steps=STEPS)
async def test_silence_is_noticed(world, submission):
    """A connection that died without a word is noticed within three heartbeats, and replaced."""
    async with open_feed(world, "one") as feed:
        follower = Follower(world, submission, heartbeat=12).start()
        await feed.until(lambda: follower.ids, 10)
        assert follower.ids == [1], f"handled were {follower.ids}, expected [1]{died(follower)}"
        await world.pause("until it dies", 0.0, 12.0)
        world.network.half_open(HOST)
        died_at = world.time()
        feed.say("two")
        await feed.until(lambda: len(feed.attempts) > 1 or follower.ended(), 3600)
        took = world.time() - died_at
        assert len(feed.attempts) > 1 or follower.ended(), mistake(
            "half-open-unnoticed",
            "The connection died without a word. An hour later the client was still listening to "
            "it, and message 2 had not been handled.",
        )
        assert not follower.ended(), f"the connection died without a word, and {follower.ended()}"
        assert took <= 36, (
            f"heartbeat=12: a dead connection is replaced within 36 s; it took {took:.0f} s"
        )
        await feed.until(lambda: len(follower.ids) > 1, 60)
        check_handled(feed, follower, "The connection died without a word")
        await stop(follower)


@pytest.mark.points(1)
@pytest.mark.hint("For how long does patience count? What does a server say if nobody talks?")
@simulate(seeds=2, steps=STEPS)
async def test_what_is_slow_or_quiet_is_not_lost(world, submission):
    """With its welcome, a connection is good: while handle takes long, and if nobody talks."""
    async with open_feed(world, "one", "two", "three") as feed:
        follower = Follower(world, submission, patience=2, heartbeat=30).start()
        follower.pause = 5
        await feed.until(lambda: len(follower.ids) == 3 or follower.ended(), 60)
        check_handled(feed, follower, "patience=2, and handle took 5 s for each of 3 messages")
        await asyncio.sleep(3600)
        assert not follower.ended(), f"nobody talked for an hour, and {follower.ended()}"
        feed.say("four")
        await feed.until(lambda: len(follower.ids) == 4, 60)
        check_handled(feed, follower, "Nobody had talked for an hour")
        assert len(feed.attempts) == 1, (
            "patience=2, handle took 5 s for a message, and then nobody talked for an hour: the "
            f"connection was good all the time, and the client connected {len(feed.attempts)} times"
        )
        await stop(follower)


# -- how it ends ----------------------------------------------------------------------------------


@pytest.mark.points(2)
@pytest.mark.parametrize("manners", [Manners(status=403), Manners(status=408), Manners(code=1008)],
                         ids=["status 403", "status 408", "code 1008"])  # fmt: skip
@simulate(seeds=2, steps=STEPS)
async def test_a_clear_refusal_is_raised(world, submission, manners):
    """A status of 400 to 499 other than 429, or close code 1008, is raised and not repeated."""
    async with open_feed(world) as feed:
        follower = Follower(world, submission, base=0.1)
        if world.choose(2, "later"):
            follower.start()
            await feed.until(lambda: feed.members, 10)
            feed.manners = manners
            world.network.reset(HOST)
        else:
            feed.manners = manners
            follower.start()
        before = len(feed.attempts)
        await feed.until(follower.ended, 120)
        tried = len(feed.attempts) - before
        assert tried < 2, mistake(
            "retries-everything",
            f"The server refused the client with {manners.status or manners.code}, and was asked "
            f"{tried} times in two minutes; it will say the same for ever.",
        )
        assert follower.ended(), "the server refused the client, and follow does not end"
        kind = ConnectionClosed if manners.code else InvalidStatus
        assert isinstance(follower.task.exception(), kind), (
            f"the server refused the client; expected {kind.__name__}, but {follower.ended()}"
        )


@pytest.mark.points(2)
@pytest.mark.hint("Is handle called inside the try that catches the errors of the connection?")
@pytest.mark.parametrize("error", [ValueError("odd"), ConnectionError("database"), TimeoutError(),
                                   ConnectionClosedError(Close(1011, "another one"), None)],
                         ids=["ValueError", "ConnectionError", "TimeoutError",
                              "ConnectionClosed of its own"])  # fmt: skip
@simulate(seeds=1, steps=STEPS)
async def test_what_handle_raises_is_raised(world, submission, error):
    """What handle raises ends follow and is raised, whatever it is, its connection closed."""
    async with open_feed(world, "one", "two") as feed:
        follower = Follower(world, submission, base=0.1)
        inner = follower.handle

        async def fails(message):
            await inner(message)
            if message["id"] == 2:
                raise error

        follower.handle = fails
        follower.start()
        await feed.until(follower.ended, 5)
        assert follower.ended(), mistake(
            "error-swallowed",
            f"handle raised {error!r} for message 2. After 5 s follow was going on as if "
            "nothing had been, and its caller does not know.",
        )
        assert follower.task.exception() is error, f"handle raised {error!r}, {follower.ended()}"
        await feed.until(lambda: not feed.members, 5)
        assert not feed.members, "handle raised, follow ended, and its connection is still open"


@pytest.mark.points(2)
@simulate(seeds=20, steps=STEPS)
async def test_a_cancelled_follow_is_gone_soon(world, submission):
    """Cancelled, follow says good-bye and ends within 15 seconds, also if the server is silent."""
    async with open_feed(world, "one") as feed:
        trouble = world.choose(4, "trouble")
        follower = Follower(world, submission, patience=60, heartbeat=60, base=30)
        if trouble == 2:
            world.network.drop(HOST)
        elif trouble == 3:
            world.network.refuse(HOST)
        follower.start()
        await asyncio.sleep(1 + 20 * world.draw("when"))
        if trouble == 1:
            world.network.half_open(HOST)
        assert not follower.ended(), f"nobody had asked it to stop, and {follower.ended()}"
        follower.task.cancel()
        asked = world.time()
        await asyncio.wait([follower.task], timeout=150)
        assert follower.task.done(), mistake(
            "swallowed-cancellation",
            "follow was cancelled, and 150 s later it was still running.",
        )
        took = world.time() - asked
        assert took <= 15, f"follow was cancelled, and ended {took:.0f} s later; 15 s is the most"
        assert follower.task.cancelled(), (
            f"follow was cancelled, and instead of CancelledError {follower.ended()}"
        )
        before = len(feed.attempts)
        await asyncio.sleep(60)
        assert len(feed.attempts) == before, "follow was cancelled, and tried to connect again"
        if trouble == 0:
            assert feed.good_byes, (
                "follow was cancelled and ended, and its connection is still open"
            )
            assert feed.good_byes[0] not in (None, 1006), (
                "follow was cancelled, and its connection broke off without a good-bye"
            )


@pytest.mark.points(2)
@simulate(seeds=2, at_every_await=True, steps=STEPS)
async def test_cancelled_anywhere_it_can_go_on(world, submission):
    """Cancelled at any await and started again, it neither leaves out nor repeats a message."""
    await interrupt_and_go_on(world, submission, lambda follower: world.interrupted(follower.run()))


@pytest.mark.points(1)
@simulate(seeds=2, at_every_await=True, steps=STEPS)
async def test_crashed_anywhere_it_can_go_on(world, submission):
    """If the process dies at any await, the next one neither leaves out nor repeats a message."""
    await interrupt_and_go_on(
        world, submission, lambda follower: world.killed(follower.run(), "bot.example")
    )


async def interrupt_and_go_on(world, submission, interrupt):
    """Interrupt follow at this world's await, and start another one after the last message."""
    async with open_feed(world, "one", "two", "three") as feed:
        loop = asyncio.get_running_loop()
        follower = Follower(world, submission, base=0.2, heartbeat=5)
        follower.pause = 0.2
        loop.call_later(1.0, world.network.reset, HOST)
        loop.call_later(1.5, feed.say, "four", "five")
        running = asyncio.create_task(interrupt(follower))
        await asyncio.wait([running], timeout=8)
        if not running.done():  # there was no such await
            running.cancel()
            await asyncio.wait([running], timeout=20)
            check_handled(feed, follower, "The connection broke once")
            return
        outcome = running.result()
        assert outcome.fired, f"nobody had asked it to stop, and follow ended: {outcome}"
        feed.say("six")
        again = follower.start()
        await feed.until(lambda: 4 <= len(feed.messages) <= len(follower.ids), 30)
        check_handled(feed, again, "Follow was interrupted, and started again")
        await stop(again)
