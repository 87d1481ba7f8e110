"""Grades hedge.py: when the second door is asked, and whose answer is taken."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.doors import HAIR, House
from autograder.simulation import simulate

WARM = [0.1] * 20
"""Latencies that are enough to know what is usual."""


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_an_answer_in_time_is_the_result(world, submission):
    """If the first door answers before the delay, that is the result, and nobody else is asked."""
    house = House(submission, world)
    for value in ("paid", 0, False, ""):
        house.first.outcome = value
        got = await house.call()
        assert got is value, f"the first door answered {value!r}, and the call {got!r}"
    house = House(submission, world)
    await house.warm_up(WARM)
    house.first.takes = 0.09
    before = len(house.second.asked)
    for _ in range(10):
        began = world.time()
        got = await house.call()
        assert got == "answer of first", f"the first door answered in 0.09 s, and: {got!r}"
        assert world.time() - began <= 0.09 + HAIR, "an answer of 0.09 s took longer"
    asked = len(house.second.asked) - before
    assert not asked, mistake(
        "hedges-at-once",
        "The usual latency is 0.1 s. Ten calls were answered in 0.09 s, and in "
        f"{asked} of them the second door was asked as well: twice the load for nothing.",
    )


@pytest.mark.points(3)
@pytest.mark.hint("Sort them. Of 20, which one is no less than 95 percent of all?")
@simulate(seeds=1)
async def test_a_late_answer_is_hedged_after_the_delay(world, submission):
    """When the 95th percentile of the latencies has passed, the second door is asked."""
    for latencies, delay in (
        ([n / 100 for n in range(20, 0, -1)], 0.19),
        ([0.1] * 19 + [3.0], 0.1),
        ([0.1] * 18 + [0.7, 3.0], 0.7),
        ([n / 1000 for n in range(1, 101)], 0.095),
        ([n / 100 for n in range(1, 32)], 0.3),  # 29 of 31 are fewer than 95 percent
    ):
        house = House(submission, world)
        house.second.takes = 1000.0  # while the latencies are made, no hedge is faster
        await house.warm_up(latencies)
        after = await house.hedged_after()
        told = f"of {len(latencies)} latencies the 95th percentile is {delay:g} s"
        assert after is not None, f"{told}; the first door took 100 s, and the second was not asked"
        assert after > HAIR, mistake(
            "hedges-at-once", f"{told}. Both doors were asked in the same moment."
        )
        assert abs(after - delay) <= HAIR, f"{told}; the second door was asked after {after:.3f} s"
        [*_, (_, request)] = house.second.asked
        assert request == house.get, f"the second door was asked for {request!r}, not {house.get!r}"


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_the_first_answer_wins(world, submission):
    """Once both are asked, the one that answers first gives the result, at once."""
    for takes, winner, total in ((5.0, "second", 0.4), (0.2, "first", 0.2)):
        house = House(submission, world)
        await house.warm_up(WARM)
        house.first.takes, house.second.takes = takes, 0.3
        began = world.time()
        got = await house.call()
        took = world.time() - began
        told = f"the first door takes {takes:g} s, the second 0.3 s, and it is asked after 0.1 s"
        assert got == f"answer of {winner}", f"{told}; the result is {got!r}"
        assert took <= total + HAIR, f"{told}; the call took {took:.2f} s, expected {total:g}"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_too_little_is_known_to_hedge(world, submission):
    """Before there are 20 latencies nobody is late; of more than 100 the last 100 count."""
    house = House(submission, world)
    await house.warm_up([0.1] * 19)
    after = await house.hedged_after(slow=50.0)
    assert after is None, f"19 latencies are known, and after {after:.2f} s there was a hedge"
    for long, short in ((100, 100), (6, 95)):
        house = House(submission, world)
        house.second.takes = 1000.0
        await house.warm_up([2.0] * long + [0.1] * short)
        after = await house.hedged_after()
        told = f"{long} latencies of 2 s were known, and then came {short} of 0.1 s"
        assert after is not None, f"{told}; the first door is slow, and no hedge"
        assert abs(after - 0.1) <= HAIR, (
            f"{told}: the 95th percentile of the last 100 is 0.1 s, and a hedge came after "
            f"{after:.2f} s"
        )


@pytest.mark.points(3)
@pytest.mark.hint(
    "The first door was slow, the second was faster. What do you now know of the first?"
)
@simulate(seeds=1)
async def test_the_slow_ones_count(world, submission):
    """If the second door was faster, the first one's latency is the time it had been under way."""
    house = House(submission, world)
    await house.warm_up([n / 100 for n in range(20, 0, -1)])
    after = await house.hedged_after()
    assert after is not None, "20 latencies are known, the first door is slow, and no hedge"
    assert abs(after - 0.19) <= HAIR, (
        f"of 20 latencies the 95th percentile is 0.19 s, and a hedge came after {after:.3f} s"
    )
    house = House(submission, world)
    house.second.takes = 1000.0
    await house.warm_up([0.1] * 20 + [0.5] * 5)
    after = await house.hedged_after()
    assert after is not None, "25 latencies are known, the first door is slow, and no hedge"
    assert abs(after - 0.5) <= HAIR, (
        "20 calls took 0.1 s, and then 5 took 0.5 s at the first door, which was first all the "
        f"same. The 95th percentile is 0.5 s, and a hedge came after {after:.2f} s"
    )
    house = House(submission, world)
    latencies = [0.1 - number / 10_000 for number in range(100)]  # none is late
    await house.warm_up(latencies)
    for _ in range(30):
        house.first.takes, house.second.takes, house.first.tidy = 60.0, 0.4, 2.0
        delay = sorted(latencies)[94]
        got = await house.call()
        assert got == "answer of second", (
            f"the first door takes 60 s, the second 0.4 s; got {got!r}"
        )
        latencies = [*latencies[1:], delay + 0.4]
    after, delay = await house.hedged_after(), sorted(latencies)[94]
    assert after is not None, "the first door is slow, and the second was not asked"
    assert after > 0.45, mistake(
        "forgets-the-slow",
        "Of the last 100 calls 30 took half a second and more at the first door, and it takes the "
        f"95th percentile for {after:.2f} s: the times of those that were cancelled are missing.",
    )
    assert abs(after - delay) <= HAIR, (
        "of the last 100 calls 30 were cancelled at the first door, since the second was faster; "
        "how long it then took to clean up is none of its latency. "
        f"the 95th percentile is {delay:.2f} s, and a hedge came after {after:.2f} s"
    )
    house = House(submission, world)
    await house.warm_up([0.1] * 20)
    house.first.takes, house.second.takes = 60.0, 0.4
    house.second.outcome = submission.Declined
    for _ in range(2):
        await house.call()
    after = await house.hedged_after()
    assert after is not None, "22 latencies are known, the first door is slow, and no hedge"
    assert abs(after - 0.5) <= HAIR, (
        "20 calls took 0.1 s. Twice the first door was late, and the second declined after 0.5 s, "
        f"which is an answer: the 95th percentile is 0.5 s, and a hedge came after {after:.2f} s"
    )


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_a_failure_is_no_answer(world, submission):
    """If one door fails, the other one goes on, and its answer is the result."""
    for kind in (submission.Unavailable, ConnectionResetError, TimeoutError):
        house = House(submission, world)
        await house.warm_up(WARM)
        house.first.takes, house.second.takes = 2.0, 0.3
        house.second.outcome = kind
        got = await house.call()
        await check_success(house, submission, got, "answer of first", "second", "first")
        house.first.takes, house.second.takes = 0.3, 2.0
        house.first.outcome, house.second.outcome = kind, "answer of second"
        got = await house.call()
        await check_success(house, submission, got, "answer of second", "first", "second")


