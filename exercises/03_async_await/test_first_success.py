"""Grades first_success.py."""

import asyncio
from functools import partial

import pytest

from autograder.grading import mistake
from autograder.simulation import simulate

BUSY = 2_000
"""Steps in a row. A world needs 70 in all: whoever takes so many never waits."""


class MirrorDown(Exception):
    """What a failing mirror raises."""


class Mirrors:
    """Makes mirrors and knows which of them are running."""

    def __init__(self, world):
        self.world = world
        self.all = []
        self.asked = []
        self.running = set()
        self.cancelled = set()

    def add(self, name, *, after, answer=None, error=None, tidy=0.0, tidy_error=None):
        """A mirror that answers or raises `after` seconds; tidying up takes `tidy` seconds."""
        self.all.append(
            partial(self._mirror, name, after, name if answer is None else answer[0], error, tidy,
                    tidy_error)
        )  # fmt: skip

    async def _mirror(self, name, after, answer, error, tidy, tidy_error):
        self.asked.append((name, self.world.time()))
        self.running.add(name)
        try:
            await asyncio.sleep(after)
            if error is not None:
                raise error
            return answer
        except asyncio.CancelledError:
            self.cancelled.add(name)
            raise
        finally:
            # Whatever happens to the waiting, what comes after it is done.
            try:
                if tidy:
                    await asyncio.sleep(tidy)
            finally:
                self.running.discard(name)
            if tidy_error is not None:
                raise tidy_error


def assert_all_ended(mirrors, when):
    assert not mirrors.running, mistake(
        "leaked-task",
        f"When first_success {when}, {', '.join(sorted(mirrors.running))} had not ended.",
    )


@pytest.mark.points(2)
@simulate(seeds=150, busy=BUSY)
async def test_the_first_answer_is_the_result(world, submission):
    """The result is the first answer to arrive, as soon as it arrives."""
    mirrors = Mirrors(world)
    delays = {"fra": world.latency("fra", 0.3, 2.0), "ams": world.latency("ams", 0.1, 2.0),
              "osl": world.latency("osl", 0.2, 2.0)}  # fmt: skip
    for name, delay in delays.items():
        mirrors.add(name, after=delay)
    answer = await submission.first_success(mirrors.all)
    fastest = min(delays, key=delays.get)
    assert answer == fastest, f"{fastest} answered first, but the result is {answer!r}"
    assert world.time() < delays[fastest] + 0.1, (
        f"{fastest} answered after {delays[fastest]:.2f} s, "
        f"but first_success returned after {world.time():.2f} s"
    )


@pytest.mark.points(1)
@simulate(seeds=3, busy=BUSY)
async def test_all_are_asked_at_once(world, submission):
    """Each mirror is asked exactly once, and none waits for another."""
    mirrors = Mirrors(world)
    for name in ("fra", "ams", "osl"):
        mirrors.add(name, after=1.0, error=MirrorDown(name))
    mirrors.add("mad", after=1.0)
    await submission.first_success(mirrors.all)
    names = [name for name, _ in mirrors.asked]
    assert sorted(names) == ["ams", "fra", "mad", "osl"], f"asked were {names}"
    late = [name for name, time in mirrors.asked if time >= 1.0]
    assert not late, mistake(
        "sequential-awaits", f"{late[0]} was asked only when another mirror had finished."
    )


@pytest.mark.points(2)
@simulate(seeds=150, busy=BUSY)
async def test_a_failure_is_no_answer(world, submission):
    """When the fastest mirrors fail, the first one that succeeds gives the result."""
    mirrors = Mirrors(world)
    mirrors.add("fra", after=world.latency("fra", 0.1, 0.9), error=MirrorDown("fra"))
    takes = 100.0 if world.seed % 50 == 7 else 1.0
    mirrors.add("osl", after=5 * takes)
    mirrors.add("ams", after=takes)
    mirrors.add("mad", after=world.latency("mad", 0.2, 0.9), error=MirrorDown("mad"))
    try:
        answer = await submission.first_success(mirrors.all)
    except (MirrorDown, ExceptionGroup) as error:
        mirrors_fault = isinstance(error, MirrorDown) or error.split(MirrorDown)[1] is None
        assert not mirrors_fault or world.time() >= takes, mistake(  # noqa: PT017
            "first-finished-not-first-success",
            f"A mirror failed, and first_success raised {error!r}; ams would have answered.",
        )
        assert not mirrors_fault, (  # noqa: PT017
            f"ams had answered after {takes:g} s, and first_success raised {error!r} all the same: "
            "the failure of another mirror went over the answer"
        )
        raise
    assert answer == "ams", f"ams was the first to succeed, but the result is {answer!r}"


@pytest.mark.points(1)
@pytest.mark.hint(
    "Two mirrors can finish in one step of the loop: how many does your code look at?"
)
@simulate(seeds=50, busy=BUSY)
async def test_a_failure_and_an_answer_in_one_moment(world, submission):
    """A mirror that fails in the very moment another one answers does not get in its way."""
    mirrors = Mirrors(world)
    names = ["fra", "ams", "osl"]
    good = names[(world.seed + world.choose(3, "good")) % 3]
    for name in names:
        mirrors.add(name, after=1.0, error=None if name == good else MirrorDown(name))
    mirrors.add("mad", after=500.0)
    answer = await submission.first_success(mirrors.all)
    assert answer == good, f"{good} answered, but the result is {answer!r}"
    assert world.time() < 400, f"{good} answered after 1 s, but the result took {world.time():.0f}"


