"""Grades emitter.py."""

from dataclasses import dataclass
from functools import partial

import pytest

from autograder.grading import mistake
from autograder.grading.benches.callback_loop import CallbackLoop

CHANGED = ("changed size during iteration", "changed during iteration", "mutated during iteration")


class HandlerFailed(Exception):
    """What a failing handler raises."""


class Scene:
    """A loop, an emitter on it, and a diary in which handlers note that they were called."""

    def __init__(self, submission):
        self.loop = CallbackLoop()
        self.emitter = submission.Emitter(self.loop.call_soon)
        self.calls = []

    def handler(self, name, *then):
        """A handler that notes its name, and then does `then`."""

        def handler(*args):
            self.calls.append(name)
            for act in then:
                act()

        return handler

    def failing(self, name, error):
        """A handler that notes its name and raises."""

        def handler(*args):
            self.calls.append(name)
            raise error

        return handler

    def emit(self, event="news", *args):
        """Emit; say so if a handler's error comes out, or if the walk over the handlers breaks."""
        try:
            self.emitter.emit(event, *args)
        except HandlerFailed as error:
            raise AssertionError(f"a handler raised {error!r}, and emit let it out") from None
        except RuntimeError as error:
            broke = any(text in str(error) for text in CHANGED)
            assert not broke, mistake(  # noqa: PT017
                "set-changed-during-iteration",
                f"The handlers changed while emit was walking over them: {error}.",
            )
            raise


@pytest.mark.points(2)
def test_handlers_are_called_in_the_order_they_were_added(submission):
    """Handlers are called in the order they were added, before emit returns."""
    scene = Scene(submission)
    for name in ("bar", "log", "mail"):
        scene.emitter.on("progress", lambda *args, name=name: scene.calls.append((name, args)))
    scene.emit("progress", 40, "kB", None, "of 90")
    assert scene.calls, "when emit returned, no handler had been called"
    expected = [(name, (40, "kB", None, "of 90")) for name in ("bar", "log", "mail")]
    assert scene.calls == expected, f"handlers were called so: {scene.calls}; expected {expected}"
    scene.emit("progress")
    expected += [(name, ()) for name in ("bar", "log", "mail")]
    assert scene.calls == expected, f"emitted again, without arguments: {scene.calls[3:]}"
    scene.calls.clear()
    scene.emitter.on("start", lambda: [scene.emit("progress"), scene.calls.append("it returned")])
    scene.emit("start")
    expected = [*expected[3:], "it returned"]
    assert scene.calls == expected, f"a handler emitted 'progress': {scene.calls}"


@pytest.mark.points(1)
def test_only_the_events_own_handlers_are_called(submission):
    """Only this event's handlers of this emitter are called, if there are any."""
    scene = Scene(submission)
    other = submission.Emitter(scene.loop.call_soon)
    scene.emit("done")
    scene.emitter.on("done", scene.handler("done"))
    scene.emitter.once("progress", scene.handler("progress"))
    other.on("done", scene.handler("another emitter's"))
    scene.emit("done")
    assert scene.calls == ["done"], f"one emitter said 'done'; these were called: {scene.calls}"


@pytest.mark.points(1)
def test_off_takes_a_handler_away(submission):
    """A handler that was taken away is not called."""
    scene = Scene(submission)
    first, second = scene.handler("first"), scene.handler("second")
    scene.emitter.off("news", first)
    scene.emitter.on("news", first)
    scene.emitter.on("news", second)
    scene.emitter.off("news", first)
    scene.emitter.off("news", first)
    scene.emitter.off("sports", second)
    scene.emit()
    assert scene.calls == ["second"], f"only second was left; these were called: {scene.calls}"


