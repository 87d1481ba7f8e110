"""Grades what chat_server.py does with clients that are slow, dead, or many."""

import asyncio
import contextlib

import pytest

from autograder.grading import mistake
from autograder.grading.benches.chat_guests import HOST, SOON, Disconnected, Guest, open_chat, runs
from autograder.simulation import simulate

STEPS = 100_000
LONG = "x" * 20_000
HELD = 10
"""Messages so long that a connection itself holds for a client that does not read."""


async def talk(guest, count, pause=0.03, within=20.0):
    """Say so many long texts, if the server takes them in time; when each was said."""
    times = []
    with contextlib.suppress(Disconnected, TimeoutError):  # what is not heard will be missed
        async with asyncio.timeout(within):
            for number in range(count):
                times.append(guest.now())
                await guest.say(f"{number} {LONG}")
                await asyncio.sleep(pause)
    return times


def no_walk_was_disturbed(errors):
    """A handler that raised `changed size during iteration` is a mistake of its own."""
    error = errors.of_walk()
    assert error is None, mistake(
        "set-changed-during-iteration",
        f"While one loop went over the members, another task, or the loop itself, changed them: "
        f"{error}{errors.line(error)}. The connection that was served just then was closed.",
    )


@pytest.mark.points(3)
@pytest.mark.hint("How long does your code wait for this one client, and who waits with it?")
@simulate(seeds=3, steps=STEPS)
async def test_a_client_that_never_reads_holds_up_nobody(world, submission):
    """While one client does not read, the others hear everything as soon as ever."""
    async with open_chat(world, submission, history=10, backlog=20, heartbeat=60) as errors:
        ada = await Guest.join(world, name="ada")
        bob = await Guest.join(world, name="bob")
        deaf = await Guest.join(world, name="deaf", raw=True)
        said = await talk(ada, 30)
        await bob.hears(lambda: len(bob.messages) == 30)
        assert len(bob.messages) == 30, (
            f"ada said 30 things, everybody was listening, and bob heard {len(bob.messages)} of "
            f"them{errors.why()}"
        )
        # All as before, but for one client.
        deaf.stop_reading()
        said += await talk(ada, 30)
        await bob.hears(lambda: len(bob.messages) == len(said))
        no_walk_was_disturbed(errors)
        heard = len(bob.messages) - 30
        assert heard == 30, mistake(
            "slow-client-blocks-all",
            f"Ada said 30 things and bob heard all of them. Then one client stopped reading. Of "
            f"the next 30 things bob heard {heard} within 20 s.",
        )
        late = max(at - when for at, when in zip(bob.heard_at(), said, strict=True))
        assert late < SOON, mistake(
            "slow-client-blocks-all",
            f"One client did not read, and bob heard one of ada's messages {late:.1f} s after it "
            "had been said; without that client it takes 0.1 s.",
        )


@pytest.mark.points(3)
@pytest.mark.hint("What grows while a client does not read, and where does it end?")
@simulate(seeds=3, steps=STEPS)
async def test_what_waits_for_a_client_is_bounded(world, submission):
    """A client for which more than `backlog` messages would wait is disconnected at once."""
    async with open_chat(world, submission, backlog=20, heartbeat=60) as errors:
        ada = await Guest.join(world, name="ada")
        deaf = await Guest.join(world, name="deaf", raw=True)
        deaf.stop_reading()
        most = 20 + HELD
        await talk(ada, 3 * most)
        await ada.hears(lambda: len(ada.messages) == 3 * most)
        no_walk_was_disturbed(errors)
        assert len(ada.messages) == 3 * most, (
            f"one client does not read. Ada wanted to say {3 * most} things in 20 s, and heard "
            f"{len(ada.messages)} of them{errors.why()}"
        )
        if not ada.was_told("left", "deaf"):
            await find_out_what_became_of_them(ada, deaf, 3 * most, errors)
        left = ada.events.index({"type": "left", "name": "deaf"})
        before = sum(event.get("type") == "message" for event in ada.events[:left])
        assert 20 <= before <= most, (
            f"backlog=20, and the connection holds up to {HELD}: a client that does not read is "
            f"to be disconnected after 20 to {most} messages; it was after {before}"
        )
        deaf.read_on()
        assert await deaf.hears(lambda: deaf.closed.done(), within=30), (
            "the others were told that the client had left, but its connection was not closed"
        )
        await asyncio.sleep(SOON)
        told = ada.was_told("left", "deaf")
        assert told == 1, f"one client was disconnected, and the others were told {told} times"


