"""Grades circuit_breaker.py: slow, late and cancelled calls, and a provider on a bad day."""

import asyncio
import contextlib

import pytest

from autograder.grading import mistake
from autograder.grading.benches.breaker_line import HAIR, Line
from autograder.grading.benches.provider import Customers, Provider
from autograder.grading.benches.scripted import Scripted
from autograder.simulation import simulate


@pytest.mark.points(2)
@simulate(seeds=2)
async def test_a_slow_call_is_a_failure(world, submission):
    """A call that takes more than `timeout` seconds is ended: TimeoutError, and it has failed."""
    line = Line(submission, world, timeout=4.0)
    calls = []
    for _ in range(3):
        call = line.start("paid", takes=3600.0)
        calls.append(call)
        await asyncio.wait([call.task], timeout=5.0)
        assert call.task.done(), mistake(
            "deadline-not-enforced", "timeout=4.0, and after 5 s a call was still under way."
        )
        assert isinstance(call.error, TimeoutError), f"timeout=4.0, a call takes an hour; {call}"
        took = call.ended - call.began
        assert abs(took - 4.0) <= HAIR, f"timeout=4.0, and a call was ended after {took:.2f} s"
        assert not call.operation.running, (
            "a call has timed out, and its operation is still running"
        )
    call = await line.call("paid")
    assert call.refused, f"{line.settings}: three calls took too long, and then a call came; {call}"
    await asyncio.sleep(10.0)
    probe = line.start("paid", takes=3600.0)
    await asyncio.wait([probe.task], timeout=5.0)
    assert probe.let_through, "the cooldown was over, and a call was refused"
    assert isinstance(probe.error, TimeoutError), f"timeout=4.0, the probe takes an hour; {probe}"
    call = await line.call("paid")
    assert call.refused, f"timeout=4.0, the probe took too long, and then a call came; {call}"


@pytest.mark.points(3)
@pytest.mark.hint("A customer who closes the page says nothing about the provider.")
@simulate(seeds=1)
async def test_a_cancelled_call_does_not_count(world, submission):
    """However many callers give up, by a cancellation or a timeout of theirs, it stays closed."""
    line = Line(submission, world)
    await line.go("CCCCCC")
    call = await line.call("paid")
    assert call.let_through, mistake(
        "counts-cancellation-as-failure",
        f"{line.settings}. Six customers closed the page, no call failed, and the breaker opened.",
    )
    line = Line(submission, world)
    for _ in range(6):
        call = line.start("paid", takes=5.0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(call.task), 0.1)
        call.task.cancel()
        await call.end()
        own = await line.call(asyncio.CancelledError)
        assert own.task.cancelled(), f"an operation ended as cancelled, and its call did not: {own}"
    call = await line.call("paid")
    assert call.let_through, mistake(
        "counts-cancellation-as-failure",
        f"{line.settings}. Operations were cancelled, no call failed, and the breaker opened.",
    )
    line = Line(submission, world)
    await line.go("FFCCCCCCF")
    call = await line.call("paid")
    assert call.refused, (
        f"{line.settings}: of the calls that count the last three failed (FFCCCCCCF, C is "
        f"cancelled), and the next one was not refused: {call}"
    )


@pytest.mark.points(3)
@pytest.mark.hint("The probe has three ways to end: it succeeds, it fails, it says nothing.")
@simulate(seeds=2, at_every_await=True)
async def test_a_cancelled_probe_blocks_nobody(world, submission):
    """If the probe is cancelled, at whichever await, the next call is the probe, at once."""
    line = Line(submission, world)
    await line.half_open()
    operation = Scripted(world, ["paid"], takes=5.0)
    outcome = await world.interrupted(line.breaker.call(operation))
    if not outcome.fired:
        return
    assert isinstance(outcome.error, asyncio.CancelledError), mistake(
        "swallowed-cancellation",
        f"A call was cancelled, and ended with {outcome.error or outcome.result!r}.",
    )
    assert not operation.running, "a call was cancelled and has ended, and its operation has not"
    call = await line.call("paid", takes=1.0)
    if not call.let_through:
        assert call.error.retry_after <= HAIR, mistake(
            "counts-cancellation-as-failure",
            "The probe was cancelled, and the breaker opened again as if the probe had failed: "
            f"retry_after is {call.error.retry_after:.1f}.",
        )
        await assert_that_it_is_not_stuck(line, "was cancelled")
        raise AssertionError("the probe was cancelled, and the next call was refused all the same")
    call = await line.call("paid")
    assert call.let_through, "the second probe succeeded, and the next call was refused"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_a_probe_that_says_nothing_decides_nothing(world, submission):
    """After a probe that ended with a bug or a cancellation it is half-open still: one probe."""
    for letter in "BC":
        line = Line(submission, world)
        await line.half_open()
        [probe] = await line.go(letter)
        assert probe.let_through, "the cooldown was over, and a call was refused"
        what = "ended with a bug of ours" if letter == "B" else "was cancelled"
        crowd = [line.start(submission.Unavailable, takes=2.0) for _ in range(10)]
        await asyncio.sleep(1.0)
        through = [call for call in crowd if call.let_through]
        if not through:
            left = crowd[0].error.retry_after
            assert left <= HAIR or letter == "B", mistake(
                "counts-cancellation-as-failure",
                f"The probe {what}, and the breaker opened again: retry_after is {left:.1f}.",
            )
            await assert_that_it_is_not_stuck(line, what)
        assert through, f"the probe {what}, and then 10 calls came: all were refused"
        assert len(through) == 1, (
            f"the probe {what}, which decides nothing, and {len(through)} of the next 10 calls "
            "were let through at once"
        )
        await through[0].end()
        call = await line.call("paid")
        assert call.refused, f"the second probe failed, a call came, and {call}"


