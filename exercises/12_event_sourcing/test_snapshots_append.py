"""Grades appending in snapshots.py, in simulated worlds."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.shelf_stores import LAMPS, NEVER, Days, Shop, state_after
from autograder.simulation import simulate

A_TRIP = 0.05
"""Seconds that the event store takes at most to answer, and to be asked."""


def assert_of_its_version(shop, snapshot):
    """A snapshot holds the events up to its version, and no others."""
    history = shop.events.streams[LAMPS]
    states = [state_after(history[:version]) for version in range(len(history) + 1)]
    expected, later = states[snapshot.version], states[snapshot.version + 1 :]
    about = (snapshot.schema, snapshot.last_id)
    true = (shop.submission.SCHEMA, history[snapshot.version - 1].id)
    assert about == true, f"schema and last_id of a snapshot are {about}; expected {true}"
    if snapshot.state != expected:
        # Either all of it, or only the dict inside, is what it was some events later.
        reserved = snapshot.state.get("reserved")
        shared = reserved != expected["reserved"] and any(reserved == s["reserved"] for s in later)
        assert not shared, mistake(
            "aliased-snapshot",
            f"The snapshot of version {snapshot.version} was put aside while further events came. "
            f"It holds {snapshot.state}; after {snapshot.version} events the state was {expected}.",
        )
    assert snapshot.state == expected, (
        f"the snapshot of version {snapshot.version} holds {snapshot.state}; expected {expected}"
    )


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_an_append_moves_the_shelf_on(world, submission):
    """What was appended is in the stream, and in the shelf."""
    shop = Shop(world, submission)
    shelf = await shop.load()
    for count in (1, 3, 2):
        before = list(shop.events.streams.get(LAMPS, []))
        new = shop.days.events(count)
        await shop.shelves.append(shelf, new)
        assert shop.events.streams[LAMPS] == [*before, *new], "the events are not in the stream"
        shop.assert_true(shelf, shop.events.streams[LAMPS])
    await shop.shelves.close()
    shop.assert_true(await shop.load(), shop.events.streams[LAMPS])


@pytest.mark.points(3)
@pytest.mark.hint("`version % every == 0` asks whether you have landed on it. Have you passed it?")
@simulate(seeds=8)
async def test_every_so_many_events_there_is_a_snapshot(world, submission):
    """Each append that reaches a multiple of `every`, or jumps over it, puts a snapshot aside."""
    every = (10, 10, 7, 1)[world.seed % 4]
    shop = Shop(world, submission, every=every)
    shelf = await shop.load()
    due = []
    for number in range(12):
        count = 1 + world.choose(4, f"append {number}") if world.seed else 2
        count = 25 if number == 9 else count
        before = shelf.version
        await shop.shelves.append(shelf, shop.days.events(count))
        due += [shelf.version] if before // every != shelf.version // every else []
        await asyncio.sleep(2 * submission.PATIENCE)
    taken = [snapshot.version for snapshot in shop.snapshots.puts]
    missing = [version for version in due if version not in taken]
    jumped = [version for version in missing if version % every]
    assert not missing or missing != jumped or len(taken) >= len(due), mistake(
        "jumps-over-the-multiple",
        f"Every {every} events there is to be a snapshot. Appends of several events ended at "
        f"{jumped}, past a multiple of {every}, and there is none of these: {taken}.",
    )
    assert taken == due, f"snapshots were put aside at {taken}; expected at {due}"
    for snapshot in shop.snapshots.puts:
        assert_of_its_version(shop, snapshot)
    await shop.shelves.close()


@pytest.mark.points(2)
@simulate(seeds=6)
async def test_nobody_waits_for_a_snapshot(world, submission):
    """However long a put takes, and whatever it raises, append returns when the events are in."""
    shop = Shop(world, submission, every=5)
    shelf = await shop.load()
    await shop.shelves.append(shelf, shop.days.events(1))
    how = ("takes its time", "does not return", "raises")[world.seed % 3]
    shop.snapshots.put_takes = (0.8, NEVER, 0.2)[world.seed % 3]
    shop.snapshots.error = ConnectionError("it is down") if how == "raises" else None
    for _ in range(4):
        began = world.time()
        try:
            await shop.shelves.append(shelf, shop.days.events(3))
        except submission.Conflict as error:
            raise AssertionError(f"nobody else sells here, and append raised {error!r}") from error
        except Exception as error:
            raise AssertionError(
                mistake(
                    "snapshot-in-the-way",
                    f"The snapshot store {how}, and append raised {error!r}. "
                    "The events had been recorded.",
                )
            ) from error
        took = world.time() - began
        assert took <= 2 * A_TRIP + 0.01, mistake(
            "snapshot-in-the-way",
            f"The snapshot store {how}, and append took {took:.2f} s; the event store had answered "
            f"after {2 * A_TRIP:.2f} s at most.",
        )
    shop.assert_true(shelf, shop.events.streams[LAMPS])
    await shop.shelves.close()
    await asyncio.sleep(NEVER)


@pytest.mark.points(2)
@pytest.mark.hint("Which object does the put get, and who else has it?")
@simulate(seeds=6)
async def test_a_snapshot_is_of_one_moment(world, submission):
    """While a snapshot is being put aside, sales go on, and none of them gets into it."""
    shop = Shop(world, submission, every=5)
    shelf = await shop.load()
    shop.snapshots.put_takes = 0.6
    for count in (5, 1, 1, 1) if world.seed % 2 else (4, 3, 2, 1):
        await shop.shelves.append(shelf, shop.days.events(count))
    await shop.shelves.close()
    assert shop.snapshots.puts, "no snapshot was put aside"
    for snapshot in shop.snapshots.puts:
        assert_of_its_version(shop, snapshot)
    shop.assert_true(await shop.load(), shop.events.streams[LAMPS])


@pytest.mark.points(2)
@simulate(seeds=4)
async def test_a_conflict_leaves_the_shelf_as_it_was(world, submission):
    """If somebody else was faster, Conflict is raised, and shelf and snapshots are as before."""
    shop = Shop(world, submission, every=5)
    history = shop.happened(3)
    shelf = await shop.load()
    shop.assert_true(shelf, history)
    rivals = Days(submission, "somebody-else").events(1)
    if world.seed % 2:  # in this very process
        await shop.shelves.append(await shop.load(), rivals)
        mine = (shelf.version, shelf.state)
        assert mine == (3, state_after(history[:3])), (
            "two have loaded the stream, and one has appended to it: the shelf of the other one, "
            f"who knows nothing of that, has version and state {mine}; it was loaded with "
            f"{(3, state_after(history[:3]))}"
        )
    else:
        history += rivals
    with pytest.raises(submission.Conflict):
        await shop.shelves.append(shelf, shop.days.events(4))
    assert not shop.snapshots.begun, mistake(
        "snapshot-before-append",
        f"A snapshot of version {shop.snapshots.begun[0]} was put aside. The append ended in a "
        f"Conflict, and there are {len(history)} events.",
    )
    before = {"version": 3, "state": state_after(history[:3])}
    now = {"version": shelf.version, "state": shelf.state}
    assert now == before, mistake(
        "applied-before-recorded",
        f"The append ended in a Conflict, and the shelf has been moved on: {now}; it was {before}.",
    )
    shop.assert_true(shelf, history[:3])
    await shop.shelves.close()


@pytest.mark.points(1)
@simulate(seeds=1, at_every_await=True)
async def test_a_cancelled_append_leaves_the_shelf_as_it_was(world, submission):
    """If append is cancelled, at whichever await, it raises, and the shelf is as it was."""
    shop = Shop(world, submission, every=5)
    history = list(shop.happened(3))
    shelf = await shop.load()
    shop.assert_true(shelf, history)
    outcome = await world.interrupted(shop.shelves.append(shelf, shop.days.events(1)))
    await asyncio.sleep(1)
    before = (3, history[-1].id, state_after(history))
    now = (shelf.version, shelf.last_id, shelf.state)
    assert outcome.error is None or now == before, (
        f"append was cancelled, and raised; version, last_id and state of the shelf are {now}; "
        f"they were {before}"
    )
    await shop.shelves.close()


@pytest.mark.points(2)
@simulate(seeds=4)
async def test_one_put_at_a_time(world, submission):
    """Of a stream there is one put under way at most, and one that does not return is given up."""
    shop = Shop(world, submission, every=2)
    shelf = await shop.load()
    shop.snapshots.put_takes = NEVER if world.seed % 2 else 0.7
    for _ in range(8):
        await shop.shelves.append(shelf, shop.days.events(2))
    most = shop.snapshots.most_at_once
    assert most <= 1, mistake(
        "snapshots-pile-up",
        f"{most} snapshots of one stream were being put aside at the same time.",
    )
    await asyncio.sleep(20 * submission.PATIENCE)
    still = shop.snapshots.under_way[LAMPS]
    assert not still, (
        f"a put that takes longer than PATIENCE is still under way after {world.time():.0f} s"
    )
    shop.snapshots.put_takes = 0.1
    await shop.shelves.append(shelf, shop.days.events(2))
    await shop.shelves.close()
    taken = [snapshot.version for snapshot in shop.snapshots.puts]
    assert shelf.version in taken, (
        f"the snapshot store works again, and there were snapshots of {taken}; "
        f"expected one of version {shelf.version}, too"
    )
    assert_of_its_version(shop, shop.snapshots.kept[LAMPS])


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_each_stream_has_its_snapshot(world, submission):
    """If several streams reach a multiple at the same time, there is a snapshot of each."""
    shop = Shop(world, submission, every=2)
    shop.snapshots.put_takes = 0.9
    for number in range(3):
        shelf = await shop.shelves.load(f"stock-{number}")
        await shop.shelves.append(shelf, shop.days.events(2))
    await asyncio.sleep(5 * submission.PATIENCE)  # also one after another they are done by then
    assert len(shop.snapshots.begun) == 3, (
        f"three streams reached a multiple at the same time; {len(shop.snapshots.begun)} puts began"
    )
    await shop.shelves.close()


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_close_waits_for_what_has_begun(world, submission):
    """close returns when no put is under way any more, and cuts none of them short."""
    shop = Shop(world, submission, every=2)
    shelf = await shop.load()
    shop.snapshots.put_takes = (0.8, NEVER, 0.0)[world.seed % 3]
    await shop.shelves.append(shelf, shop.days.events(2))
    await asyncio.sleep(0.01)
    began = world.time()
    await shop.shelves.close()
    assert not shop.snapshots.under_way.get(LAMPS), mistake(
        "leaked-task", "close returned, and a snapshot was still being put aside."
    )
    assert world.time() - began <= submission.PATIENCE + 0.1, (
        f"close took {world.time() - began:,.1f} s; PATIENCE is {submission.PATIENCE:g} s"
    )
    taken = [snapshot.version for snapshot in shop.snapshots.puts]
    expected = [] if shop.snapshots.put_takes == NEVER else [2]
    assert taken or world.seed % 3 or not shop.snapshots.begun, mistake(
        "drops-in-flight",
        "A put takes 0.8 s, and it had begun when close was called. It never came to its end.",
    )
    assert taken == expected, f"snapshots in the store after close: {taken}; expected {expected}"


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_close_waits_for_each_of_them(world, submission):
    """close waits for every put that has begun, of whichever stream, and cuts none short."""
    shop = Shop(world, submission, every=2)
    for number, takes in enumerate(((0.4, 0.8), (0.8, 0.4))[world.seed % 2]):
        shelf = await shop.shelves.load(f"stock-{number}")
        await shop.shelves.append(shelf, shop.days.events(2))
        shop.snapshots.put_takes = takes  # of the put that begins now
        await asyncio.sleep(0.01)
    await shop.shelves.close()
    still = [stream for stream, puts in shop.snapshots.under_way.items() if puts]
    assert not still, mistake(
        "leaked-task", f"close returned, and a snapshot of {still[0]} was still being put aside."
    )
    assert len(shop.snapshots.puts) == len(shop.snapshots.begun), mistake(
        "drops-in-flight",
        f"When close was called, puts had begun; of {len(shop.snapshots.begun)} that began "
        f"{len(shop.snapshots.puts)} came to their end.",
    )


@pytest.mark.points(2)
@simulate(seeds=1, at_every_await=True)
async def test_killed_anywhere_the_next_one_loads_what_is_true(world, submission):
    """If the process is killed, at whichever await, the next one loads what a replay gives."""
    shop = Shop(world, submission, every=3)
    shop.happened(2)

    async def sell():
        shelf = await shop.load()
        for count in (2, 1, 3):
            await shop.shelves.append(shelf, shop.days.events(count))
        await shop.shelves.close()

    await world.killed(sell(), "the shop")
    shop.shelves = shop.elsewhere(every=3)
    shop.assert_true(await shop.load(), shop.events.streams[LAMPS])


@pytest.mark.points(1)
@simulate(seeds=12)
async def test_two_processes_sell_from_one_shelf(world, submission):
    """Two processes, slow and broken snapshots: what is loaded is always what a replay gives."""
    shop = Shop(world, submission, every=3)

    async def sell(days):
        shelves, conflict = shop.elsewhere(every=3), submission.Conflict
        for turn in range(5):
            shop.snapshots.put_takes = world.latency(f"put {turn}", 0.01, 2.0)
            down = world.chance(0.2, f"down {turn}")
            shop.snapshots.error = ConnectionError("it is down") if down else None
            shelf = await shelves.load(LAMPS)
            try:
                await shelves.append(shelf, days.events(1 + world.choose(3, f"sale {turn}")))
            except conflict:
                continue
        await shelves.close()

    await asyncio.gather(sell(Days(submission, "a")), sell(Days(submission, "b")))
    shop.snapshots.error = None
    shop.shelves = shop.elsewhere(every=3)
    shop.assert_true(await shop.load(), shop.events.streams[LAMPS])
