"""Grades pipeline.py."""

import asyncio
from collections import Counter

import pytest

from autograder.grading import mistake
from autograder.simulation import simulate

LONG = 300.0
"""Virtual seconds after which a pipeline that still runs will run for ever."""


class DiskFull(Exception):
    """What a step of these tests raises."""


class EqualToAll:
    """An item that says it is equal to whatever it is compared with, as a mock does."""

    def __eq__(self, other):
        return True

    __hash__ = None

    def __repr__(self):
        return "EqualToAll()"


class OnlyAnIterator:
    """An async iterator that is no generator, and has no aclose()."""

    def __init__(self, items):
        self.items = items

    def __aiter__(self):
        return self

    async def __anext__(self):
        return await anext(self.items)


class Plant:
    """The source, the stages and the sink of a test, and a count of everything."""

    def __init__(self, world):
        self.world = world
        self.taken = 0
        self.stored = []
        self.read_before_the_first = None  # when the first item was stored, so many were taken
        self.running = {}
        self.peaks = {}
        self.failed_at = None
        self.begun = Counter()
        self.done = Counter()

    async def source(self, items, every=0.0, error=None):
        for item in items:
            if every:
                await asyncio.sleep(every)
            self.taken += 1
            yield item
        if error is not None:
            self.failed_at = self.world.time()
            raise error

    def step(self, name, seconds=0.0, *, tidy=0.0, fails_on=(), change=lambda item: item):
        """A function that takes so many seconds (or what `seconds` gives), then `tidy` more."""

        async def function(item):
            self.begun[name] += 1
            self.running[name] = self.running.get(name, 0) + 1
            self.peaks[name] = max(self.peaks.get(name, 0), self.running[name])
            try:
                await asyncio.sleep(seconds() if callable(seconds) else seconds)
                if item in fails_on:
                    self.failed_at = self.world.time()
                    raise DiskFull(f"{name}, item {item}")
                self.done[name] += 1
                return change(item)
            finally:
                try:
                    if tidy:
                        await asyncio.sleep(tidy)
                finally:
                    self.running[name] -= 1

        return function

    def sink(self, seconds=0.0, **options):
        work = self.step("the sink", seconds, **options)

        async def store(item):
            done = await work(item)
            if not self.stored:
                self.read_before_the_first = self.taken
            self.stored.append(done)

        return store

    @property
    def read_ahead(self):
        return self.taken - len(self.stored)

    def still_running(self):
        return sorted(name for name, count in self.running.items() if count)


async def ends(task, seconds=LONG):
    """True if the task ends in time; else it is cancelled, and gets the time to end."""
    done, _ = await asyncio.wait([task], timeout=seconds)
    task.cancel()
    await asyncio.wait([task], timeout=60)
    return bool(done)


def start(submission, *arguments, **options):
    return asyncio.create_task(submission.run_pipeline(*arguments, **options), name="the pipeline")


def disk_full_in(error):
    """True if the error is a DiskFull, or a group with one inside."""
    if isinstance(error, BaseExceptionGroup):
        return any(disk_full_in(one) for one in error.exceptions)
    return isinstance(error, DiskFull)


async def assert_that_it_ends(world, submission):
    """A pipeline in which nothing fails ends, so what waits for ever waits because of a failure."""
    plant = Plant(world)
    stages = [submission.Stage(plant.step("parse", 0.1), 2)]
    task = start(submission, plant.source(range(20), 0.01), stages, plant.sink(0.2), capacity=2)
    assert await ends(task), f"20 items, nothing fails, and it is not over after {LONG:.0f} s"
    if not task.cancelled():
        task.result()
    assert sorted(plant.stored) == list(range(20)), f"of the items 0 to 19, {plant.stored} arrived"


def assert_it_raised(task, who, plant):
    then = plant.world.time() - plant.failed_at
    error = None if task.cancelled() else task.exception()
    assert error is not None or task.cancelled(), (
        f"{who} raised DiskFull, and run_pipeline returned as if all had been stored"
    )
    assert disk_full_in(error), f"{who} raised DiskFull, and run_pipeline raised {error!r}"
    assert then < 15, f"{who} raised DiskFull, and run_pipeline {then:.0f} s later"


