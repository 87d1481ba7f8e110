"""Grades task_scope.py."""

import asyncio
import contextlib

import pytest

from autograder.grading import mistake
from autograder.grading.benches.quiet import callbacks_of_a_sleep
from autograder.grading.benches.scope_jobs import (
    Ending,
    Jobs,
    SourceDown,
    assert_group,
    ending_of,
    scope_of,
)
from autograder.simulation import simulate

BUSY = 5_000
"""Steps in a row. A world needs 100 in all: whoever takes so many never waits."""


@pytest.mark.points(1)
@simulate(seeds=30, busy=BUSY)
async def test_the_block_waits_for_its_jobs(world, submission):
    """Jobs run beside the block and each other, and have ended when the block is left."""
    jobs = Jobs(world)
    async with scope_of(submission, 3600) as scope:
        slow = scope.start(jobs.job("slow", after=world.latency("slow", 1.0, 3.0)))
        fast = scope.start(jobs.job("fast", after=world.latency("fast", 0.5, 3.0)))
        assert isinstance(slow, asyncio.Task), f"start() returned {slow!r}, which is no Task"
        await asyncio.sleep(0.1)
        assert jobs.running == {"slow", "fast"}, "a job that was started did not begin"
    assert not jobs.running, mistake(
        "leaked-task", f"The block was left while {jobs.named()} had not ended."
    )
    assert (slow.result(), fast.result()) == ("slow", "fast"), "the tasks do not give the results"
    assert not jobs.cancelled, f"{sorted(jobs.cancelled)} should not have been cancelled"


@pytest.mark.points(2)
@pytest.mark.hint("Do you look at your jobs once, or until there are none left?")
@simulate(seeds=30, busy=BUSY)
async def test_a_job_started_late_is_waited_for(world, submission):
    """A job that another job starts, when the block has long ended, is waited for as well."""
    jobs = Jobs(world)
    async with scope_of(submission, 3600) as scope:

        def start_third():
            scope.start(jobs.job("third", after=world.latency("third", 5.0, 9.0)))

        def start_second():
            scope.start(jobs.job("second", after=2.0, then=start_third))

        scope.start(jobs.job("first", after=1.0, then=start_second))
        scope.start(jobs.job("other", after=world.latency("other", 0.5, 4.0)))
    late = {"second", "third"} - (jobs.started.keys() - jobs.running)
    assert not late, mistake(
        "lost-task",
        f"The scope was over after {world.time():.1f} s, and had not waited for "
        f"{' and '.join(sorted(late))}, started by a job.",
    )


@pytest.mark.points(2)
@pytest.mark.hint("gather raises at the first failure. What do the other tasks do then?")
@simulate(seeds=50, busy=BUSY)
async def test_one_failure_ends_the_others(world, submission):
    """When a job fails, the others are cancelled, and have cleaned up before the scope ends."""
    jobs = Jobs(world)
    # A TimeoutError of a job's own is a failure like any other.
    kind = TimeoutError if world.seed % 2 else SourceDown

    async def block():
        async with scope_of(submission, 600 if world.seed % 4 == 1 else None) as scope:
            scope.start(jobs.job("stock", after=3600.0, tidy=world.latency("stock", 0.5, 3.0)))
            scope.start(jobs.job("prices", after=world.latency("prices", 0.5, 2.0),
                                 error=kind("prices")))  # fmt: skip
            scope.start(jobs.job("news", after=7200.0, tidy=world.latency("news", 0.2, 3.0)))

    ending = await ending_of(block(), within=60)
    assert ending is not None, "prices failed, and a minute later the others were still at work"
    assert not jobs.running, mistake(
        "leaked-sibling",
        f"prices failed, and the scope ended while {jobs.named()} had not ended.",
    )
    assert jobs.cancelled == {"stock", "news"}, "prices failed, but the others were not cancelled"
    assert_group(ending, ["prices"])


