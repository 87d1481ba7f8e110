"""Grades bulkhead.py: calls that fail, are cancelled or give up, and a slow day."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.ship import HAIR, Ship
from autograder.simulation import simulate


def a_ship(submission, world):
    """Two places for payment, three in all."""
    return Ship(submission, world, total=3, payment=(2, 5, 300.0), inventory=(3, 5, 300.0))


async def assert_as_good_as_new(ship, said, gained=None):
    """All places can be used, of a name and of all, and no more; `gained` is why there are more."""
    for name, size in (("payment", 2), ("inventory", 3)):
        count = await ship.places(name)
        what = "at_once=2" if name == "payment" else "at_once=3, and total=3"
        message = f"{said} Since then {count} calls to {name} can be under way; {what}."
        if count != size:  # is it because of what has happened?
            at_first = await a_ship(ship.submission, ship.world).places(name)
            assert at_first == size, f"{at_first} calls to {name} can be under way; {what}"
        if gained:
            assert count <= size, mistake(gained, message)
        assert count <= size, message
        assert count == size, mistake("leaked-permit", message)


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_a_failed_call_leaves_its_place(world, submission):
    """When an operation raises, its place is free for the next one, at once."""
    ship = a_ship(submission, world)
    for number in range(6):
        ship.call(f"payment {number}", "payment", leaks=True)
    stuck = await ship.settle()
    assert not stuck, mistake(
        "leaked-permit",
        f"payment has at_once=2; operations raised, and {', '.join(stuck)} never began.",
    )
    wrong = {who: what for who, what in ship.outcome.items() if what != "raised"}
    assert not wrong, f"every operation raised, and: {wrong}"
    last = max(ship.ended.values())
    assert last <= 3.0 + HAIR, f"six calls of 1 s, two at once; the last ended after {last:.1f} s"
    await assert_as_good_as_new(ship, "Operations raised.")


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_a_refused_call_leaves_nothing_behind(world, submission):
    """After calls were refused, at the door or after a wait, all places can be used."""
    ship = Ship(submission, world, total=3, payment=(2, 5, 2.0), inventory=(3, 5, 300.0))
    for number in range(12):
        ship.call(f"payment {number}", "payment", takes=30.0)
    await asyncio.sleep(10.0)
    refused = [who for who, what in ship.outcome.items() if what == "refused"]
    assert len(refused) == 10, f"2 begin, 5 wait for 2 s, 5 find no place: {len(refused)} refused"
    for number in range(12, 17):
        ship.call(f"payment {number}", "payment", takes=30.0)
    await asyncio.sleep(HAIR)
    early = [who for who in list(ship.outcome)[10:] if ship.outcome[who] == "refused"]
    assert not early, (
        f"payment has waiting=5, all who waited have been refused, and of five who came after that "
        f"{len(early)} were refused at once: the queue is full of those who have gone"
    )
    stuck = await ship.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    await assert_as_good_as_new(ship, "Calls had waited in vain and were refused.")


@pytest.mark.points(3)
@pytest.mark.hint("Look at each await of yours: if it raises CancelledError, who has the place?")
@simulate(seeds=2, at_every_await=True)
async def test_cancelled_anywhere_the_place_is_free(world, submission):
    """Cancelled while it waits or while it is under way: no place is lost, and none is gained."""
    busy = world.seed % 2 == 1
    ship = a_ship(submission, world)
    others = [ship.call(f"payment {n}", "payment") for n in range(2)] if busy else []
    await asyncio.sleep(0.5)

    async def operation():
        await asyncio.sleep(1.0)

    outcome = await world.interrupted(ship.bulkhead.call("payment", operation))
    if outcome.fired:
        assert isinstance(outcome.error, asyncio.CancelledError), mistake(
            "swallowed-cancellation",
            f"A call was cancelled, and ended with {outcome.error or outcome.result!r}.",
        )
    if others:
        await asyncio.wait(others)
    await assert_as_good_as_new(ship, "A call was cancelled.", gained="over-release")


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_who_has_left_the_queue_is_gone(world, submission):
    """A call that is cancelled while it waits takes nobody's place in the queue."""
    ship = Ship(submission, world, total=3, payment=(1, 2, 300.0))
    ship.call("ada", "payment", takes=10.0)
    leavers = [ship.call(f"leaver {number}", "payment") for number in (1, 2)]
    await asyncio.sleep(1.0)
    for task in leavers:
        task.cancel()
    await asyncio.sleep(1.0)
    for who in ("bob", "cem"):
        ship.call(who, "payment")
    await asyncio.sleep(HAIR)
    refused = [who for who in ("bob", "cem") if ship.outcome.get(who) == "refused"]
    assert not refused, (
        f"waiting=2. Two who waited were cancelled, two others came, and {', '.join(refused)} "
        "found no place in the queue"
    )
    stuck = await ship.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    began = [who for who in ship.began if who.startswith("leaver")]
    assert not began, f"{began[0]} was cancelled while it waited, and its operation was called"


