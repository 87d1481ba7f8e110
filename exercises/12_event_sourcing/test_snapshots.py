"""Grades loading in snapshots.py, in simulated worlds. The rest is in test_snapshots_append.py."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.shelf_stores import LAMPS, NEVER, Days, Shop, state_after
from autograder.simulation import simulate


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_without_a_snapshot_all_is_replayed(world, submission):
    """Without a snapshot, all events are replayed; of a stream without events there is a shelf."""
    shop = Shop(world, submission)
    shop.assert_true(await shop.load(), [])
    history = shop.happened(230)
    shop.assert_true(await shop.load(), history)
    await asyncio.sleep(5)
    put = len(shop.snapshots.begun)
    assert put == 0, f"{put} snapshots were put aside by load; only append does that"


@pytest.mark.points(2)
@simulate(seeds=4)
async def test_a_snapshot_saves_reading(world, submission):
    """With a snapshot, only the events since then are read, and the last one before."""
    shop = Shop(world, submission)
    history = shop.happened(230)
    since = (0, 1, 30, 229)[world.seed % 4]
    shop.snapshots.kept[LAMPS] = shop.snapshot_of(history[: len(history) - since])
    shop.assert_true(await shop.load(), history)
    read = sum(shop.events.handed_out)
    assert read < len(history) or since > 200, mistake(
        "replays-everything",
        f"{read} events were read. There was a snapshot, and {since} events since then.",
    )
    assert read <= since + 1, f"{read} events were read; expected no more than {since + 1}"


async def loaded(shop, history, believed):
    """The shelf; what it would be if the snapshot were believed leads to an accusation.

    `believed`: a mistake's name, and the sentence that goes with it.
    """
    snapshot = shop.snapshots.kept.pop(LAMPS)
    shop.assert_true(await shop.load(), history)  # without it, all is well
    if history:
        shop.snapshots.kept[LAMPS] = shop.snapshot_of(history[:-1])
        shop.assert_true(await shop.load(), history)  # and with a good one
        shop.snapshots.kept.pop(LAMPS)
        shop.assert_true(await shop.load(), history)  # and once more without
    shop.snapshots.kept[LAMPS] = snapshot
    try:
        shelf = await shop.load()
    except Exception as error:
        raise AssertionError(
            mistake(believed[0], f"{believed[1]} load raised {error!r}.")
        ) from error
    expected = state_after(history)
    assert shelf.state == expected, mistake(
        believed[0], f"{believed[1]} The state is {shelf.state}; a replay of all gives {expected}."
    )
    shop.assert_true(shelf, history)


@pytest.mark.points(2)
@simulate(seeds=4)
async def test_another_schema_is_ignored(world, submission):
    """A snapshot of an older schema, or of a newer one, is as none."""
    shop, schema = Shop(world, submission), submission.SCHEMA
    history = shop.happened(130)
    then = history[:120]
    true = state_after(then)
    old = {"count": true["available"] + sum(true["reserved"].values())}  # of both in one number
    newer = {**true, "available": true["available"] * 100}  # in hundredths
    states = {schema - 1: old, schema + 1: newer, schema - 2: {**true, "available": 0}, 0: []}
    number, state = list(states.items())[world.seed % 4]
    shop.snapshots.kept[LAMPS] = shop.snapshot_of(then, number, state)
    said = f"The schema is {schema}, and there is a snapshot of schema {number}."
    await loaded(shop, history, ("stale-schema", said))


@pytest.mark.points(2)
@pytest.mark.hint("What is in the event store at the version at which the snapshot was made?")
@simulate(seeds=5)
async def test_a_snapshot_of_another_history_is_ignored(world, submission):
    """After the database was restored from a backup, a snapshot of what is lost is as none."""
    shop = Shop(world, submission)
    history = shop.happened(100)
    lost = [*history[:90], *Days(submission, "lost").events(40)]
    version = (130, 101, 100, 95, 91)[world.seed % 5]
    if version == 101:
        lost = [*history, *Days(submission, "lost").events(1)]
    shop.snapshots.kept[LAMPS] = shop.snapshot_of(lost[:version])
    said = (
        f"There are 100 events, and a snapshot of version {version}. The event {version} that it "
        f"was made from is {lost[version - 1].id!r}; in the stream there is "
        f"{repr(history[version - 1].id) if version <= 100 else 'none'}."
    )
    await loaded(shop, history, ("believes-the-snapshot", said))


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_a_snapshot_of_a_stream_that_is_gone_is_ignored(world, submission):
    """If the stream has no events, a snapshot of it is as none."""
    shop = Shop(world, submission)
    lost = Days(submission, "lost").events((1, 100)[world.seed % 2])
    shop.snapshots.kept[LAMPS] = shop.snapshot_of(lost)
    said = f"There are no events, and a snapshot of version {len(lost)}."
    await loaded(shop, [], ("believes-the-snapshot", said))


class OutOfReach(Exception):
    """What some client of some store raises, and nobody has heard of."""


@pytest.mark.points(2)
@simulate(seeds=4)
async def test_load_does_without_the_snapshot_store(world, submission):
    """If the snapshot store raises, or does not answer in PATIENCE seconds, all is replayed."""
    shop = Shop(world, submission)
    history = shop.happened(57)
    shop.assert_true(await shop.load(), history)
    silent = world.seed % 2
    if silent:
        shop.snapshots.get_takes = NEVER
    else:
        shop.snapshots.error = (ConnectionError, None, OutOfReach, None)[world.seed % 4](
            "it is down"
        )
    began = world.time()
    try:
        shelf = await shop.load()
    except Exception as error:
        raise AssertionError(
            mistake(
                "snapshot-in-the-way",
                f"The snapshot store {'did not answer' if silent else 'raised'}, and load raised "
                f"{error!r}. The events are all there.",
            )
        ) from error
    took = world.time() - began
    assert took <= submission.PATIENCE + 1, mistake(
        "snapshot-in-the-way",
        f"The snapshot store did not answer, and load took {took:,.1f} s; "
        f"PATIENCE is {submission.PATIENCE:g} s.",
    )
    shop.assert_true(shelf, history)
