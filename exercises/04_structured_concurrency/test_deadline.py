"""Grades deadline.py."""

import asyncio
import contextlib

import pytest

from autograder.grading import mistake
from autograder.grading.benches.slow_service import (
    Service,
    ServiceDown,
    deadline_of,
    near,
    outcome_of,
    said,
)
from autograder.simulation import simulate

BUSY = 5_000
"""Steps in a row. A world needs 100 in all: whoever takes so many never waits."""


async def time_left_after(submission, block):
    with contextlib.suppress(Exception):
        await block
    return submission.time_left()


@pytest.mark.points(1)
@simulate(seeds=30, busy=BUSY)
async def test_when_the_time_is_up_the_block_raises(world, submission):
    """When the time is up, what the block waits for cleans up, and TimeoutError is raised."""
    slow = Service(world, 3600.0, tidy=world.latency("tidy", 0.2, 2.0))

    async def page():
        async with deadline_of(submission, 2.0):
            await slow(None)

    outcome = await outcome_of(page(), within=7200)
    took = world.time()
    assert took < 60, f"a block with a deadline of 2 s took {took:.0f} s"
    assert not slow.running, "TimeoutError was raised while the service was still cleaning up"
    assert isinstance(outcome, TimeoutError), f"expected TimeoutError, the block gave {outcome!r}"
    assert took > 1.99, f"the deadline was 2 s, and the block ended after {took:.2f} s"
    left = await outcome_of(time_left_after(submission, page()))
    assert left is None, f"a block has raised TimeoutError; after it time_left() is {said(left)}"


@pytest.mark.points(1)
@pytest.mark.hint("Whoever sets an alarm and is done early: who takes the alarm back?")
@simulate(seeds=30, busy=BUSY)
async def test_a_block_in_time_leaves_no_timer(world, submission):
    """A block and a call that are over in time have no effect later."""

    async def page():
        async with deadline_of(submission, 2.0):
            await submission.call(Service(world, world.latency("takes", 0.1, 0.9)), at_most=1.0)
        assert submission.time_left() is None, (
            f"after the block time_left() is {said(submission.time_left())}; there is no deadline"
        )
        await asyncio.sleep(30)
        return "in time"

    outcome = await outcome_of(page())
    struck = outcome == "cancelled" or isinstance(outcome, TimeoutError)
    assert not struck, mistake(
        "stale-wakeup",
        f"The block was over in time, and {world.time():.1f} s after it had begun, the code behind "
        "it was cancelled.",
    )
    if isinstance(outcome, BaseException):
        raise outcome
    assert outcome == "in time"


@pytest.mark.points(2)
@pytest.mark.hint("What does your inner deadline do with the outer one?")
@simulate(seeds=5, busy=BUSY)
async def test_the_earliest_deadline_counts(world, submission):
    """A deadline inside another one can make the time shorter, but not longer."""
    seen = []

    async def below(seconds):
        async with deadline_of(submission, seconds):
            seen.append(submission.time_left())
            await asyncio.sleep(3600)

    async def page(outer, inner):
        async with deadline_of(submission, outer):
            await below(inner)

    for outer, inner, earliest in ((2.0, 10.0, 2.0), (10.0, 2.0, 2.0), (4.0, 5.0, 4.0)):
        begin = world.time()
        outcome = await outcome_of(page(outer, inner), within=7200)
        took = world.time() - begin
        assert not (inner > outer and near(seen[-1], inner)), mistake(
            "timeout-per-hop",
            f"In a deadline of {outer} s a deadline of {inner} s began, and time_left() was "
            f"{seen[-1]} s: the inner block has a budget of its own.",
        )
        assert near(seen[-1], earliest), (
            f"in deadlines of {outer} s and {inner} s, time_left() is {said(seen[-1])}"
        )
        assert near(took, earliest), f"deadlines of {outer} s and {inner} s took {took:.1f} s"
        assert isinstance(outcome, TimeoutError), f"TimeoutError was expected, not {outcome!r}"


