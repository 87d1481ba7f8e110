"""Grades retry.py: its deadline and its budget, and a provider on a bad day."""

import asyncio
from functools import partial

import pytest

from autograder.grading import mistake
from autograder.grading.benches.provider import Customers, Provider
from autograder.grading.benches.scripted import Scripted
from autograder.simulation import simulate

HAIR = 0.001
"""Seconds by which everything may be late."""


def plenty(submission):
    """A budget that has enough for all."""
    return submission.RetryBudget(ratio=1.0, reserve=10_000.0)


async def outcome_of(coroutine):
    """What it returns, or the exception it raises."""
    try:
        return await coroutine
    except Exception as error:
        return error


# -- the deadline ------------------------------------------------------------------------------


@pytest.mark.points(2)
@pytest.mark.hint("asyncio.timeout_at takes a moment on the loop's clock: the same one each time.")
@simulate(seeds=3)
async def test_the_deadline_ends_an_attempt(world, submission):
    """An attempt that is still at work at the deadline is cancelled, and TimeoutError raised."""
    for script, takes in ((["late"], 100.0), ([submission.Unavailable, "late"], 3.0)):
        operation = Scripted(world, script, takes=takes)
        began = world.time()
        waiting = submission.retry(
            operation, budget=plenty(submission), base=0.1, deadline=5.0, attempts=10
        )
        task = asyncio.create_task(waiting)
        await asyncio.wait([task], timeout=50)
        took = world.time() - began
        assert took <= 5.0 + HAIR, mistake(
            "deadline-not-enforced",
            f"deadline=5.0, an attempt takes {takes:g} s, and {operation.attempts} began: after "
            f"{took:.1f} s the call {'ended' if task.done() else 'had not ended'}.",
        )
        assert not operation.running, "the call is over, and its attempt is still at work"
        assert isinstance(task.exception(), TimeoutError), (
            f"an attempt was at work at the deadline; not TimeoutError, but {task!r} came of it"
        )
        assert took >= 5.0 - HAIR, f"deadline=5.0, and after {took:.2f} s the call was given up"


@pytest.mark.points(2)
@pytest.mark.hint("You know how long you will wait before you begin to.")
@simulate(seeds=2)
async def test_a_wait_beyond_the_deadline_is_not_begun(world, submission):
    """If the wait would last until the deadline or longer, the error is raised at once."""
    asks = partial(submission.Unavailable, "429", retry_after=60.0)
    operation = Scripted(world, [asks, "paid"], takes=1.0)
    outcome = await outcome_of(
        submission.retry(operation, budget=plenty(submission), deadline=30.0)
    )
    assert operation.attempts == 1, (
        "deadline=30.0, retry_after=60.0: no retry can be made in time. The first attempt failed "
        f"at 1.0 s, and another one was begun at {operation.began[1]:.1f} s"
    )
    assert world.time() - operation.ended[0] <= HAIR, mistake(
        "pointless-wait",
        "deadline=30.0, retry_after=60.0: no retry can be made in time. The attempt failed at 1.0 "
        f"s, and its error was raised at {world.time():.1f} s.",
    )
    assert outcome in operation.raised, f"the attempt raised Unavailable, retry {outcome!r}"
    began, operation = world.time(), Scripted(world, [asks, "paid"], takes=1.0)
    await outcome_of(
        submission.retry(operation, budget=plenty(submission), base=0.0, deadline=61.0)
    )
    assert world.time() - began <= 1.0 + HAIR, (
        "deadline=61.0, and after 1 s an attempt failed with retry_after=60.0; base=0.0. The wait "
        "would end at the deadline, and so it is not to be begun. The call ended at "
        f"{world.time() - began:.1f} s"
    )
    operation = Scripted(world, [asks, "paid"], takes=1.0)
    outcome = await outcome_of(
        submission.retry(operation, budget=plenty(submission), base=1.0, deadline=90.0)
    )
    assert outcome == "paid", f"deadline=90.0, retry_after=60.0, and the outcome was {outcome!r}"


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_a_drawn_wait_is_measured_too(world, submission):
    """Whether there is time for a retry depends on the wait that was drawn for it."""
    operations = [Scripted(world, [submission.Unavailable, "paid"]) for _ in range(200)]
    ended = []

    async def call(operation):
        await outcome_of(
            submission.retry(operation, budget=plenty(submission), base=8.0, cap=8.0, deadline=4.0)
        )
        ended.append((world.time(), operation))

    await asyncio.gather(*map(call, operations))
    late = [at for at, op in ended if op.attempts == 1 and at - op.ended[0] > HAIR]
    assert not late, mistake(
        "pointless-wait",
        f"deadline=4.0, base=8.0, cap=8.0: {len(late)} of 200 calls waited, the longest until "
        f"{max(late):.1f} s, and then made no retry.",
    )
    retried = [operation for operation in operations if operation.attempts == 2]
    assert all(operation.began[1] < 4.0 for operation in retried), (
        "deadline=4.0, and a retry was begun when it was over"
    )
    assert 40 < len(retried) < 160, (
        "deadline=4.0, base=8.0, cap=8.0: for about half of 200 calls the wait is short enough. "
        f"Retried were {len(retried)}"
    )


