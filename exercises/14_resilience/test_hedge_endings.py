"""Grades hedge.py: how calls end, what hedges cost, and slow days."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.doors import HAIR, LONG, House
from autograder.simulation import simulate

WARM = [0.1] * 20
"""Latencies that are enough to know what is usual."""


@pytest.mark.points(2)
@pytest.mark.hint("cancel() only asks.")
@simulate(seeds=5)
async def test_the_slower_one_has_ended(world, submission):
    """When a call returns, the other door has been cancelled and has cleaned up."""
    for slower in ("first", "second"):
        house = House(submission, world)
        await house.warm_up(WARM)
        first, second = house.first, house.second
        first.takes, second.takes = (60.0, 0.2) if slower == "first" else (0.3, 60.0)
        for door in (first, second):
            door.tidy = world.latency(door.name, 0.5, 3.0)
        got = await house.call()
        other = first if slower == "first" else second
        assert second.asked, "the first door was late, and the second was not asked"
        assert got in ("answer of first", "answer of second"), f"both doors answer, and: {got!r}"
        house.assert_all_ended("returned")
        assert other.cancelled == 1, (
            f"the {slower} door was not needed any more, and was not cancelled: the call took "
            f"{world.time():.0f} s"
        )


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_what_the_other_one_raises_is_dropped(world, submission):
    """What a door raises after there is an answer spoils nothing, and is not lost either."""
    for error in (submission.Unavailable("closing"), KeyError("closing")):
        house = House(submission, world)
        await house.warm_up(WARM)
        house.first.takes, house.first.tidy_error = 60.0, error
        got = await house.call()
        assert got == "answer of second", (
            f"the second door answered, the first raised {error!r} in its clean-up; got {got!r}"
        )
        house.assert_all_ended("returned")
    for good, bad in (("first", "second"), ("second", "first")):  # in the same moment
        house = House(submission, world)
        await house.warm_up(WARM)
        house.first.takes, house.second.takes = 0.5, 0.4
        getattr(house, bad).outcome = submission.Unavailable
        got = await house.call()
        assert got == f"answer of {good}", (
            f"the {bad} door failed in the moment in which the {good} one answered; got {got!r}"
        )


@pytest.mark.points(3)
@pytest.mark.hint("If you are cancelled while you wait for the clean-up: who goes on waiting?")
@simulate(seeds=2, at_every_await=True)
async def test_cancelled_at_any_moment_it_leaves_nothing_running(world, submission):
    """If a call is cancelled, at whichever await, both doors have ended, and it goes on."""
    house = House(submission, world)
    await house.warm_up(WARM)
    house.first.takes, house.second.takes = 60.0, 3.0
    house.first.tidy = house.second.tidy = 1.0
    outcome = await world.interrupted(house.hedge.call(house.get))
    house.assert_all_ended("had been cancelled and ended")
    if outcome.fired and outcome.error is not None:
        assert isinstance(outcome.error, asyncio.CancelledError), (
            f"a call was cancelled, and ended with {outcome.error!r}"
        )


@pytest.mark.points(1)
@simulate(seeds=20)
async def test_cancelled_before_an_answer_it_says_so(world, submission):
    """If a call is cancelled while the doors are at work, so is its caller."""
    house = House(submission, world)
    await house.warm_up(WARM)
    house.first.takes, house.second.takes = 60.0, 50.0
    task = asyncio.create_task(house.hedge.call(house.get))
    await asyncio.sleep(0.05 + 1.0 * world.draw("when"))
    task.cancel()
    await asyncio.wait([task], timeout=LONG)
    assert task.done(), "a call was cancelled, and did not end"
    assert task.cancelled() or task.exception() is not None, mistake(
        "swallowed-cancellation", f"A call was cancelled, went on, and returned {task.result()!r}."
    )
    assert task.cancelled(), f"a call was cancelled, and raised {task.exception()!r}"
    house.assert_all_ended("had been cancelled and ended")


# -- what it costs -----------------------------------------------------------------------------


async def hedges_of(house, calls, takes=0.2):
    """So many calls that take too long, one after another; which of them were hedged."""
    hedged = []
    for _ in range(calls):
        house.first.takes, house.second.takes = takes, 1000.0
        before = len(house.second.asked)
        await house.call()
        hedged.append(len(house.second.asked) - before)
    return hedged


@pytest.mark.points(3)
@pytest.mark.hint("On a slow day everything is late. What is sent then?")
@simulate(seeds=1)
async def test_hedges_are_rationed(world, submission):
    """If everything is late, there are `reserve` hedges, and then one for every 1 / ratio calls."""
    house = House(submission, world, ratio=0.125, reserve=3.0)
    await house.warm_up(WARM)
    tokens, expected, takes = 3.0, [], 0.2
    for _ in range(80):
        tokens = min(3.0, tokens + 0.125)
        expected.append(1 if tokens >= 1 else 0)
        tokens -= expected[-1]
    hedged = []
    for _ in range(80):
        takes *= 1.05  # later every time, or it would be usual soon
        hedged += await hedges_of(house, 1, takes)
    made, allowed = sum(hedged), sum(expected)
    what = (
        f"80 calls, all of them late; ratio=0.125, reserve=3.0. {allowed} hedges are in the budget"
    )
    assert made <= allowed, mistake("hedge-storm", f"{what}, and {made} were sent.")
    assert made == allowed, f"{what}, and {made} were sent"
    assert hedged == expected, f"{what}; calls that were hedged: {hedged}"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_a_failure_is_rationed_too(world, submission):
    """A hedge after a failure takes a token as well; without one the error is raised at once."""
    house = House(submission, world, ratio=0.0, reserve=7.0)
    house.first.outcome = submission.Unavailable
    for number in range(10):
        began = world.time()
        got = await house.call()
        if number < 7:
            assert got == "answer of second", (
                f"7 tokens, the first door fails; call {number + 1}: {got!r}"
            )
            continue
        assert len(house.second.asked) <= 7, mistake(
            "hedge-storm",
            f"The first door fails; the budget had 7 tokens, and {len(house.second.asked)} calls "
            "went to the second door.",
        )
        assert got is house.first.raised[-1], f"no token, the first door failed; got {got!r}"
        took = world.time() - began
        assert took <= 0.1 + HAIR, (
            f"no token; the first door failed at 0.1 s, raised at {took:.2f} s"
        )


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_calls_fill_the_budget_to_the_brim(world, submission):
    """Every call brings `ratio` of a token, up to `reserve`; only hedges take any."""
    house = House(submission, world, ratio=0.5, reserve=2.0)
    await house.warm_up([0.1 - number / 10_000 for number in range(100)])  # none is late
    hedged = await hedges_of(house, 5)
    assert sum(hedged) <= 4, mistake(
        "hedge-storm",
        "100 calls in time came first. ratio=0.5, reserve=2.0: 4 hedges are in the budget for five "
        f"late calls, and {sum(hedged)} were sent. What a quiet night saves up has to have a "
        "bound.",
    )
    assert hedged == [1, 1, 1, 0, 1] or sum(hedged) == 4, (
        "100 calls in time came first. ratio=0.5, reserve=2.0: 4 hedges are in the budget for five "
        f"late calls, and {sum(hedged)} were sent"
    )
    await check_who_brings_tokens(submission, world)
    other = House(submission, world, ratio=0.0, reserve=1.0)
    other.first.outcome = submission.Unavailable
    got = await other.call()
    assert got == "answer of second", f"another Hedge has a budget of its own, 1 token; got {got!r}"


async def check_who_brings_tokens(submission, world):
    post = submission.Request("POST", "/payments")
    house = House(submission, world, ratio=0.5, reserve=1.0)
    house.first.outcome = submission.Unavailable
    for request, brought in ((house.get, 1), (post, 1), (post, 1), (house.get, 2)):
        await house.call(request)
        assert len(house.second.asked) == brought, (
            "ratio=0.5, reserve=1. The first door fails for a GET, two POSTs without a key, and a "
            "GET. A POST brings half a token and takes none, so both GETs are hedged; hedges so "
            f"far: {len(house.second.asked)}, expected {brought}"
        )
    house.first.outcome, house.first.takes = "answer of first", 5.0
    slow = asyncio.create_task(house.call())
    await asyncio.sleep(1.0)
    house.first.outcome, house.first.takes = submission.Unavailable, 0.1
    got = await house.call()
    assert got == "answer of second", (
        "ratio=0.5, reserve=1, and all is spent. Two calls begin, and each brings half a token as "
        f"it begins; then the first door fails for the second of them: {got!r}"
    )
    await slow


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_it_is_decided_once(world, submission):
    """If there is no token at the delay, there is no hedge, even if one comes before a failure."""
    house = House(submission, world, ratio=0.5, reserve=1.0)
    await house.warm_up(WARM)
    await hedges_of(house, 1)
    assert len(house.second.asked) == 1, "1 token, a late call, and no hedge"
    house.first.outcome, house.first.takes, house.second.takes = submission.Unavailable, 3.0, 0.1
    late = asyncio.create_task(house.call())
    await asyncio.sleep(1.0)
    house.first.outcome, house.first.takes = "paid", 0.1
    await house.call(submission.Request("POST", "/payments"))  # it brings the other half
    got = await late
    assert len(house.second.asked) == 1, (
        "At the delay there was half a token, and so no hedge. Then another call brought the other "
        "half, the first door failed, and the second was asked after all: decided twice."
    )
    assert got is house.first.raised[-1], f"no hedge, and the first door failed; got {got!r}"


# -- days --------------------------------------------------------------------------------------


@pytest.mark.points(2)
@simulate(seeds=2)
async def test_a_usual_day(world, submission):
    """One answer in fifty takes two seconds; with hedges hardly any call does, for little load."""
    house = House(submission, world, ratio=0.125, reserve=5.0)
    calls, slow, tail = 500, 0, 0
    for _ in range(calls):
        for door in (house.first, house.second):
            late = (world.draw(door.name) or 0.5) < 0.02
            door.takes = 2.0 if late else world.latency(door.name + " takes", 0.04, 0.09)
            tail += late and door is house.first
        began = world.time()
        await house.call()
        slow += world.time() - began > 1.0
    extra = len(house.second.asked) / calls
    assert extra <= 0.125 + 5 / calls, mistake(
        "hedge-storm",
        f"{extra:.0%} of {calls} calls went to both doors; with ratio=0.125 it should be one in "
        "eight at most.",
    )
    assert tail == 0 or slow <= max(2, tail / 2), (
        f"{tail} of {calls} calls took 2 s at the first door; with hedges {slow} still took more "
        "than 1 s"
    )
