"""Grades what chat_server.py does when all goes well."""

import asyncio
import contextlib

import pytest
from websockets.asyncio.server import Server

from autograder.grading import mistake
from autograder.grading.benches.chat_guests import (
    HOST,
    PORT,
    SOON,
    Guest,
    caught_errors,
    open_chat,
    runs,
)
from autograder.simulation import simulate

STEPS = 50_000
LONG = "x" * 3000
"""Sixty of these fill a connection: a welcome with all of them takes its time."""


@pytest.mark.points(2)
@simulate(seeds=3, steps=STEPS)
async def test_what_is_said_is_heard_by_all(world, submission):
    """What a client says goes to everybody in its room, itself included, as a numbered message."""
    async with open_chat(world, submission) as errors:
        ada = await Guest.join(world, name="ada")
        bob = await Guest.join(world, name="bob")
        await ada.say("hello, ⚡", key="k1")
        await bob.hears(lambda: bob.messages)
        await bob.say("hello, Ada")
        for guest in (ada, bob):
            assert await guest.hears(lambda: len(guest.messages) >= 2), (  # noqa: B023
                f"two things were said, and {guest.name} heard {guest.texts}{errors.why()}"
            )
        await ada.say("", key="")
        await bob.hears(lambda: len(bob.messages) >= 3)
        assert bob.texts[2:] == [""], (
            f"an empty text, with an empty key, is a text; bob heard {bob.texts[2:]}{errors.why()}"
        )
        first = {"type": "message", "id": 1, "name": "ada", "key": "k1"}
        first["text"] = "hello, ⚡"
        for guest in (ada, bob):
            assert guest.of_type("message")[0] == first, (
                f"ada said hello; {guest.name} got {guest.of_type('message')[0]}, expected {first}"
            )
            await guest.hears(lambda: len(guest.messages) >= 3)  # noqa: B023
            assert guest.ids == [1, 2, 3], f"three messages have the ids {guest.ids}, not 1, 2, 3"


@pytest.mark.points(1)
@simulate(seeds=3, steps=STEPS)
async def test_rooms_know_nothing_of_each_other(world, submission):
    """A room has its own messages, numbers and names; what happens in another is not heard."""
    async with open_chat(world, submission) as errors:
        ada = await Guest.join(world, "lamps", "ada")
        bob = await Guest.join(world, "tea", "bob")
        await ada.say("in lamps")
        await bob.say("in tea")
        await ada.hears(lambda: ada.messages)
        await bob.hears(lambda: bob.messages)
        cem = await Guest.join(world, "tea", "cem")
        await cem.leave()
        await bob.hears(lambda: bob.was_told("left", "cem"))
        assert (ada.texts, bob.texts) == (["in lamps"], ["in tea"]), (
            f"in lamps was heard {ada.texts}, in tea {bob.texts}{errors.why()}"
        )
        assert (ada.ids, bob.ids) == ([1], [1]), f"ids {ada.ids} and {bob.ids}; each room has 1"
        assert cem.welcome.get("names") == ["bob", "cem"], f"in tea are {cem.welcome.get('names')}"
        others = [event for event in ada.events[1:] if event.get("type") != "message"]
        assert not others, f"cem came and left in another room; ada, in lamps, was told {others}"


@pytest.mark.points(1)
@simulate(seeds=3, steps=STEPS)
async def test_a_welcome_has_names_and_history(world, submission):
    """A welcome has the names in order, and the last `history` messages, also of an empty room."""
    async with open_chat(world, submission, history=3) as errors:
        bob = await Guest.join(world, name="bob")
        assert bob.welcome == {"type": "welcome", "names": ["bob"], "messages": []}, (
            f"bob is the first in a new room; his welcome is {bob.welcome}"
        )
        for number in range(1, 6):
            await bob.say(f"text {number}")
        await bob.hears(lambda: len(bob.messages) == 5)
        said = bob.of_type("message")
        await bob.leave()
        await asyncio.sleep(1)
        ada = await Guest.join(world, name="ada")
        assert ada.welcome.get("messages") == said[-3:], (
            f"5 messages, history=3: the welcome has {ada.welcome.get('messages')}, expected "
            f"{said[-3:]}{errors.why()}"
        )
        assert ada.welcome.get("names") == ["ada"], (
            f"bob has left; the names are {ada.welcome.get('names')}"
        )
        await ada.say("and on")
        await ada.hears(lambda: ada.of_type("message"))
        assert ada.ids == [3, 4, 5, 6], f"the ids go on; ada has {ada.ids}, expected 3, 4, 5, 6"
        names = [
            (await Guest.join(world, name=name)).welcome.get("names") for name in ("cem", "bea")
        ]
        assert names[-1] == ["ada", "bea", "cem"], f"names {names[-1]}; expected ada, bea, cem"