@pytest.mark.points(1)
@simulate(seeds=30, busy=BUSY)
async def test_time_left_runs_down(world, submission):
    """time_left() runs down in the block, in tasks started there too, and is None outside."""
    assert submission.time_left() is None, "there is no deadline, and time_left() is not None"
    pause = world.latency("pause", 0.5, 3.0)

    async def in_a_task():
        await asyncio.sleep(pause)
        return submission.time_left()

    async with deadline_of(submission, 10.0):
        left = submission.time_left()
        assert left is not None, "in a block, time_left() is None"
        assert near(left, 10.0), f"at the beginning of 10 s, time_left() is {said(left)}"
        first, second = await asyncio.gather(in_a_task(), asyncio.create_task(in_a_task()))
        for left in (first, second, submission.time_left()):
            assert left is not None, "in a task that was started in the block, time_left() is None"
            assert near(left, 10.0 - pause), (
                f"{pause:.2f} s after the beginning of 10 s, time_left() is {said(left)}"
            )
        async with deadline_of(submission, 1.0):
            pass
        left = submission.time_left()
        assert left is not None, "after an inner block, time_left() is None"
        assert near(left, 10.0 - pause), (
            f"after an inner block has ended, time_left() is {said(left)}, and should be "
            f"{10.0 - pause:.2f}"
        )
    assert submission.time_left() is None, "after the block, time_left() is not None"


@pytest.mark.points(2)
@pytest.mark.hint("A variable of the module is one for all tasks. contextvars has another kind.")
@simulate(seeds=50, busy=BUSY)
async def test_each_visitor_has_a_deadline_of_their_own(world, submission):
    """Visitors at the same time do not see each other's deadlines."""

    async def visit(name, seconds):
        await world.pause(f"{name} comes", 0.1, 0.4)
        async with deadline_of(submission, seconds):
            began = world.time()
            await asyncio.sleep(0.5 - began)
            left = submission.time_left()
            await world.pause(f"{name} goes", 0.1, 0.4)
            return seconds - (0.5 - began), left

    async def nobody():
        await asyncio.sleep(0.5)
        return None, submission.time_left()

    visits = await asyncio.gather(visit("ada", 5.0), visit("bob", 50.0), nobody())
    for expected, left in visits:
        right = left is None if expected is None else near(left, expected)
        others = [other for other, _ in visits if other is not None and other != expected]
        assert right or not any(near(left, other) for other in others), mistake(
            "context-in-a-global",
            f"time_left() is {said(left)} for somebody who has "
            f"{'no deadline' if expected is None else f'{expected:.2f} s'}: it is another "
            "visitor's.",
        )
        assert right, f"time_left() is {said(left)}, expected was {said(expected)}"


@pytest.mark.points(2)
@simulate(seeds=5, busy=BUSY)
async def test_a_call_is_told_what_is_left(world, submission):
    """A service is told at_most or what is left of the budget, whichever is smaller."""
    hops = [Service(world, 0.8) for _ in range(3)]

    async def page():
        async with deadline_of(submission, 2.0):
            for hop in hops:
                await submission.call(hop, at_most=1.0)

    outcome = await outcome_of(page())
    assert [len(hop.told) for hop in hops] == [1, 1, 1], "a service was not called exactly once"
    first, second, third = (hop.told[0] for hop in hops)
    assert near(first, 1.0), f"the first call was told {said(first)}, and at_most was 1.0"
    assert near(second, 1.0), f"the second call was told {said(second)}, and at_most was 1.0"
    assert not near(third, 1.0), mistake(
        "timeout-per-hop",
        "After 1.6 s of 2 s, the third call was told that it has a second; 0.4 s were left.",
    )
    assert near(third, 0.4), f"the third call was told {said(third)}; 0.4 s were left"
    assert isinstance(outcome, TimeoutError), f"the third call was too slow: {outcome!r}"
    plain = Service(world, 1.0)
    await submission.call(plain, at_most=5.0)
    await submission.call(plain)
    assert near(plain.told[0], 5.0), f"at_most was 5.0, and told was {said(plain.told[0])}"
    assert plain.told[1] is None, (
        f"without a deadline and at_most, a call was told {said(plain.told[1])} instead of None"
    )
    async with deadline_of(submission, 3.0):
        await submission.call(plain)
    assert near(plain.told[-1], 3.0), f"with 3 s left and no at_most, told {said(plain.told[-1])}"


