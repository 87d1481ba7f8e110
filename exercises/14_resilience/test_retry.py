"""Grades retry.py: what is tried again, when, and what comes out in the end."""

import asyncio
import traceback
from collections import Counter
from functools import partial
from statistics import mean

import pytest

from autograder.grading import mistake
from autograder.grading.benches.scripted import Scripted
from autograder.simulation import simulate

HAIR = 0.001
"""Seconds by which everything may be late."""
MANY = 400
"""Calls in one moment: enough that no chance makes a correct program look odd."""


def plenty(submission):
    """A budget that has enough for all."""
    return submission.RetryBudget(ratio=1.0, reserve=10_000.0)


async def outcome_of(coroutine):
    """What it returns, or the exception it raises, a CancelledError of its own included."""
    task = asyncio.ensure_future(coroutine)
    await asyncio.wait([task])
    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception() or task.result()


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_an_answer_is_the_result(world, submission):
    """The first attempt is made at once, and what it returns, whatever it is, is the result."""
    for answer in ("paid", None, 0, "", False):
        operation = Scripted(world, [answer], takes=0.5)
        began = world.time()
        result = await submission.retry(operation, budget=plenty(submission))
        assert operation.attempts == 1, (
            f"it answered {answer!r}, and was asked {operation.attempts} times"
        )
        assert result is answer, f"the operation returned {answer!r}, and retry {result!r}"
        assert operation.began[0] - began <= HAIR, "the first attempt was not made at once"
        assert world.time() - began <= 0.5 + HAIR, (
            f"an answer that takes 0.5 s took {world.time() - began:.2f} s"
        )


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_what_may_go_better_is_tried_again(world, submission):
    """After Unavailable, ConnectionError or TimeoutError, kinds of them too, there is a retry."""

    class Overloaded(submission.Unavailable):
        pass

    for kind in (submission.Unavailable, ConnectionError, TimeoutError, Overloaded,
                 ConnectionResetError):  # fmt: skip
        operation = Scripted(world, [kind, kind, "paid"], takes=0.1)
        result = await outcome_of(submission.retry(operation, budget=plenty(submission)))
        assert result == "paid", (
            f"the first two attempts raised {kind.__name__}, the third would have answered. After "
            f"{operation.attempts} the outcome was {result!r}"
        )
        assert operation.attempts == 3, (
            f"the third attempt answered; made were {operation.attempts}"
        )


@pytest.mark.points(3)
@pytest.mark.hint("Name what is worth another attempt. Everything else is not.")
@simulate(seeds=1)
async def test_what_cannot_go_better_is_raised_at_once(world, submission):
    """An answer and a bug are raised at once, as the first error and as a later one."""

    class CardExpired(submission.Declined):
        pass

    finals = (submission.Declined, CardExpired, TypeError, KeyError, FileNotFoundError,
              RuntimeError)  # fmt: skip
    for final in finals:
        for before in ([], [submission.Unavailable]):
            operation = Scripted(world, [*before, final, "paid"], takes=0.1)
            outcome = await outcome_of(
                submission.retry(operation, budget=plenty(submission), base=0.0)
            )
            extra = operation.attempts - len(before) - 1
            assert extra <= 0, mistake(
                "retries-the-unretryable",
                f"An attempt raised {final.__name__}, and {extra} more "
                f"{'was' if extra == 1 else 'were'} made.",
            )
            assert extra == 0, f"attempt 1 raised Unavailable, and there was no other: {outcome!r}"
            assert outcome is operation.raised[-1], (
                f"an attempt raised {operation.raised[-1]!r}, and retry {outcome!r}"
            )


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_a_cancellation_is_no_failure(world, submission):
    """An operation that ends as cancelled is not tried again."""
    operation = Scripted(world, [asyncio.CancelledError, "paid"], takes=0.1)
    outcome = await outcome_of(submission.retry(operation, budget=plenty(submission)))
    assert operation.attempts == 1, mistake(
        "retries-the-unretryable", "An attempt was cancelled, and another one was made."
    )
    assert isinstance(outcome, asyncio.CancelledError), (
        f"the operation was cancelled, and retry ended with {outcome!r}"
    )