async def check_success(house, submission, got, expected, failed, other):
    assert len(house.second.asked) > 0, "the first door was late, and the second was not asked"
    message = (
        f"Both doors were asked. The {failed} one failed, the {other} one would have answered, and "
        f"the call ended with {got!r}."
    )
    early = [house.world.time() - at for at in getattr(house, other).cancelled_at[-1:]]
    assert not early or early[0] < HAIR, (
        f"the {failed} door failed, and {early[0]:.2f} s before that the {other} one had been "
        f"cancelled, which would have answered; the call ended with {got!r}"
    )
    if isinstance(got, submission.Unavailable):  # others may have been taken for answers
        raise AssertionError(mistake("first-finished-not-first-success", message))
    assert not isinstance(got, ConnectionError | TimeoutError), message
    assert got == expected, f"the {failed} door failed, the {other} one answered; got {got!r}"


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_an_early_failure_is_hedged_at_once(world, submission):
    """If the first door fails before the delay, the second is asked in that moment."""
    for warm in ([], WARM):
        house = House(submission, world)
        await house.warm_up(warm)
        house.first.outcome, house.first.takes = submission.Unavailable, 0.05
        before, began = len(house.second.asked), world.time()
        got = await house.call()
        asked = [at - began for at, _ in house.second.asked[before:]]
        known = f"{len(warm)} latencies are known; the first door failed after 0.05 s"
        assert asked, f"{known}, and the second was not asked: {got!r}"
        assert len(asked) == 1, f"{known}, and the second was asked {len(asked)} times"
        assert abs(asked[0] - 0.05) <= HAIR, f"{known}, the second was asked at {asked[0]:.2f} s"
        assert got == "answer of second", f"{known}, the second answered; got {got!r}"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_failures_have_no_latency(world, submission):
    """A first door that failed tells nothing of how long an answer takes."""
    house = House(submission, world)
    await house.warm_up([1.0] * 20)
    house.first.outcome = submission.Unavailable
    await house.warm_up([0.01] * 100)
    house.first.outcome = "answer of first"
    after = await house.hedged_after()
    assert after is not None, "20 latencies are known, the first door is slow, and no hedge"
    assert abs(after - 1.0) <= HAIR, (
        "20 answers took 1 s, and then the first door failed 100 times. The 95th percentile "
        f"of the answers is 1 s, and a hedge came after {after:.2f} s"
    )


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_no_is_an_answer(world, submission):
    """What a door raises that is no failure, such as Declined, is an answer, and ends the call."""
    for kind in (submission.Declined, KeyError, FileNotFoundError):
        house = House(submission, world)
        house.first.outcome = kind
        got = await house.call()
        assert not house.second.asked, (
            f"the first door answered with {kind.__name__}, and the second was asked all the same"
        )
        assert got is house.first.raised[-1], f"the first door raised {kind.__name__}; got {got!r}"
        house = House(submission, world)
        await house.warm_up(WARM)
        house.first.takes, house.second.outcome = 50.0, kind
        began = world.time()
        got = await house.call()
        assert house.second.raised, "the first door was late, and the second was not asked"
        assert got is house.second.raised[-1], (
            f"the second door answered with {kind.__name__} before the first; got {got!r}"
        )
        assert world.time() - began < 10, (
            "the second door had answered, and the first was waited for"
        )
    house = House(submission, world)
    house.first.outcome = submission.Declined
    await house.warm_up([0.5] * 20)
    house.first.outcome = "answer of first"
    after = await house.hedged_after()
    told = "20 answers, all of them Declined, took 0.5 s, and then the first door is slow"
    assert after is not None, f"{told}: no hedge"
    assert abs(after - 0.5) <= HAIR, f"{told}: a hedge after {after:.2f} s, expected 0.5 s"