@pytest.mark.points(1)
def test_a_handler_added_twice_is_called_twice(submission):
    """A handler that was added twice is called twice."""
    scene = Scene(submission)
    handler = scene.handler("handler")
    scene.emitter.on("news", handler)
    scene.emitter.on("news", handler)
    scene.emit()
    assert len(scene.calls) == 2, f"it was added twice; calls: {len(scene.calls)}"
    scene.emitter.off("news", handler)
    scene.emit()
    assert len(scene.calls) == 3, (
        f"it was added twice and taken away once; calls: {len(scene.calls) - 2}"
    )

    scene = Scene(submission)
    handler = scene.handler("handler")
    scene.emitter.once("news", handler)
    scene.emitter.once("news", handler)
    scene.emit()
    assert len(scene.calls) == 2, f"it was added twice with once; calls: {len(scene.calls)}"


@pytest.mark.points(1)
@pytest.mark.hint("`self.show is self.show` is False: each time you write it, it is made anew.")
def test_off_knows_a_method_again(submission):
    """off finds a method, although self.method is a new object each time."""

    class Bar:
        def __init__(self):
            self.shown = 0

        def show(self):
            self.shown += 1

    for add in ("on", "once"):
        scene, mine, other = Scene(submission), Bar(), Bar()
        getattr(scene.emitter, add)("news", other.show)
        getattr(scene.emitter, add)("news", mine.show)
        scene.emitter.off("news", mine.show)
        scene.emit()
        assert mine.shown == 0, f"{add}(bar.show), off(bar.show): it was called all the same"
        assert other.shown == 1, "off(bar.show) took away the show of another bar"


@pytest.mark.points(1)
def test_off_knows_what_is_equal(submission):
    """off finds a handler that is equal to the one given, whatever kind of object it is."""

    @dataclass(frozen=True)
    class Show:
        label: str

        def __call__(self):
            scene.calls.append(self.label)

    scene = Scene(submission)
    for label in ("size", "speed"):
        scene.emitter.on("news", Show(label))
    scene.emitter.off("news", Show("speed"))
    scene.emit()
    assert scene.calls == ["size"], (
        f"Show('size') and Show('speed') were added, and another, equal Show('speed') was taken "
        f"away; called were {scene.calls}"
    )


@pytest.mark.points(1)
def test_once_is_called_once(submission):
    """A once-handler is called once, and may add itself again."""
    scene = Scene(submission)
    scene.emitter.on("news", scene.handler("always"))
    scene.emitter.once("news", scene.handler("once"))
    scene.emit()
    assert sorted(scene.calls) == ["always", "once"], f"the first emit called {scene.calls}"
    scene.emit()
    assert scene.calls.count("once") == 1, mistake(
        "fires-twice", "A handler that was added with once was called by the second emit too."
    )
    again = []

    def add_again():
        again.append(len(again))
        scene.emitter.once("more", add_again)

    scene.emitter.once("more", add_again)
    for _ in range(3):
        scene.emit("more")
    assert len(again) == 3, (
        "a once-handler that calls once for itself again was to be called by each of 3 emits, "
        f"and was called by {len(again)} of them"
    )


@pytest.mark.points(2)
@pytest.mark.hint("When does your once-handler leave the list: before it is called, or after?")
def test_once_is_called_once_even_if_it_emits(submission):
    """A once-handler that emits the event again is called once."""
    scene = Scene(submission)

    def emit_again():
        if len(scene.calls) < 5:
            scene.emit()

    scene.emitter.once("news", scene.handler("once", emit_again))
    scene.emit()
    assert scene.calls, "the once-handler was not called"
    assert len(scene.calls) == 1, mistake(
        "fires-twice",
        f"A handler that was added with once emits the event again: it was called "
        f"{len(scene.calls)} times.",
    )