async def find_out_what_became_of_them(ada, deaf, count, errors):
    """A client did not read so many messages, and is still there: fails, and says why."""
    deaf.read_on()
    await asyncio.sleep(SOON)
    await ada.say("one more")
    await deaf.hears(lambda: count + 1 in deaf.ids)
    got = len(deaf.ids)
    assert deaf.ids != list(range(1, count + 2)), mistake(
        "unbounded-client-queue",
        f"A client did not read while {count} messages of 20 KB were said, with backlog=20, and "
        "stayed connected. When it read on, it got all of them: they had been kept for it.",
    )
    assert deaf.closed.done() or count + 1 not in deaf.ids, mistake(
        "drops-silently",
        f"A client did not read for a while, and stayed connected. When it read on, it got {got} "
        f"of {count + 1} messages, the last one too; nobody told it that others are missing.",
    )
    raise AssertionError(
        f"a client did not read while {count} messages of 20 KB were said, with backlog=20, and "
        f"the others were not told that it left{errors.why()}"
    )


@pytest.mark.points(2)
@simulate(seeds=3, steps=STEPS)
async def test_a_client_that_is_behind_catches_up(world, submission):
    """A client that does not read for a moment, and is not too far behind, misses nothing."""
    async with open_chat(world, submission, backlog=40, heartbeat=60) as errors:
        ada = await Guest.join(world, name="ada")
        slow = await Guest.join(world, name="slow", raw=True)
        for _ in range(3):
            slow.stop_reading()
            await talk(ada, 35, pause=0.01)
            slow.read_on()
            await asyncio.sleep(2)
        heard = slow.ids
        assert not slow.closed.done(), (
            f"backlog=40: a client that was never behind by more than 35 was disconnected"
            f"{errors.why()}"
        )
        jumps = len(heard) < 105 and 105 in heard
        assert not jumps, mistake(
            "drops-silently",
            f"A client was behind by 35 messages at most, with backlog=40. It stayed connected, "
            f"got {len(heard)} of 105 messages, and was not told that others are missing.",
        )
        assert heard == list(range(1, 106)), (
            f"105 things were said, the slow client got {runs(heard)}"
        )


@pytest.mark.points(2)
@pytest.mark.hint("Who changes the members while your loop goes over them? Look for every await.")
@simulate(seeds=6, steps=STEPS)
async def test_coming_and_going_disturbs_no_message(world, submission):
    """While members come and go, and slow ones are dropped, those who stay hear everything."""
    async with open_chat(world, submission, backlog=10, heartbeat=60) as errors:
        # Ada and bob hear as slowly as their lines are narrow; deaf ones come and are dropped.
        world.network.link("bob.example", HOST, bandwidth=2_000_000)
        ada = await Guest.join(world, name="ada")
        bob = await Guest.join(world, name="bob")

        async def visit(number):
            await world.pause(f"visitor {number} comes", 0.0, 1.0)
            visitor = await Guest.join(world, name=f"visitor {number}", raw=True)
            if number % 2:
                visitor.stop_reading()
            await world.pause(f"visitor {number} goes", 0.1, 1.5)
            visitor.abort()

        visits = [asyncio.create_task(visit(number)) for number in range(8)]
        await asyncio.wait([asyncio.create_task(talk(ada, 40))], timeout=20)
        await asyncio.wait(visits, timeout=20)
        await ada.hears(lambda: len(ada.messages) == 40)
        await bob.hears(lambda: len(bob.messages) == 40)
        no_walk_was_disturbed(errors)
        for guest in (ada, bob):
            assert guest.ids == list(range(1, 41)), (
                f"40 things were said while others came and went, and {guest.name} heard "
                f"{len(guest.ids)} of them{errors.why()}"
            )


# -- members that die -----------------------------------------------------------------------------


@pytest.mark.points(2)
@simulate(seeds=5, steps=STEPS)
async def test_a_broken_connection_is_a_member_that_left(world, submission):
    """A connection that breaks without a good-bye is over at once: the others get a `left`."""
    async with open_chat(world, submission, heartbeat=20) as errors:
        ada = await Guest.join(world, name="ada")
        polite = await Guest.join(world, name="polite")
        await polite.leave()
        assert await ada.hears(lambda: ada.was_told("left", "polite")), (
            f"polite said good-bye, and ada was not told that he left{errors.why()}"
        )
        bob = await Guest.join(world, name="bob")
        if world.choose(2, "how"):
            bob.transport.abort()
        else:
            world.network.reset("bob.example")
        await ada.hears(lambda: ada.was_told("left", "bob"))
        cem = await Guest.join(world, name="cem")
        listed = cem.welcome["names"]
        assert ada.was_told("left", "bob"), mistake(
            "ghost-member",
            "bob's connection broke without a good-bye; a second later ada had not been told that "
            f"he left. In the room are now {', '.join(listed)}.",
        )
        assert listed == ["ada", "cem"], f"bob has left, and in the room are {listed}"