@pytest.mark.points(1)
@simulate(seeds=3, steps=STEPS)
async def test_a_client_that_comes_back_gets_what_it_missed(world, submission):
    """A join with `after` gets the messages of the history that have a greater id, no others."""
    async with open_chat(world, submission, history=4) as errors:
        ada = await Guest.join(world, name="ada")
        for number in range(1, 7):
            await ada.say(f"text {number}")
        await ada.hears(lambda: len(ada.messages) == 6)
        for after, expected in ((0, [3, 4, 5, 6]), (1, [3, 4, 5, 6]), (4, [5, 6]), (6, [])):
            bob = await Guest.join(world, name="bob", after=after)
            assert bob.ids == expected, (
                f"after={after}: of 6 messages, 4 of them in the history, the welcome has "
                f"{bob.ids}; expected {expected}{errors.why()}"
            )
            await bob.leave()


@pytest.mark.points(2)
@pytest.mark.hint("Between taking the history and becoming a member: is there an await?")
@simulate(seeds=8, steps=STEPS)
async def test_coming_in_misses_nothing(world, submission):
    """Whoever joins while others talk gets every message from its welcome on, each once."""
    async with open_chat(world, submission, history=1000) as errors:
        ada = await Guest.join(world, name="ada")

        async def talk():
            for number in range(60):
                await ada.say(f"text {number} {LONG}")
                await world.pause("talk", 0.0, 0.02)

        talking = asyncio.create_task(talk())
        guests = []
        for number in range(6):
            guests.append(await Guest.join(world, name=f"guest {number}", raw=number > 1))
            await world.pause("next guest", 0.0, 0.1)
        await talking
        for guest in [ada, *guests]:
            await guest.hears(lambda: 60 in guest.ids)  # noqa: B023
            ids = guest.ids
            missing = sorted(set(range(1, 61)) - set(ids))
            again = sorted({number for number in ids if ids.count(number) > 1})
            assert not again, mistake(
                "duplicate-on-reconnect",
                f"{guest.name} joined while ada was talking, and got message {again[0]} twice: in "
                "the welcome, and once more.",
            )
            news = guest.of_type("message")
            between = missing and 60 in ids and guest.welcome["messages"] and news
            assert not between, mistake(
                "gap-on-reconnect",
                f"{guest.name} joined while ada was talking. Its welcome ends with message "
                f"{guest.welcome['messages'][-1]['id'] if between else 0}, and the next it got is "
                f"{news[0]['id'] if between else 0}.",
            )
            assert ids == list(range(1, 61)), (
                f"60 things were said, and {guest.name} heard {runs(ids)}{errors.why()}"
            )


@pytest.mark.points(1)
@simulate(seeds=3, steps=STEPS)
async def test_everybody_hears_the_same_order(world, submission):
    """When several talk at once, all hear the same messages in the order of their numbers."""
    async with open_chat(world, submission, history=1000) as errors:
        guests = [await Guest.join(world, name=name) for name in ("ada", "bob", "cem")]

        async def talk(guest):
            for number in range(10):
                await guest.say(f"{guest.name} {number}")
                await world.pause(f"{guest.name} talks", 0.0, 0.05)

        await asyncio.gather(*map(talk, guests))
        for guest in guests:
            await guest.hears(lambda: len(guest.messages) >= 30)  # noqa: B023
            assert guest.ids == list(range(1, 31)), (
                f"30 things were said, {guest.name} heard the ids {runs(guest.ids)}{errors.why()}"
            )
        heard = [guest.texts for guest in guests]
        assert heard[0] == heard[1] == heard[2], "one number is another message for somebody else"
        for name in ("ada", "bob", "cem"):
            own = [text for text in heard[0] if str(text).startswith(name)]
            assert own == [f"{name} {number}" for number in range(10)], f"{name} was heard as {own}"


