"""Grades coroutine_driver.py: cancelling."""

from functools import partial

import pytest

from autograder.grading import mistake
from autograder.grading.benches.stage import Stage


class StepFailed(Exception):
    """What a failing coroutine raises."""


@pytest.mark.points(2)
def test_cancel_raises_cancelled_at_the_await(submission):
    """A task that is cancelled gets Cancelled where it waits, soon, and not when the wait ends."""
    stage = Stage(submission)
    task = stage.spawn(stage.tidy("task", partial(stage.sleep, 10), 0))
    done = []

    def cancel():
        task.cancel()
        stage.note("cancel has returned")
        done.append(task.done())

    stage.loop.call_later(1, cancel)
    stage.run_loop()
    assert stage.at("task ends") != [10], mistake(
        "cancel-is-ignored", "A task that sleeps for 10 s was cancelled at 1 s, and slept on."
    )
    cancelled = stage.at("task is cancelled")
    assert cancelled != [10], mistake(
        "cancel-is-ignored",
        "A task that sleeps for 10 s was cancelled at 1 s, and got Cancelled at 10 s.",
    )
    assert cancelled == [1], (
        f"a task was cancelled at 1 s; what happened (what, when): {stage.diary}"
    )
    assert stage.notes[1] == "cancel has returned", (
        f"cancel itself threw Cancelled in; that belongs into a callback of the loop: {stage.notes}"
    )
    stage.was_cancelled(task, "a coroutine let Cancelled pass")
    assert done == [False], "its coroutine had not got Cancelled yet, and the task said it was done"


@pytest.mark.points(2)
@pytest.mark.hint("What became of the timer that the task was waiting for when it was cancelled?")
def test_an_old_timer_does_not_end_a_new_wait(submission):
    """A task that is cancelled in a sleep and sleeps again to tidy up sleeps its full time."""
    stage = Stage(submission)
    task = stage.spawn(stage.tidy("task", partial(stage.sleep, 10), 20))
    stage.loop.call_later(1, task.cancel)
    stage.run_loop()
    assert stage.at("task is cancelled") == [1], f"cancelled at 1 s, this happened: {stage.diary}"
    assert stage.at("task is tidy") != [10], mistake(
        "stale-wakeup",
        "A task was cancelled at 1 s in a sleep of 10 s, and then slept for 20 s: it was woken at "
        "10 s, by the timer of the sleep that was over.",
    )
    assert stage.at("task is tidy") == [21], f"tidying was to last from 1 s to 21 s: {stage.diary}"
    stage.no_errors()


@pytest.mark.points(2)
def test_an_old_join_does_not_end_a_new_wait(submission):
    """A task that is cancelled in join is not woken when the other task, which runs on, ends."""
    stage = Stage(submission)
    child = stage.spawn(stage.sleeper("child", 5, returns="grown up"))
    others = [stage.spawn(child.join())]
    parent = stage.spawn(stage.tidy("parent", child.join, 20))
    others.append(stage.spawn(child.join()))
    stage.loop.call_later(1, parent.cancel)
    stage.run_loop()
    ignored = stage.at("parent ends") == [5] and not stage.at("parent is cancelled")
    assert not ignored, mistake(
        "cancel-is-ignored",
        "A task was cancelled at 1 s while it waited in join for another one, which ended at 5 s. "
        "It waited until then, and went on as if nothing had been.",
    )
    assert stage.at("parent is cancelled") == [1], f"cancelled at 1 s: {stage.diary}"
    assert stage.at("child ends") == [5], (
        f"only the task that waited in join was cancelled; the other one did: {stage.diary}"
    )
    assert stage.at("parent is tidy") != [5], mistake(
        "stale-wakeup",
        "A task was cancelled while it waited in join, and then slept to tidy up: the end of the "
        "other task ended that sleep.",
    )
    assert stage.at("parent is tidy") == [21], f"tidying was to last until 21 s: {stage.diary}"
    woken = sum(other.done() for other in others)
    assert woken == 2, f"three joined a task, one of them was cancelled; {woken} got its value"
    for other in others:
        stage.came_back("grown up", other.result())