# -- the budget --------------------------------------------------------------------------------


async def one_after_another(world, submission, budget, script, calls, **options):
    """So many calls, one after another; how many attempts each of them made."""
    made = []
    for _ in range(calls):
        operation = Scripted(world, script)
        await outcome_of(submission.retry(operation, budget=budget, **options))
        made.append(operation.attempts)
    return made


def expected_attempts(calls, tokens, ratio, reserve):
    """The same by the rules, if all attempts fail and attempts=2."""
    made = []
    for _ in range(calls):
        tokens = min(reserve, tokens + ratio)
        made.append(2 if tokens >= 1 else 1)
        tokens -= made[-1] - 1
    return made


@pytest.mark.points(3)
@pytest.mark.hint("4 tokens at first, and a quarter of one for each call: how far do they go?")
@simulate(seeds=1)
async def test_retries_are_rationed(world, submission):
    """If all calls fail, there are `reserve` retries, and then one for every 1 / ratio calls."""
    budget = submission.RetryBudget(ratio=0.25, reserve=4.0)
    made = await one_after_another(
        world, submission, budget, [submission.Unavailable], 100, attempts=2
    )
    expected = expected_attempts(100, 4.0, 0.25, 4.0)
    retries, allowed = sum(made) - 100, sum(expected) - 100
    what = f"100 calls failed; ratio=0.25, reserve=4.0, attempts=2. {allowed} retries"
    assert retries <= allowed, mistake(
        "retry-storm", f"{what} are in the budget, and {retries} were made."
    )
    assert min(made) >= 1, mistake(
        "first-attempts-pay", f"{made.count(0)} of 100 calls were not even attempted once."
    )
    assert retries == allowed, f"{what} are in the budget, and only {retries} were made"
    assert made == expected, f"{what} are in the budget, but attempts made were {made}"
    budget = submission.RetryBudget(ratio=0.0, reserve=2.0)
    script = [submission.Unavailable, "paid"]
    made = await one_after_another(world, submission, budget, script, 5)
    assert made == [2, 2, 1, 1, 1], (
        "2 tokens, and five calls whose first attempt fails and whose second goes well: a retry "
        f"that goes well costs a token, too. Attempts made were {made}"
    )


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_all_callers_share_the_budget(world, submission):
    """A hundred calls that fail in one moment have `reserve` retries between them."""
    budget = submission.RetryBudget(ratio=0.25, reserve=8.0)
    operations = [Scripted(world, [submission.Unavailable], takes=0.5) for _ in range(100)]
    over = []

    async def call(op):
        await outcome_of(submission.retry(op, budget=budget, attempts=4))
        over.append((op, world.time()))

    await asyncio.gather(*map(call, operations))
    retries = sum(operation.attempts - 1 for operation in operations)
    assert retries <= 8, mistake(
        "retry-storm",
        f"100 calls failed in one moment; the budget they share had 8 tokens, and {retries} "
        "retries were made.",
    )
    assert retries == 8, (
        f"100 calls failed, the budget had 8 tokens, and {retries} retries were made"
    )
    idle = max(ended - op.ended[0] for op, ended in over if op.attempts == 1)
    assert idle <= HAIR, mistake(
        "pointless-wait",
        f"100 calls failed in one moment, for 8 of them there was a token. Another one ended only "
        f"{idle:.2f} s after its attempt: a token is taken before the wait, not after it.",
    )


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_no_token_no_wait(world, submission):
    """Without a token the error is raised at once."""
    budget = submission.RetryBudget(ratio=0.0, reserve=1.0)
    options = {"base": 10.0, "cap": 10.0, "attempts": 9}
    operation = Scripted(world, [submission.Unavailable])
    await outcome_of(submission.retry(operation, budget=budget, **options))
    assert operation.attempts == 2, f"one token, and {operation.attempts - 1} retries were made"
    idle = world.time() - operation.ended[-1]
    assert idle <= HAIR, mistake(
        "pointless-wait",
        f"The budget was empty when the second attempt failed; the error was raised {idle:.1f} s "
        "later.",
    )


@pytest.mark.points(2)
@pytest.mark.hint("What does a call that goes well cost?")
@simulate(seeds=1)
async def test_only_retries_cost_anything(world, submission):
    """A call that goes well, or cannot go better, or has no time for a retry, takes no token."""
    asks = partial(submission.Unavailable, "429", retry_after=60.0)
    cheap = (
        ("went well", "first-attempts-pay", ["paid"], {}),
        ("were declined", None, [submission.Declined], {}),
        ("had no attempt left", None, [submission.Unavailable], {"attempts": 1}),
        ("had no time for a retry", None, [asks], {"deadline": 30.0}),
    )
    fails = [submission.Unavailable]
    fresh = submission.RetryBudget(ratio=0.0, reserve=2.0)
    [usual] = await one_after_another(world, submission, fresh, fails, 1, attempts=3)
    for what, name, script, options in cheap:
        budget = submission.RetryBudget(ratio=0.0, reserve=2.0)
        await one_after_another(world, submission, budget, script, 20, **options)
        [made] = await one_after_another(world, submission, budget, fails, 1, attempts=3)
        message = (
            f"With 2 tokens a call that fails makes {usual - 1} retries. 20 calls came before that "
            f"{what}, and it made {made - 1}"
        )
        assert made >= usual, mistake(name, f"{message}.") if name else message
    assert usual == 3, f"2 tokens in the budget, and {usual - 1} retries were made"


