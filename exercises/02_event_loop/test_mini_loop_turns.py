"""Grades mini_loop.py: turns, errors, waiting."""

import selectors

import pytest

from autograder.grading import mistake
from autograder.grading.benches.fake_selector import GaveUp
from autograder.grading.benches.loop_scene import Scene, forbid_sleep

pytestmark = pytest.mark.usefixtures("no_sleep")


class CallFailed(Exception):
    """What a failing callback raises."""


@pytest.fixture
def no_sleep(monkeypatch):
    """A loop that sleeps is deaf meanwhile; and here it would sleep for ever."""
    forbid_sleep(monkeypatch.setattr)


@pytest.mark.points(2)
def test_a_call_that_asks_for_itself_starves_no_timer(submission):
    """While a call asks for itself again and again, timers are called at their time."""
    scene = Scene(submission)
    rounds = []

    def spin():
        rounds.append(scene.selector.now)
        scene.work(0.01)
        if len(rounds) < 1_000 and "timer" not in scene.names:
            scene.loop.call_soon(spin)

    scene.loop.call_soon(spin)
    scene.loop.call_later(1, scene.note("timer"))
    scene.run()
    assert rounds, "the call was not made"
    assert "timer" in scene.names, f"the timer was never called; calls made: {scene.names}"
    when = scene.calls[0][1]
    assert when < 9, mistake(
        "timer-starvation",
        f"A call asked for itself {len(rounds):,} times; a timer of 1 s had to wait for it, and "
        f"was called at {when:.0f} s.",
    )
    assert when < 1.02, f"a timer was due at 1 s and one turn takes 0.01 s: called at {when:.2f} s"


@pytest.mark.points(2)
def test_a_timer_that_sets_itself_again_starves_nobody(submission):
    """A timer that sets itself for now, again and again, keeps no other call from its turn."""
    scene = Scene(submission)
    rounds = []

    def again():
        rounds.append(scene.selector.now)
        if len(rounds) < 1_000 and "soon" not in scene.names:
            scene.loop.call_later(0, again)

    scene.loop.call_later(1, again)
    scene.loop.call_later(1, scene.loop.call_soon, scene.note("soon"))
    scene.run()
    assert scene.names == ["soon"], f"a call was asked for once, and made: {scene.names}"
    assert len(rounds) < 10, (
        f"a timer set itself again {len(rounds)} times before a call that was ready got its turn"
    )


@pytest.mark.points(1)
def test_a_turn_makes_all_calls_that_are_ready(submission):
    """All calls that are ready are made before anything that was added meanwhile, a timer, too."""
    scene = Scene(submission)
    scene.loop.call_soon(scene.loop.call_later, 0, scene.note("timer"))
    for _ in range(150):
        scene.loop.call_soon(scene.note("ready"))
    scene.run()
    assert "timer" in scene.names, "a timer of 0 s was never called"
    before = scene.names.index("timer")
    assert before == 150, (
        f"150 calls were ready, and the one before them set a timer of 0 s: it was called after "
        f"{before} of them"
    )


@pytest.mark.points(1)
def test_a_call_that_asks_for_itself_starves_no_socket(submission):
    """While a call asks for itself again and again, sockets are served."""
    scene = Scene(submission)
    rounds = []

    def spin():
        rounds.append(scene.selector.now)
        scene.work(0.01)
        if len(rounds) < 300 and "socket" not in scene.names:
            scene.loop.call_soon(spin)

    served = scene.note("socket", lambda: scene.selector.unregister("socket"))
    scene.selector.register("socket", selectors.EVENT_READ, served)
    scene.selector.arrive(0.5, "socket")
    scene.loop.call_soon(spin)
    scene.run()
    assert "socket" in scene.names, "a socket was ready, and its function was never called"
    assert len(rounds) < 60, (
        f"a socket was ready after 50 rounds of a call that asks for itself, and was served after "
        f"{len(rounds)}"
    )


@pytest.mark.points(2)
@pytest.mark.hint("How many calls does one turn of yours make?")
def test_sockets_that_are_always_ready_starve_nobody(submission):
    """While sockets are ready again and again, timers and calls get their turn."""
    scene = Scene(submission)
    served = []

    def serve(events):
        served.append(events)
        scene.work(0.01)
        if len(served) >= 400 or "timer" in scene.names:
            for name in list(scene.selector.get_map()):
                scene.selector.unregister(name)

    for name in range(10):
        scene.selector.register(name, selectors.EVENT_READ, serve)
        scene.selector.keep_ready(name)
    scene.loop.call_later(1, scene.note("timer"))
    scene.loop.call_soon(scene.note("soon"))
    scene.run()
    assert served, "ten sockets were ready, and their functions were never called"
    when = dict(scene.calls)
    assert "timer" in when, f"the timer was never called; calls made: {scene.names}"
    assert when["timer"] < 3, mistake(
        "timer-starvation",
        "Ten sockets were ready all the time, and to serve each once takes 0.1 s. A timer of 1 s "
        f"was called at {when['timer']:.0f} s.",
    )
    assert when["timer"] < 1.3, f"a timer was due at 1 s, a turn is 0.1 s: {when['timer']:.2f} s"
    assert when.get("soon", 9) < 0.3, f"a call was ready at 0 s; called (name, time): {scene.calls}"