@pytest.mark.points(3)
@pytest.mark.hint("You are given a place, and cancelled before you run: who is told?")
@simulate(seeds=10)
async def test_cancelled_as_it_is_given_a_place(world, submission):
    """A call is given a place and cancelled before it runs: the next one who can begin does."""
    turns = world.seed % 5 - 1  # of the loop, in between; -1: not even bob's own has been
    await assert_that_the_next_ones_begin(submission, world)
    ship = Ship(submission, world, total=1, payment=(1, 5, 300.0), inventory=(1, 5, 300.0))

    def cancel_bob():
        if "bob" not in ship.began:
            ship.tasks["bob"].cancel()
            world.note("bob is cancelled")

    async def cancel_bob_later():
        for _ in range(turns):
            await asyncio.sleep(0)
        cancel_bob()

    def then():
        if turns < 0:
            cancel_bob()
        else:
            ship.tasks["hand"] = asyncio.create_task(cancel_bob_later())

    ship.call("ada", "payment", takes=2.0, then=then)
    for who, name in (("bob", "payment"), ("cem", "inventory"), ("dia", "payment")):
        await asyncio.sleep(0.1)
        ship.call(who, name, takes=2.0)
    await asyncio.sleep(100.0)
    if world.seed >= 5:
        ship.call("eve", "inventory")  # somebody who comes later must not be what wakes them up
        await asyncio.sleep(10.0)
    stuck = [who for who in ("cem", "dia") if who not in ship.outcome]
    assert not stuck, mistake(
        "lost-wakeup",
        "total=1. ada's call ended, bob was given the place and cancelled in that moment, and "
        f"{' and '.join(stuck)} behind him still wait.",
    )
    assert ship.peak_of_all == 1, f"total=1, and {ship.peak_of_all} calls were under way at once"
    for name in ("payment", "inventory"):
        count = await ship.places(name)
        assert count <= 1, f"at_once=1, and {count} calls to {name} can be under way at once"
        assert count == 1, mistake(
            "lost-wakeup",
            f"bob was cancelled in the moment he was given a place. Since then {count} calls to "
            f"{name} can be under way; at_once=1.",
        )
    await ship.settle()


async def assert_that_the_next_ones_begin(submission, world):
    """If nobody is cancelled."""
    ship = Ship(submission, world, total=1, payment=(1, 5, 300.0), inventory=(1, 5, 300.0))
    for who, name in (("ada", "payment"), ("cem", "inventory"), ("dia", "payment")):
        ship.call(who, name)
        await asyncio.sleep(0.1)
    await ship.settle()
    left = [who for who in ship.tasks if not ship.answered(who)]
    assert not left, f"total=1, three calls came, one after another: {left[0]} got no answer"


@pytest.mark.points(2)
@simulate(seeds=4)
async def test_out_of_patience_as_a_place_is_free(world, submission):
    """A place becomes free in the moment in which patience ends: refused or not, it is not lost."""
    early = world.seed % 2
    ship = Ship(submission, world, total=1, payment=(1, 5, 5.0), inventory=(1, 5, 300.0))
    if early:  # whose timer is first in the same moment
        ship.call("ada", "payment", takes=5.0)
        ship.call("bob", "payment", takes=2.0)
    else:
        ship.call("ada", "payment", takes=6.0)
        await asyncio.sleep(1.0)
        ship.call("bob", "payment", takes=2.0)
    ship.call("cem", "inventory", takes=2.0)
    stuck = await ship.settle()
    assert "cem" not in stuck, mistake(
        "lost-wakeup",
        "total=1. ada's call ended in the moment in which bob's patience did, bob got "
        f"{ship.outcome.get('bob')!r}, and cem behind him waits for ever.",
    )
    assert not stuck, f"{', '.join(stuck)} never ended"
    assert ship.outcome["bob"] in ("refused", "answer to bob"), ship.outcome["bob"]
    assert ship.peak_of_all == 1, f"total=1, and {ship.peak_of_all} calls were under way at once"
    count = await ship.places("inventory")
    assert count <= 1, f"at_once=1, and {count} calls to inventory can be under way at once"
    assert count == 1, mistake(
        "lost-wakeup",
        "A place was free in the moment in which patience ended. Since then "
        f"{count} calls to inventory can be under way; at_once=1, total=1.",
    )


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_under_way_until_it_has_cleaned_up(world, submission):
    """A cancelled call is under way until its operation has cleaned up."""
    ship = Ship(submission, world, total=3, payment=(1, 5, 300.0))
    ada = ship.call("ada", "payment", takes=60.0, tidy=10.0)
    await asyncio.sleep(1.0)
    ship.call("bob", "payment")
    ada.cancel()
    await asyncio.sleep(5.0)
    assert "bob" not in ship.began, (
        "at_once=1. ada's call was cancelled and is still cleaning up, and bob's has begun"
    )
    stuck = await ship.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"


@pytest.mark.points(2)
@simulate(seeds=2)
async def test_a_slow_day(world, submission):
    """While payment takes half a minute for each call, inventory is asked as on any other day."""
    ship = Ship(submission, world, total=10, payment=(6, 6, 2.0), inventory=(6, 20, 2.0))
    for number in range(300):
        slow = 100 <= number < 200
        ship.call(f"payment {number}", "payment", takes=30.0 if slow else 0.2)
        ship.call(f"inventory {number}", "inventory", takes=world.latency("stock", 0.1, 0.4))
        await asyncio.sleep(0.5)
    stuck = await ship.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    kinds = {
        name: [ship.answered(f"{name} {number}") for number in range(300)] for name in ship.limits
    }
    failed = kinds["inventory"].count(False)
    assert not failed, (
        f"payment was slow for a minute, and {failed} of 300 calls to inventory got no answer, "
        "although inventory was as fast as ever"
    )
    slowest = max(ship.ended[f"inventory {n}"] - ship.came[f"inventory {n}"] for n in range(300))
    assert slowest < 1.0, (
        f"payment was slow; a call to inventory, which takes 0.4 s at most, took {slowest:.1f} s"
    )
    assert all(kinds["payment"][:100]), "on a good day not every call to payment got its answer"
    assert all(kinds["payment"][280:]), (
        "payment is fast again for 50 s, and not every call to it gets its answer"
    )