@pytest.mark.points(2)
@simulate(seeds=5)
async def test_the_attempts_are_counted(world, submission):
    """If every attempt fails, `attempts` are made, the first included; then the error is raised."""
    for attempts in (1, 2, 5):
        operation = Scripted(world, [submission.Unavailable])
        outcome = await outcome_of(
            submission.retry(operation, budget=plenty(submission), attempts=attempts, base=1.0)
        )
        assert operation.attempts == attempts, (
            f"attempts={attempts}, and the operation was asked {operation.attempts} times"
        )
        assert isinstance(outcome, submission.Unavailable), (
            f"all {attempts} attempts raised Unavailable, and the outcome was {outcome!r}"
        )
        idle = world.time() - operation.ended[-1]
        assert idle <= HAIR, mistake(
            "pointless-wait",
            f"attempts={attempts}. The last one failed, and its error was raised {idle:.2f} s "
            "later.",
        )


@pytest.mark.points(2)
@pytest.mark.hint("An exception has notes (add_note) and a cause: `raise ... from ...`.")
@simulate(seeds=1)
async def test_the_last_error_tells_of_the_earlier_ones(world, submission):
    """The last attempt's own exception is raised, and its traceback shows the earlier ones too."""
    said = ["connection refused", "the queue is full", "no answer"]
    kinds = [ConnectionError, submission.Unavailable, TimeoutError]
    for length in (2, 3):
        script = [partial(kind, words) for kind, words in zip(kinds, said, strict=True)][:length]
        operation = Scripted(world, script)
        outcome = await outcome_of(
            submission.retry(operation, budget=plenty(submission), attempts=length)
        )
        assert operation.attempts == length, f"attempts={length}, {operation.attempts} were made"
        assert outcome is operation.raised[-1], (
            f"{length} attempts raised {operation.raised!r}; retry raised {outcome!r}, and not the "
            "last of them itself"
        )
        assert_told(outcome, said[:length], f"{length} attempts failed")


def assert_told(outcome, said, what):
    shown = "".join(traceback.format_exception(outcome))
    missing = [words for words in said if words not in shown]
    assert not missing, mistake(
        "hides-earlier-errors",
        f"{what}, and the traceback of the last error does not tell of "
        f"{', '.join(map(repr, missing))}.",
    )


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_they_are_told_however_it_ends(world, submission):
    """So it is if there is no token, or no time, for another retry."""
    said = ["connection refused", "the queue is full"]
    first, second = partial(ConnectionError, said[0]), partial(submission.Unavailable, said[1])
    asks = partial(submission.Unavailable, "429", retry_after=1000.0)
    two = submission.RetryBudget(ratio=0.0, reserve=2.0)
    # Not if the deadline ends the third: Python 3.11 chains a TimeoutError otherwise than 3.12.
    for why, last, budget in (("token", second, two), ("time", asks, plenty(submission))):
        operation = Scripted(world, [first, second, last], takes=3.0)
        outcome = await outcome_of(
            submission.retry(operation, budget=budget, base=0.0, attempts=9, deadline=100.0)
        )
        told = f"Three attempts failed, there is no {why} for another one"
        assert operation.attempts == 3, f"{told}, and there were {operation.attempts}"
        assert outcome is operation.raised[-1], f"{told}, and the outcome was {outcome!r}"
        assert_told(outcome, said, told)


async def storm(world, submission, script, **options):
    """MANY calls begin in one moment; their operations."""
    operations = [Scripted(world, script) for _ in range(MANY)]
    budget = plenty(submission)
    await asyncio.gather(
        *(outcome_of(submission.retry(op, budget=budget, **options)) for op in operations)
    )
    for operation in operations:
        assert operation.attempts == options["attempts"], (
            f"attempts={options['attempts']}, and {operation.attempts} were made"
        )
    return operations


