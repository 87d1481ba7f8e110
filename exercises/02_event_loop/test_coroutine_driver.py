"""Grades coroutine_driver.py."""

import pytest

from autograder.grading import mistake
from autograder.grading.benches.stage import Stage, same


class StepFailed(Exception):
    """What a failing coroutine raises."""


def returned(stage, value, got):
    """The value of a coroutine that did nothing but return it."""
    lost = got is None and value is not None
    assert not lost, mistake(
        "return-value-lost", f"A coroutine returned {value!r}, and whoever asked for it got None."
    )
    stage.came_back(value, got)


@pytest.mark.points(2)
def test_run_returns_what_the_coroutine_returns(submission):
    """run gives what the coroutine returns, also if that is 0, an empty list, or None."""

    async def answer(value):
        return value

    async def through_others(value):
        return await answer(await answer(value))

    for value in (42, "text", 0, [], None):
        stage = Stage(submission)
        returned(stage, value, stage.run_main(through_others(value)))


@pytest.mark.points(1)
@pytest.mark.hint("How do you tell a task that has returned from one that has raised?")
def test_an_exception_may_be_a_value(submission):
    """A coroutine may return an exception, as any other value: then nothing is raised."""
    value = StepFailed("returned, and not raised")

    async def collect(task=None):
        return value if task is None else await task.join()

    stage = Stage(submission)
    for what, main in (("run", collect()), ("join", collect(stage.spawn(collect())))):
        try:
            got = stage.run_main(main)
        except StepFailed:
            raise AssertionError(f"a coroutine returned {value!r}, and {what} raised it") from None
        returned(stage, value, got)


@pytest.mark.points(1)
def test_run_raises_what_the_coroutine_raises(submission):
    """run raises the very exception that the coroutine raised."""
    stage, error = Stage(submission), StepFailed("at the second step")
    raised = None
    try:
        stage.run_main(stage.failing(1, error))
    except Exception as caught:
        raised = caught
    assert raised is error, f"the coroutine raised {error!r}, run raised {same(raised, error)}"
    stage.no_errors()


@pytest.mark.points(1)
def test_spawn_returns_before_the_coroutine_begins(submission):
    """spawn returns a task at once; the coroutine begins later, when the loop has its turn."""
    stage = Stage(submission)

    async def parent():
        stage.note("parent begins")
        child = stage.spawn(stage.sleeper("child", 1, returns="done"))
        stage.note("parent goes on")
        assert not child.done(), "a task that has not begun says that it is done"
        await stage.sleep(5)
        assert child.done(), "the task has ended long ago, and says that it is not done"
        return child.result()

    task = stage.spawn(parent())
    assert not stage.diary, "spawn ran the coroutine; its first step belongs into a callback"
    stage.run()
    expected = ["parent begins", "parent goes on", "child begins", "child ends"]
    assert stage.notes == expected, f"what happened: {stage.notes}, expected {expected}"
    stage.came_back("done", task.result())


@pytest.mark.points(2)
def test_sleepers_sleep_side_by_side(submission):
    """Each sleep takes its own time, and while one sleeps the others run."""
    stage = Stage(submission)
    for name, seconds in (("a", 3), ("b", 1), ("c", 2)):
        stage.spawn(stage.sleeper(name, seconds))
    stage.run()
    begun = [stage.at(f"{name} begins") for name in "abc"]
    ended = [stage.at(f"{name} ends") for name in "abc"]
    assert begun == [[0]] * 3, f"three tasks began at {begun}, expected all at 0 s"
    assert ended == [[3], [1], [2]], f"sleeps of 3, 1 and 2 s ended at {ended}"


@pytest.mark.points(1)
def test_sleep_zero_lets_others_run(submission):
    """sleep(0) gives the others that are ready a turn, however often it is called."""
    stage = Stage(submission)

    async def polite(name):
        for number in range(2_000):
            if number < 3:
                stage.note(name)
            await stage.sleep(0)

    stage.spawn(polite("a"))
    stage.spawn(polite("b"))
    stage.run()
    assert stage.notes == ["a", "b"] * 3, f"two tasks that sleep(0) ran in this order {stage.notes}"
    now = stage.loop.time()
    assert now == 0, f"two tasks slept for 0 s, many times, and it is {now:g} s"


