"""Grades token_bucket.py."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.callers import HAIR, LONG, Callers, assert_times, take
from autograder.grading.benches.quiet import callbacks_of_a_sleep
from autograder.simulation import simulate

BUSY = 10_000
"""Steps in a row. A world needs 200 in all: whoever takes so many never waits."""

TASKS = frozenset({"leaked-task"})
"""A bucket that keeps a task going is told so once, and by what it costs."""


@pytest.mark.points(1)
@simulate(seeds=1, busy=BUSY, ignore=TASKS)
async def test_a_full_bucket_gives_at_once(world, submission):
    """A new bucket gives `burst` tokens at once, in small portions or in one."""
    bucket = submission.TokenBucket(rate=5, burst=10)
    times = await take(world, bucket, 10)
    assert_times(times, [0.0] * 10, "10 calls for one of 10 tokens each")
    bucket = submission.TokenBucket(rate=5, burst=10)
    await bucket.acquire(10)
    assert world.time() < HAIR, f"10 of 10 tokens were given after {world.time():.3f} s"


@pytest.mark.points(2)
@pytest.mark.hint("How long is it until the missing tokens are there? Sleep for so long.")
@simulate(seeds=1, busy=BUSY, ignore=TASKS)
async def test_an_empty_bucket_gives_at_its_rate(world, submission):
    """From an empty bucket each caller is served as soon as its tokens have dripped in."""
    for rate in (5, 3, 0.7):
        start = world.time()
        bucket = submission.TokenBucket(rate=rate, burst=10)
        await bucket.acquire(10)
        times = [time - start for time in await take(world, bucket, 8)]
        assert_times(times, [n / rate for n in range(1, 9)], f"{rate} tokens/s: 8 calls for one")
        start = world.time()
        times = [time - start for time in await take(world, bucket, 3, cost=4)]
        assert_times(times, [n * 4 / rate for n in range(1, 4)], f"{rate} tokens/s: calls for 4")


@pytest.mark.points(1)
@simulate(seeds=10, busy=BUSY, ignore=TASKS)
async def test_tokens_drip_in_while_nobody_looks(world, submission):
    """After a pause the tokens that have dripped in are there; only the rest is waited for."""
    bucket = submission.TokenBucket(rate=2, burst=10)
    await bucket.acquire(10)
    pause = 0.25 + world.latency("pause", 0.0, 3.0)
    await asyncio.sleep(pause)
    await bucket.acquire(7)
    expected = max(3.5, pause)
    assert_times([world.time()], [expected], f"2 tokens/s, empty, {pause:.3f} s later 7: they")


@pytest.mark.points(2)
@pytest.mark.hint("What stops the number of tokens from growing while nobody calls?")
@simulate(seeds=1, busy=BUSY, ignore=TASKS)
async def test_a_long_rest_saves_up_no_more_than_a_burst(world, submission):
    """However long nobody called, no more than `burst` tokens are given at once."""
    bucket = submission.TokenBucket(rate=5, burst=10)
    fresh = await take(world, bucket, 11)
    assert fresh[10] > 0, "a new bucket of 10 gave 11 tokens at once"
    await asyncio.sleep(60)
    rested = world.time()
    at_once = sum(time - rested < HAIR for time in await take(world, bucket, 25))
    assert at_once <= 11, mistake(
        "burst-too-large",
        f"After a minute's rest {at_once}{' or more' * (at_once == 25)} tokens were given at once; "
        "burst is 10.",
    )
    assert at_once == 10, f"after a minute's rest {at_once} tokens were given at once; burst is 10"


@pytest.mark.points(1)
@pytest.mark.hint("Is the counter set back once a second? Call just before that, and just after.")
@simulate(seeds=1, busy=BUSY, ignore=TASKS)
async def test_no_two_bursts_come_together(world, submission):
    """In a twentieth of a second no more than a burst is given, whenever it begins."""
    guard = submission.TokenBucket(rate=5, burst=5)
    times = await take(world, guard, 6)
    assert times[5] > times[0] + 0.1, "a new bucket of 5 gave 6 tokens within a tenth of a second"
    start = world.time()
    bucket = submission.TokenBucket(rate=5, burst=5)
    await bucket.acquire()
    await asyncio.sleep(0.95)
    times = [time - start for time in await take(world, bucket, 10)]
    given = sum(time < 1.05 for time in times)
    assert given <= 6, mistake(
        "burst-too-large",
        f"{given} tokens were given between 0.95 s and 1.05 s; burst is 5, at 5 tokens/s.",
    )
    assert given == 5, f"a full bucket of 5 gave {given} tokens within a tenth of a second"


@pytest.mark.points(2)
@pytest.mark.hint("Two callers sleep until the same token is there, and both take it?")
@simulate(seeds=1, busy=BUSY, ignore=TASKS)
async def test_waiting_callers_share_what_drips_in(world, submission):
    """Of five callers that wait for one token each, one is served a second at 1 token/s."""
    bucket = submission.TokenBucket(rate=1, burst=1)
    alone = await take(world, bucket, 3)
    assert_times(alone, [0.0, 1.0, 2.0], "1 token/s: three calls, one after another,")
    callers = Callers(world, bucket)
    for number in range(5):
        callers.call(f"caller {number}")
    stuck = await callers.settle()
    assert not stuck, f"five callers waited, and {', '.join(stuck)} was never served"
    times = sorted(callers.served.values())
    together = max(times.count(time) for time in times)
    assert together == 1, mistake(
        "check-then-act",
        f"{together} callers were served in one moment, {times[0]:.3f} s, and one token was there.",
    )
    assert_times(times, [3.0, 4.0, 5.0, 6.0, 7.0], "1 token/s: five callers that wait")


@pytest.mark.points(2)
@pytest.mark.hint("One token is there; somebody has long been waiting for six. Who may have it?")
@simulate(seeds=8, busy=BUSY, ignore=TASKS)
async def test_callers_are_served_in_the_order_of_their_calls(world, submission):
    """Callers are served in the order of their calls, whatever each wants, each at its time."""
    bucket = submission.TokenBucket(rate=2, burst=6)
    await bucket.acquire(6)
    callers = Callers(world, bucket)
    costs = {"ada": 2, "bob": 6, "cem": 1, "dia": 3, "eva": 1}
    expected, given = [], 0
    for name, cost in costs.items():
        callers.call(name, cost)
        given += cost
        expected.append(given / 2)
        await asyncio.sleep(world.latency("next", 0.0, 0.3) / 4)
    stuck = await callers.settle()
    assert not stuck, f"{', '.join(stuck)} was never served"
    order = list(callers.served)
    assert order == list(costs), (
        f"they called in the order {', '.join(costs)} and were served in the order "
        f"{', '.join(order)} (bob wants 6 tokens, the others fewer)"
    )
    assert_times(list(callers.served.values()), expected, f"2 tokens/s: {', '.join(costs)}")


@pytest.mark.points(1)
@simulate(seeds=1, busy=BUSY, ignore=TASKS)
async def test_a_newcomer_does_not_pass_those_who_wait(world, submission):
    """Tokens that are there are for those who wait already, not for who has just come."""
    bucket = submission.TokenBucket(rate=1, burst=5)
    await bucket.acquire(5)
    callers = Callers(world, bucket)
    callers.call("ada", 4)
    await asyncio.sleep(2.5)
    callers.call("bob", 1)
    stuck = await callers.settle()
    assert not stuck, f"{', '.join(stuck)} was never served"
    assert list(callers.served) == ["ada", "bob"], (
        f"ada had waited 2.5 s for 4 tokens when bob came for one, and bob was served first, "
        f"after {callers.served['bob']:.1f} s"
    )
    assert_times(list(callers.served.values()), [4.0, 5.0], "ada and bob")

    async def changes_her_mind():
        try:
            await bucket.acquire(5)
        except asyncio.CancelledError:
            await bucket.acquire(1)
            served.append("eve")

    bucket, served = submission.TokenBucket(rate=1, burst=5), []
    await bucket.acquire(5)
    start = world.time()
    eve = asyncio.create_task(changes_her_mind(), name="eve")
    await asyncio.sleep(0.1)
    callers = Callers(world, bucket)
    callers.call("fay", 3, then=lambda: served.append("fay"))
    await asyncio.sleep(3.4)
    eve.cancel()
    stuck = await callers.settle()
    await asyncio.wait([eve], timeout=LONG)
    assert eve.done(), "eve was cancelled, came again, and was never served"
    assert not stuck, "eve, who was first in the line, was cancelled, and fay was never served"
    assert served == ["fay", "eve"], (
        "fay waited for 3 tokens. eve, before her, was cancelled and came again for one at once, "
        f"behind fay; served were {', '.join(served)}"
    )
    assert_times(
        [callers.served["fay"] - start], [3.5], "fay (3 tokens), behind eve, who was cancelled,"
    )


@pytest.mark.points(2)
@pytest.mark.hint("You know when the tokens will be there. One sleep is enough.")
@simulate(seeds=1, busy=BUSY, ignore=TASKS)
async def test_who_waits_does_not_wake_up_to_look(world, submission):
    """Who waits for 4 seconds sleeps for 4 seconds."""
    bucket = submission.TokenBucket(rate=12.5, burst=50)
    await bucket.acquire(50)
    before = world.loop.steps
    await bucket.acquire(50)
    turns = world.loop.steps - before
    assert world.time() > 3.9, f"50 tokens at 12.5 tokens/s were given after {world.time():.1f} s"
    assert turns < 30, mistake(
        "refill-by-polling",
        f"While one caller waited for 4 s, the event loop was woken to run {turns} callbacks; "
        "one sleep is enough.",
    )
    callers = Callers(world, bucket)
    for name in ("ada", "bob", "cem"):
        callers.call(name, 50)
    await asyncio.sleep(0.1)
    before = world.loop.steps
    await asyncio.sleep(3.8)
    turns = world.loop.steps - before
    assert turns < 30, mistake(
        "refill-by-polling",
        f"While three callers waited in line for 3.8 s, the event loop was woken to run {turns} "
        "callbacks; those behind the first one have nothing to look for.",
    )
    await callers.settle()


@pytest.mark.points(1)
@simulate(seeds=1, busy=BUSY, ignore=TASKS)
async def test_nothing_runs_while_nobody_waits(world, submission):
    """A bucket that nobody waits for keeps no task and no timer going."""
    bucket = submission.TokenBucket(rate=5, burst=10)
    await bucket.acquire(10)
    await bucket.acquire(1)
    before = world.loop.steps
    await asyncio.sleep(10)
    turns = world.loop.steps - before
    assert turns < 30, mistake(
        "refill-by-polling",
        f"Nobody waited for 10 s, and the event loop was woken to run {turns} callbacks.",
    )
    usual = await callbacks_of_a_sleep(world, 10)
    await bucket.acquire(10)
    task = asyncio.create_task(bucket.acquire(10), name="only one")
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.wait([task])
    more = await callbacks_of_a_sleep(world, 10) - usual
    assert not more, (
        "the only caller that waited was cancelled, and the bucket had the event loop woken later, "
        f"to run {more} callback(s)"
    )


@pytest.mark.points(1)
@simulate(seeds=1, busy=BUSY, ignore=TASKS)
async def test_more_than_a_burst_is_a_value_error(world, submission):
    """A cost of more than `burst` raises ValueError at once, and disturbs nobody."""
    bucket = submission.TokenBucket(rate=1, burst=5)
    task = asyncio.create_task(bucket.acquire(6), name="greedy")
    await asyncio.wait([task], timeout=LONG)
    ended = task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ended, f"6 tokens were wanted of a bucket of 5, and after {LONG:.0f} s it still waits"
    assert world.time() < HAIR, f"ValueError came after {world.time():.1f} s, not at once"
    error = None if task.cancelled() else task.exception()
    assert isinstance(error, ValueError), f"6 of at most 5 tokens: got {error!r}, not ValueError"
    times = await take(world, bucket, 6)
    assert_times(times, [0.0] * 5 + [1.0], "after the ValueError, 6 calls for one")
    start = world.time()
    queue = Callers(world, bucket)
    queue.call("ada", 5)
    await asyncio.sleep(0)
    queue.call("greedy", 6)
    with pytest.raises(ValueError):  # noqa: PT011
        await queue.settle()
    after = queue.ended["greedy"] - start
    assert after < HAIR, (
        f"6 tokens were wanted of a bucket of 5, and ValueError came after {after:.1f} s, when the "
        "caller before had been served; at once means before waiting in the queue"
    )


@pytest.mark.points(2)
@pytest.mark.hint("Take the tokens after your last await, not before it.")
@simulate(seeds=1, busy=BUSY, at_every_await=True, ignore=TASKS)
async def test_cancelled_anywhere_it_takes_nothing(world, submission):
    """If acquire is cancelled, at whichever await, no token is gone."""
    bucket = submission.TokenBucket(rate=10, burst=5)
    await bucket.acquire(5)
    outcome = await world.interrupted(bucket.acquire(4))
    if outcome.error is None:
        assert world.time() > 0.39, f"4 tokens at 10 tokens/s were there after {world.time():.2f} s"
        return
    assert isinstance(outcome.error, asyncio.CancelledError), (
        f"acquire was cancelled, and raised {outcome.error!r}"
    )
    task = asyncio.create_task(bucket.acquire(5), name="next one")
    await asyncio.wait([task], timeout=LONG)
    ended, after = task.done(), world.time()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ended, "a caller was cancelled, and the next one waits for ever"
    assert after < 0.85, mistake(
        "leaked-permit",
        f"The bucket was empty, a call for 4 tokens was cancelled, and 5 tokens were there after "
        f"{after:.1f} s instead of 0.5: the tokens of the cancelled call are gone.",
    )
    assert_times([after], [0.5], "10 tokens/s, empty: 5 tokens")


@pytest.mark.points(2)
@pytest.mark.hint("Who is woken when the first in the queue is cancelled?")
@simulate(seeds=6, busy=BUSY, ignore=TASKS)
async def test_those_behind_a_cancelled_caller_move_up(world, submission):
    """Those behind a caller that is cancelled are served as if it had never been there."""
    bucket = submission.TokenBucket(rate=1, burst=5)
    await bucket.acquire(5)
    callers = Callers(world, bucket)
    for name, cost in {"ada": 5, "bob": 1, "cem": 5, "dia": 2}.items():
        callers.call(name, cost)
    await asyncio.sleep(2)
    gone = ["ada", "cem"]
    if world.seed % 2:
        gone.reverse()
    for name in gone:
        callers.tasks[name].cancel()
        await asyncio.sleep(0.1 * (world.seed % 3))
    stuck = await callers.settle()
    assert not stuck, (
        f"{' and '.join(gone)} were cancelled, and {', '.join(stuck)} was never served"
    )
    assert list(callers.served) == ["bob", "dia"], (
        f"ada and cem were cancelled; served were {', '.join(callers.served)}"
    )
    left = 2 + (0.1 * (world.seed % 3) if world.seed % 2 else 0)
    assert_times(
        list(callers.served.values()),
        [left, 3.0],
        "1 token/s: ada (5 tokens) and cem (5) were cancelled; bob (1) and dia (2)",
    )


@pytest.mark.points(2)
@pytest.mark.hint("A caller can be cancelled in the very moment in which it is handed its tokens.")
@simulate(seeds=12, busy=BUSY, ignore=TASKS)
async def test_cancelled_in_the_moment_of_being_served(world, submission):
    """A caller cancelled just as its turn comes has its tokens, or leaves them to the next."""
    guard = Callers(world, submission.TokenBucket(rate=1, burst=1))
    for name in ("early bird", "second", "third"):
        guard.call(name)
    stuck = await guard.settle()
    assert not stuck, f"three callers want a token each, and {', '.join(stuck)} was never served"
    bucket = submission.TokenBucket(rate=1, burst=5)
    await bucket.acquire(5)
    start = world.time()
    callers = Callers(world, bucket)
    if world.seed % 2:
        # ada's tokens are there, bob is the next one, and that is when bob gives up.
        callers.call("ada", 2, then=lambda: callers.tasks["bob"].cancel())
    else:
        callers.call("ada", 2)
        loop = asyncio.get_running_loop()
        when = loop.time() + 5 + (0.0, -1e-9, 1e-9)[world.seed // 2 % 3]
        # Of timers for one moment, the one that was set first comes first: once it is this one,
        # once the one that bob's tokens are waited for with, which is set when ada has hers.
        set_at = loop.call_later if world.seed >= 6 else lambda _, set_it: set_it()
        set_at(3, lambda: loop.call_at(when, lambda: callers.tasks["bob"].cancel()))
    callers.call("bob", 3)
    callers.call("cem", 2)
    stuck = await callers.settle()
    assert not stuck, mistake(
        "lost-wakeup",
        f"bob was cancelled in the moment in which his turn came, and {', '.join(stuck)}, behind "
        "him, was never served.",
    )
    given = 5 if "bob" in callers.served else 2
    his_turn = given + 2.0 if world.seed % 2 else max(given + 2.0, 5.0)
    after = callers.served["cem"] - start
    assert given == 5 or abs(after - his_turn - 2) > HAIR or world.seed % 2, mistake(
        "leaked-permit",
        "bob was cancelled in the moment in which he was given 3 tokens. They are gone: cem, "
        f"behind him, was served after {after:.1f} s instead of {his_turn:.1f} s.",
    )
    assert_times(
        [after],
        [his_turn],
        f"1 token/s: {given} tokens went to those before cem, and his 2",
    )