@pytest.mark.points(1)
def test_a_task_that_has_not_begun_never_does(submission):
    """A task that is cancelled before its first step ends with Cancelled, and runs nothing."""
    stage = Stage(submission)
    task = stage.spawn(stage.sleeper("task", 1))
    task.cancel()
    stage.run()
    assert not stage.diary, f"a task was cancelled before it began, and then: {stage.diary}"
    stage.was_cancelled(task, "a task was cancelled before it began")


@pytest.mark.points(1)
def test_who_joins_one_that_never_begins_goes_on(submission):
    """Whoever waits in join for a task that is cancelled before it begins gets Cancelled."""
    stage = Stage(submission)
    tasks = []

    async def ask():
        try:
            await tasks[0].join()
        except stage.cancelled:
            stage.note("join raised Cancelled")

    async def cancel():
        tasks[0].cancel()

    asking = stage.spawn(ask())  # its turn comes first, then that of the one who cancels
    stage.spawn(cancel())
    tasks.append(stage.spawn(stage.sleeper("task", 1)))
    stage.run()
    assert asking.done(), (
        "a task was cancelled before it began, and whoever waited in its join waits still"
    )
    expected = [("join raised Cancelled", 0)]
    assert stage.diary == expected, f"what happened: {stage.diary}, expected {expected}"


@pytest.mark.points(1)
def test_cancelling_too_late_changes_nothing(submission):
    """To cancel a task that has ended changes nothing: its value stays, join gives it."""
    stage = Stage(submission)
    task = stage.spawn(stage.sleeper("task", 1, returns="value"))
    failed = stage.spawn(stage.failing(1, StepFailed("failed")))
    stage.run()
    task.cancel()
    failed.cancel()
    stage.run()
    stage.came_back("value", stage.run_main(task.join()))
    try:
        value = stage.run_main(failed.join())
    except StepFailed:
        return
    raise AssertionError(f"a task had failed and was cancelled then; join gave {value!r}")


@pytest.mark.points(1)
def test_cancelled_may_be_caught(submission):
    """A coroutine that catches Cancelled goes on, and its task ends as the coroutine does."""
    stage = Stage(submission)

    async def stubborn():
        try:
            await stage.sleep(10)
        except stage.cancelled:
            await stage.sleep(2)
            return f"at {stage.loop.time():g} s"

    task = stage.spawn(stubborn())
    stage.loop.call_later(1, task.cancel)
    stage.run()
    assert task.done(), "the coroutine caught Cancelled, and its task never ended"
    stage.came_back("at 3 s", task.result())


@pytest.mark.points(1)
def test_join_raises_cancelled_if_the_task_was(submission):
    """Whoever joins a task that is cancelled gets Cancelled, and may catch it."""
    stage = Stage(submission)
    task = stage.spawn(stage.sleeper("task", 10))

    async def ask():
        try:
            await task.join()
        except stage.cancelled:
            return f"cancelled at {stage.loop.time():g} s"

    asking = stage.spawn(ask())
    stage.loop.call_later(1, task.cancel)
    stage.run()
    assert asking.done(), "a task was cancelled, and whoever waited in its join waits still"
    stage.came_back("cancelled at 1 s", asking.result())


@pytest.mark.points(1)
def test_join_waits_until_a_cancelled_task_is_tidy(submission):
    """Whoever cancels a task and joins it waits until it has tidied up, and has ended."""
    stage = Stage(submission)
    letting_pass = stage.spawn(stage.tidy("task", partial(stage.sleep, 10), 2))

    async def stubborn():
        try:
            await stage.sleep(10)
        except stage.cancelled:
            await stage.sleep(3)

    async def end(name, task):
        await stage.sleep(1)
        task.cancel()
        try:
            await task.join()
            stage.note(f"{name} returned")
        except stage.cancelled:
            stage.note(f"{name} raised Cancelled")

    stage.spawn(end("the join of one that lets Cancelled pass", letting_pass))
    stage.spawn(end("the join of one that catches it", stage.spawn(stubborn())))
    stage.run()
    joins = [(text, when) for text, when in stage.diary if text.startswith("the join")]
    expected = [("the join of one that lets Cancelled pass raised Cancelled", 3),
                ("the join of one that catches it returned", 4)]  # fmt: skip
    assert joins == expected, f"what happened: {joins}, expected {expected}"


