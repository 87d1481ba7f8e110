"""Grades how a query of read_your_writes.py waits, and how its wait ends."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.quiet import callbacks_of_a_sleep
from autograder.grading.benches.replicas import ORDER, make_replica, replicas
from autograder.simulation import simulate

SOON = 0.5
"""Seconds in which what has to wait for nobody is done: a look into the database takes less."""
MOST_STEPS = 20_000
"""Of a world: some two thousand are enough, and who never ends shall not take for ever."""


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """An empty replica; making one takes longer than copying it."""
    return make_replica(tmp_path_factory.mktemp("replica") / "replica.db")


@pytest.fixture
def replica(template, tmp_path):
    """Makes replicas, each in a file of its own."""
    return replicas(template, tmp_path)


async def asked(at, *positions):
    """Queries that wait, one for each position."""
    asking = [
        asyncio.create_task(at.model.status(ORDER, at_least=p, within=1000.0)) for p in positions
    ]
    await asyncio.sleep(5)
    for query, position in zip(asking, positions, strict=True):
        assert not query.done() or query.exception() is None, (
            f"the model was at {at.position}, and a query for {position}: {query.exception()!r}"
        )
    return asking


def told(at, position):
    """The projector commits and says so, and nobody who waits may hinder it."""
    at.commit(position)
    try:
        at.model.moved(position)
    except asyncio.InvalidStateError as error:
        raise AssertionError(
            mistake(
                "wakes-the-cancelled",
                f"One who waited was cancelled, and moved({position}) raised {error!r}: whoever "
                "stood behind it is not told, and the projector dies of it.",
            )
        ) from error


@pytest.mark.points(2)
@pytest.mark.hint("A timeout around all that may take long; and an answer that is too old is none.")
@simulate(seeds=3, steps=MOST_STEPS)
async def test_its_patience_is_limited(world, submission, replica):
    """If the model does not get there in time, TooFarBehind says how far it is."""
    at = await replica(world, submission, 4)
    for within, position in ((2.0, 4), (10.0, 6), (0.0, 6)):
        began = world.time()
        asking = asyncio.create_task(at.model.status(ORDER, at_least=7, within=within))
        await asyncio.sleep(min(within, 1))
        if position != at.position:
            at.move(position)
            at.model.moved(position - 1)  # which changes nothing
        await asyncio.wait([asking], timeout=within + 100)
        took = world.time() - began
        ended = asking.done() and took < within + 50
        assert ended, mistake(
            "deadline-not-enforced",
            f"The model stays at {position}, 7 was asked for within {within:g} s, and "
            f"{took:.0f} s later the query is still waiting.",
        )
        error = asking.exception()
        assert error is not None, mistake(
            "assumed-read-your-write",
            f"The model stays at {position}, 7 was asked for, the time was up, and status gave "
            f"{asking.result()}: old, and it does not say so.",
        )
        assert isinstance(error, submission.TooFarBehind), (
            f"the time was up, and status raised {error!r}; expected TooFarBehind"
        )
        assert (error.wanted, error.reached) == (7, position), (
            f"7 was wanted and the model is at {position}; TooFarBehind says wanted "
            f"{error.wanted}, reached {error.reached}"
        )
        assert within - 0.01 <= took <= within + SOON, (
            f"it was to be within {within:g} s, and TooFarBehind came after {took:.2f} s"
        )
        assert_nothing_left(at, "The only query has timed out")


def assert_nothing_left(at, said):
    assert at.model.waiting == 0, mistake(
        "leaked-waiter", f"{said}, and waiting is {at.model.waiting}."
    )
    assert not at.db.in_transaction, (
        f"{said}, and a transaction of it is still open on the connection that all share"
    )


@pytest.mark.points(2)
@simulate(seeds=2, steps=3 * MOST_STEPS)
async def test_each_is_woken_in_its_moment(world, submission, replica):
    """Of many who wait each is answered when its position is reached, some given up, one late."""
    at = await replica(world, submission, 0)
    wanted = [10, 3, 7, 3, 25, 12, 7, 1000]
    asking = await asked(at, *wanted)
    assert at.model.waiting == len(wanted), (
        f"{len(wanted)} queries wait, and waiting is {at.model.waiting}"
    )
    asking[2].cancel()  # and is still on the way out when the model moves
    for position in (2, 4, 4, 3, 9, 13, 30):
        if position > at.position:
            told(at, position)
        else:
            at.model.moved(position)  # nothing new
        await asyncio.sleep(SOON)
        for query, want in zip(asking, wanted, strict=True):
            if query is not asking[2] and want <= at.position:
                assert query.done(), f"the model is at {at.position}, a query for {want} waits on"
                assert query.exception() is None, f"a query for {want}: {query.exception()!r}"
                assert query.result().position >= want, mistake(
                    "assumed-read-your-write",
                    f"A query for position {want} was answered with {query.result()}.",
                )
            elif query is not asking[2]:
                assert not query.done(), f"the model is at {at.position}; a query for {want} ended"
    assert asking[2].cancelled(), "a query was cancelled, and has not ended as cancelled"
    assert at.model.waiting == 1, mistake(
        "leaked-waiter",
        f"Of eight queries one waits, six were answered, one was cancelled; waiting is "
        f"{at.model.waiting}.",
    )
    asking[-1].cancel()
    await asyncio.wait([asking[-1]], timeout=10)
    assert_nothing_left(at, "The last query was cancelled")


@pytest.mark.points(2)
@pytest.mark.hint("Which of those who wait can a move be good for? Keep them in that order.")
@simulate(seeds=1, steps=MOST_STEPS)
async def test_waiting_costs_nothing(world, submission, replica):
    """While nothing moves, nobody looks; a move wakes nobody whose position is further."""
    at = await replica(world, submission, 0)
    nobody = await callbacks_of_a_sleep(world, 10)
    one = await asked(at, 1000)
    steps = await callbacks_of_a_sleep(world, 10) - nobody
    assert steps < 50, mistake(
        "busy-poll",
        f"One query waited, and in ten seconds in which nothing moved the event loop ran {steps} "
        "callbacks: it asks again and again.",
    )
    asking = [*one, *await asked(at, *range(1001, 1100))]
    before = world.loop.steps
    for position in range(1, 13):
        told(at, position)
        await asyncio.sleep(1)  # whoever was woken has looked, and waits again
    steps = world.loop.steps - before
    assert steps < 1000, mistake(
        "wakes-everyone",
        f"100 queries waited for positions from 1000 on, the model moved 12 times, to 12, and the "
        f"event loop ran {steps} callbacks: each move wakes all of them, for nothing.",
    )
    told(at, 1050)
    await asyncio.sleep(5)
    answered = sum(1 for query in asking if query.done() and not query.cancelled())
    assert answered == 51, (
        f"the model is at 1050: 51 of 100 queries can be answered, not {answered}"
    )
    for query in asking:
        query.cancel()
    await asyncio.wait(asking, timeout=10)
    assert_nothing_left(at, "51 queries were answered and 49 cancelled")


@pytest.mark.points(2)
@simulate(seeds=1, steps=MOST_STEPS, at_every_await=True)
async def test_cancelled_anywhere_it_leaves_nothing(world, submission, replica):
    """If status is cancelled, at whichever await, it ends as cancelled, and nothing is left."""
    at = await replica(world, submission, 4)
    query = at.model.status(ORDER, at_least=5, within=3)
    asking = asyncio.create_task(world.interrupted(query))
    await asyncio.sleep(1)
    told(at, 5)
    outcome = await asking
    if outcome.fired:
        assert not isinstance(outcome.error, submission.TooFarBehind | TimeoutError), mistake(
            "cancel-becomes-timeout",
            f"A query was cancelled, long before its time was up, and raised {outcome.error!r}.",
        )
        assert outcome.error is not None or outcome.result.position == 5, (
            f"a query was cancelled, and ended with {outcome.result}"
        )
    await asyncio.sleep(1)
    assert_nothing_left(at, "The only query was cancelled" if outcome.fired else "It is answered")
    answer = await at.model.status(ORDER, at_least=5)
    assert answer.position == 5, f"another query had been cancelled, and this one says {answer}"


@pytest.mark.points(1)
@simulate(seeds=4, steps=MOST_STEPS)
async def test_cancelled_and_woken_in_one_moment(world, submission, replica):
    """Whether one who waits is cancelled just before or just after a move, others are told."""
    at = await replica(world, submission, 4)
    asking = await asked(at, 5, 5, 6)
    first, second = asking[world.seed % 2], asking[1 - world.seed % 2]
    if world.seed // 2 % 2:
        first.cancel()
        told(at, 6)
    else:
        told(at, 6)
        first.cancel()
    await asyncio.wait(asking, timeout=SOON)
    for query in (second, asking[2]):
        answered = query.done() and not query.cancelled()
        assert answered, (
            "one who waited was cancelled as the model moved, and another one sleeps on"
        )
    assert_nothing_left(at, "Of three queries one was cancelled and two were answered")
