"""Grades `ReadModel` of read_your_writes.py; what ends a wait and what it costs is in
test_read_your_writes_waits.py, `Session` in test_read_your_writes_session.py."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.replicas import ORDER, make_replica, replicas, status_at
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


def assert_of_its_position(answer):
    """The status of an answer is the one of its position."""
    expected = status_at(answer.position)
    assert answer.status == expected, mistake(
        "torn-read",
        f"The answer is {answer.status!r} at position {answer.position}; at that position it was "
        f"{expected!r}. Between your two looks the projector has committed.",
    )


def assert_as_far_as(answer, wanted, said):
    """An answer is not older than it was asked to be."""
    assert answer.position >= wanted, mistake(
        "assumed-read-your-write",
        f"{said}. The model was asked for position {wanted} at least, and answered with what was "
        f"at {answer.position}: {answer.status!r}.",
    )
    assert_of_its_position(answer)


@pytest.mark.points(1)
@simulate(seeds=2, steps=MOST_STEPS)
async def test_without_a_position_it_answers_at_once(world, submission, replica):
    """Asked for no position, the model answers at once with what there is, or with None."""
    at = await replica(world, submission)
    for position in (0, 4, 5):
        if position:
            at.move(position)
        began = world.time()
        answer = await at.model.status(ORDER)
        unknown = await at.model.status("o-17")
        took = world.time() - began
        assert answer == submission.Answer(status_at(position), position), (
            f"the model is at {position}, where o-1 has {status_at(position)!r}; it says {answer}"
        )
        assert unknown == submission.Answer(None, position), (
            f"there is no order o-17, and the model is at {position}; it says {unknown}"
        )
        assert took < SOON, f"no position was asked for, and two answers took {took:.1f} s"
    assert at.model.waiting == 0, f"nobody waits, and waiting is {at.model.waiting}"
    settings = (at.db.row_factory, at.db.text_factory, at.db.isolation_level)
    assert settings == (None, str, ""), (
        "row_factory, text_factory and isolation_level of `db` were None, str and ''; two queries "
        f"later they are {settings}"
    )


@pytest.mark.points(2)
@simulate(seeds=3, steps=MOST_STEPS)
async def test_it_waits_until_it_is_that_far(world, submission, replica):
    """Asked for a position that is still to come, the model answers when it is there."""
    at = await replica(world, submission, 2)
    asking = asyncio.create_task(at.model.status(ORDER, at_least=5, within=100))
    for position in (3, 4):
        await asyncio.sleep(10)
        assert not asking.done() or asking.exception() is None, f"{asking.exception()!r}"
        if asking.done():
            assert_as_far_as(asking.result(), 5, f"The model was at {at.position}")
        assert at.model.waiting == 1, f"one query waits, and waiting is {at.model.waiting}"
        at.move(position)
    await asyncio.sleep(10)
    jump = 5 + 2 * world.choose(2, "how far it jumps")
    at.move(jump)
    await asyncio.wait([asking], timeout=SOON)
    in_time = asking.done()
    await asyncio.wait([asking], timeout=200)
    error = asking.exception()
    assert jump == 5 or not isinstance(error, submission.TooFarBehind), mistake(
        "waits-for-exactly",
        "A query waited for position 5. The projector committed a batch, the model went from 4 "
        "to 7, and the query slept on until its time was up.",
    )
    assert error is None, f"the model went to {jump}, and a query for 5 raised {error!r}"
    assert_as_far_as(asking.result(), 5, f"The model went to {jump}")
    assert in_time, f"the model went to {jump}, and {SOON} s later a query for 5 was not answered"


@pytest.mark.points(1)
@pytest.mark.hint("Who knows how far the model is, before anybody has called moved()?")
@simulate(seeds=2, steps=MOST_STEPS)
async def test_a_new_model_may_be_far_already(world, submission, replica):
    """If the database is far enough already, the answer comes at once, also if none has moved."""
    at = await replica(world, submission, 9)
    began = world.time()
    try:
        answer = await at.model.status(ORDER, at_least=9, within=60)
    except submission.TooFarBehind as error:
        raise AssertionError(
            f"the database was at 9 when the model was made, 9 was asked for, and status: {error}"
        ) from error
    assert_as_far_as(answer, 9, "The database was at 9")
    took = world.time() - began
    assert took < SOON, f"the database was at 9 when the model was made; the answer took {took} s"


@pytest.mark.points(2)
@pytest.mark.hint("You look, you await, and then you begin to wait. And if it moved in between?")
@simulate(seeds=24, steps=MOST_STEPS)
async def test_a_move_at_the_wrong_moment_is_not_missed(world, submission, replica):
    """If the model moves while a query looks, the query is answered, and does not sleep on."""
    at = await replica(world, submission, 4)
    at.model.moved(4)
    await at.move_during_a_look(5, world.seed + 1)
    asking = asyncio.create_task(at.model.status(ORDER, at_least=5, within=60))
    await asyncio.wait([asking], timeout=1)
    if at.position < 5:  # the look was shorter than that
        at.move(5)
    await asyncio.wait([asking], timeout=100)
    assert asking.done(), "a query for 5 has not ended; the model is at 5, and the time is up"
    assert not isinstance(asking.exception(), submission.TooFarBehind), mistake(
        "looked-then-waited",
        "A query for position 5 looked, and found 4. Before it began to wait, the model moved to "
        "5; nobody told it afterwards, and it slept until its time was up.",
    )
    assert_as_far_as(asking.result(), 5, "The model moved to 5")
    assert world.time() < 1 + SOON, (
        f"the model moved to 5, and the answer took {world.time():.1f} s"
    )


@pytest.mark.points(2)
@pytest.mark.hint("Two statements see two moments. One statement sees one.")
@simulate(seeds=6, steps=MOST_STEPS)
async def test_status_and_position_belong_together(world, submission, replica):
    """However fast the model moves and how many ask, each answer is of its position."""
    at = await replica(world, submission, 1)

    async def ask(number):
        await world.pause(f"query {number}", 0.0, 0.05)
        wanted = at.position - number % 2
        answer = await at.model.status(ORDER, at_least=wanted, within=60)
        assert_as_far_as(answer, wanted, "Twelve queries ran at once, while the model moved")

    asking = [asyncio.create_task(ask(number)) for number in range(12)]
    for position in range(2, 40):
        at.move(position)
        await world.pause("next event", 0.0005, 0.01)
    for query in asking:
        await query