@pytest.mark.points(2)
@simulate(seeds=10)
async def test_every_item_goes_through_every_step(world, submission):
    """Every item goes through every stage and into the sink, in order if all have one worker."""
    plant = Plant(world)

    def hop():
        return world.latency("hop", 0.0, 0.2)

    stages = [
        submission.Stage(plant.step("double", hop, change=lambda item: item * 2)),
        submission.Stage(plant.step("name", hop, change=lambda item: f"record {item}")),
    ]
    await submission.run_pipeline(plant.source(range(12), 0.01), stages, plant.sink(hop))
    expected = [f"record {2 * number}" for number in range(12)]
    assert sorted(plant.stored) == sorted(expected), (
        f"stored were {plant.stored}; expected {expected}"
    )
    assert plant.stored == expected, (
        f"one worker each, and the order of the items is {plant.stored}"
    )


@pytest.mark.points(1)
@pytest.mark.hint(
    "How do your workers learn that there is nothing more? Could an item be just that?"
)
@simulate(seeds=1)
async def test_any_value_is_an_item(world, submission):
    """None, an exception, the word END are items; no items and no stages are no problem."""
    likely_ends = [..., StopAsyncIteration, ValueError("an item"), "END", "STOP", "DONE", -1]
    for items in ([None, 0, "", False, None, ()], [*likely_ends, EqualToAll(), [1]], []):
        for stages in ([], [submission.Stage(Plant(world).step("as it is"), 2)]):
            plant = Plant(world)
            source = OnlyAnIterator(plant.source(items))
            task = start(submission, source, stages, plant.sink(), capacity=1)
            assert await ends(task), f"with the items {items} it is not over after {LONG:.0f} s"
            if not task.cancelled():
                task.result()
            arrived = [repr(item) for item in plant.stored]
            assert sorted(arrived) == sorted(map(repr, items)), (
                f"the items {items} went in, and stored were {plant.stored}"
            )


@pytest.mark.points(2)
@pytest.mark.hint("Each step is a task of its own; a queue is between two of them.")
@simulate(seeds=2)
async def test_all_steps_work_at_the_same_time(world, submission):
    """While the sink stores one item, the stage works on the next and the source reads another."""
    plant = Plant(world)
    stages = [submission.Stage(plant.step("parse", 1.0))]
    await submission.run_pipeline(plant.source(range(20), 1.0), stages, plant.sink(1.0))
    assert plant.read_before_the_first != 20, (
        f"20 items, and all were read before one was stored; it took {world.time():.0f} s"
    )
    assert world.time() < 59, mistake(
        "sequential-awaits",
        f"20 items, 3 steps of 1 s each: it took {world.time():.0f} s, since each step waited for "
        "the others.",
    )
    assert world.time() < 23, f"20 items, 3 steps of 1 s each: took {world.time():.0f} s, not 22"


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_a_stage_has_so_many_workers(world, submission):
    """A stage works on `workers` items at once and never on more; the sink takes one at a time."""
    plant = Plant(world)
    stages = [
        submission.Stage(plant.step("parse", 1.0), 4),
        submission.Stage(plant.step("look up", 1.5), 6),
    ]
    items = range(24)
    await submission.run_pipeline(plant.source(items), stages, plant.sink(0.1), capacity=5)
    wanted = {"parse": 4, "look up": 6, "the sink": 1}
    for name, workers in wanted.items():
        peak = plant.peaks.get(name, 0)
        assert peak <= workers, f"{name!r}: {peak} items at once; it has {workers} workers"
        if name != "look up":  # which is faster than what is in front of it
            assert peak == workers, f"{name!r}: {peak} items at once, and {workers} should be"
    assert sorted(plant.stored) == list(items), f"of 24 items, {len(plant.stored)} were stored"
    assert world.time() < 10, f"24 items, 4 at a time, 1 s each: {world.time():.1f} s"