@pytest.mark.points(2)
def test_once_is_called_once_even_if_another_handler_emits(submission):
    """A once-handler is called once, even if a handler before it emits again."""
    scene = Scene(submission)

    def emit_again():
        if scene.calls.count("first") < 3:
            scene.emit()

    scene.emitter.on("news", scene.handler("first", emit_again))
    scene.emitter.once("news", scene.handler("once"))
    scene.emit()
    times = scene.calls.count("once")
    assert times, f"the once-handler was not called: {scene.calls}"
    assert times == 1, mistake(
        "fires-twice",
        "The handler before it emitted the event again, so that several emits were under way: "
        f"the once-handler was called by {times} of them.",
    )


@pytest.mark.points(1)
def test_off_takes_a_once_handler_away(submission):
    """off takes away a once-handler, too, unless it has had its call and is gone."""
    scene = Scene(submission)
    once, always = scene.handler("once"), scene.handler("always")
    scene.emitter.once("news", once)
    scene.emitter.on("news", always)
    scene.emitter.off("news", once)
    scene.emit()
    assert scene.calls == ["always"], f"once was taken away; these were called: {scene.calls}"

    scene = Scene(submission)
    handler = scene.handler("handler")
    scene.emitter.once("news", handler)
    scene.emitter.on("news", handler)
    scene.emit()
    assert len(scene.calls) == 2, f"added with once and with on; calls: {len(scene.calls)}"
    scene.emitter.off("news", handler)
    scene.emit()
    assert len(scene.calls) == 2, (
        "a handler was added with once and with on, and called twice; the one of once is gone. off "
        "took away the other one, and the next emit called it all the same"
    )


@pytest.mark.points(2)
def test_a_handler_takes_itself_away(submission):
    """A handler that takes itself away costs no other handler its turn."""
    scene = Scene(submission)
    second = scene.handler("second", lambda: scene.emitter.off("news", second))
    scene.emitter.on("news", scene.handler("first"))
    scene.emitter.on("news", second)
    scene.emitter.once("news", scene.handler("third"))
    scene.emitter.on("news", scene.handler("fourth"))
    scene.emitter.on("news", scene.handler("fifth"))
    scene.emit()
    skipped = [name for name in ("third", "fourth", "fifth") if name not in scene.calls]
    # A walk that skips goes on behind the gap; only such a walk is accused by name.
    a_walk_that_skips = scene.calls[:2] == ["first", "second"] and len(skipped) == 1
    assert not a_walk_that_skips, mistake(
        "set-changed-during-iteration",
        f"second took itself away while it was called, and {skipped[0]} lost its turn.",
    )
    expected = ["first", "second", "third", "fourth", "fifth"]
    assert scene.calls == expected, f"called were {scene.calls}, expected {expected}"
    scene.emit()
    expected = ["first", "fourth", "fifth"]
    assert scene.calls[5:] == expected, f"then called were {scene.calls[5:]}, expected {expected}"


@pytest.mark.points(1)
def test_a_handler_added_meanwhile_waits(submission):
    """A handler that is added during an emit is called by the next emit."""
    for add in ("on", "once"):
        scene = Scene(submission)
        late = scene.handler("late")
        scene.emitter.once(
            "news", scene.handler("first", partial(getattr(scene.emitter, add), "news", late))
        )
        scene.emitter.on("news", scene.handler("second"))
        scene.emit()
        assert "late" not in scene.calls, mistake(
            "set-changed-during-iteration",
            f"A handler added another one with {add}, and the emit that was under way called it.",
        )
        assert scene.calls == ["first", "second"], f"these handlers were called: {scene.calls}"
        scene.emit()
        assert scene.calls[2:] == ["second", "late"], f"the next emit called {scene.calls[2:]}"

    scene = Scene(submission)
    late = scene.handler("late")

    def add_and_emit():
        if scene.calls.count("first") == 1:
            scene.emitter.on("news", late)
            scene.emit()

    scene.emitter.on("news", scene.handler("first", add_and_emit))
    scene.emit()
    times = scene.calls.count("late")
    assert times, "a handler added late and then emitted: that emit began later, and left late out"
    assert times == 1, (
        "a handler added late and then emitted: late was called by that emit, as it should be, and "
        "by the one that had begun before it was added"
    )


