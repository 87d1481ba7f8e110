"""Grades `Session` of read_your_writes.py."""

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


@pytest.mark.points(2)
@pytest.mark.hint("Two commands at once: 12 is told first, and then 11. What do you remember?")
@simulate(seeds=4, steps=MOST_STEPS)
async def test_a_customer_sees_what_they_wrote(world, submission, replica):
    """What a session has written is in its next answer, however far behind the replica is."""
    at = await replica(world, submission, 8)
    ada, bob = submission.Session(), submission.Session()
    written = ((9,), (9, 10), (10, 9), (12, 9, 11))[world.seed % 4]
    for position in written:
        ada.wrote(position)
    assert ada.position == max(written), mistake(
        "assumed-read-your-write",
        f"Commands told that they had written {', '.join(map(str, written))}, in this order, and "
        f"the session asks for {ada.position}: it will not see the others.",
    )
    asking = asyncio.create_task(ada.status(at.model, ORDER, within=60))
    began = world.time()
    other = await bob.status(at.model, ORDER)
    took = world.time() - began
    assert other == submission.Answer(status_at(8), 8), f"bob is told {other}; the model is at 8"
    assert took < SOON, f"bob has written nothing, and his answer took {took:.1f} s"
    await asyncio.sleep(3)
    ada.wrote(max(written) + 7)  # another command of hers, while she waits
    at.move(max(written))
    await asyncio.wait([asking], timeout=5)
    if not asking.done():  # it is for her latest command that she waits now
        at.move(max(written) + 7)
    answer = await asking
    assert answer.position >= max(written), mistake(
        "assumed-read-your-write",
        f"ada has written {max(written)}, the replica was at 8, and her next look gives {answer}: "
        "what she wrote is not there.",
    )
    assert answer.status == status_at(answer.position), f"ada is told {answer}"
    assert ada.position == max(written) + 7, (
        f"while ada waited for an answer, a command of hers wrote {max(written) + 7}; the answer "
        f"was at {answer.position}, and her session asks for {ada.position}"
    )


@pytest.mark.points(2)
@pytest.mark.hint("A customer who has seen something at 9 must not be shown what was at 6.")
@simulate(seeds=4, steps=MOST_STEPS)
async def test_nobody_is_sent_back(world, submission, replica):
    """What a session has seen at one replica, it sees at the next one, which is behind."""
    ahead, behind = await replica(world, submission, 9), await replica(world, submission, 6)
    session = submission.Session()
    session.wrote(world.choose(2, "something was written") * 3)
    if world.seed % 2:
        # Both at once; or one after the other, if that is how the session does it.
        asking = asyncio.create_task(session.status(behind.model, ORDER, within=60))
        first = await session.status(ahead.model, ORDER, within=60)
        await asyncio.wait([asking], timeout=5)
        if not asking.done():
            behind.move(9)
        await asking
    else:
        first = await session.status(ahead.model, ORDER)
    assert first.position == 9, f"the model is at 9, and the session is told {first}"
    asking = asyncio.create_task(session.status(behind.model, ORDER, within=60))
    await asyncio.wait([asking], timeout=5)
    if not asking.done():
        behind.move(9)
    second = await asking
    assert second.position >= 9, mistake(
        "back-in-time",
        f"The session was told {first}, asked another replica, and was told {second}: what it has "
        "seen is not there any more.",
    )
    assert session.position == 9, f"it has seen 9, and its position is {session.position}"


@pytest.mark.points(1)
@simulate(seeds=2, steps=MOST_STEPS)
async def test_another_replica_may_be_asked(world, submission, replica):
    """TooFarBehind goes to the caller; the session goes on where it was, with another replica."""
    ahead, behind = await replica(world, submission, 20), await replica(world, submission, 6)
    session = submission.Session(17)
    assert session.position == 17, f"Session(17) has the position {session.position}"
    asking = asyncio.create_task(session.status(behind.model, ORDER, within=2))
    await asyncio.wait([asking], timeout=100)
    took = world.time()
    assert asking.done(), mistake(
        "deadline-not-enforced",
        f"Session(17) asked a replica that stays at 6, within 2 s. {took:.0f} s later it waits.",
    )
    error = asking.exception()
    assert error is not None, mistake(
        "assumed-read-your-write",
        f"Session(17) asked a replica that stays at 6, and was told {asking.result()}.",
    )
    assert isinstance(error, submission.TooFarBehind), f"expected TooFarBehind, not {error!r}"
    said = (error.wanted, error.reached)
    assert said == (17, 6), f"17 was wanted, the model is at 6; TooFarBehind says {said}"
    assert took < 2 + SOON, f"it was to be within 2 s, and TooFarBehind came after {took:.1f} s"
    assert session.position == 17, f"it was at 17, and after TooFarBehind at {session.position}"
    answer = await session.status(ahead.model, ORDER)
    assert answer == submission.Answer(status_at(20), 20), f"the model is at 20: {answer}"