@pytest.mark.points(3)
@pytest.mark.hint("Where do items wait when the sink is slow, and what keeps them from being many?")
@simulate(seeds=4, ignore=frozenset({"leaked-task", "swallowed-cancellation"}))
async def test_read_ahead_is_bounded(world, submission):
    """With a slow sink, no more items are read than there are places for."""
    plant = Plant(world)
    stages = [submission.Stage(plant.step("parse", lambda: world.latency("parse", 0, 0.1)), 3)]
    task = start(submission, plant.source(range(200), 0.01), stages, plant.sink(1.0), capacity=5)
    await asyncio.wait([task], timeout=30)
    assert task.done() or plant.taken, "after 30 s nothing had been read from the source"
    ahead, stored, tasks = plant.read_ahead, len(plant.stored), len(asyncio.all_tasks())
    parsed = plant.done["parse"] - plant.begun["the sink"]
    await ends(task, 0)
    if task.done() and not task.cancelled() and task.exception() is not None:
        raise task.exception()
    if plant.taken == 200:
        assert tasks < 100, mistake(
            "task-per-item",
            f"The sink had stored {stored} items, and all 200 had been read: {tasks} tasks were "
            "waiting, one or more for each item.",
        )
        assert ahead <= 15, mistake(
            "unbounded-queue",
            f"The sink had stored {stored} items, and all 200 had been read: {ahead} were lying "
            "in memory. With 3 workers and capacity 5, 15 may.",
        )
    assert ahead <= 15, (
        f"the read-ahead was {ahead} items; with one stage of 3 workers and capacity 5 it is at "
        "most 5 * 2 + 1 + 3 + 1 = 15"
    )
    assert parsed <= 9, (
        f"{parsed} items were parsed and lay in front of the sink. 5 may wait there, and each of "
        "the 3 workers and the sink may hold one: 9"
    )
    assert stored >= 25, f"in 30 s the sink, which takes 1 s, had stored {stored} items"


@pytest.mark.points(3)
@pytest.mark.hint("The reader waits in put() for a place. Who will ever make one?")
@simulate(seeds=10, ignore=frozenset({"leaked-task", "lost-exception"}))
async def test_when_the_sink_dies_the_producer_does_not_wait_for_ever(world, submission):
    """If the sink raises while the others wait for a place, run_pipeline ends and raises it."""
    await assert_that_it_ends(world, submission)
    plant = Plant(world)
    stages = [submission.Stage(plant.step("parse", 0.1), 2)] * (world.seed % 3)
    sink = plant.sink(lambda: 1.0 + world.latency("store", 0, 0.1), fails_on=[4])
    last = 5 if world.seed % 4 == 3 else 200  # or is the fifth the last one?
    task = start(submission, plant.source(range(last), 0.01), stages, sink, capacity=2)
    ended = await ends(task)
    assert ended or last == 200, (
        f"the sink raised DiskFull at the last item, and {LONG:.0f} s later it still runs"
    )
    assert ended, mistake(
        "producer-stuck-forever",
        f"The sink raised DiskFull at the fifth item. {LONG:.0f} s later run_pipeline had not "
        f"ended; {plant.taken} of 200 items had been read.",
    )
    assert_it_raised(task, "the sink", plant)