@pytest.mark.points(1)
@pytest.mark.hint("Which of your lines run if the welcome cannot be sent?")
@simulate(seeds=2, steps=STEPS)
async def test_a_connection_that_breaks_in_its_welcome_leaves_no_ghost(world, submission):
    """Who is gone before the whole welcome was sent is no member afterwards."""
    async with open_chat(world, submission, history=30, backlog=100, heartbeat=60) as errors:
        ada = await Guest.join(world, name="ada")
        await talk(ada, 30)
        await ada.hears(lambda: len(ada.messages) == 30)
        bob = await Guest.connect(world, name="bob", raw=True)
        bob.stop_reading()
        await bob.send_join()
        await asyncio.sleep(SOON)
        bob.abort()
        await asyncio.sleep(30)
        listed = (await Guest.join(world, name="cem")).welcome["names"]
        told = ada.was_told("joined", "bob"), ada.was_told("left", "bob")
        await ada.say("who is here?")
        await ada.hears(lambda: ada.texts[-1] == "who is here?")
        assert "bob" not in listed, mistake(
            "ghost-member",
            "bob's connection broke while a welcome of 600 KB was sent to it. 30 s later in "
            f"the room were {', '.join(listed)}.",
        )
        assert told in ((0, 0), (1, 1)), (
            "bob's connection broke in the middle of its welcome; ada was told "
            f"{told[0]} times that he joined, and {told[1]} times that he left{errors.why()}"
        )


@pytest.mark.points(3)
@pytest.mark.hint("A dead connection is silent. What does the server do to hear that silence?")
@simulate(seeds=3, steps=STEPS)
async def test_a_member_that_vanished_is_noticed(world, submission):
    """A member that vanishes without a word is gone after three heartbeats at most."""
    async with open_chat(world, submission, heartbeat=30) as errors:
        ada = await Guest.join(world, name="ada")
        bob = await Guest.join(world, name="bob")
        polite = await Guest.join(world, name="polite")
        await polite.leave()
        assert await ada.hears(lambda: ada.was_told("left", "polite")), (
            f"polite said good-bye, and ada was not told that he left{errors.why()}"
        )
        await world.pause("until bob vanishes", 0.0, 30.0)
        vanished = world.time()
        if world.choose(2, "how"):
            world.network.vanish("bob.example")
        else:
            world.network.half_open("bob.example")
        told = await ada.hears(lambda: ada.was_told("left", "bob"), within=3600)
        took = world.time() - vanished
        listed = (await Guest.join(world, name="cem")).welcome["names"]
        how = (
            f"It took {took:.0f} s, until TCP itself gave up, before ada was told that he left."
            if told
            else f"An hour later he is still listed: {', '.join(listed)}."
        )
        assert took < 300, mistake(
            "ghost-member", f"bob's machine was switched off, and the heartbeat is 30 s. {how}"
        )
        assert took <= 90, (
            f"heartbeat=30: a member that vanished is gone after 90 s; it took {took:.0f} s"
            f"{errors.why()}"
        )
        assert "bob" not in listed, f"bob has left, and in the room are {listed}"
        del bob


@pytest.mark.points(2)
@pytest.mark.hint("What does the end of bob's old connection take away: a connection, or bob?")
@simulate(seeds=5, steps=STEPS)
async def test_the_end_of_an_old_connection_spares_the_new_one(world, submission):
    """Whoever is back before the old connection was noticed to be dead stays a member."""
    async with open_chat(world, submission, heartbeat=20) as errors:
        ada = await Guest.join(world, name="ada")
        await Guest.join(world, name="bob")
        world.network.vanish("bob.example")
        await world.pause("until bob is back", 1.0, 15.0)
        bob = await Guest.join(world, name="bob", at="phone.example")
        await ada.say("you are back")
        assert await bob.hears(lambda: "you are back" in bob.texts), (
            f"bob is back by a new connection, and hears nothing{errors.why()}"
        )
        await asyncio.sleep(120)
        await ada.say("still there?")
        heard = await bob.hears(lambda: "still there?" in bob.texts)
        listed = (await Guest.join(world, name="cem")).welcome["names"]
        gone = ada.was_told("left", "bob") or "bob" not in listed or not heard
        assert not gone or bob.closed.done(), mistake(
            "ghost-evicts-living",
            "bob came back by a new connection. When the old one was noticed to be dead, "
            + ("ada was told that he left" if ada.was_told("left", "bob") else "he was forgotten")
            + f"; in the room are {', '.join(listed)}, and bob "
            + ("hears." if heard else "hears nothing any more."),
        )
        assert not bob.closed.done(), f"bob's new connection was closed{errors.why()}"


