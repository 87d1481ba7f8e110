"""Grades `project` of projection.py; `rebuild` is in test_projection_rebuild.py."""

import asyncio
from types import SimpleNamespace

import pytest

from autograder.grading import mistake
from autograder.grading.benches.forgotten import assert_none_forgotten, forgotten_connections
from autograder.grading.benches.order_log import Events, LogOf, happened, placed, story
from autograder.grading.benches.projectors import (
    assert_counted_once,
    assert_not_locked_out,
    run_project,
    stopped,
    unless_it_cannot_count,
)
from autograder.grading.benches.read_model import make_model, models
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


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_events_become_rows(world, submission, model):
    """What happens is soon in the rows, what happens later too, and at the end nothing is open."""
    events = Events(world, submission)
    there = model(events)
    events.add(*story(2))
    batch = (100, 3, 1)[world.seed % 3]
    projector = run_project(submission, events, there, batch=batch)
    await there.until(events.last)
    await asyncio.sleep(world.latency("a while", 1, 100))
    events.add(*story(1, first=3), happened("PaymentRefunded", "o-1", amount=50))
    came = await there.until(events.last)
    now = there.look()
    with forgotten_connections() as forgotten:
        await stopped(projector)
    assert now is not None, f"a reader gets: {there.unreadable}"
    assert came, (
        f"the last event has position {events.last}; after a minute the checkpoint is at "
        f"{now.position}"
    )
    assert there.is_true(now), (
        f"nothing had gone wrong. The checkpoint says {now.position}, and the rows are not those of"
        f" it.\n  there are {now.rows}\n  expected  {events.rows(now.position)}"
    )
    most = max(events.asked)
    assert most <= batch, f"batch is {batch}, and project asked the log for {most} events at a time"
    assert not there.is_locked(), "project was cancelled, and a transaction is still open"
    still = left_open(world)
    assert still == 0, f"project was cancelled, and {still} connection of it is still open"
    assert_none_forgotten(forgotten, "project was cancelled")


@pytest.mark.points(2)
@pytest.mark.hint("Where does the next read begin if a whole batch was of no interest?")
@simulate(seeds=2)
async def test_unknown_types_are_passed_over(world, submission, model):
    """An event of an unknown type changes no row, and moves the checkpoint."""
    events = Events(world, submission)
    there = model(events)
    events.add(*story(1))
    projector = run_project(submission, events, there, batch=3)
    before = await there.until(events.last)
    strange = [happened("PriceChanged", "o-1", sku="lamp"), ("ShopRenamed", {"name": "Lux"})] * 3
    declined = happened("PaymentDeclined", "o-1", reason="no money")
    for last in (declined, placed("o-9", "bob")):
        events.add(*strange, last)
        reads = len(events.asked)
        in_time = came = await there.until(events.last, 20)
        if not in_time and not projector.done() and len(events.asked) < reads + 100:
            came = await there.until(events.last, 200)
        now = there.look()
        error = projector.exception() if projector.done() else None
        said = f"project raised {error!r}" if error else f"the checkpoint stays at {now.position}"
        assert came or not before, mistake(
            "stuck-on-unknown",
            "The log went on with seven events, most of them of types that the projector does "
            f"not know; the last one has position {events.last}. {said}.",
        )
        assert in_time, f"20 s after the event {events.last} came, the rows did not show it"
        assert there.is_true(now), (
            f"events of unknown types came, and the rows are not those of {now.position}: "
            f"{now.rows}"
        )
    await stopped(projector)


@pytest.mark.points(2)
@pytest.mark.hint("Whether an event is new: which number says it, and where is that number kept?")
@simulate(seeds=12)
@unless_it_cannot_count
async def test_what_comes_again_counts_once(world, submission, model):
    """Events that the log delivers again, at once or later, are counted once."""
    events = Events(world, submission, repeats=True)
    there = model(events)
    projector = run_project(submission, events, there, batch=(4, 2, 1)[world.seed % 3])
    for told in story(2):
        events.add(told)
        await world.pause("next event", 0.0, 0.05)
    came = await there.until(events.last)
    now = there.look()
    await stopped(projector)
    assert_counted_once(there, now, "The log delivered some events again")
    assert came, f"the last event has position {events.last}, the checkpoint is at {now.position}"


@pytest.mark.points(3)
@pytest.mark.hint("What is in the database after each of your commits: rows, checkpoint, or both?")
@simulate(seeds=1, at_every_await=True)
@unless_it_cannot_count
async def test_killed_anywhere_rows_and_checkpoint_agree(world, submission, model):
    """If project is killed, at whichever await, the rows are those of the checkpoint."""
    events = Events(world, submission)
    there = model(events)
    events.add(*story(2)[:6])
    log = LogOf(events, "the first projector")
    work = submission.project(log, there.path, batch=2)
    killing = asyncio.create_task(world.killed(work, "the first projector", outside=there.commits))
    await asyncio.wait([killing], timeout=5)  # it has done all long before that
    was_killed = killing.done() and killing.result().fired
    now = there.look()
    assert now is not None, f"project was killed, and then a reader gets: {there.unreadable}"
    if not there.is_true(now):
        other = there.position_of(now.rows)
        assert other is None, mistake(
            "checkpoint-apart",
            f"The projector was killed. The checkpoint says {now.position}, and the rows are "
            f"those of {other}: {what_comes_of_it(now.position, other)}",
        )
        raise AssertionError(
            f"project was killed; the checkpoint says {now.position}, and the rows are those of "
            f"no position: {now.rows}"
        )
    first = SimpleNamespace(project=submission.project)
    if was_killed:
        submission.restart()
    again = run_project(submission, events, there, batch=2)
    came = await there.until(events.last)
    if was_killed and again.done():
        await assert_not_in_memory(first, submission, events, there, again)
    now = there.look()
    await stopped(again)
    killing.cancel()
    said = "project was killed and started again" if was_killed else "Nothing had gone wrong"
    assert_counted_once(there, now, said)
    assert came, f"{said}; the last event is {events.last}, the checkpoint at {now.position}"