@pytest.mark.points(1)
@pytest.mark.hint("The walk goes over a copy, which does not know who has been taken away since.")
def test_a_handler_taken_away_before_its_turn_is_not_called(submission):
    """A handler that is taken away before its turn is not called."""
    for add in ("on", "once"):
        scene = Scene(submission)
        later = scene.handler("later")
        scene.emitter.on("news", scene.handler("first", partial(scene.emitter.off, "news", later)))
        getattr(scene.emitter, add)("news", later)
        scene.emitter.on("news", scene.handler("last"))
        scene.emit()
        assert "later" not in scene.calls, (
            f"first took later away (later was added with {add}), and later was called all the same"
        )
        assert scene.calls == ["first", "last"], f"these handlers were called: {scene.calls}"

    scene = Scene(submission)
    later = scene.handler("later")
    away, back = partial(scene.emitter.off, "news", later), partial(scene.emitter.on, "news", later)
    scene.emitter.on("news", scene.handler("first", away, back))
    scene.emitter.on("news", later)
    scene.emit()
    assert scene.calls == ["first"], (
        "first took later away and added it again: it waits for the next emit, and was called by "
        "this one"
    )


@pytest.mark.points(2)
def test_a_handler_that_raises_stops_nobody(submission):
    """A handler that raises stops nobody, and emit returns as always."""
    scene = Scene(submission)
    error = HandlerFailed("the disk is full")
    scene.emitter.on("news", scene.handler("first"))
    scene.emitter.on("news", scene.failing("second", error))
    scene.emitter.on("news", scene.handler("third"))
    raised = None
    try:
        scene.emitter.emit("news")
    except HandlerFailed as caught:
        raised = caught
    assert scene.calls[:2] == ["first", "second"], f"these handlers were called: {scene.calls}"
    assert scene.calls != ["first", "second"], mistake(
        "one-handler-stops-all", "The second handler raised, and the third was never called."
    )
    assert scene.calls == ["first", "second", "third"], f"these handlers were called: {scene.calls}"
    assert raised is None, f"all handlers were called, but then emit raised {raised!r}"


@pytest.mark.points(2)
@pytest.mark.hint(
    "`except … as error` forgets `error` at its end: hand it on, for later it is gone."
)
def test_an_error_goes_to_the_loop(submission):
    """What a handler raises goes to the loop: the same object, once."""
    scene = Scene(submission)
    errors = [HandlerFailed("no space"), HandlerFailed("no space")]
    for name, error in zip(("first", "second"), errors, strict=True):
        scene.emitter.on("news", scene.failing(name, error))
    scene.emitter.on("news", scene.handler("third"))
    scene.emitter.on("start", scene.emit)  # an emit under way while the handlers fail
    scene.emit("start")
    assert scene.calls == ["first", "second", "third"], f"these handlers were called: {scene.calls}"
    scene.loop.run()
    reported = [scene.loop.take(error) for error in errors]
    scene.loop.raise_unexpected()
    assert reported == [1, 1], (
        "two handlers raised; the loop was told of the first one's error "
        f"{reported[0]} time(s), and of the second one's {reported[1]} time(s)"
    )


@pytest.mark.points(1)
def test_once_is_called_once_even_if_it_raises(submission):
    """A once-handler that raises has had its call."""
    scene = Scene(submission)
    error = HandlerFailed("once is enough")
    scene.emitter.once("news", scene.failing("once", error))
    scene.emit()
    scene.emit()
    assert scene.calls, "the once-handler was not called"
    assert len(scene.calls) == 1, mistake(
        "fires-twice",
        "A handler that was added with once raised, and was called by the second emit again.",
    )
    scene.loop.run()
    reported = scene.loop.take(error)
    scene.loop.raise_unexpected()
    assert reported == 1, f"the loop was told of its error {reported} time(s)"
