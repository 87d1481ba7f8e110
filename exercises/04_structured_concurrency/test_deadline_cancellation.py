"""Grades deadline.py: whose cancellation it is, and what stays behind."""

import asyncio
import contextlib
import itertools

import pytest

from autograder.grading import mistake
from autograder.grading.benches.slow_service import (
    Service,
    ServiceDown,
    deadline_of,
    outcome_of,
)
from autograder.simulation import simulate

BUSY = 5_000
"""Steps in a row. A world needs 100 in all: whoever takes so many never waits."""


@pytest.mark.points(3)
@pytest.mark.hint("Whose cancellation is it? Task.cancelling() counts them, also when two come.")
@simulate(seeds=200, busy=BUSY)
async def test_a_cancellation_stays_a_cancellation(world, submission):
    """Cancelled from outside, before, at or after the deadline, a task ends with CancelledError."""
    slow = Service(world, 3600.0, tidy=2.0)
    way = world.choose(3, "way")

    async def page():
        async with deadline_of(submission, 5.0):
            if way == 0:
                await slow(None)
            elif way == 1:
                await submission.call(slow)
            else:
                async with deadline_of(submission, 4.0):
                    await submission.call(slow, at_most=5.0)

    task = asyncio.create_task(page())
    moment = (1.0, 4.0, 5.0, 0.5 + 6.3 * world.draw("moment"))[world.choose(4, "moment")]
    # With two deadlines, the one of 5 s may well interrupt the cleaning up, and the block is over.
    moment = min(moment, 4.9) if way == 2 else moment
    await asyncio.sleep(moment)
    assert not task.done(), f"it ended before it was cancelled: {task}"
    task.cancel()
    await asyncio.wait([task], timeout=60)
    assert task.done(), mistake(
        "swallowed-cancellation", "It was cancelled, and a minute later it was still at work."
    )
    became_timeout = not task.cancelled() and isinstance(task.exception(), TimeoutError)
    assert not became_timeout, mistake(
        "cancel-becomes-timeout",
        f"It was cancelled after {moment:.1f} s, and ended with TimeoutError.",
    )
    assert task.cancelled(), f"it was cancelled, and ended with {task.exception() or 'a result'}"


@pytest.mark.points(1)
@pytest.mark.hint("Before Python 3.12, wait_for leaves a task behind if it is cancelled too late.")
@simulate(seeds=10, busy=BUSY, at_every_await=True)
async def test_cancelled_at_any_moment_it_cleans_up(world, submission):
    """Cancelled at whichever await, services have cleaned up, and nothing stays behind."""
    stock = Service(world, world.latency("stock", 0.2, 0.8), tidy=0.1)
    price = Service(world, 3600.0, tidy=0.1)

    async def page():
        async with deadline_of(submission, 3.0):
            await submission.call(stock, at_most=1.0)
            try:
                await submission.call(price, at_most=1.0)
            except TimeoutError:
                return await submission.call(stock)

    outcome = await world.interrupted(page())
    assert not stock.running + price.running, (
        "the page was cancelled, and ended while a service had not finished its cleaning up"
    )
    if outcome.fired and outcome.error is not None:
        assert not isinstance(outcome.error, TimeoutError), mistake(
            "cancel-becomes-timeout", "The page was cancelled, and ended with TimeoutError."
        )
        assert isinstance(outcome.error, asyncio.CancelledError), (
            f"the page was cancelled, and raised {outcome.error!r}"
        )


@pytest.mark.points(1)
@simulate(seeds=3, busy=BUSY)
async def test_it_leaves_no_cancellation_behind(world, submission):
    """After a block or a call has run out of time, an asyncio.timeout around it still works."""
    slow = Service(world, 3600.0)
    failing = Service(world, 3600.0, tidy_error=ServiceDown("half a line in the buffer"))

    async def page(through_call, service):
        try:
            async with asyncio.timeout(30):
                with contextlib.suppress(TimeoutError, ServiceDown):
                    if through_call:
                        await submission.call(service, at_most=1.0)
                    else:
                        async with deadline_of(submission, 1.0):
                            await service(None)
                await asyncio.sleep(3600)
        except TimeoutError:
            return "ran into the outer timeout"

    for through_call, service in itertools.product((False, True), (slow, failing)):
        outcome = await outcome_of(page(through_call, service), within=600)
        how = ", and its service failed while it cleaned up" if service is failing else ""
        assert outcome != "cancelled", mistake(
            "forgotten-uncancel",
            f"A {'call' if through_call else 'block'} ran out of time{how}; later an "
            "asyncio.timeout around it did, and a CancelledError came out of it in place of "
            "TimeoutError.",
        )
        assert outcome == "ran into the outer timeout", f"the caller got {outcome!r}"


@pytest.mark.points(1)
@pytest.mark.hint("How many cancellations had been counted before your block began?")
@simulate(seeds=3, busy=BUSY)
async def test_it_works_while_a_cancelled_task_cleans_up(world, submission):
    """In the clean-up of a task that was cancelled, running out of time is a TimeoutError, too."""
    slow = Service(world, 3600.0)
    ends = []

    async def page(through_call):
        try:
            await asyncio.sleep(3600)
        finally:
            try:
                if through_call:
                    await submission.call(slow, at_most=1.0)
                else:
                    async with deadline_of(submission, 1.0):
                        await slow(None)
            except TimeoutError:
                ends.append("TimeoutError")
            except asyncio.CancelledError:
                ends.append("CancelledError")

    for through_call in (False, True):
        task = asyncio.create_task(page(through_call))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task], timeout=60)
        assert task.done(), "the clean-up had a limit of 1 s, and a minute later it went on"
        what = "call" if through_call else "block"
        assert ends, f"a {what} of 1 s called a service that takes an hour, and raised nothing"
        assert ends.pop() == "TimeoutError", (
            f"A task was cancelled, and in its finally a {what} of 1 s ran out of time. It raised "
            "CancelledError and not TimeoutError: it took the old cancellation for a new one"
        )