@pytest.mark.points(2)
@simulate(seeds=2)
async def test_both_failing_is_a_failure(world, submission):
    """If both doors fail, the error of the one that failed last is raised, itself."""
    for first, second, last in ((0.5, 0.1, "first"), (0.05, 0.5, "second"), (0.2, 3.0, "second")):
        house = House(submission, world)
        await house.warm_up(WARM)
        house.first.takes, house.second.takes = first, second
        house.first.outcome, house.second.outcome = submission.Unavailable, ConnectionError
        got = await house.call()
        raised = house.first.raised + house.second.raised
        assert len(raised) == 2, f"both doors fail, and {len(raised)} of them did; got {got!r}"
        expected = (house.first if last == "first" else house.second).raised[-1]
        assert got is expected, f"the {last} door failed last, with {expected!r}; got {got!r}"
        house.assert_all_ended("raised")


@pytest.mark.points(3)
@pytest.mark.hint("RFC 9110 calls some methods idempotent. POST is none, unless it carries a key.")
@simulate(seeds=1)
async def test_what_must_not_be_done_twice_is_not(world, submission):
    """A request that is not idempotent never goes to the second door, slow or failed."""
    keyed = submission.Request("POST", "/payments", idempotency_key="o-17")
    for request in (submission.Request("POST", "/payments"), submission.Request("PATCH", "/cards")):
        house = House(submission, world)
        await house.warm_up(WARM)
        for outcome, takes in (
            (submission.Unavailable, 0.05),
            ("paid", 30.0),
            (TimeoutError, 30.0),
        ):
            house.first.outcome, house.first.takes = outcome, takes
            before = len(house.second.asked)
            got = await house.call(request)
            assert len(house.second.asked) == before, mistake(
                "hedges-the-unrepeatable",
                f"A {request.method} without an idempotency key went to both doors: whoever it is "
                "about pays twice.",
            )
            expected = house.first.raised[-1] if outcome != "paid" else "paid"
            assert got is expected, (
                f"the first door alone was to be asked: {expected!r}; got {got!r}"
            )
    for request in (
        keyed,
        *(submission.Request(m, "/x") for m in ("GET", "HEAD", "PUT", "DELETE")),
    ):
        house = House(submission, world)
        await house.warm_up(WARM)
        after = await house.hedged_after(request=request)
        assert after is not None, f"{request} may be sent twice, the first door is slow, no hedge"
        [*_, (_, sent)] = house.second.asked
        assert sent == request, f"the second door was asked for {sent!r}, and the first {request!r}"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_many_calls_at_once(world, submission):
    """Calls do not wait for each other, and each gets the answer to its own request."""

    async def echo(request):
        await asyncio.sleep(world.latency(request.path, 0.05, 1.0))
        return request.path

    hedge = submission.Hedge(echo, echo, ratio=1.0, reserve=1000.0)
    requests = [submission.Request("GET", f"/payments/{number}") for number in range(50)]
    began = world.time()
    got = await asyncio.gather(*map(hedge.call, requests))
    assert got == [request.path for request in requests], f"50 calls at once got {got}"
    assert world.time() - began <= 1.0 + HAIR, "50 calls of 1 s at most took longer, all at once"
