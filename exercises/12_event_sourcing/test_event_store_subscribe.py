"""Grades the subscriptions of event_store.py."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.late_log import Listener
from autograder.grading.benches.order_events import order_files
from autograder.simulation import simulate

RARELY = 1000.0
"""Seconds between two polls: what comes sooner has come without them."""


@pytest.fixture
def orders(tmp_path, monkeypatch):
    """Makes scenes: each has a file of its own that is not there yet."""
    return order_files(tmp_path, monkeypatch)


@pytest.mark.points(3)
@pytest.mark.hint(
    "Between your last look and the moment you wait: who tells you of an append then?"
)
@simulate(seeds=12)
async def test_nothing_is_lost_between_catching_up_and_live(world, submission, orders):
    """Whoever subscribes in the middle of many appends gets each event once, within a second."""
    async with orders(world, submission) as shop:
        store = await shop.open(poll=RARELY)
        await shop.append(store, "o-0", 3)
        appended = {}

        async def write():
            for number in range(1, 19):
                for event in await shop.append(store, f"o-{number}", 1 + number % 2):
                    appended[event.position] = world.time()
                await world.pause(f"after {number}", 0.0, 0.03)
                if number > 8 and number % 2:  # and then nothing that would wake anybody
                    await asyncio.sleep(1.5)

        writing = asyncio.create_task(write(), name="the shop")
        listeners = []
        for number in range(3):
            await world.pause(f"subscriber {number}", 0.001, 0.1)
            after = (await store.read_all())[number].position if number else 0
            name = f"subscriber {number + 1}"
            listeners.append((after, Listener(store.subscribe(after), name, pause=0.01)))
        await writing
        await asyncio.sleep(1)
        everything = [event.position for event in await store.read_all()]
        for after, listener in listeners:
            expected = [position for position in everything if position > after]
            await check_complete(listener, expected, after)
            check_punctual(listener, appended, world)


async def check_complete(listener, expected, after):
    listener.check()
    if set(expected) - set(listener.positions):
        await asyncio.sleep(2 * RARELY + 2)  # perhaps it comes with the next poll
        listener.check()
    await listener.leave()
    got = listener.positions
    missed = sorted(set(expected) - set(got))
    told = (
        f"Somebody subscribed after position {after}, while events were appended with the same "
        f"store. Yielded were {got}"
    )
    in_between = [position for position in missed if position < max(got, default=0)]
    assert not in_between, mistake("missed-at-handover", f"{told}; never yielded: {in_between}.")
    assert not missed, f"{told}; and then nothing more, although there are {missed}"
    twice = sorted({position for position in got if got.count(position) > 1})
    assert not twice, mistake("repeated-at-handover", f"{told}; more than once: {twice}.")
    assert got == expected, f"{told}; expected {expected}"


def check_punctual(listener, appended, world):
    """Each event came within a second of its append."""
    began = world.loop.time() - world.time()
    for position, time in zip(listener.positions, listener.times, strict=True):
        late = time - began - appended.get(position, 1e9)
        assert late <= 1, mistake(
            "wakes-too-late",
            f"Position {position} was yielded {late:.1f} s after it had been appended with the "
            f"same store, when something else came, or with the next poll (poll={RARELY:g}).",
        )


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_what_is_appended_comes_within_a_second(world, submission, orders):
    """Whoever waits gets what is appended with the same store within a second, whoever leaves."""
    async with orders(world, submission) as shop:
        store = await shop.open(poll=RARELY)
        listeners = [Listener(store.subscribe(), f"subscriber {n}") for n in range(3)]
        for number in range(1, 5):
            await asyncio.sleep((0.5, 20, 60)[world.seed % 3])
            await shop.append(store, f"o-{number}", 2)
            await asyncio.sleep(1)
            stored = [row[0] for row in shop.rows()[-2:]]
            for listener in listeners:
                listener.check()
                if listener.positions[-2:] != stored:
                    await judge_late(listener, stored)
            if number == 2:
                await listeners.pop(0).leave()
        for listener in listeners:
            await listener.leave()
            assert len(listener.events) == 8, (
                f"8 events were appended, and yielded were {listener.positions}"
            )


async def judge_late(listener, late):
    """Events were not there after a second: are they after a poll?"""
    await asyncio.sleep(2 * RARELY + 2)
    listener.check()
    came = set(late) <= set(listener.positions)
    assert not came, mistake(
        "wakes-too-late",
        f"Positions {late} were appended with the same store, and were yielded with the next poll "
        f"only (poll={RARELY:g}).",
    )
    raise AssertionError(f"positions {late} were appended, and yielded are {listener.positions}")


@pytest.mark.points(2)
@pytest.mark.hint("Nobody tells you of what another program does. How else do you learn of it?")
@simulate(seeds=4)
async def test_what_another_program_appends_comes_too(world, submission, orders):
    """What another program appends comes within `poll` seconds (and one more)."""
    poll = (5.0, 1.0)[world.seed % 2]
    async with orders(world, submission) as shop:
        store, other = await shop.open(poll), await shop.open(poll)
        listener = Listener(store.subscribe())
        for number in range(1, 4):
            await shop.append(store, f"o-1{number}", 1)
            await world.pause(f"before {number}", 0.1, 20.0)
            theirs = {event.position for event in await shop.append(other, f"o-{number}", 2)}
            await asyncio.sleep(poll + 1)
            listener.check()
            late = theirs - set(listener.positions)
            await asyncio.sleep(100 * poll if late else 0)
            missing = theirs - set(listener.positions)
            own = len(set(listener.positions) - theirs)
            assert not missing or own < 3 * number - 2, mistake(
                "deaf-to-other-programs",
                f"Another program has appended 2 events, {101 * poll + 1:g} s ago with "
                f"poll={poll:g}. They are not yielded; what was appended with the same store is.",
            )
            assert not missing, f"not yielded: positions {missing}; there are {listener.positions}"
            assert not late, f"poll is {poll:g} s; another program's events took longer than that"
        await listener.leave()
        got, positions = listener.positions, [row[0] for row in shop.rows()]
        assert got == positions, f"yielded were {got}, and there are {positions}"


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_a_subscription_sleeps_while_nothing_comes(world, submission, orders):
    """While nothing comes, a subscription asks the file every `poll` seconds, no more often."""
    async with orders(world, submission) as shop:
        store = await shop.open(poll=60.0)
        await shop.append(store, "o-1", world.seed % 2 + 1)
        listener = Listener(store.subscribe())
        await asyncio.sleep(10)
        began, steps, statements = world.time(), world.loop.steps, len(shop.statements)
        for _ in range(120):
            await asyncio.sleep(10)
            took, asked = world.time() - began, len(shop.statements) - statements
            allowed = 4 * (round(took / 60) + 1)
            # Whoever looks at something of his own may do so often.
            if world.loop.steps - steps > (4000 if asked > allowed else 20_000):
                break
        steps = world.loop.steps - steps
        listener.check()
        await listener.leave()
        assert steps < 4000 or asked <= allowed, mistake(
            "busy-poll",
            f"Nothing was appended for {took:.0f} s, with poll=60, and the event loop had {steps} "
            f"things to do meanwhile; {asked} statements were sent to the file.",
        )
        assert asked <= allowed, (
            f"nothing was appended for {took:.0f} s, with poll=60, and {asked} statements were "
            "sent to the file"
        )


@pytest.mark.points(1)
@pytest.mark.hint(
    "It is still at an old event. Is a cursor open meanwhile, and who else reads there?"
)
@simulate(seeds=2)
async def test_a_slow_subscriber_holds_up_nobody(world, submission, orders):
    """A subscriber that takes 20 seconds for each event delays no append, and nobody else."""
    async with orders(world, submission) as shop:
        store = await shop.open(poll=RARELY)
        await shop.append(store, "o-0", 200)  # so many that it is not done with them for an hour
        slow = Listener(store.subscribe(), "the slow one", pause=20.0)
        fast = Listener(store.subscribe(), "the fast one")
        await asyncio.sleep(10)
        assert len(fast.events) == 200, (
            f"200 events were there when somebody subscribed who takes no time for them; 10 s "
            f"later they have got {len(fast.events)}, with poll={RARELY:g}"
        )
        for number in range(1, 5):
            appending = asyncio.create_task(shop.append(store, f"o-{number}", 5), name="the shop")
            await asyncio.wait([appending], timeout=2)
            waited = not appending.done()
            await asyncio.wait([appending])
            appending.result()
            assert not waited, mistake(
                "publisher-waits-for-slowest",
                "One subscriber takes 20 s for an event, and so an append took more than 2 s.",
            )
        await asyncio.sleep(1)
        assert len(fast.events) == 220, (
            f"there are 220 events, one subscriber takes 20 s for each, and another one that takes "
            f"no time has got {len(fast.events)} of them"
        )
        for listener in (slow, fast):
            listener.check()
            await listener.leave()
        assert slow.positions, "a minute later the slow subscriber has got none of 220 events"
        assert slow.positions == fast.positions[: len(slow.positions)], (
            f"the slow one got {slow.positions}, the fast one {fast.positions}"
        )