@pytest.mark.points(1)
@simulate(seeds=30, busy=BUSY)
async def test_a_failing_job_ends_the_block(world, submission):
    """When a job fails while the block is waiting for something, the block is cancelled."""
    jobs = Jobs(world)
    finished = []

    async def block():
        async with scope_of(submission) as scope:
            scope.start(jobs.job("prices", after=1.0, error=SourceDown("prices")))
            scope.start(jobs.job("stock", after=7200.0, tidy=0.5))
            try:
                await asyncio.sleep(3600)
            finally:
                finished.append(world.time())

    ending = await ending_of(block(), within=7300)
    assert ending is not None, "prices failed, and two hours later the scope had not ended"
    assert finished[0] < 10, f"prices failed after 1 s, and the block went on for {finished[0]} s"
    assert not ending.cancelled, (
        "prices failed, and the scope cancelled the block; that cancellation came out, "
        "although nobody had cancelled the caller"
    )
    assert_group(ending, ["prices"])


@pytest.mark.points(1)
@simulate(seeds=30, busy=BUSY)
async def test_a_failing_block_ends_the_jobs(world, submission):
    """When the block raises, the jobs are cancelled, and have ended before the scope does."""
    jobs = Jobs(world)
    closing = world.seed % 2
    trouble = SourceDown("stock, closing") if closing else None

    async def block():
        async with scope_of(submission, 3600) as scope:
            scope.start(jobs.job("stock", after=3000.0, tidy=world.latency("stock", 0.5, 3.0),
                                 tidy_error=trouble))  # fmt: skip
            await asyncio.sleep(1)
            raise SourceDown("the block")

    ending = await ending_of(block(), within=60)
    assert ending is not None, "the block raised, and a minute later its job was still at work"
    assert not jobs.running, mistake(
        "leaked-task", f"The block raised, and the scope ended while {jobs.named()} had not ended."
    )
    assert_group(ending, ["stock, closing", "the block"] if closing else ["the block"])


@pytest.mark.points(1)
@simulate(seeds=30, busy=BUSY)
async def test_all_exceptions_are_in_the_group(world, submission):
    """Every exception is in the group, also one that a job raises while it cleans up."""
    jobs = Jobs(world)

    async def block():
        async with scope_of(submission) as scope:
            scope.start(jobs.job("prices", after=1.0, error=SourceDown("prices")))
            scope.start(jobs.job("stock", after=1.0, error=SourceDown("stock")))
            scope.start(jobs.job("news", after=3600.0,
                                 tidy_error=SourceDown("news, closing")))  # fmt: skip
            if world.seed % 2:
                try:
                    await asyncio.sleep(3600)
                finally:
                    raise SourceDown("the block, closing")

    ending = await ending_of(block(), within=60)
    assert ending is not None, "prices failed, and a minute later the scope had not ended"
    of_block = ["the block, closing"] * (world.seed % 2)
    assert_group(ending, ["news, closing", "prices", "stock", *of_block])


@pytest.mark.points(2)
@pytest.mark.hint("When the block has ended, the scope waits for its jobs: is the clock running?")
@simulate(seeds=30, busy=BUSY)
async def test_the_deadline_ends_jobs_and_block(world, submission):
    """When the time is up, jobs and block are cancelled, clean up, and TimeoutError is raised."""
    for waits in (0.0, 7200.0):
        jobs = Jobs(world)
        begin = world.time()

        async def block(jobs=jobs, waits=waits):
            async with scope_of(submission, 5) as scope:
                scope.start(jobs.job("stock", after=3600.0, tidy=world.latency("stock", 0.5, 3.0)))
                scope.start(jobs.job("prices", after=1.0))
                await asyncio.sleep(waits)

        ending = await ending_of(block(), within=60)
        where = "in its block" if waits else "in a job"
        assert ending is not None, mistake(
            "deadline-not-enforced",
            f"A scope of 5 s was still at work {where} after a minute.",
        )
        took = world.time() - begin
        assert took > 4.99, f"a scope of 5 s ended after {took:.1f} s, with a job at work"
        assert not jobs.running, mistake(
            "leaked-task",
            f"The time was up, and the scope ended while {jobs.named()} had not ended.",
        )
        assert isinstance(ending.error, TimeoutError), (
            f"the time was up, but the block {ending} instead of raising TimeoutError"
        )

    async def no_jobs():
        async with scope_of(submission, 5):
            await asyncio.sleep(3600)

    ending = await ending_of(no_jobs(), within=60)
    assert isinstance(getattr(ending, "error", None), TimeoutError), (
        f"a scope of 5 s in which no job was started {ending or 'was at work after a minute'}"
    )