@pytest.mark.points(2)
def test_join_gives_the_value(submission):
    """join gives what the task returned: before and after its end, and to all who ask."""
    for value in ("dinner", 0, False):
        stage, got = Stage(submission), []

        async def ask(task, after, stage=stage, got=got):
            await stage.sleep(after)
            value = await task.join()
            got.append((value, round(stage.loop.time(), 6)))

        task = stage.spawn(stage.sleeper("cook", 5, returns=value))
        for after in (0, 1, 5, 9):
            stage.spawn(ask(task, after))
        stage.run()
        assert len(got) == 4, f"4 coroutines joined a task that ended, and {len(got)} went on"
        times = [time for _, time in got]
        assert times == [5, 5, 5, 9], (
            f"a task ended at 5 s; joined at 0, 1, 5 and 9 s, join was over at {times}"
        )
        for one, _ in got:
            returned(stage, value, one)


@pytest.mark.points(2)
def test_join_raises_the_error(submission):
    """If the task raises, join raises the same exception where the other coroutine waits."""
    for after in (0, 9):
        stage, error = Stage(submission), StepFailed("the oven is cold")
        caught, went_on = [], []

        async def ask(task, stage=stage, caught=caught, went_on=went_on, after=after):
            try:
                await stage.sleep(after)
                went_on.append(await task.join())
            except StepFailed as reason:
                caught.append(reason)

        control = stage.spawn(stage.sleeper("control", 5))
        stage.spawn(ask(control))
        stage.run_loop()
        assert len(went_on) == 1, "a coroutine joined a task that did not fail, and did not go on"
        assert stage.loop.time() >= 5, "join was over before the task was"
        went_on.clear()
        failing = stage.spawn(stage.failing(5, error))
        asking = [stage.spawn(ask(failing)) for _ in range(2)]
        stage.run_loop()
        where = "before the task failed" if after == 0 else "after the task had failed"
        assert not went_on, mistake(
            "exception-not-thrown-in",
            f"A task raised, and an await on its join, begun {where}, gave {went_on[0]!r} instead "
            "of raising.",
        )
        astray = not caught and any(problem is error for problem in stage.loop.errors)
        assert not astray, mistake(
            "exception-not-thrown-in",
            f"A task raised {error!r}, which came out into the loop; whoever waits in join never "
            "got it.",
        )
        assert len(caught) == 2, f"2 coroutines joined a task that failed; {len(caught)} caught it"
        for one in caught:
            assert one is error, f"the task raised {error!r}, join raised {same(one, error)}"
        assert all(task.done() for task in asking), "a coroutine that had caught it did not end"
        stage.no_errors()


@pytest.mark.points(1)
def test_an_error_stops_only_its_own_task(submission):
    """When a coroutine raises, its task ends, and the others go on."""
    stage, error = Stage(submission), StepFailed("alone")
    failing = stage.spawn(stage.failing(1, error))
    stage.spawn(stage.sleeper("other", 2))
    stage.run()
    assert stage.at("other ends") == [2], f"the other task did: {stage.diary}"
    assert failing.done(), "a task whose coroutine raised says that it is not done"
    raised = None
    try:
        failing.result()
    except StepFailed as caught:
        raised = caught
    assert raised is error, f"it raised {error!r}, result() raised {same(raised, error)}"


@pytest.mark.points(1)
def test_there_is_no_result_before_the_end(submission):
    """result() raises RuntimeError as long as the task has not ended."""
    stage = Stage(submission)
    task = stage.spawn(stage.sleeper("one", 1, returns="late"))
    early = []

    def look():
        try:
            early.append(task.result())
        except RuntimeError:
            stage.note("RuntimeError")

    look()
    stage.loop.call_later(0.5, look)
    stage.run()
    assert not early, f"the task ended after 1 s; before that, result() returned {early[0]!r}"
    assert stage.at("RuntimeError") == [0, 0.5], f"what happened: {stage.diary}"
    stage.came_back("late", task.result())


@pytest.mark.points(1)
def test_a_chain_of_tasks_ends(submission):
    """Twelve hundred tasks, each waiting for the next, all end when the last one does."""
    stage = Stage(submission)

    async def link(following):
        return await following.join() + 1

    async def last():
        await stage.sleep(1)
        return 0

    task = stage.spawn(last())
    for _ in range(1_200):
        task = stage.spawn(link(task))
    stage.run()
    assert task.done(), "the last task ended, and the first one waits still"
    stage.came_back(1_200, task.result())


@pytest.mark.points(1)
def test_run_says_when_the_coroutine_can_never_end(submission):
    """If nothing is left to do and the coroutine still waits, run raises RuntimeError."""
    stage = Stage(submission)
    tasks = {}

    async def wait_for(name):
        await tasks[name].join()

    async def main():
        tasks["a"], tasks["b"] = stage.spawn(wait_for("b")), stage.spawn(wait_for("a"))
        await tasks["a"].join()

    try:
        got = stage.run_main(main())
    except RuntimeError:
        stage.no_errors()
    else:
        raise AssertionError(f"two tasks wait for each other for ever, and run returned {got!r}")
