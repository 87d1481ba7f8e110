"""Grades mini_loop.py."""

import selectors
from functools import partial

import pytest

from autograder.grading.benches.loop_scene import NO_ORDER, Scene, forbid_sleep, no_order

pytestmark = pytest.mark.usefixtures("no_sleep")


@pytest.fixture
def no_sleep(monkeypatch):
    """A loop that sleeps is deaf meanwhile; and here it would sleep for ever."""
    forbid_sleep(monkeypatch.setattr)


@pytest.mark.points(1)
def test_calls_are_made_in_order(submission):
    """call_soon calls nothing itself; run makes the calls, with their arguments, in order."""
    scene = Scene(submission)
    for name in ("one", "two", "three"):
        scene.loop.call_soon(lambda *args: scene.calls.append(args), name, 1)
    assert not scene.calls, "call_soon made the call itself; it is to be made in run"
    scene.run()
    assert scene.calls == [("one", 1), ("two", 1), ("three", 1)], f"calls made: {scene.calls}"


@pytest.mark.points(1)
def test_calls_asked_for_by_calls_are_made(submission):
    """A call may ask for further calls, which are made later in the same run, without waiting."""
    scene = Scene(submission)
    loop = scene.loop
    third = scene.note("third")
    loop.call_later(60, scene.note("timer"))
    loop.call_soon(scene.note("first", lambda: loop.call_soon(third), scene.note("first is over")))
    loop.call_soon(scene.note("second"))
    scene.run()
    expected = ["first", "first is over", "second", "third", "timer"]
    assert scene.names == expected, f"calls made: {scene.names}, expected {expected}"
    assert scene.calls[3][1] == 0, (
        f"a call that was ready at 0 s was made at {scene.calls[3][1]:g} s: "
        "run waited although something was ready"
    )


@pytest.mark.points(2)
def test_timers_are_called_at_their_time(submission):
    """A timer is called when the clock says so, with its arguments; the earliest comes first."""
    scene = Scene(submission, now=100.0)
    assert scene.loop.time() == 100, f"the clock says 100, and time() says {scene.loop.time()!r}"
    scene.loop.call_later(3, scene.note("in 3 s"))
    scene.loop.call_at(101.5, scene.note("at 101.5"))
    scene.loop.call_later(0.5, scene.note("in 0.5 s"), "an", "argument")
    scene.loop.call_later(3600, scene.note("in an hour"))
    scene.run()
    expected = [("in 0.5 s", 100.5), ("at 101.5", 101.5), ("in 3 s", 103), ("in an hour", 3700)]
    assert scene.names == [name for name, _ in expected], f"timers called: {scene.names}"
    assert scene.calls == expected, f"called (name, time): {scene.calls}; expected {expected}"


@pytest.mark.points(1)
def test_no_timer_is_called_too_early(submission):
    """If the selector wakes up before the time, nothing is called: the loop waits on."""
    scene = Scene(submission, early=0.25)
    scene.loop.call_later(10, scene.note("timer"))
    scene.run()
    assert scene.calls, "the timer was never called"
    when = scene.calls[0][1]
    assert when >= 10, f"select came back too early, and the timer of 10 s was called at {when} s"

    scene = Scene(submission)
    later = partial(scene.loop.call_later, 1, scene.note("timer"))
    scene.loop.call_soon(scene.note("work", partial(scene.work, 10), later))
    scene.run()
    assert scene.calls == [("work", 0), ("timer", 11)], (
        "a call worked from 0 s to 10 s, and then asked for a timer in 1 s; called were (name, "
        f"time): {scene.calls}"
    )


@pytest.mark.points(1)
def test_late_timers_are_called_in_order(submission):
    """When the loop was busy, all timers that are due are called, in the order of their times."""
    scene = Scene(submission)
    scene.loop.call_at(2.0001, scene.note("third"))
    scene.loop.call_later(1, scene.note("first"))
    scene.loop.call_later(2, scene.note("second"))
    scene.loop.call_at(-5, scene.note("long ago"))
    scene.loop.call_soon(scene.work, 10)
    scene.run()
    expected = ["long ago", "first", "second", "third"]
    assert scene.names == expected, f"timers called: {scene.names}, expected {expected}"
    assert scene.calls[-1][1] == 10, f"due at 2 s, possible at 10 s, called at {scene.calls[-1][1]}"


@pytest.mark.points(1)
@pytest.mark.hint("What is due at once is still a timer, with a time of its own.")
def test_a_time_that_has_passed_is_due_at_once(submission):
    """Timers whose time has passed are due at once, the earlier ones first, as always."""
    scene = Scene(submission)
    scene.selector.now = 100.0
    scene.loop.call_later(0, scene.note("100"))
    scene.loop.call_at(99, scene.note("99"))
    scene.loop.call_at(100, scene.note("100 again"))
    scene.loop.call_at(98, scene.note("98"))
    scene.run()
    expected = ["98", "99", "100", "100 again"]
    assert scene.names == expected, f"timers called: {scene.names}, expected {expected}"
    assert scene.selector.now == 100, f"all were due at 100 s, called by {scene.selector.now:g} s"


