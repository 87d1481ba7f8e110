"""Grades circuit_breaker.py: when it opens, what it lets through, and when it closes."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.breaker_line import HAIR, Line
from autograder.simulation import simulate


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_closed_it_lets_all_through(world, submission):
    """While it is closed, calls get what their operations return or raise, all at once."""
    line = Line(submission, world)
    for value in ("paid", None, 0, False):
        call = await line.call(value)
        assert call.error is None, f"the operation returned {value!r}, and {call}"
        assert call.task.result() is value, f"the operation returned {value!r}, and {call}"
    calls = [line.start("paid", takes=2.0) for _ in range(20)]
    await asyncio.gather(*(call.end() for call in calls))
    late = max(call.ended - call.began for call in calls)
    assert late <= 2.0 + HAIR, (
        f"20 calls of 2 s each began in one moment, and the last one ended after {late:.1f} s"
    )
    refused = [call for call in calls if not call.let_through]
    assert not refused, (
        "no call has failed: 'paid', None, 0 and False were returned; and of the next 20 calls "
        f"{len(refused)} were refused"
    )
    for kind in (submission.Unavailable, submission.Declined, ConnectionResetError, ValueError):
        call = await Line(submission, world).call(kind)
        assert call.let_through, f"a new breaker is closed, and {call}"
        [raised] = call.operation.raised
        assert call.error is raised, f"the operation raised {raised!r}, and {call}"


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_it_opens_after_some_failures(world, submission):
    """After `failures` failed calls it is open: the next call is refused at once."""
    kinds = (submission.Unavailable, ConnectionError, TimeoutError, ConnectionResetError)
    for kind in kinds:
        line = Line(submission, world)
        calls = [await line.call(kind) for _ in range(3)]
        missed = [call for call in calls if not call.let_through]
        assert not missed, f"{line.settings}: of 3 calls {len(missed)} were refused"
        refused = await line.call("paid")
        assert not refused.let_through, (
            f"{line.settings}: 3 calls raised {kind.__name__}, and the next one was let through"
        )
        assert refused.refused, f"the breaker is open, a call came, and {refused}"
        took = refused.ended - refused.began
        assert took <= HAIR, f"the breaker is open, and it took {took:.1f} s to refuse a call"


@pytest.mark.points(2)
@pytest.mark.hint("A success moves one place along the window. It does not wipe it clean.")
@simulate(seeds=1)
async def test_a_success_in_between_does_not_hide_failures(world, submission):
    """It opens when `failures` of the last `window` calls have failed, in a row or not."""
    await assert_that_it_opens_at_all(submission, world)
    for pattern in ("FFSF", "SSSSFFSF", "SSSSSSFSFF", "FSFSF", "FSSFF", "SSSFFSSF"):
        line = Line(submission, world)
        calls = await line.go(pattern)
        early = [call for call in calls if not call.let_through]
        assert not early, f"{line.settings}: calls went {pattern}, and {len(early)} were refused"
        call = await line.call("paid")
        message = (
            f"{line.settings}. Of the last five calls three failed ({pattern}, S is a success), "
            "and the next one was let through."
        )
        if pattern[-4:].count("F") == 3:  # also in a window that is one too small
            assert call.refused, mistake("counts-in-a-row", message)
        assert call.refused, message


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_old_failures_are_forgotten(world, submission):
    """Failures that are more than `window` calls old do not count any more."""
    rare = ("F" + 19 * "S") * 3 + "F"
    for pattern in (rare, "FSSSSFSSSSFSSSSF", "FFSSSFSSSF", "FSSFSSFSSFSSFSS"):
        line = Line(submission, world)
        calls = await line.go(pattern + "S")
        assert calls[0].let_through, "a new breaker refused its first call"
        refused = [call for call in calls if not call.let_through]
        message = (
            f"{line.settings}. Calls went {pattern} (S is a success), never three failures in "
            f"five, and it opened: {len(refused)} were refused."
        )
        if pattern == rare:
            assert not refused, mistake("never-forgets", message)
        assert not refused, message


@pytest.mark.points(1)
@pytest.mark.hint("When does the breaker hear of a call: as it begins, or as it ends?")
@simulate(seeds=1)
async def test_calls_count_in_the_order_in_which_they_ended(world, submission):
    """The last `window` calls are those that ended last, whenever they began."""
    line = Line(submission, world)
    slow = [line.start(submission.Unavailable, takes=9.0) for _ in range(3)]
    await line.go("SSSSS")
    await asyncio.gather(*(call.end() for call in slow))
    call = await line.call("paid")
    assert call.refused, (
        f"{line.settings}. Three calls began first and ended last, and failed; five that went well "
        f"ended before them. Of the last five three have failed, and the next call: {call}"
    )
    line = Line(submission, world)
    slow = [line.start("paid", takes=9.0) for _ in range(5)]
    await line.go("FF")
    await asyncio.gather(*(call.end() for call in slow))
    await line.go("F")
    call = await line.call("paid")
    assert call.let_through, (
        f"{line.settings}. Five calls began first; then two failed, then the five went well, and "
        "then one failed. Of the last five that have ended one has failed, and the next was refused"
    )


@pytest.mark.points(2)
@pytest.mark.hint("Has the provider answered?")
@simulate(seeds=1)
async def test_an_answer_is_no_failure(world, submission):
    """A declined card is a success of the provider: it opens nothing, and counts."""
    line = Line(submission, world)
    calls = await line.go("DDDDDDDDS")
    assert calls[-1].let_through, mistake(
        "counts-answers-as-failures",
        f"{line.settings}. Cards were declined, the provider has answered each time, and the "
        "breaker opened.",
    )
    for pattern in ("FDDDFDF", "FFDDDFF"):
        line = Line(submission, world)
        calls = await line.go(pattern[:-1])
        refused = [call for call in calls if not call.let_through]
        assert not refused, (
            f"{line.settings}: calls went {pattern[:-1]} (D is declined, a success), and "
            f"{len(refused)} were refused"
        )


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_a_bug_says_nothing(world, submission):
    """Another exception, a bug of ours, is neither a failure nor a success."""
    line = Line(submission, world)
    calls = await line.go("BBBBBBBBS")
    assert calls[-1].let_through, f"{line.settings}: our own KeyErrors opened the breaker"
    for _ in range(5):
        await line.call(FileNotFoundError)
    call = await line.call("paid")
    assert call.let_through, (
        f"{line.settings}: five FileNotFoundErrors opened the breaker. They are OSErrors, as a "
        "ConnectionError is, and say nothing about the provider"
    )
    line = Line(submission, world)
    await line.go("FFBBBBBBF")
    call = await line.call("paid")
    assert call.refused, (
        f"{line.settings}: of the calls that count the last three failed (FFBBBBBBF, B is a bug of "
        f"ours), and the next one was not refused: {call}"
    )


@pytest.mark.points(2)
@simulate(seeds=2)
async def test_open_it_refuses_for_the_cooldown(world, submission):
    """For `cooldown` seconds every call is refused at once, and told how many of them are left."""
    line = Line(submission, world)
    await line.go("FFF")
    opened = world.time()
    for after in (0.0, 3.0, 9.9):
        await asyncio.sleep(opened + after - world.time())
        call = await line.call("paid")
        assert not call.let_through, (
            f"cooldown=10.0; {after:g} s after it had opened, a call was let through"
        )
        assert call.refused, f"the breaker is open, a call came, and {call}"
        left = call.error.retry_after
        assert abs(left - (10.0 - after)) <= HAIR, (
            f"cooldown=10.0; {after:g} s after it had opened, retry_after was {left!r}, and "
            f"{10.0 - after:.1f} s were left"
        )
    await asyncio.sleep(opened + 10.0 + HAIR - world.time())
    call = await line.call("paid")
    assert call.let_through, "cooldown=10.0; 10 s after it had opened, a call was refused"


@pytest.mark.points(3)
@pytest.mark.hint(
    "Who is first, and how do the others know? Look, decide, note it: without an await."
)
@simulate(seeds=3)
async def test_one_call_is_the_probe(world, submission):
    """After the cooldown one call is let through; until it has ended all others are refused."""
    line = Line(submission, world)
    await line.half_open()
    crowd = [line.start("paid", takes=3.0) for _ in range(20)]
    await asyncio.sleep(1.0)
    crowd += [line.start("paid", takes=3.0) for _ in range(5)]
    await asyncio.sleep(HAIR)
    through = [call for call in crowd if call.let_through]
    assert len(through) <= 1, mistake(
        "thundering-probe",
        f"The cooldown was over, and 25 calls came within a second: {len(through)} of them were "
        "let through to a provider of which nobody knew whether it was back.",
    )
    assert through, "the cooldown was over, and of 25 calls none was let through"
    others = [call for call in crowd if call is not through[0]]
    waiting = [call for call in others if not call.task.done()]
    assert not waiting, (
        f"a probe was under way, and {len(waiting)} of 24 other calls were not refused at once"
    )
    assert all(call.refused for call in others), f"a probe was under way; another call: {others[0]}"
    told = {call.error.retry_after for call in others}
    assert all(abs(left) <= HAIR for left in told), (
        f"a probe was under way, and the others were told retry_after={max(told)!r}; expected 0.0"
    )
    await through[0].end()


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_a_good_probe_closes_it(world, submission):
    """If the probe succeeds, an answer of no included, it is closed, and counts anew."""
    for good in "SD":
        line = Line(submission, world)
        await line.half_open()
        [probe] = await line.go(good)
        assert probe.let_through, "the cooldown was over, and a call was refused"
        calls = [line.start("paid", takes=1.0) for _ in range(10)]
        await asyncio.gather(*(call.end() for call in calls))
        refused = [call for call in calls if not call.let_through]
        what = "succeeded" if good == "S" else "was declined: the provider has answered,"
        assert not refused, f"the probe {what} and then {len(refused)} of 10 calls were refused"
        line = Line(submission, world)
        await line.half_open()
        calls = await line.go(good + "FFS")
        assert calls[-1].let_through, (
            f"{line.settings}: the probe succeeded, two calls failed after it, and the breaker was "
            "open: it still counts failures of the time before"
        )
        calls = await line.go("SSSSFFS")
        assert calls[-1].let_through, (
            f"{line.settings}: after a probe that succeeded the calls went FFSSSSSFFS, never three "
            "failures in five, and the breaker was open"
        )


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_a_failed_probe_opens_it_again(world, submission):
    """If the probe fails, it is open again, for a whole cooldown from then."""
    line = Line(submission, world)
    await line.half_open()
    await asyncio.sleep(5.0)
    for _ in range(3):
        probe = await line.call(submission.Unavailable, takes=2.0)
        assert probe.let_through, "the cooldown was over, and a call was refused"
        call = await line.call("paid")
        assert not call.let_through, "the probe failed, and the next call was let through"
        left = call.error.retry_after
        assert abs(left - 10.0) <= HAIR, (
            f"cooldown=10.0; the probe has just failed, and retry_after is {left:.2f}"
        )
        await asyncio.sleep(9.9)
        call = await line.call("paid")
        assert not call.let_through, (
            "cooldown=10.0; 9.9 s after a failed probe a call was let through"
        )
        await asyncio.sleep(0.1 + HAIR)


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_each_breaker_is_for_itself(world, submission):
    """What one breaker has seen is nothing to another."""
    one, other = Line(submission, world), Line(submission, world)
    await one.open()
    call = await other.call("paid")
    assert call.let_through, "one breaker opened, and another one refused a call"


async def assert_that_it_opens_at_all(submission, world):
    await Line(submission, world).open()