@pytest.mark.points(3)
@pytest.mark.hint("Full jitter: anything between nothing and the bound, and not a bit around it.")
@simulate(seeds=3)
async def test_the_waits_are_random_and_bounded(world, submission):
    """Before retry n there is a wait of 0 to min(cap, base * 2**n) seconds, evenly distributed."""
    operations = await storm(
        world, submission, [submission.Unavailable], attempts=6, base=0.5, cap=3.0
    )
    for number, bound in enumerate((0.5, 1.0, 2.0, 3.0, 3.0)):
        waits = [operation.waits()[number] for operation in operations]
        check_waits(f"base=0.5, cap=3.0, {MANY} calls; wait {number + 1}", bound, waits)


def check_waits(what, bound, waits):
    """These are evenly distributed; each bound is so wide that chance alone never reaches it."""
    shortest, longest, middle = min(waits), max(waits), mean(waits)
    (usual, same), *_ = Counter(round(wait, 6) for wait in waits).most_common(1)
    assert same <= MANY / 2, mistake(
        "retries-in-step",
        f"{what}: {same} of them waited for exactly {usual:.2f} s. Who failed together comes back "
        "together.",
    )
    assert same <= MANY / 10, f"{what} may be anything; {same} of them were exactly {usual:.2f} s"
    seen = f"they were {shortest:.2f} to {longest:.2f} s, and {middle:.2f} s on average"
    assert longest <= bound + HAIR, f"{what} is {bound:g} s at most; {seen}"
    assert shortest < bound * 0.6, mistake(
        "retries-in-step",
        f"{what} may be next to nothing; {seen}. For {shortest:.2f} s nobody comes back, and then "
        "all of them do.",
    )
    assert shortest < bound * 0.15, f"{what} may be next to nothing; {seen}"
    assert longest > bound * 0.85, f"{what} may be as long as {bound:g} s; {seen}"
    assert 0.35 * bound < middle < 0.65 * bound, (
        f"{what} is {bound / 2:g} s on average, if it is evenly distributed; {seen}"
    )
    outer = sum(abs(wait - bound / 2) > bound / 4 for wait in waits)
    assert 0.35 * MANY < outer < 0.65 * MANY, (
        f"{what} is in the first or the last quarter of 0 to {bound:g} s half of the times, if it "
        f"is evenly distributed; that were {outer} of {MANY}"
    )