async def assert_that_it_is_not_stuck(line, what):
    """One cooldown later it lets a call through, at least."""
    await asyncio.sleep(line.options["cooldown"] + 1.0)
    call = await line.call("paid")
    assert call.let_through, mistake(
        "stuck-half-open",
        f"The probe {what}, and since then every call is refused: the breaker waits for a probe "
        "that has gone.",
    )


@pytest.mark.points(2)
@pytest.mark.hint("When did this call begin: before the breaker opened, or after?")
@simulate(seeds=1)
async def test_late_results_do_not_count_while_it_is_open(world, submission):
    """What began before it opened neither closes it nor lengthens its cooldown."""
    await assert_that_it_closes_after_a_cooldown(submission, world)
    for late, what in ((submission.Unavailable, "failed"), ("paid", "succeeded")):
        line = Line(submission, world)
        slow = [line.start(late, takes=5.0) for _ in range(4)]
        await line.go("FFF")
        opened = world.time()
        call = await line.call("paid")
        assert call.refused, f"three calls failed in a row, failures=3, and another one: {call}"
        await asyncio.gather(*(call.end() for call in slow))
        for call in slow:
            assert call.let_through, "the breaker was closed, and a call was refused"
            assert not call.refused, "a call began while it was closed, and was refused later"
        call = await line.call("paid")
        assert call.refused, mistake(
            "late-result-counts",
            f"The breaker opened; calls that had begun before {what} after that, and it let the "
            "next call through.",
        )
        await asyncio.sleep(opened + 10.0 + HAIR - world.time())
        call = await line.call("paid")
        assert call.let_through, mistake(
            "late-result-counts",
            f"cooldown=10.0. The breaker opened at {opened:.1f} s, calls that had begun before "
            f"{what} at 5 s, and at {world.time():.1f} s a call was refused.",
        )


async def assert_that_it_closes_after_a_cooldown(submission, world):
    """If nothing ends late."""
    line = Line(submission, world)
    await line.go("FFF")
    opened = world.time()
    for after in (0.0, 5.0):
        await asyncio.sleep(opened + after - world.time())
        call = await line.call("paid")
        assert call.refused, f"cooldown=10.0; {after:g} s after it had opened a call came; {call}"
    await asyncio.sleep(opened + 10.0 + HAIR - world.time())
    call = await line.call("paid")
    assert call.let_through, f"cooldown=10.0; 10 s after it had opened a call came; {call}"


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_late_results_do_not_decide_for_the_probe(world, submission):
    """What began before it opened does not count while it is half-open, nor after it has closed."""
    for late, what in ((submission.Unavailable, "failed"), ("paid", "succeeded")):
        line = Line(submission, world)
        slow = [line.start(late, takes=12.0) for _ in range(4)]
        later = [line.start(submission.Unavailable, takes=20.0) for _ in range(4)]
        await line.go("FFF")
        opened = world.time()
        await asyncio.sleep(opened + 10.0 + HAIR - world.time())
        probe = line.start("paid", takes=5.0)
        other = await line.call("paid")
        assert other.refused, f"a probe was under way, another call came, and {other}"
        assert abs(other.error.retry_after) <= HAIR, (
            f"a probe was under way, and retry_after was {other.error.retry_after:.1f}, not 0.0"
        )
        await asyncio.gather(*(call.end() for call in slow))
        await asyncio.sleep(1.0)
        other = line.start("paid", takes=0.1)
        await other.end()
        assert probe.let_through, "the cooldown was over, and a call was refused"
        assert not other.let_through, mistake(
            "late-result-counts",
            f"A probe was under way. Calls that had begun before the breaker opened {what}, and "
            "the next call was let through, although the probe had not ended.",
        )
        assert other.error.retry_after >= -HAIR, (
            f"a probe was under way, and retry_after was {other.error.retry_after:.1f}, not 0.0"
        )
        assert other.error.retry_after <= HAIR, mistake(
            "late-result-counts",
            f"A probe was under way. Calls that had begun before the breaker opened {what}, and it "
            f"opened anew: retry_after is {other.error.retry_after:.1f}.",
        )
        await probe.end()
        call = await line.call("paid")
        assert call.let_through, mistake(
            "late-result-counts",
            f"The probe succeeded. Calls that had begun before the breaker opened {what} while it "
            "was under way, and the next call was refused.",
        )
        call = await line.call("paid")
        assert call.let_through, (
            "the probe had succeeded, one call had gone well, and the next was refused: after a "
            "probe the breaker begins to count anew"
        )
        await asyncio.gather(*(call.end() for call in later))
        call = await line.call("paid")
        assert call.let_through, mistake(
            "late-result-counts",
            "The probe had succeeded and the breaker was closed. Then four calls failed that had "
            "begun before it opened, and it opened again because of yesterday's news.",
        )
    line = Line(submission, world)
    slow = [line.start("paid", takes=30.0) for _ in range(5)]
    await line.go("FFF")
    await asyncio.sleep(10.0)
    await line.go("SFF")
    await asyncio.gather(*(call.end() for call in slow))
    await line.go("F")
    call = await line.call("paid")
    assert call.refused, (
        f"{line.settings}. A probe succeeded, and then three calls failed. Between them five ended "
        f"well that had begun before the breaker opened, which do not count; the next call: {call}"
    )


