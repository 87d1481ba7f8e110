"""Grades `rebuild` of projection.py."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.forgotten import assert_none_forgotten, forgotten_connections
from autograder.grading.benches.order_log import Events, LogOf, placed, story
from autograder.grading.benches.projectors import (
    run_project,
    run_rebuild,
    stopped,
    unless_it_cannot_count,
)
from autograder.grading.benches.read_model import (
    assert_never_between,
    assert_rebuilt,
    make_model,
    models,
)
from autograder.simulation import simulate
from autograder.simulation.sqlite import left_open


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """An empty read model; making one takes longer than copying it."""
    return make_model(tmp_path_factory.mktemp("model") / "model.db")


@pytest.fixture
def model(template, tmp_path):
    """Makes read models, each in a file of its own."""
    return models(template, tmp_path)


def wrong_model(world, submission, model, events, *, repeats=False, unseen=()):
    """A log with so many orders' events, and a model in which rows of ada are wrong; ``unseen``:
    what has happened since the projector stopped."""
    log = Events(world, submission, repeats=repeats)
    log.add(*story(events))
    there = model(log)
    there.fill(log.last, wrong=True)
    log.add(*unseen)
    return log, there


@pytest.mark.points(2)
@simulate(seeds=4)
@unless_it_cannot_count
async def test_a_rebuild_mends_the_rows(world, submission, model, monkeypatch):
    """After a rebuild the rows are what the log says, and the projector goes on from there."""
    unseen = story(1, first=4) if world.seed % 3 else ()
    repeats = world.seed % 2 == 1
    events, there = wrong_model(world, submission, model, 2, repeats=repeats, unseen=unseen)
    there.watch()
    there.watch_statements(monkeypatch)
    with forgotten_connections() as forgotten:
        batch = (100, 3)[world.seed // 2 % 2]
        await run_rebuild(submission, events, there, batch=batch)
    assert_never_between(there)
    assert_rebuilt(there, events.last, "rebuild has returned")
    still = left_open(world)
    assert still == 0, f"rebuild has returned, and {still} connection of it is still open"
    assert_none_forgotten(forgotten, "rebuild has returned")
    most = max(events.asked)
    assert most <= batch, f"batch is {batch}, and rebuild asked the log for {most} events at a time"
    submission.restart()
    projector = run_project(submission, events, there)
    events.add(placed("o-9", "ada"), *story(1, first=3))
    await there.until(events.last)
    await stopped(projector)
    assert_never_between(there)
    assert_rebuilt(there, events.last, "rebuild was called, and project went on")


@pytest.mark.points(3)
@pytest.mark.hint(
    "All of it in one transaction, and the last thing before COMMIT: is it up to date?"
)
@simulate(seeds=2)
@unless_it_cannot_count
async def test_readers_see_the_old_model_or_the_new(world, submission, model):
    """While orders come in and the model is rebuilt, no reader ever sees a part, or the past."""
    events, there = wrong_model(world, submission, model, 2)
    projector = run_project(submission, events, there, batch=3)
    there.watch()
    submission.restart()
    log = LogOf(events, "the rebuild", answer=(0.5, 2.0))
    more = story(1, first=3)
    # "There is nothing more", it is told; and while that answer travels, something happens.
    log.on_nothing = lambda: events.add(more.pop(0)) if more else None
    rebuilding = run_rebuild(submission, events, there, batch=4, log=log)
    needed = events.last
    try:
        await rebuilding
    finally:
        assert_never_between(there)
    assert_rebuilt(there, needed, "rebuild has returned")
    events.add(*more, placed("o-9", "ada"))
    await there.until(events.last)
    await stopped(projector)
    assert_never_between(there)
    assert_rebuilt(there, events.last, "rebuild was called, and project went on")


@pytest.mark.points(2)
@pytest.mark.hint("What does a rebuild find that comes after one that was killed?")
@simulate(seeds=1, at_every_await=True)
@unless_it_cannot_count
async def test_a_rebuild_that_is_killed_does_no_harm(world, submission, model):
    """If a rebuild is killed, at whichever await, readers have a whole model; another one works."""
    events, there = wrong_model(world, submission, model, 1)
    log = LogOf(events, "the rebuild")
    work = submission.rebuild(log, there.path, batch=5)
    outcome = await world.killed(work, "the rebuild", outside=there.commits)
    there.look()
    assert_never_between(there)
    if not outcome.fired:
        assert_rebuilt(there, events.last, "rebuild has returned")
        return
    submission.restart()
    await run_rebuild(submission, events, there, "the second rebuild", batch=3)
    assert_never_between(there)
    assert_rebuilt(there, events.last, "a rebuild was killed, and a second one has returned")


@pytest.mark.points(1)
@pytest.mark.hint("What is still open when a CancelledError goes through your lines?")
@simulate(seeds=1, at_every_await=True)
@unless_it_cannot_count
async def test_a_rebuild_that_is_cancelled_does_no_harm(world, submission, model):
    """If a rebuild is cancelled, at whichever await, others can write; another one works."""
    events, there = wrong_model(world, submission, model, 1)
    outcome = await world.interrupted(submission.rebuild(LogOf(events, "the rebuild"), there.path))
    said = "a rebuild was cancelled" if outcome.fired else "rebuild has returned"
    assert outcome.error is None or isinstance(outcome.error, asyncio.CancelledError), (
        f"{said}, and it raised {outcome.error!r}"
    )
    await asyncio.sleep(1)
    assert not there.is_locked(), f"{said}, and a transaction is still open"
    assert_never_between(there)
    await run_rebuild(submission, events, there, "the second rebuild")
    assert_never_between(there)
    assert_rebuilt(there, events.last, f"{said}, and another one has returned")


@pytest.mark.points(2)
@pytest.mark.hint("Between your last look at the live checkpoint and the swap: who may write?")
@simulate(seeds=1, at_every_await=True)
@unless_it_cannot_count
async def test_a_rebuild_that_stands_still_sets_nobody_back(world, submission, model):
    """If a rebuild stands still, at whichever await, no reader sees a part, or the past."""
    events, there = wrong_model(world, submission, model, 1)
    projector = run_project(submission, events, there)
    there.look()

    async def meanwhile():
        await asyncio.sleep(0.1)
        there.look()
        events.add(placed("o-9", "bob"))
        await asyncio.sleep(1)
        there.look()

    submission.restart()
    log = LogOf(events, "the rebuild")
    outcome = await world.frozen(submission.rebuild(log, there.path), "the rebuild", meanwhile)
    assert_never_between(there)
    if outcome.error is not None:
        raise outcome.error
    await there.until(events.last)
    await stopped(projector)
    assert_never_between(there)
    assert_rebuilt(there, events.last, "rebuild has returned")


@pytest.mark.points(1)
@pytest.mark.hint("Does the transaction of yours begin before the log has been read, or after?")
@simulate(seeds=2)
@unless_it_cannot_count
async def test_a_rebuild_locks_nobody_out(world, submission, model):
    """While a rebuild waits for the log, somebody else can write."""
    events, there = wrong_model(world, submission, model, 2)
    locked, held = [], []
    log = LogOf(events, "the rebuild", answer=(20.0, 60.0))

    def look(call):
        (locked if there.is_locked() else held if there.is_held() else []).append(call)

    log.on_wait = look
    await asyncio.wait([run_rebuild(submission, events, there, batch=4, log=log)], timeout=2000)
    assert not locked, mistake(
        "global-lock",
        f"The rebuild awaits {locked[0]}, which takes 20 s and more, with a transaction open: the "
        "projector can write nothing meanwhile.",
    )
    assert not held, f"the rebuild awaits {held[0]} with a transaction open, if only for reading"
    assert_rebuilt(there, events.last, "2000 s ago rebuild was called")


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_a_rebuild_of_nothing_is_done_at_once(world, submission, model):
    """If nothing has happened yet, a rebuild has nothing to do, and returns."""
    events = Events(world, submission)
    there = model(events)
    rebuilding = run_rebuild(submission, events, there)
    await asyncio.wait([rebuilding], timeout=60)
    assert rebuilding.done(), "the log has no events, and a minute later rebuild has not returned"
    rebuilding.result()
    assert_rebuilt(there, 0, "The log had no events, and rebuild has returned")