@pytest.mark.points(2)
@pytest.mark.hint("Tuples compare their second items when the first are equal. What is yours?")
def test_equal_times_keep_their_order(submission):
    """Timers with equal times are called in the order in which they were asked for."""
    scene = Scene(submission)
    names = list("cabfdehgilkjm")

    def same(thing):
        scene.calls.append((thing["name"], scene.selector.now))

    try:
        for name in names:  # other functions, no arguments
            scene.loop.call_at(5, scene.note(name))
        for name in names:  # one function, arguments that have no order
            scene.loop.call_at(7, same, {"name": name})
    except TypeError as error:
        assert not NO_ORDER.search(str(error)), no_order(error)  # noqa: PT017
        raise
    scene.run()
    for found in (scene.names[: len(names)], scene.names[len(names) :]):
        assert found == names, f"asked for {names} at one time; called were {found}"


@pytest.mark.points(2)
def test_a_cancelled_call_is_not_made(submission):
    """After cancel the call is not made, not even if another call of the same turn cancels it."""
    scene = Scene(submission)
    soon = scene.loop.call_soon(scene.note("cancelled before run"))
    soon.cancel()
    scene.loop.call_soon(scene.note("first", lambda: ready.cancel()))
    ready = scene.loop.call_soon(scene.note("cancelled by first"))
    scene.loop.call_at(1, scene.note("timer", lambda: due.cancel()))
    due = scene.loop.call_at(1, scene.note("cancelled by timer"))
    scene.run()
    expected = ["first", "timer"]
    assert scene.names == expected, f"calls made: {scene.names}; not taken back were {expected}"


@pytest.mark.points(1)
def test_cancel_twice_or_too_late_is_no_error(submission):
    """To cancel a second time, or after the call has been made, changes nothing."""
    scene = Scene(submission)
    handles = [
        scene.loop.call_soon(scene.note("soon")),
        scene.loop.call_later(1, scene.note("later")),
        scene.loop.call_at(2, scene.note("at")),
    ]
    scene.loop.call_later(3, scene.note("never")).cancel()
    scene.run()
    for handle in handles:
        handle.cancel()
        handle.cancel()
    scene.loop.call_soon(scene.note("again"))
    scene.run()
    expected = ["soon", "later", "at", "again"]
    assert scene.names == expected, f"calls made: {scene.names}, expected {expected}"


@pytest.mark.points(1)
def test_nobody_waits_for_a_cancelled_timer(submission):
    """A cancelled timer keeps run from nothing: it returns without waiting for its time."""
    scene = Scene(submission)
    handles = [scene.loop.call_later(3600, scene.note("an hour")) for _ in range(3)]
    scene.loop.call_later(2, lambda: [handle.cancel() for handle in handles])
    scene.run()
    assert not scene.calls, f"called although they were cancelled: {scene.names}"
    now = scene.selector.now
    assert now == 2, f"nothing was left to do at 2 s, and run returned at {now:g} s"
    scene.loop.call_at(10, scene.note("cancelled")).cancel()
    scene.loop.call_at(20, scene.note("the next"))
    scene.run()
    assert scene.names == ["the next"], f"one timer was cancelled, one was not: {scene.names}"
    assert 10 not in scene.selector.woke, (
        "a timer of 10 s was cancelled at 2 s, the next was due at 20 s, and the loop woke up at "
        "10 s, for nothing"
    )


@pytest.mark.points(1)
def test_a_socket_wakes_the_loop(submission):
    """When a socket is ready, its function is called with the events, also while timers wait."""
    scene = Scene(submission)
    selector = scene.selector
    heard = []
    other = scene.note("other socket", lambda: selector.unregister("other"))
    selector.register("other", selectors.EVENT_READ, other)
    selector.arrive(2, "other")

    def ready(events):
        heard.append((events, selector.now))
        if len(heard) == 2:
            selector.unregister("socket")

    selector.register("socket", selectors.EVENT_READ | selectors.EVENT_WRITE, ready)
    selector.arrive(2, "socket", selectors.EVENT_WRITE)
    selector.arrive(5, "socket", selectors.EVENT_READ)
    scene.loop.call_later(3, scene.note("timer"))
    scene.run()
    expected = [(selectors.EVENT_WRITE, 2), (selectors.EVENT_READ, 5)]
    assert heard == expected, f"called with (events, at): {heard}; expected {expected}"
    assert scene.calls == [("other socket", 2), ("timer", 3)], (
        f"another socket was ready at 2 s too, and a timer was due at 3 s; called: {scene.calls}"
    )


@pytest.mark.points(1)
def test_run_returns_when_nothing_is_left(submission):
    """run returns when no call, timer or socket is left, and may be called again."""
    scene = Scene(submission)
    scene.run()
    assert scene.selector.now == 0, "nothing was there to do, and run waited"
    scene.loop.call_later(1, scene.note("one"))
    scene.run()
    scene.loop.call_soon(scene.note("two"))
    scene.loop.call_later(1, scene.note("three"))
    scene.run()
    expected = [("one", 1), ("two", 1), ("three", 2)]
    assert scene.calls == expected, f"three runs called {scene.calls}, expected {expected}"


@pytest.mark.points(1)
def test_run_goes_on_while_a_socket_is_registered(submission):
    """While a socket is registered, run waits for it, although no call and no timer is left."""
    scene = Scene(submission)
    selector = scene.selector

    def accept(events):
        scene.calls.append(("accept", selector.now))
        selector.unregister("listener")
        selector.register("client", selectors.EVENT_READ, read)
        selector.arrive(9, "client")

    def read(events):
        scene.calls.append(("read", selector.now))
        selector.unregister("client")

    selector.register("listener", selectors.EVENT_READ, accept)
    selector.arrive(4, "listener")
    scene.run()
    assert scene.calls == [("accept", 4), ("read", 9)], (
        f"a connection came at 4 s and data at 9 s; called were {scene.calls}"
    )