@pytest.mark.points(1)
@pytest.mark.hint("How much does a quiet night save up?")
@simulate(seeds=1)
async def test_calls_fill_it_up_to_the_brim(world, submission):
    """Every call brings `ratio` of a token, however it ends, up to `reserve`."""
    for script in (["paid"], [submission.Declined]):
        budget = submission.RetryBudget(ratio=0.5, reserve=4.0)
        await one_after_another(world, submission, budget, [submission.Unavailable], 1, attempts=9)
        await one_after_another(world, submission, budget, script, 5)
        made = await one_after_another(
            world, submission, budget, [submission.Unavailable], 1, attempts=9
        )
        assert made == [4], (
            "the budget was empty. Six calls, of half a token each, are three retries; made were "
            f"{made[0] - 1}"
        )
        await one_after_another(world, submission, budget, script, 100)
        made = await one_after_another(
            world, submission, budget, [submission.Unavailable], 1, attempts=9
        )
        assert made[0] <= 5, mistake(
            "retry-storm",
            f"100 calls that needed no retry came before; reserve=4.0, and {made[0] - 1} retries "
            "were made at once. What a quiet night saves up has to have a bound.",
        )
        assert made == [5], f"the budget was full, 4 tokens, and {made[0] - 1} retries were made"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_each_budget_is_for_itself(world, submission):
    """What is taken from one budget is still in another."""
    budgets = [submission.RetryBudget(ratio=0.0, reserve=2.0) for _ in range(2)]
    for budget in budgets:
        made = await one_after_another(
            world, submission, budget, [submission.Unavailable], 1, attempts=9
        )
        assert made == [3], f"a budget of 2 tokens, and {made[0] - 1} retries were made"


# -- a bad day ---------------------------------------------------------------------------------


async def bad_day(world, submission, outage, *, seconds=110.0):
    """Ten customers a second; from second 15 to 30 the provider suffers an outage."""
    provider = Provider(world, submission.Unavailable, capacity=16.0)
    budget = submission.RetryBudget(ratio=0.125, reserve=10.0)
    customers = Customers(
        world, lambda: submission.retry(provider.take_payment, budget=budget), rate=10.0
    )

    async def weather():
        await asyncio.sleep(15)
        outage(provider, True)
        await asyncio.sleep(15)
        outage(provider, False)

    await asyncio.gather(customers.come(seconds), weather())
    stuck = await customers.settle()
    assert not stuck, f"{stuck} calls never ended"
    return provider, customers


def slow(provider, begins):
    provider.slower = 10.0 if begins else 1.0


def down(provider, begins):
    provider.down = begins


@pytest.mark.points(3)
@pytest.mark.hint(
    "The provider can take 16 requests a second, and 10 customers come: how many retries?"
)
@simulate(seeds=2)
async def test_a_slow_provider_comes_back(world, submission):
    """When a provider that was slow for 15 s is fast again, customers can pay again soon."""
    provider, customers = await bad_day(world, submission, slow)
    before, after = customers.share(0, 14), customers.share(80, 110)
    assert before > 0.9, f"in good times {before:.0%} of the customers can pay"
    load = provider.asked_between(60, 110) / 50
    story = (
        "10 customers a second; the provider, which can serve 16, was slow from second 15 to 30. "
        f"Of those who came after second 80, {after:.0%} could pay. It was asked {load:.0f} times "
        "a second, with an eighth of a retry for each customer in the budget"
    )
    assert after > 0.5 or load <= 15, mistake("retry-storm", story + ".")
    assert after > 0.9, story


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_a_provider_that_is_down_is_not_run_over(world, submission):
    """While the provider is down, it is asked little more often than there are customers."""
    provider, customers = await bad_day(world, submission, down, seconds=45.0)
    came = sum(15 <= at < 30 for at, _ in customers.outcomes)
    asked = provider.asked_between(15, 30)
    most = came * 1.125 + 10 + 5  # 5: customers who came just before
    assert asked <= most, mistake(
        "retry-storm",
        f"While the provider was down, {came} customers came, and it was asked {asked} times; an "
        f"eighth of a retry for each, and 10 in reserve, would be {most:.0f} at most.",
    )
    after = customers.share(31, 45)
    assert after > 0.9, f"the provider is back, and {after:.0%} of the customers can pay"