@pytest.mark.points(1)
def test_two_cancels_in_a_row_are_one(submission):
    """cancel called twice before Cancelled has arrived does not disturb the tidying up."""
    stage = Stage(submission)
    task = stage.spawn(stage.tidy("task", partial(stage.sleep, 10), 2))
    stage.loop.call_later(1, lambda: (task.cancel(), task.cancel()))
    stage.run()
    expected = [("task begins", 0), ("task is cancelled", 1), ("task is tidy", 3)]
    assert stage.diary == expected, f"what happened: {stage.diary}, expected {expected}"


@pytest.mark.points(1)
def test_a_cancel_while_tidying_up_is_another_one(submission):
    """A cancel that comes while a task tidies up after the first ends that wait, too."""
    stage = Stage(submission)
    task = stage.spawn(stage.tidy("task", partial(stage.sleep, 10), 20))
    stage.loop.call_later(1, task.cancel)
    stage.loop.call_later(5, task.cancel)
    stage.run()
    assert stage.notes == ["task begins", "task is cancelled"], (
        f"cancelled at 1 s, and at 5 s while it tidied up until 21 s: {stage.diary}"
    )
    assert task.done(), "a task let the second Cancelled pass, and has not ended"


@pytest.mark.points(1)
def test_a_task_cancels_itself(submission):
    """A coroutine that cancels its own task runs on to its next await, and is cancelled there."""
    stage = Stage(submission)

    async def give_up(*, and_wait):
        tasks[and_wait].cancel()
        stage.note(f"{and_wait} goes on")
        if and_wait:
            try:
                await stage.sleep(5)
            finally:
                stage.note("sleep is over")
        return "the end"

    tasks = {and_wait: stage.spawn(give_up(and_wait=and_wait)) for and_wait in (True, False)}
    stage.run()
    expected = [("True goes on", 0), ("False goes on", 0), ("sleep is over", 0)]
    assert stage.diary == expected, f"what happened: {stage.diary}, expected {expected}"
    assert tasks[False].done(), "a coroutine cancelled its own task and ended; the task did not"
    stage.was_cancelled(tasks[True], "a coroutine cancelled its own task, and then slept")
    stage.came_back("the end", tasks[False].result())


@pytest.mark.points(1)
@pytest.mark.hint("Two wake-ups are on their way. How many steps may come of them?")
def test_cancelled_in_the_moment_its_wait_ends(submission):
    """A task that is cancelled just when its wait ends is cancelled here or at its next await."""
    for early in (True, False):
        stage = Stage(submission)

        async def parent(child, stage=stage):
            try:
                await child.join()
                stage.note("joined")
                await stage.sleep(5)
                stage.note("slept")
            except stage.cancelled:
                stage.note("cancelled")
                await stage.sleep(5)
                stage.note("tidy")

        child = stage.spawn(stage.sleeper("child", 1))
        task = stage.spawn(parent(child))
        if early:  # one callback earlier or later than the end of the child
            stage.loop.call_soon(stage.loop.call_later, 1, stage.loop.call_soon, task.cancel)
        else:
            stage.loop.call_later(1, stage.loop.call_soon, task.cancel)
        stage.run()
        assert "slept" not in stage.notes, f"it was cancelled at 1 s, and slept on: {stage.diary}"
        assert stage.at("cancelled") == [1], f"it was cancelled at 1 s: {stage.diary}"
        assert stage.at("tidy") == [6], f"it was to tidy up from 1 s to 6 s: {stage.diary}"
        assert task.done(), "the coroutine has ended, and its task is not done"