@pytest.mark.points(1)
@simulate(seeds=3, steps=STEPS)
async def test_a_message_is_said_once(world, submission):
    """A say that is sent again, with the same name and key, is not said again."""
    async with open_chat(world, submission, history=10) as errors:
        ada = await Guest.join(world, name="ada")
        await ada.say("hello", key="k1")
        await ada.hears(lambda: ada.messages)
        await ada.leave()
        ada = await Guest.join(world, name="ada", after=1)
        bob = await Guest.join(world, name="bob")
        await ada.say("hello", key="k1")
        await bob.say("mine", key="k1")
        await ada.say("next", key="k2")
        await ada.say("other words", key="k2")
        await bob.hears(lambda: len(set(bob.texts)) >= 3)
        await asyncio.sleep(SOON)
        count = bob.texts.count("hello")
        assert count < 2, mistake(
            "duplicate-on-reconnect",
            "ada did not know whether her message had arrived, and sent it again with the same "
            f"key; bob read it {count} times.",
        )
        assert sorted(bob.texts) == ["hello", "mine", "next"], (
            f"bob heard {bob.texts}; a key is the sender's own, so both k1 count{errors.why()}"
        )
        assert sorted(bob.ids) == [1, 2, 3], f"3 messages have the ids {bob.ids}"
        assert sorted(ada.ids) == [2, 3], (
            f"ada came back after message 1 and sent k1 and k2 again; of messages 2 and 3 she got "
            f"{ada.ids}, expected each once"
        )


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_a_key_is_remembered_as_long_as_its_message(world, submission):
    """When a message is no longer in the history, its key can be used again."""
    async with open_chat(world, submission, history=3) as errors:
        ada = await Guest.join(world, name="ada")
        for key in ("k1", "k2", "k3", "k1", "k4", "k1"):
            await ada.say(f"{key}, after {len(ada.texts)}", key=key)
            await asyncio.sleep(SOON)
        expected = ["k1, after 0", "k2, after 1", "k3, after 2", "k4, after 3", "k1, after 4"]
        assert ada.texts == expected, (
            "history=3; ada says k1, k2, k3, k1, k4, k1. The first k1 is in the history when she "
            f"says the second, and no longer when she says the third. She heard {ada.texts}"
            f"{errors.why()}"
        )


@pytest.mark.points(2)
@simulate(seeds=10, steps=STEPS)
async def test_a_name_comes_and_goes_once(world, submission):
    """The others are told when a name comes, and when its last connection has ended."""
    async with open_chat(world, submission) as errors:
        ada = await Guest.join(world, name="ada")
        bob = await Guest.join(world, name="bob")
        again = await Guest.join(world, name="bob", at="tab.example")
        assert again.welcome.get("names") == ["ada", "bob"], (
            f"bob is there by two connections; the names are {again.welcome.get('names')}"
        )
        await world.pause("two tabs", 0.0, 1.0)
        first, second = (bob, again) if world.choose(2, "which") else (again, bob)
        await first.leave()
        await ada.hears(lambda: ada.was_told("left", "bob"))
        assert not ada.was_told("left", "bob"), (
            "bob closed one of two tabs, and ada was told that he has left"
        )
        await ada.say("still there?")
        heard = await second.hears(lambda: "still there?" in second.texts)
        assert heard, f"bob closed one of two tabs, and the other hears nothing{errors.why()}"
        await second.leave()
        await ada.hears(lambda: ada.was_told("left", "bob"))
        told = ada.was_told("joined", "bob"), ada.was_told("left", "bob")
        assert told == (1, 1), (
            f"bob came by two tabs and closed both; ada was told {told[0]} times that he joined, "
            f"and {told[1]} times that he left{errors.why()}"
        )
        own = [guest.name for guest in (ada, bob, again) if guest.was_told("joined", guest.name)]
        assert not own, f"{own} were told of their own coming; it is for the others"


@pytest.mark.points(1)
@simulate(seeds=6, steps=STEPS)
async def test_everybody_knows_who_is_there(world, submission):
    """The names of a welcome, and who joined and left since, are always those that are there."""
    async with open_chat(world, submission) as errors:
        ada = await Guest.join(world, name="ada")
        stay = []

        async def visit(number):
            await world.pause(f"visitor {number} comes", 0.0, 0.5)
            name = f"name {world.choose(5, f'name of {number}')}"
            guest = await Guest.join(world, name=name, at=f"host-{number}.example", raw=True)
            await world.pause(f"visitor {number} stays", 0.0, 0.5)
            if number % 3:
                await guest.leave()
            else:
                stay.append(guest)

        await asyncio.gather(*map(visit, range(12)))
        await asyncio.sleep(1)
        expected = sorted({"ada", *(guest.name for guest in stay)})
        for guest in [ada, *stay]:
            names = set(guest.welcome["names"])
            for event in guest.events:
                if event.get("type") == "joined":
                    names.add(event.get("name"))
                elif event.get("type") == "left":
                    names.discard(event.get("name"))
            assert sorted(names) == expected, (
                f"by its welcome and what it was told since, {guest.name} takes {sorted(names)} "
                f"to be there; there are {expected}{errors.why()}"
            )


@pytest.mark.points(1)
@simulate(seeds=3, steps=STEPS)
async def test_a_ping_is_answered(world, submission):
    """A ping is answered with a pong with the same `at`, to this client alone."""
    async with open_chat(world, submission) as errors:
        ada = await Guest.join(world, name="ada")
        bob = await Guest.join(world, name="bob")
        for at in (12.5, "now", None, {"a": [1]}):
            await ada.send({"type": "ping", "at": at})
        await ada.hears(lambda: len(ada.of_type("pong")) >= 4)
        answers = [event.get("at", "missing") for event in ada.of_type("pong")]
        assert answers == [12.5, "now", None, {"a": [1]}], f"pongs with {answers}{errors.why()}"
        assert not bob.of_type("pong"), "ada sent a ping, and bob got the pong"