@pytest.mark.points(1)
@pytest.mark.hint("0 is false in Python, and it is not None.")
@simulate(seeds=5, busy=BUSY)
async def test_no_time_is_a_limit_too(world, submission):
    """With 0 seconds, a scope that waits for anything raises TimeoutError."""
    jobs = Jobs(world)

    async def block():
        async with scope_of(submission, 0) as scope:
            scope.start(jobs.job("stock", after=3600.0))

    ending = await ending_of(block(), within=60)
    assert ending is not None, "a scope of 0 s was still at work in a job after a minute"
    assert isinstance(ending.error, TimeoutError), (
        f"a scope of 0 s had a job of an hour, and the block {ending} instead of raising "
        "TimeoutError"
    )


@pytest.mark.points(1)
@simulate(seeds=1, steps=2_000_000, busy=BUSY)
async def test_without_a_deadline_it_takes_as_long_as_it_takes(world, submission):
    """Without `seconds`, and with seconds to spare, a scope ends when its jobs do."""
    jobs = Jobs(world)
    usual = await callbacks_of_a_sleep(world, 7200)
    async with scope_of(submission) as scope:
        scope.start(jobs.job("slow", after=4000.0))
    assert "slow" not in jobs.running | jobs.cancelled, "a job was cancelled; there was no limit"
    begin = world.time()
    async with scope_of(submission, 3600) as scope:
        scope.start(jobs.job("fast", after=1.0))
    took = world.time() - begin
    assert took < 2, f"the job took 1 s and the scope {took:.0f} s"
    # What would come late now is not meant for us any more.
    late = await callbacks_of_a_sleep(world, 7200) - usual
    assert not late, (
        "the scope was over in time, and later it had the event loop woken, to run "
        f"{late} callback(s)"
    )


@pytest.mark.points(2)
@pytest.mark.hint(
    "If you are cancelled while you wait for jobs that clean up: who goes on waiting?"
)
@simulate(seeds=4, busy=BUSY, at_every_await=True)
async def test_cancelled_at_any_moment_it_leaves_nothing_running(world, submission):
    """If the task around a scope is cancelled, at whichever await, every job ends before it."""
    jobs = Jobs(world)

    async def block():
        async with scope_of(submission, 60) as scope:
            scope.start(jobs.job("stock", after=world.latency("stock", 1.0, 3.0), tidy=0.5))
            await asyncio.sleep(0.2)
            scope.start(jobs.job("prices", after=2.0, tidy=world.latency("prices", 0.5, 3.0)))
            await asyncio.sleep(0.2)

    outcome = await world.interrupted(block())
    assert not jobs.running, mistake(
        "leaked-task", f"The scope was cancelled, and ended while {jobs.named()} had not ended."
    )
    if outcome.fired and outcome.error is not None:
        assert isinstance(outcome.error, asyncio.CancelledError), (
            f"the scope was cancelled, but raised {outcome.error!r}"
        )


@pytest.mark.points(1)
@pytest.mark.hint("Cancelled twice: does the second time interrupt the waiting for the jobs?")
@simulate(seeds=50, busy=BUSY)
async def test_a_cancellation_goes_on_to_the_caller(world, submission):
    """A scope that is cancelled, even five times, waits for its jobs, then ends as cancelled."""
    jobs = Jobs(world)

    async def block():
        async with scope_of(submission, 600) as scope:
            scope.start(jobs.job("stock", after=300.0, tidy=2.0))
            scope.start(jobs.job("prices", after=world.latency("prices", 0.5, 2.0)))
        return "went on"

    task = asyncio.create_task(block())
    await asyncio.sleep(0.1 + 3 * world.draw("when"))
    task.cancel()
    for _ in range(world.choose(5, "how often")):
        await asyncio.sleep(0.4)
        task.cancel()
    await asyncio.wait([task], timeout=100)
    assert task.done(), mistake(
        "swallowed-cancellation", "The scope was cancelled, and 100 s later it was still waiting."
    )
    ending = Ending(task)
    assert ending.result is None, mistake(
        "swallowed-cancellation",
        "The task was cancelled while it waited in the scope, and then it went on.",
    )
    assert ending.cancelled, f"the scope was cancelled, but it {ending}"
    assert not jobs.running, mistake(
        "leaked-task", f"The scope was cancelled, and ended while {jobs.named()} had not ended."
    )