@pytest.mark.points(1)
@pytest.mark.hint("Where do you draw: once for a call, or once for a wait?")
@simulate(seeds=2)
async def test_each_wait_is_drawn_anew(world, submission):
    """The waits of one call have nothing to do with each other."""
    operations = await storm(
        world, submission, [submission.Unavailable], attempts=3, base=2.0, cap=2.0
    )
    pairs = [operation.waits() for operation in operations]
    alike = sum(abs(first - second) < 1e-6 for first, second in pairs)
    assert alike <= MANY / 2, mistake(
        "retries-in-step",
        f"base=2.0, cap=2.0. In {alike} of {MANY} calls the second wait was as long as the first: "
        "two calls that meet once meet again at every retry.",
    )


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_each_call_begins_with_short_waits(world, submission):
    """How often other calls were tried again makes the waits of this one no longer."""
    budget = plenty(submission)
    for number in range(20):
        operation = Scripted(world, [submission.Unavailable])
        await outcome_of(
            submission.retry(operation, budget=budget, attempts=4, base=0.5, cap=1000.0)
        )
        long = [
            f"wait {n + 1} was {wait:.2f} s, and {0.5 * 2**n:g} s is the most"
            for n, wait in enumerate(operation.waits())
            if wait > 0.5 * 2**n + HAIR
        ]
        assert not long, f"base=0.5, and {number} calls came before: {long[0]}"


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_retry_after_is_honoured(world, submission):
    """If the error has a retry_after, the wait is so much longer, also beyond `cap`."""
    asks = partial(submission.Unavailable, "429", retry_after=30.0)
    operations = await storm(world, submission, [asks], attempts=3, base=1.0, cap=2.0)
    for number, bound in enumerate((1.0, 2.0)):
        waits = [operation.waits()[number] for operation in operations]
        assert min(waits) >= 30.0 - HAIR, mistake(
            "ignores-retry-after",
            "The provider asked not to be called for 30 s, and was called after "
            f"{min(waits):.2f} s.",
        )
        check_waits(
            f"retry_after=30.0, base=1.0, cap=2.0, {MANY} calls; on top of it, wait {number + 1}",
            bound,
            [wait - 30.0 for wait in waits],
        )


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_retry_after_is_for_one_wait(world, submission):
    """The next wait is as short as any, if the next error has no retry_after."""

    class Overloaded(submission.Unavailable):
        pass

    asks = partial(Overloaded, "429", retry_after=30.0)
    operation = Scripted(world, [asks, ConnectionError, "paid"])
    await submission.retry(operation, budget=plenty(submission), base=1.0, cap=1.0)
    first, second = operation.waits()
    assert first >= 30.0 - HAIR, f"retry_after=30.0, and the wait was {first:.2f} s"
    assert second <= 1.0 + HAIR, (
        f"the first error had retry_after=30.0, the second none: base=1.0, cap=1.0, and the second "
        f"wait was {second:.2f} s"
    )


@pytest.mark.points(2)
@pytest.mark.hint("except Exception lets a CancelledError pass. So does a finally.")
@simulate(seeds=2, at_every_await=True)
async def test_cancelled_it_ends(world, submission):
    """Cancelled at whichever await, retry ends as cancelled, and nothing more is attempted."""
    operation = Scripted(world, [submission.Unavailable, ConnectionError, "paid"], takes=0.5)
    outcome = await world.interrupted(
        submission.retry(operation, budget=plenty(submission), base=4.0, deadline=1000.0)
    )
    if not outcome.fired:
        return
    made, ended = operation.attempts, world.time()
    assert isinstance(outcome.error, asyncio.CancelledError), mistake(
        "swallowed-cancellation",
        f"retry was cancelled after {made} attempts, and ended with "
        f"{outcome.error or outcome.result!r}.",
    )
    assert not operation.running, mistake(
        "leaked-task", "retry was cancelled, and when it had ended an attempt was still at work."
    )
    await asyncio.sleep(100)
    assert operation.attempts == made, (
        f"retry was cancelled and ended at {ended:.1f} s, and then another attempt was made"
    )


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_cancelled_it_ends_at_once(world, submission):
    """Cancelled while it waits for a retry, it does not sit out the wait."""
    asks = partial(submission.Unavailable, "429", retry_after=100.0)
    operation = Scripted(world, [asks])
    budget = submission.RetryBudget(ratio=0.0, reserve=1.0)
    task = asyncio.create_task(submission.retry(operation, budget=budget))
    await asyncio.sleep(10)
    task.cancel()
    await asyncio.wait([task], timeout=50)
    took = world.time() - 10
    assert task.done(), "cancelled while it waited for a retry, it waited on"
    assert took <= HAIR, f"cancelled while it waited for a retry, it ended {took:.1f} s later"
    assert task.cancelled(), f"cancelled while it waited for a retry, it ended with {task!r}"
    operation = Scripted(world, [submission.Unavailable])
    await outcome_of(submission.retry(operation, budget=budget))
    assert operation.attempts == 1, (
        "the budget had 1 token, a retry took it, and was cancelled in its wait: none is given "
        f"back, and yet another call made {operation.attempts - 1} retries"
    )