NONSENSE = {
    "no JSON": "hello",
    "no object": "[1, 2]",
    "an unknown type": {"type": "shout", "text": "hello"},
    "no type": {"text": "hello"},
    "a type that is a list": {"type": ["say"], "key": "k", "text": "hello"},
    "a say without a key": {"type": "say", "text": "hello"},
    "a say without a text": {"type": "say", "key": "k"},
    "a text that is a number": {"type": "say", "key": "k", "text": 7},
    "a key that is a list": {"type": "say", "key": ["k"], "text": "hello"},
    "a ping without at": {"type": "ping"},
    "a second join": {"type": "join", "room": "lamps", "name": "mal"},
    "a binary message": b'{"type": "ping", "at": 1}',
}
NONSENSE_AT_FIRST = {
    "a say before the join": {"type": "say", "key": "k", "text": "hello"},
    "a ping before the join": {"type": "ping", "at": 1},
    "a join without a name": {"type": "join", "room": "lamps"},
    "a join without a room": {"type": "join", "name": "mal"},
    "a room that is a list": {"type": "join", "room": ["lamps"], "name": "mal"},
    "a name that is a number": {"type": "join", "room": "lamps", "name": 7},
    "an after that is a text": {"type": "join", "room": "lamps", "name": "mal", "after": "x"},
    "no JSON, first of all": "{",
}


@pytest.mark.points(2)
@pytest.mark.parametrize("first", [False, True], ids=["after the join", "at first"])
@simulate(seeds=1, steps=STEPS)
async def test_nonsense_ends_one_connection(world, submission, first):
    """A client that sends anything else is disconnected with code 1008; nobody else notices."""
    async with open_chat(world, submission) as errors:
        ada = await Guest.join(world, name="ada")
        for what, sent in (NONSENSE_AT_FIRST if first else NONSENSE).items():
            mal = await (Guest.connect if first else Guest.join)(world, name="mal")
            await mal.send(sent)
            await mal.hears(lambda: mal.closed.done(), within=15)  # noqa: B023
            assert mal.closed.done(), f"{what}: the client was not disconnected{errors.why()}"
            assert mal.close_code == 1008, (
                f"{what}: disconnected with code {mal.close_code}; expected 1008{errors.why()}"
            )
            assert first or await ada.hears(lambda: ada.was_told("left", "mal")), (
                f"{what}: mal was disconnected, and ada was not told that he left"
            )
            ada.events[1:] = []
        await ada.say("all well")
        await ada.hears(lambda: ada.of_type("message"))
        assert ada.texts == ["all well"], f"nonsense was sent by mal, and ada heard {ada.texts}"


@pytest.mark.points(1)
@simulate(seeds=3, steps=STEPS)
async def test_the_block_ends_it_all(world, submission):
    """When the block ends, clients are disconnected with code 1001, and nobody listens any more."""
    async with open_chat(world, submission) as errors:
        ada = await Guest.join(world, name="ada")
        bob = await Guest.join(world, "tea", "bob")
        shy = await Guest.connect(world, name="shy")
        await ada.say("hello")
        await ada.hears(lambda: ada.messages)
    guests = [ada, bob, shy]
    await ada.hears(lambda: all(guest.closed.done() for guest in guests))
    codes = [guest.close_code for guest in guests]
    assert codes == [1001, 1001, 1001], (
        f"two members, and one who has not joined yet, were disconnected with {codes}, expected "
        f"1001{errors.why()}"
    )
    with pytest.raises(AssertionError, match="could not connect"):
        await Guest.connect(world, name="cem")


@pytest.mark.points(1)
@simulate(seeds=2, steps=STEPS)
async def test_so_does_a_block_that_fails(world, submission):
    """The value of the block is websockets' Server; if the block raises, all ends as well."""
    with caught_errors() as errors:
        with world.network.at(HOST):
            block = submission.serve_chat(HOST, PORT)
            server = await block.__aenter__()
        assert isinstance(server, Server), (
            f"the value of `async with serve_chat(...)` is {server!r}, and no websockets Server"
        )
        ada = await Guest.join(world, name="ada")
        boom = ValueError("raised in the block")
        with contextlib.suppress(ValueError, ExceptionGroup):
            await block.__aexit__(ValueError, boom, None)
    assert await ada.hears(ada.closed.done), (
        f"the block of serve_chat raised, and a second later ada was still connected{errors.why()}"
    )
    assert ada.close_code == 1001, (
        f"the block raised, and ada was disconnected with {ada.close_code}, expected 1001"
    )