@pytest.mark.points(1)
@simulate(seeds=2, steps=STEPS)
async def test_an_hour_of_silence_is_no_death(world, submission):
    """A client that says nothing for an hour and answers its pings, one each heartbeat, stays."""
    async with open_chat(world, submission, heartbeat=45) as errors:
        ada = await Guest.join(world, name="ada", raw=True)
        quiet = await Guest.join(world, name="quiet", raw=True)
        await asyncio.sleep(3600)
        assert not quiet.closed.done(), (
            f"quiet answered its pings, and was disconnected{errors.why()}"
        )
        await ada.say("are you there?")
        assert await quiet.hears(lambda: quiet.messages), "quiet hears nothing after an hour"
        assert 78 <= quiet.pings <= 82, (
            f"heartbeat=45, so an hour has 80 of them; the client got {quiet.pings} pings"
        )


@pytest.mark.points(2)
@simulate(seeds=5, steps=STEPS)
async def test_a_partition_loses_nothing(world, submission):
    """A short partition only delays; after a long one, members come back to what they missed."""
    async with open_chat(world, submission, history=200, backlog=100, heartbeat=20) as errors:
        names = ["ada", "bob", "cem", "dan"]
        guests = [await Guest.join(world, name=name) for name in names]
        here, there = guests[:2], guests[2:]
        away = [f"{guest.name}.example" for guest in there]
        world.network.partition([HOST, "ada.example", "bob.example"], away)
        for number in range(20):
            await here[0].say(f"text {number}")
        await asyncio.sleep(world.latency("partition", 3.0, 8.0))
        world.network.mend()
        for guest in guests:
            await guest.hears(lambda: len(guest.ids) >= 20, within=15)  # noqa: B023
            assert guest.ids == list(range(1, 21)), (
                f"after a short partition {guest.name} had heard {runs(guest.ids)} of 20 messages"
                f"{errors.why()}"
            )
        assert not here[0].of_type("left"), "a partition of some seconds, and somebody has left"
        world.network.partition([HOST, "ada.example", "bob.example"], away)
        await asyncio.sleep(120)
        gone = sorted(event["name"] for event in here[0].of_type("left"))
        assert gone == ["cem", "dan"], (
            f"cem and dan were cut off for two minutes; of them left: {gone}{errors.why()}"
        )
        for number in range(20, 40):
            await here[0].say(f"text {number}")
        world.network.mend()
        for guest in there:
            back = await Guest.join(world, name=guest.name, after=20, at="train.example")
            await back.hears(lambda: 40 in back.ids)  # noqa: B023
            assert back.ids == list(range(21, 41)), (
                f"{guest.name} came back after message 20 and got {runs(back.ids)}; expected 21-40"
            )


@pytest.mark.points(2)
@simulate(seeds=1, steps=1_000_000)
async def test_a_thousand_members(world, submission):
    """A thousand connections in one room all hear what is said, and so do fifty other rooms."""
    async with open_chat(world, submission, heartbeat=20) as errors:
        names = [f"name {number}" for number in range(20)]
        crowd = await asyncio.gather(
            *(
                Guest.join(world, name=names[n % 20], raw=True, at="crowd.example")
                for n in range(950)
            ),
            *(
                Guest.join(world, f"room {n}", "ada", raw=True, at="rooms.example")
                for n in range(50)
            ),
        )
        room, others = crowd[:950], crowd[950:]
        for number in range(2):
            await room[number].say(f"text {number}")
            await asyncio.sleep(SOON)
        for guest in others:
            await guest.say("anybody?")
        await asyncio.sleep(SOON)
        deaf = [guest for guest in room if guest.ids != [1, 2]]
        assert not deaf, (
            f"2 things were said to 950 connections; {len(deaf)} of them did not hear all of it, "
            f"one of them heard {runs(deaf[0].ids)}{errors.why()}"
        )
        alone = [guest for guest in others if guest.texts != ["anybody?"]]
        assert not alone, f"{len(alone)} of 50 rooms with one member each heard something else"
        assert room[-1].was_told("joined", "name 1") <= 1, "a name that was there was announced"