def run_beside_others(submission, kind, error):
    """Run a call of a kind, which raises `error` if there is one, beside others."""
    scene = Scene(submission)

    def act(*args):
        scene.calls.append(("it", scene.selector.now))
        if "socket" in scene.selector.get_map():
            scene.selector.unregister("socket")
        if error is not None:
            raise error

    if kind == "ready call":
        scene.loop.call_soon(act)
    elif kind == "timer":
        scene.loop.call_later(1, act)
    else:
        scene.selector.register("socket", selectors.EVENT_READ, act)
        scene.selector.arrive(1, "socket")
    scene.loop.call_soon(scene.note("ready"))
    scene.loop.call_at(1, scene.note("same moment"))
    scene.loop.call_later(2, scene.note("later"))
    left = None
    try:
        scene.run(expected=[error])
    except CallFailed as caught:
        left = caught
    return scene, left, {"it", "ready", "same moment", "later"} - set(scene.names)


@pytest.mark.points(2)
@pytest.mark.parametrize("kind", ["ready call", "timer", "socket"])
def test_one_that_raises_does_not_end_the_loop(submission, kind):
    """When a call raises, its error is reported, and everything else goes on."""
    _, _, missing = run_beside_others(submission, kind, None)
    assert not missing, f"nothing raised, and never called was: {', '.join(sorted(missing))}"
    error = CallFailed(f"the {kind} failed")
    scene, left, missing = run_beside_others(submission, kind, error)
    lost = left is not None or missing
    assert not lost, mistake(
        "loop-dies-of-one-error",
        f"A {kind} raised an exception, and "
        + ("it came out of run." if left else f"never called was: {', '.join(sorted(missing))}."),
    )
    assert scene.reported == [error], (
        f"the error was to be reported once; report was called with {scene.reported}"
    )


@pytest.mark.points(1)
def test_ctrl_c_leaves_the_loop(submission):
    """What is no Exception, such as KeyboardInterrupt, leaves run, which can be called again."""
    for kind in (KeyboardInterrupt, SystemExit):
        scene = Scene(submission)

        def interrupted(kind=kind):
            raise kind

        scene.loop.call_later(1, interrupted)
        try:
            scene.loop.run()
        except kind:
            scene.loop.call_soon(scene.note("next"))
            scene.run()
            assert "next" in scene.names, f"{kind.__name__} left run; run again called nothing"
            continue
        raise AssertionError(
            f"a call raised {kind.__name__}, and run went on as if nothing had been; report was "
            f"called with {scene.reported}"
        )


@pytest.mark.points(2)
def test_it_waits_in_select(submission):
    """When nothing is ready, the loop waits in select until the next timer, and does not poll."""
    scene = Scene(submission)
    scene.loop.call_later(3600, scene.note("timer"))
    scene.loop.call_later(7200, scene.note("second timer"))
    polling = None
    try:
        scene.loop.run()
    except GaveUp as reason:
        polling = str(reason)
    waited = scene.selector.waits
    in_vain = f"select was called {len(waited)} times"
    assert polling is None or scene.names == ["timer", "second timer"], mistake(
        "busy-poll", f"A timer of an hour was waiting, and {polling}."
    )
    assert polling is None, f"both timers had been called, and run did not return: {polling}"
    assert scene.calls == [("timer", 3600), ("second timer", 7200)], f"called: {scene.calls}"
    assert len(waited) < 50, mistake(
        "busy-poll", f"{in_vain} while two timers waited; each needs one call."
    )
    assert len(waited) <= 8, f"{in_vain} for two timers: {waited}"


@pytest.mark.points(1)
def test_without_timers_it_waits_for_a_socket(submission):
    """When there is no timer, the loop waits in select without a timeout."""
    scene = Scene(submission)
    served = scene.note("socket", lambda: scene.selector.unregister("socket"))
    scene.selector.register("socket", selectors.EVENT_READ, served)
    scene.selector.arrive(86_400, "socket")
    waits = scene.selector.waits
    try:
        scene.run()
    finally:
        polling = len(waits) > 50 and None not in waits
        assert not polling, mistake(
            "busy-poll",
            f"One socket was ready after a day, and no timer waited: select was called "
            f"{len(waits):,} times, with timeouts of {waits[0]} s, {waits[1]} s, {waits[2]} s ...",
        )
    assert scene.calls == [("socket", 86_400)], f"the socket was served so: {scene.calls}"
    assert len(waits) <= 3, (
        f"one socket was ready after a day, and no timer waited: select was called {len(waits)} "
        f"times, at first with timeouts of {waits[:3]}"
    )