@pytest.mark.points(1)
@pytest.mark.hint("Whose cancellation is it? Task.cancelling() counts them, also when two come.")
@simulate(seeds=20, busy=BUSY)
async def test_a_cancellation_after_its_time_goes_on(world, submission):
    """A scope that is cancelled after its time was up, while it cleans up, ends as cancelled."""
    jobs = Jobs(world)

    async def block():
        async with scope_of(submission, 5) as scope:
            scope.start(jobs.job("stock", after=3600.0, tidy=3.0))

    task = asyncio.create_task(block())
    moment = 5.2 + 2.6 * world.draw("when")
    await asyncio.sleep(moment)
    assert not task.done(), "the time was up, and the scope ended before its job had cleaned up"
    task.cancel()
    await asyncio.wait([task], timeout=100)
    assert task.done(), mistake(
        "swallowed-cancellation", "The scope was cancelled, and 100 s later it was still waiting."
    )
    ending = Ending(task)
    assert not isinstance(ending.error, TimeoutError), mistake(
        "cancel-becomes-timeout",
        "The time was up after 5.0 s, and while a job was cleaning up, somebody cancelled the task "
        f"around the scope, after {moment:.1f} s. It ended with TimeoutError, as if nobody had.",
    )
    assert ending.cancelled, f"the task around the scope was cancelled, but it {ending}"
    assert not jobs.running, mistake(
        "leaked-task", f"The scope was cancelled, and ended while {jobs.named()} had not ended."
    )


@pytest.mark.points(1)
@simulate(seeds=5, busy=BUSY)
async def test_a_job_cancelled_by_hand_is_no_failure(world, submission):
    """When a job is cancelled by hand, the others go on and nothing is raised."""
    jobs = Jobs(world)

    async def block():
        async with scope_of(submission, 60) as scope:
            other = scope.start(jobs.job("other", after=5.0))
            unwanted = scope.start(jobs.job("unwanted", after=30.0, tidy=0.5))
            await asyncio.sleep(1)
            unwanted.cancel()
        return other.result()

    ending = await ending_of(block(), within=60)
    assert ending is not None, "the scope did not end"
    assert ending.result == "other", f"one job was cancelled by hand, and the block {ending}"


@pytest.mark.points(1)
@pytest.mark.hint("task.cancel() on yourself is counted: Task.uncancel() takes it back.")
@simulate(seeds=5, busy=BUSY)
async def test_a_scope_leaves_no_cancellation_behind(world, submission):
    """After a scope that failed or ran out of time, an asyncio.timeout around it still works."""
    jobs = Jobs(world)

    async def failing(scope):
        scope.start(jobs.job("prices", after=0.5, error=SourceDown("prices")))
        await asyncio.sleep(3600)

    async def slow(scope):
        scope.start(jobs.job("stock", after=3600.0))
        await asyncio.sleep(7200)

    async def block(body):
        try:
            async with asyncio.timeout(30):
                try:
                    async with scope_of(submission, 10) as scope:
                        await body(scope)
                except* (SourceDown, TimeoutError):
                    await asyncio.sleep(1)  # the caller goes on
                await asyncio.sleep(3600)
        except TimeoutError:
            return "ran into the outer timeout"

    for body in (failing, slow):
        ending = await ending_of(block(body), within=600)
        assert ending is not None, "an asyncio.timeout around the scope did not end it"
        assert not ending.cancelled, mistake(
            "forgotten-uncancel",
            "The scope was over, an asyncio.timeout around it ran out, and a CancelledError came "
            "out of it in place of TimeoutError.",
        )
        assert ending.result == "ran into the outer timeout", f"the caller {ending}"


@pytest.mark.points(1)
@simulate(seeds=1, busy=BUSY)
async def test_after_its_end_nothing_can_be_started(world, submission):
    """Starting a job when the scope has ended is a RuntimeError."""
    jobs = Jobs(world)
    for how, seconds, error in (
        ("well", 60, None),
        ("with an ExceptionGroup", 60, SourceDown("prices")),
        ("with TimeoutError", 0.5, None),
    ):
        with contextlib.suppress(ExceptionGroup, TimeoutError, SourceDown):
            async with scope_of(submission, seconds) as scope:
                scope.start(jobs.job("prices", after=1.0, error=error))
        late, raised = jobs.job("late", after=1.0), False
        try:
            scope.start(late)
        except RuntimeError:
            raised = True
        finally:
            if not raised:
                await asyncio.sleep(2)
            late.close()
        assert raised, f"a scope had ended {how}, and start() did not raise RuntimeError"