@pytest.mark.points(2)
@simulate(seeds=50, busy=BUSY)
async def test_all_hops_share_one_budget(world, submission):
    """However many calls there are, below each other and one after another, the budget is one."""
    tax = Service(world, world.latency("tax", 0.5, 0.9), tidy=0.1)

    async def price(seconds):
        await world.pause("price", 0.2, 0.4)
        for _ in range(3):
            await submission.call(tax, at_most=1.0)

    async def page():
        async with deadline_of(submission, 2.0):
            await submission.call(Service(world, world.latency("login", 0.2, 0.9)), at_most=1.0)
            for _ in range(4):
                with contextlib.suppress(ServiceDown):
                    await submission.call(price, at_most=10.0)

    outcome = await outcome_of(page())
    took = world.time()
    assert took < 2.3, mistake(
        "timeout-per-hop",
        f"The page had 2 s, and took {took:.1f} s: its calls added up.",
    )
    assert isinstance(outcome, TimeoutError), f"the time was up, and the page gave {outcome!r}"
    assert not tax.running, "the page has raised TimeoutError, and a service is still at work"


@pytest.mark.points(2)
@simulate(seeds=30, busy=BUSY)
async def test_a_slow_service_is_given_up(world, submission):
    """A call that takes longer than at_most raises TimeoutError, and what is left can be used."""
    slow = Service(world, 3600.0, tidy=world.latency("tidy", 0.1, 0.4))
    quick = Service(world, 0.2, answer="from the cache")

    async def page():
        async with deadline_of(submission, 3.0):
            try:
                return await submission.call(slow, at_most=1.0)
            except TimeoutError:
                assert not slow.running, "call raised while the service was still cleaning up"
                return await submission.call(quick)

    outcome = await outcome_of(page())
    assert quick.told, f"a call had at_most=1.0, took longer, and did not raise: {outcome!r}"
    assert near(quick.told[0], 3.0 - slow.ended[0]), (
        f"{3.0 - slow.ended[0]:.2f} s were left, and the next call was told {said(quick.told[0])}"
    )
    assert outcome == "from the cache", f"the block gave {outcome!r}"


@pytest.mark.points(1)
@simulate(seeds=5, busy=BUSY)
async def test_without_time_nobody_is_asked(world, submission):
    """If no time is left, call raises TimeoutError and does not call the service."""
    audit = Service(world, 0.1)
    heard = []

    async def page():
        async with deadline_of(submission, 1.0):
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0.1)
                heard.append(submission.time_left())
                try:
                    await submission.call(audit, at_most=1.0)
                except TimeoutError:
                    heard.append("TimeoutError")

    outcome = await outcome_of(page())
    assert heard[0] == 0.0, f"the deadline is over, and time_left() is {said(heard[0])}, not 0.0"
    assert not audit.told, (
        f"no time was left, and the service was called with {said(audit.told[0])}"
    )
    assert heard[1:] == ["TimeoutError"], "no time was left, and call did not raise TimeoutError"
    assert isinstance(outcome, TimeoutError), f"the block gave {outcome!r}, not TimeoutError"


@pytest.mark.points(1)
@pytest.mark.hint("A service may have timeouts of its own: its TimeoutError is not yours.")
@simulate(seeds=1, busy=BUSY)
async def test_what_a_service_raises_comes_through(world, submission):
    """Results and exceptions come through as they are, a service's own TimeoutError as well."""
    for error in (ServiceDown("stock"), TimeoutError("the database was busy")):

        async def page(error=error):
            async with deadline_of(submission, 5.0), deadline_of(submission, 9.0):
                await submission.call(Service(world, 0.5, error=error), at_most=1.0)

        outcome = await outcome_of(page())
        assert outcome is error, f"the service raised {error!r}, and {outcome!r} came out"
        left = await outcome_of(time_left_after(submission, page()))
        assert left is None, f"a block raised {error!r}; after it time_left() is {said(left)}"
    for given in (None, 0, []):
        async with deadline_of(submission, 5.0):
            answer = await submission.call(Service(world, 0.5, answer=given))
        assert answer is given, f"the service answered {given!r}, and {answer!r} came out"