async def assert_not_in_memory(first, submission, events, there, again):
    """The second process has failed. If a third one fails as well, and one that remembers what the
    first one knew does not, then what that remembers is missing in the database."""
    went_on = []
    for file, name in ((submission, "a third one"), (first, "the first one, alive")):
        projector = run_project(file, events, there, name, batch=2)
        went_on.append(await there.until(events.last) and there.is_true(there.look()))
        projector.cancel()
        await asyncio.wait([projector], timeout=10)
    assert went_on != [False, True], mistake(
        "state-in-memory",
        f"project was killed. It was started again, in a new process, and raised "
        f"{again.exception()!r}. With what the first process had in its module, it went on.",
    )


def what_comes_of_it(checkpoint, rows):
    if rows > checkpoint:
        return "when it is started again, it counts what is between them a second time."
    return "what is between them will never be counted."


@pytest.mark.points(2)
@simulate(seeds=1, at_every_await=True)
async def test_cancelled_anywhere_it_leaves_no_transaction(world, submission, model):
    """If project is cancelled, at whichever await, it ends, others can write, all is true."""
    events = Events(world, submission)
    there = model(events)
    events.add(*story(2)[:4])
    log = LogOf(events, "the projector")
    working = asyncio.create_task(world.interrupted(submission.project(log, there.path, batch=2)))
    await asyncio.wait([working], timeout=5)  # it has done all long before that
    working.cancel()
    await asyncio.wait([working], timeout=10)
    assert working.done(), "project was cancelled, and 10 s later it is still running"
    await asyncio.sleep(1)
    now = there.look()
    assert not there.is_locked(), "project was cancelled, and a transaction is still open"
    assert now is not None, f"project was cancelled, and then a reader gets: {there.unreadable}"
    assert there.is_true(now), (
        f"project was cancelled; the checkpoint says {now.position}, and the rows are not those "
        f"of it: {now.rows}"
    )


@pytest.mark.points(3)
@pytest.mark.hint("Between your look at the checkpoint and your commit the other one may commit.")
@simulate(seeds=8)
@unless_it_cannot_count
async def test_two_at_once_count_once(world, submission, model):
    """Two projectors on one database count each event once, and none of them raises."""
    events = Events(world, submission)
    there = model(events)
    events.add(*story(1))
    there.watch()
    batch = (2, 1, 5)[world.seed % 3]
    first = run_project(submission, events, there, "the old one", batch=batch)
    await world.pause("the deploy begins", 0.0, 0.05)
    submission.restart()
    second = run_project(submission, events, there, "the new one", batch=batch)
    for told in story(2, first=2):
        events.add(told)
        await world.pause("next event", 0.0, 0.03)
    await there.until(events.last)
    await asyncio.sleep(1)
    for projector in (first, second):
        assert_not_locked_out(projector)
    await stopped(first)
    events.add(placed("o-9", "ada"))
    came = await there.until(events.last)
    assert_not_locked_out(second)
    await stopped(second)
    for seen in there.seen:
        assert_counted_once(there, seen, "Two projectors ran on one database")
    last = there.seen[-1].position
    assert came, f"the last event has position {events.last}, the checkpoint is at {last}"


@pytest.mark.points(1)
@pytest.mark.hint("In which of your lines is a transaction open? Is there an await of the log?")
@simulate(seeds=2)
async def test_others_can_write_while_the_log_is_slow(world, submission, model):
    """While project waits for the log, somebody else can write."""
    events = Events(world, submission)
    there = model(events)
    events.add(*story(1))
    locked, held = [], []
    log = LogOf(events, "the projector", answer=(20.0, 60.0))

    def look(call):
        (locked if there.is_locked() else held if there.is_held() else []).append(call)

    log.on_wait = look
    projector = run_project(submission, events, there, batch=2, log=log)
    came = await there.until(events.last, 1000)
    await asyncio.sleep(100)
    await stopped(projector)
    assert not locked, mistake(
        "global-lock",
        f"The projector awaits {locked[0]}, which takes 20 s and more, with a transaction open: "
        "nobody else can write to this database meanwhile.",
    )
    assert not held, (
        f"the projector awaits {held[0]} with a transaction open. It only reads in it; but as long "
        "as it is open, whatever others write stays in the WAL, and that grows and grows"
    )
    assert came, f"the last event has position {events.last}; after 1000 s it is not in the rows"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_with_nothing_new_it_waits(world, submission, model):
    """While nothing happens, project waits for the log, and does not read again and again."""
    events = Events(world, submission)
    there = model(events)
    events.add(*story(1))
    log = LogOf(events, "the projector")
    projector = run_project(submission, events, there, log=log)
    await there.until(events.last)
    await asyncio.sleep(1)
    before = log.reads
    await asyncio.sleep(600)
    read = log.reads - before
    events.add(placed("o-9", "ada"))
    came = await there.until(events.last)
    await stopped(projector)
    assert read < 30, mistake(
        "busy-poll", f"For ten minutes nothing happened, and the log was read {read} times."
    )
    assert came, "after ten minutes an order was placed, and a minute later no row shows it"
