"""Grades graceful_shutdown.py."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.service_desk import (
    Desk,
    Request,
    assert_cleaned_up,
    counted,
    end_of,
)
from autograder.simulation import simulate

BUSY = 5_000
"""Steps in a row. A world needs 100 in all: whoever takes so many never waits."""


@pytest.mark.points(1)
@simulate(seeds=20, busy=BUSY)
async def test_requests_are_handled_at_the_same_time(world, submission):
    """Each request is handled as soon as it comes, whatever others are in flight."""
    desk = Desk(world)
    task = desk.start(submission)
    desk.add(Request("slow", takes=60.0), Request("quick", takes=world.latency("quick", 0.5, 3.0)))
    await asyncio.sleep(5)
    desk.add(Request("late", takes=1.0))
    await asyncio.sleep(5)
    desk.assert_running()
    assert desk.done == ["quick", "late"], (
        f"after 10 s the requests of 3 s and less should be done; done are {desk.done}"
    )
    desk.sigterm()
    await end_of(task, within=120)


@pytest.mark.points(1)
@simulate(seeds=5, busy=BUSY)
async def test_a_handler_that_raises_stops_nothing(world, submission):
    """A handler that raises is counted, and the others go on."""
    desk = Desk(world)
    task = desk.start(submission)
    desk.add(Request("bad", takes=1.0, fails=True), Request("good", takes=4.0))
    await asyncio.sleep(2)
    desk.assert_running()
    desk.add(Request("next", takes=1.0))
    await asyncio.sleep(4)
    assert desk.done == ["next", "good"], f"a handler raised, and of the others, done: {desk.done}"
    desk.sigterm()
    summary = await end_of(task, within=60)
    expected = {"done": 2, "failed": 1, "cancelled": 0}
    assert counted(summary) == expected, f"the summary is {summary!r}, expected {expected}"


@pytest.mark.points(2)
@pytest.mark.hint("A loop that looks at a flag looks only when something has come in.")
@simulate(seeds=20, busy=BUSY)
async def test_an_idle_service_stops_at_once(world, submission):
    """A service that waits for a request stops at the signal, without waiting for one to come."""
    desk = Desk(world, clean_up_takes=world.latency("clean-up", 0.1, 2.0))
    task = desk.start(submission)
    await asyncio.sleep(5)
    desk.sigterm()
    summary = await end_of(task, within=60)
    took = world.time() - desk.signalled
    assert took < 4, f"nothing was in flight, and stopping took {took:.0f} s"
    assert_cleaned_up(desk, "was told to stop")
    expected = {"done": 0, "failed": 0, "cancelled": 0}
    assert counted(summary) == expected, f"the summary is {summary!r}, expected {expected}"


@pytest.mark.points(2)
@simulate(seeds=50, busy=BUSY)
async def test_what_is_in_flight_is_finished(world, submission):
    """Requests in flight at the signal are finished, if they can be within the grace period."""
    desk = Desk(world)
    task = desk.start(submission, grace=10.0)
    requests = [Request(name, takes=world.latency(name, 2.0, 8.0)) for name in ("a", "b", "c")]
    bad = [Request("bad", takes=1.5, fails=True)] * (world.seed % 2)  # and that disturbs nobody
    desk.add(*bad, *requests)
    await asyncio.sleep(1)
    desk.sigterm()
    await asyncio.wait([task], timeout=60)
    lost = desk.accepted.keys() - {"bad"} - set(desk.done)
    assert not lost, mistake(
        "drops-in-flight",
        f"{', '.join(sorted(lost))} had been accepted and needed 8 s or less, with a grace of "
        f"10 s, and was not finished.{' Another one had failed.' * len(bad)}",
    )
    summary = await end_of(task, within=0)
    slowest = max(request.takes for request in requests)
    assert world.time() < slowest + 1.1, (
        f"after {slowest:.1f} s all was finished, and clean_up took 1 s; serve ended after "
        f"{world.time():.1f} s"
    )
    assert_cleaned_up(desk, "was told to stop")
    expected = {"done": 3, "failed": len(bad), "cancelled": 0}
    assert counted(summary) == expected, f"the summary is {summary!r}, expected {expected}"


@pytest.mark.points(2)
@simulate(seeds=20, busy=BUSY)
async def test_nothing_is_accepted_after_the_signal(world, submission):
    """What comes in after the signal stays where it is, for somebody else."""
    desk = Desk(world)
    task = desk.start(submission)
    desk.add(Request("early", takes=world.latency("early", 3.0, 6.0)))
    await asyncio.sleep(1)
    desk.sigterm()
    await asyncio.sleep(world.latency("later", 0.1, 1.0))
    desk.add(Request("late"), Request("later"))
    await end_of(task, within=60)
    late = sorted(desk.accepted.keys() - {"early"})
    assert not late, f"{', '.join(late)} came in after the signal, and was accepted"
    assert desk.waiting.qsize() == 2, "a request that came in after the signal was taken away"
    assert "early" in desk.done, mistake("drops-in-flight", "early was accepted and not finished.")


@pytest.mark.points(2)
@pytest.mark.hint("If a request and the signal come together: who looks at the request?")
@simulate(seeds=60, busy=BUSY)
async def test_a_request_in_the_moment_of_the_signal(world, submission):
    """A request that comes in the moment of the signal is handled, or left for somebody else."""
    desk = Desk(world)
    task = desk.start(submission)
    await asyncio.sleep(1)
    how = world.choose(4, "how")
    if how == 1:
        desk.sigterm()
    desk.add(Request("last", takes=1.0))
    if how == 2:
        await asyncio.sleep(0)
    if how == 3:
        for _ in range(2):
            await asyncio.sleep(0)
    if how != 1:
        desk.sigterm()
    await end_of(task, within=60)
    lost = "last" in desk.accepted and "last" not in desk.done
    assert not lost, mistake(
        "drops-in-flight",
        "receive had returned a request when the signal came, and nobody handled it.",
    )
    assert "last" in desk.accepted or desk.waiting.qsize() == 1, "the last request has vanished"


@pytest.mark.points(2)
@pytest.mark.hint("How long does your code wait for the slowest request?")
@simulate(seeds=30, busy=BUSY)
async def test_the_rest_is_cancelled(world, submission):
    """After the grace period the rest is cancelled, has time to clean up, and serve ends."""
    desk = Desk(world)
    usual = world.seed % 2
    grace = 10.0 if usual else 5.0
    task = desk.start(submission, None if usual else grace)
    tidy, tidy_too = world.latency("tidy", 0.5, 3.0), world.latency("tidy too", 0.5, 3.0)
    desk.add(Request("endless", takes=36_000.0, tidy=tidy), Request("short", takes=4.0))
    desk.add(Request("endless too", takes=36_000.0, tidy=tidy_too))
    await asyncio.sleep(1)
    desk.sigterm()
    summary = await end_of(task, within=60)
    took = world.time() - desk.signalled
    assert "short" in desk.done, mistake(
        "drops-in-flight",
        f"short needed 3 s more, the grace was {grace:.0f} s, and it was not done.",
    )
    for name in ("endless", "endless too"):
        assert name in desk.cancelled, f"{name} was not cancelled, and serve ended"
        assert f"{name}, cleaned up" in desk.cancelled, (
            f"{name} was cancelled, and serve ended before it had cleaned up"
        )
    assert_cleaned_up(desk, "was told to stop")
    longer = max(tidy, tidy_too)
    assert abs(took - (grace + longer + 1.0)) < 0.1, (
        f"{grace:.0f} s of grace, {tidy:.1f} s and {tidy_too:.1f} s in which two requests clean up "
        f"and 1 s for clean_up make {grace + longer + 1:.1f} s, and serve ended {took:.1f} s after "
        "the signal"
    )
    expected = {"done": 1, "failed": 0, "cancelled": 2}
    assert counted(summary) == expected, f"the summary is {summary!r}, expected {expected}"


@pytest.mark.points(1)
@simulate(seeds=50, busy=BUSY)
async def test_further_signals_change_nothing(world, submission):
    """More signals, while requests are finished or while clean_up runs, change nothing."""
    desk = Desk(world, clean_up_takes=4.0)
    task = desk.start(submission, grace=5.0)
    desk.add(Request("short", takes=4.0), Request("endless", takes=36_000.0, tidy=3.0))
    await asyncio.sleep(1)
    desk.sigterm()
    for number in range(3):
        await asyncio.sleep(world.latency(f"signal {number}", 0.5, 3.9))
        desk.sigterm()
    summary = await end_of(task, within=60)
    took = world.time() - desk.signalled
    assert_cleaned_up(desk, "got four signals")
    expected = {"done": 1, "failed": 0, "cancelled": 1}
    assert counted(summary) == expected, f"the summary is {summary!r}, expected {expected}"
    assert "endless, cleaned up" in desk.cancelled, "a further signal interrupted a handler"
    assert abs(took - 12.0) < 0.1, (
        "5 s of grace, 3 s and 4 s of cleaning up make 12.0 s, and serve ended "
        f"{took:.1f} s after the first signal"
    )


@pytest.mark.points(2)
@pytest.mark.hint("Where in your code can clean_up be interrupted, and who would wait for it then?")
@simulate(seeds=5, busy=BUSY, at_every_await=True)
async def test_cancelled_at_any_moment_it_cleans_up(world, submission):
    """If serve is cancelled, at whichever await, handlers end first, and clean_up runs once."""
    desk = Desk(world, clean_up_takes=world.latency("clean-up", 0.5, 2.0))
    loop = asyncio.get_running_loop()
    desk.add(Request("endless", takes=36_000.0, tidy=0.5))
    loop.call_later(0.5, desk.add, Request("short", takes=2.0))
    loop.call_later(1.0, desk.sigterm_if_possible)
    loop.call_later(1.5, desk.add, Request("late", takes=1.0))
    outcome = await world.interrupted(desk.serve(submission, grace=4.0))
    if outcome.fired:
        assert_cleaned_up(desk, "was cancelled")
        assert not desk.running, f"serve was cancelled, and {desk.running} had not ended"
        tidied = "endless" not in desk.cancelled or "endless, cleaned up" in desk.cancelled
        assert tidied, "serve was cancelled, and a handler's cleaning up was interrupted"
    if outcome.fired and outcome.error is not None:
        assert isinstance(outcome.error, asyncio.CancelledError), (
            f"serve was cancelled, and raised {outcome.error!r}"
        )


@pytest.mark.points(2)
@pytest.mark.hint("The caller has been told that it is cancelled only if CancelledError comes out.")
@simulate(seeds=80, busy=BUSY)
async def test_a_cancellation_goes_on_to_the_caller(world, submission):
    """Cancelled, even again and again, serve gives no grace, cleans up to the end, and says so."""
    desk = Desk(world, clean_up_takes=2.0)
    task = desk.start(submission, grace=100.0)
    desk.add(Request("endless", takes=36_000.0, tidy=2.0))
    await asyncio.sleep(1)
    desk.assert_running()
    if world.chance(0.5, "signalled"):
        desk.sigterm()
        await asyncio.sleep(1)
    task.cancel()
    begin = world.time()
    times = world.choose(5, "how often")
    for _ in range(times):
        await asyncio.sleep((0.1 + 3.7 * world.draw("again")) / times)
        task.cancel()
    await asyncio.wait([task], timeout=300)
    assert task.done(), mistake(
        "never-stops", "serve was cancelled, and five minutes later it was still running."
    )
    assert "endless, cleaned up" in desk.cancelled, (
        "serve was cancelled, and ended before its handler had cleaned up"
    )
    assert_cleaned_up(desk, "was cancelled")
    assert task.cancelled() or task.exception() is not None, mistake(
        "swallowed-cancellation", f"serve was cancelled, and returned {task.result()!r}."
    )
    assert task.cancelled(), f"serve was cancelled, and raised {task.exception()!r}"
    took = world.time() - begin
    assert took < 4.1, f"cancelled, with 2 s and 2 s of cleaning up, serve took {took:.1f} s"


@pytest.mark.points(1)
@pytest.mark.hint("What becomes of a CancelledError that comes while clean_up runs?")
@simulate(seeds=30, busy=BUSY)
async def test_cancelled_at_the_very_end_it_says_so(world, submission):
    """Cancelled only while handlers or clean_up clean up, serve finishes, and is cancelled."""
    desk = Desk(world, clean_up_takes=2.0)
    task = desk.start(submission, grace=1.0)
    desk.add(Request("endless", takes=36_000.0, tidy=2.0))
    await asyncio.sleep(1)
    desk.sigterm()
    await asyncio.sleep(1.2 + 3.6 * world.draw("when"))
    assert not task.done(), "serve had 5 s of work to do after the signal, and ended before"
    task.cancel()
    for _ in range(world.seed % 3):
        await asyncio.sleep(0.2 * world.draw("again"))
        task.cancel()
    await asyncio.wait([task], timeout=60)
    assert task.done(), mistake(
        "never-stops", "serve was cancelled while it cleaned up, and a minute later it still ran."
    )
    assert "endless, cleaned up" in desk.cancelled, (
        "serve was cancelled, and ended before its handler had cleaned up"
    )
    assert_cleaned_up(desk, "was cancelled")
    assert task.cancelled() or task.exception() is not None, mistake(
        "swallowed-cancellation",
        f"serve was cancelled while it cleaned up, and returned {task.result()!r}.",
    )
    assert task.cancelled(), f"serve was cancelled, and raised {task.exception()!r}"


@pytest.mark.points(1)
@simulate(seeds=10, busy=BUSY)
async def test_if_receive_fails_it_stops_in_order(world, submission):
    """If receive raises, what is in flight is finished, clean_up runs, and the error is raised."""
    desk = Desk(world)
    task = desk.start(submission, grace=10.0)
    desk.add(Request("short", takes=world.latency("short", 2.0, 8.0)))
    if world.seed % 2:
        desk.add(Request("endless", takes=36_000.0, tidy=1.0))
    await asyncio.sleep(1)
    desk.assert_running()
    error = ConnectionError("the queue is gone")
    desk.add(error)
    await asyncio.wait([task], timeout=60)
    assert task.done(), mistake(
        "never-stops", "receive raised, and a minute later serve was still running."
    )
    assert "short" in desk.done, mistake(
        "drops-in-flight", "receive raised, and a request in flight was not finished."
    )
    assert_cleaned_up(desk, "could not receive any more")
    assert not task.cancelled(), f"receive raised {error!r}, and serve ended as cancelled"
    assert task.exception() is error, (
        f"receive raised {error!r}, and serve raised {task.exception()!r}"
    )