@pytest.mark.points(1)
@simulate(seeds=1, busy=BUSY)
async def test_any_value_is_an_answer(world, submission):
    """None, 0, an empty string, False and an exception are answers too, if they are returned."""
    for value in (None, 0, "", False, MirrorDown("of the log")):
        mirrors = Mirrors(world)
        mirrors.add("fra", after=0.5, error=MirrorDown("fra"))
        mirrors.add("ams", after=1.0, answer=[value])
        mirrors.add("osl", after=2.0)
        answer = await submission.first_success(mirrors.all)
        assert answer is value, f"ams answered {value!r}, but the result is {answer!r}"


@pytest.mark.points(2)
@simulate(seeds=150, busy=BUSY)
async def test_the_others_have_ended_when_it_returns(world, submission):
    """The other mirrors are cancelled, and their clean-up is over before the result is there."""
    mirrors = Mirrors(world)
    mirrors.add("fra", after=3600.0, tidy=world.latency("fra", 0.5, 3.0))
    mirrors.add("ams", after=world.latency("ams", 0.1, 1.0))
    mirrors.add("osl", after=7200.0, tidy=world.latency("osl", 0.2, 3.0))
    await submission.first_success(mirrors.all)
    assert_all_ended(mirrors, "returned")
    assert mirrors.cancelled == {"fra", "osl"}, (
        f"fra and osl should have been cancelled; cancelled were {sorted(mirrors.cancelled)}"
    )
    assert world.time() < 10, (
        f"the result was there after 1 s and was returned after {world.time()}"
    )


@pytest.mark.points(1)
@simulate(seeds=10, busy=BUSY)
async def test_what_the_others_raise_is_dropped(world, submission):
    """A mirror that raises after there is an answer spoils nothing and leaves no lost error."""
    mirrors = Mirrors(world)
    mirrors.add("fra", after=1.0)
    mirrors.add("ams", after=9.0, tidy=0.5, tidy_error=MirrorDown("ams, closing"))
    mirrors.add("osl", after=1.0, error=MirrorDown("osl"))
    answer = await submission.first_success(mirrors.all)
    assert answer == "fra", f"fra answered, but the result is {answer!r}"
    assert_all_ended(mirrors, "returned")


@pytest.mark.points(2)
@simulate(seeds=50, busy=BUSY)
async def test_all_failing_reports_all(world, submission):
    """If every mirror fails, an ExceptionGroup with all their exceptions is raised."""
    errors = {"fra": MirrorDown("down"), "ams": TimeoutError("down"), "osl": MirrorDown("down")}
    await all_fail(world, submission, errors)


@pytest.mark.points(1)
@simulate(seeds=2, busy=BUSY)
async def test_one_mirror_that_fails_is_reported_in_a_group(world, submission):
    """If the only mirror fails, an ExceptionGroup with its exception is raised."""
    await all_fail(world, submission, {"fra": MirrorDown("down")})


async def all_fail(world, submission, errors):
    mirrors = Mirrors(world)
    for name, error in errors.items():
        mirrors.add(name, after=world.latency(name, 0.1, 2.0), error=error)
    failed = f"{len(errors)} of {len(errors)} mirrors failed"
    try:
        answer = await submission.first_success(mirrors.all)
    except ExceptionGroup as group:
        found = group.exceptions
    except (MirrorDown, TimeoutError) as error:
        raise AssertionError(
            f"{failed}, and first_success raised {error!r}; expected an ExceptionGroup"
        ) from None
    else:
        raise AssertionError(f"{failed}, but the result is {answer!r}")
    missing = [name for name in errors if not any(errors[name] is error for error in found)]
    assert not missing, f"{failed}; the group lacks that of {', '.join(missing)}: {found}"
    assert len(found) == len(errors), f"{failed}, and the group holds {len(found)}: {found}"


@pytest.mark.points(1)
@simulate(seeds=1, busy=BUSY)
async def test_without_mirrors_there_is_a_value_error(world, submission):
    """Without mirrors, ValueError is raised."""
    with pytest.raises(ValueError):  # noqa: PT011  (the text is the learner's own)
        await submission.first_success([])


@pytest.mark.points(2)
@pytest.mark.hint("If you are cancelled while you wait for the clean-up: who goes on waiting?")
@simulate(seeds=10, busy=BUSY // 4, at_every_await=True)  # a world for each await
async def test_cancelled_at_any_moment_it_leaves_nothing_running(world, submission):
    """If first_success is cancelled, at whichever await, every mirror ends before it does."""
    mirrors = Mirrors(world)
    mirrors.add("fra", after=0.3, error=MirrorDown("fra"))
    mirrors.add("ams", after=world.latency("ams", 0.6, 1.0))
    mirrors.add("osl", after=3600.0, tidy=world.latency("osl", 0.3, 1.0))
    outcome = await world.interrupted(submission.first_success(mirrors.all))
    assert_all_ended(mirrors, "had been cancelled and ended")
    if outcome.fired and outcome.error is not None:
        assert isinstance(outcome.error, asyncio.CancelledError), (
            f"first_success was cancelled, but ended with {outcome.error!r}"
        )


@pytest.mark.points(1)
@simulate(seeds=50, busy=BUSY)
async def test_cancelled_before_an_answer_it_says_so(world, submission):
    """If first_success is cancelled while the mirrors are at work, so is its caller."""
    mirrors = Mirrors(world)
    mirrors.add("fra", after=0.5, error=MirrorDown("fra"))
    mirrors.add("ams", after=2.0)
    mirrors.add("osl", after=3600.0, tidy=0.5)
    task = asyncio.create_task(submission.first_success(mirrors.all))
    await asyncio.sleep(0.1 + 1.8 * world.draw("when"))
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() or task.exception() is not None, mistake(
        "swallowed-cancellation",
        f"first_success was cancelled, went on, and returned {task.result()!r}.",
    )
    assert task.cancelled(), f"first_success was cancelled, but raised {task.exception()!r}"
    assert_all_ended(mirrors, "had been cancelled and ended")