@pytest.mark.points(1)
@simulate(seeds=2, at_every_await=True)
async def test_cancelled_it_ends(world, submission):
    """If a call is cancelled, its operation is, and the cancellation goes on."""
    line = Line(submission, world)
    operation = Scripted(world, ["paid"], takes=5.0)
    outcome = await world.interrupted(line.breaker.call(operation))
    if outcome.fired:
        assert isinstance(outcome.error, asyncio.CancelledError), mistake(
            "swallowed-cancellation",
            f"A call was cancelled, and ended with {outcome.error or outcome.result!r}.",
        )
        assert not operation.running, (
            "a call was cancelled and has ended, and its operation has not"
        )


# -- a bad day ---------------------------------------------------------------------------------


async def stubborn(line, provider):
    """A shop that tries four times, and gives up when it is refused."""
    for _ in range(3):
        with contextlib.suppress(line.submission.Unavailable, TimeoutError):
            return await line.breaker.call(provider.take_payment)
        await asyncio.sleep(0.1)
    return await line.breaker.call(provider.take_payment)


async def bad_day(world, submission, outage, *, outage_for, seconds):
    """Ten customers a second; an outage begins after 15 s."""
    provider = Provider(world, submission.Unavailable, capacity=16.0)
    line = Line(submission, world, failures=5, window=10, cooldown=10.0, timeout=5.0)
    customers = Customers(world, lambda: stubborn(line, provider), rate=10.0)

    async def weather():
        await asyncio.sleep(15)
        outage(provider, True)
        await asyncio.sleep(outage_for)
        outage(provider, False)

    await asyncio.gather(customers.come(seconds), weather())
    stuck = await customers.settle()
    assert not stuck, f"{stuck} calls never ended"
    before = customers.share(0, 14)
    assert before > 0.9, f"in good times {before:.0%} of the customers can pay"
    return provider, customers


def slow(provider, begins):
    provider.slower = 10.0 if begins else 1.0


def down(provider, begins):
    provider.down = begins


@pytest.mark.points(2)
@simulate(seeds=2)
async def test_a_slow_provider_comes_back(world, submission):
    """A provider that has more to do than it can is left alone until it has worked that off."""
    provider, customers = await bad_day(world, submission, slow, outage_for=15, seconds=90.0)
    after = customers.share(65, 90)
    load = provider.asked_between(60, 90) / 30
    assert after > 0.9, (
        "10 customers a second, each of whom tries four times; the provider was slow from second "
        f"15 to 30. It was asked {load:.0f} times a second after second 60, it can serve 16, and "
        f"of those who came after second 65 {after:.0%} could pay"
    )


@pytest.mark.points(2)
@simulate(seeds=2)
async def test_minutes_of_outage(world, submission):
    """While the provider is down for two minutes, it is asked about once in a cooldown."""
    provider, customers = await bad_day(world, submission, down, outage_for=120, seconds=160.0)
    asked, came = (
        provider.asked_between(15, 135),
        sum(15 <= at < 135 for at, _ in customers.outcomes),
    )
    most = 120 / 10 + 30  # some until it opens, and one in each cooldown
    assert asked <= most, (
        f"The provider was down for two minutes, and {came} customers came. With cooldown=10.0 it "
        f"should be asked about {120 / 10:.0f} times after the first failures; it was asked {asked}"
    )
    probes = provider.asked_between(30, 135)
    assert probes >= 8, (
        f"cooldown=10.0; in 105 s of the outage the provider was asked {probes} times"
    )
    after = customers.share(146, 160)
    assert after > 0.9, (
        f"the provider is back, cooldown=10.0, and 11 s later {after:.0%} of the customers can pay"
    )