@pytest.mark.points(2)
@pytest.mark.hint("And those who wait in get(): will anybody ever put something there?")
@simulate(seeds=6, ignore=frozenset({"leaked-task", "lost-exception"}))
async def test_when_a_stage_or_the_source_dies_nobody_waits_for_ever(world, submission):
    """If a stage or the source raises, run_pipeline ends and raises it, too."""
    await assert_that_it_ends(world, submission)
    plant = Plant(world)
    of_stage = world.seed % 2 == 0
    parse = plant.step("parse", 1.0, fails_on=[4] if of_stage else [])
    look_up = plant.step("look up", 30.0 if world.seed // 2 == 2 else 0.0)
    stages = [submission.Stage(parse, 1 + world.seed // 2), submission.Stage(look_up)]
    source = plant.source(range(200 if of_stage else 5), 1.0, error=DiskFull("the source"))
    task = start(submission, source, stages, plant.sink(0.5), capacity=3)
    who = "a stage" if of_stage else "the source"
    ended = await ends(task)
    assert ended, f"{who} raised DiskFull at the fifth item, and {LONG:.0f} s later it still runs"
    assert_it_raised(task, who, plant)


@pytest.mark.points(2)
@pytest.mark.hint("Cancelling asks; the end of a task is something to wait for.")
@simulate(seeds=6, ignore=frozenset({"leaked-task", "lost-exception"}))
async def test_after_a_failure_nothing_is_running(world, submission):
    """When run_pipeline raises, every function it called has ended, its clean-up included."""
    plant = Plant(world)
    stages = [
        submission.Stage(plant.step("parse", lambda: world.latency("parse", 2, 9), tidy=0.5), 3),
        submission.Stage(plant.step("look up", lambda: world.latency("find", 2, 9), tidy=0.5), 3),
    ]
    sink = plant.sink(0.5, fails_on=range(2, 200))
    task = start(submission, plant.source(range(200), 0.01), stages, sink, capacity=2)
    done, _ = await asyncio.wait([task], timeout=LONG)
    running, taken = plant.still_running(), plant.taken
    assert await ends(task, 20), f"the sink raised, and {LONG:.0f} s later run_pipeline runs on"
    await asyncio.sleep(20)
    assert done, f"the sink raised DiskFull, and {LONG:.0f} s later run_pipeline had not ended"
    error = None if task.cancelled() else task.exception()
    assert disk_full_in(error), f"the sink raised DiskFull, and run_pipeline raised {error!r}"
    assert not running, mistake(
        "leaked-sibling",
        f"The sink raised, run_pipeline too, and still at work were: {', '.join(running)}.",
    )
    assert plant.taken == taken, (
        f"run_pipeline had raised, and {plant.taken - taken} more items were read afterwards"
    )


@pytest.mark.points(2)
@simulate(seeds=20, ignore=frozenset({"leaked-task"}))
async def test_cancelled_it_leaves_nothing_running(world, submission):
    """If run_pipeline is cancelled, everything it called ends before it does."""
    plant = Plant(world)
    stages = [submission.Stage(plant.step("parse", 0.3, tidy=0.5), 2)]
    task = start(
        submission, plant.source(range(200), 0.1), stages, plant.sink(1.0, tidy=0.2), capacity=2
    )
    await asyncio.sleep(0.05 + 10 * world.draw("when"))
    task.cancel()
    await asyncio.wait([task], timeout=LONG)
    running = plant.still_running()
    assert task.done(), f"run_pipeline was cancelled, and {LONG:.0f} s later it had not ended"
    assert not running, (
        f"run_pipeline was cancelled and ended, and still at work were: {', '.join(running)}"
    )
    assert task.cancelled(), f"run_pipeline was cancelled, and ended with {task.exception()!r}"


@pytest.mark.points(1)
@simulate(seeds=2, at_every_await=True)
async def test_cancelled_at_every_await(world, submission):
    """At whichever await it is cancelled, nothing of it is left when it ends."""
    plant = Plant(world)
    stages = [submission.Stage(plant.step("parse", 0.2, tidy=0.1), 2)]
    pipeline = submission.run_pipeline(
        plant.source(range(4), 0.1), stages, plant.sink(0.3, tidy=0.1), capacity=1
    )
    outcome = await world.interrupted(pipeline)
    running = plant.still_running()
    assert not running, mistake(
        "leaked-task", f"run_pipeline ended, and still at work were: {', '.join(running)}."
    )
    if outcome.error is not None:
        assert isinstance(outcome.error, asyncio.CancelledError), (
            f"run_pipeline was cancelled, and raised {outcome.error!r}"
        )
    else:
        assert sorted(plant.stored) == [0, 1, 2, 3], f"it returned, and stored were {plant.stored}"
