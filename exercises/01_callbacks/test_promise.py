"""Grades promise.py."""

from functools import partial
from itertools import product

import pytest

from autograder.grading import mistake
from autograder.grading.benches.promise_scene import Failed, Scene, raiser, said


@pytest.mark.points(2)
def test_a_handler_is_told_the_outcome(submission):
    """on_done is told the value, on_error is told the error."""
    for value in ("24.90", None, 0, [], False, Failed("a value can be an error, too")):
        scene = Scene(submission)
        promise, resolve, _ = scene.promise()
        scene.listen(promise)
        scene.run()
        scene.assert_told(after="nothing was decided")
        resolve(value)
        scene.run()
        scene.assert_told(("on_done", value), after=f"resolve({value!r})")
    scene, error = Scene(submission), Failed("no price")
    promise, _, reject = scene.promise()
    scene.listen(promise)
    reject(error)
    scene.run()
    scene.assert_told(("on_error", error), after=f"reject({error!r})")


@pytest.mark.points(2)
@pytest.mark.hint("Does your promise remember its outcome for those who ask when all is over?")
def test_a_handler_that_comes_late_is_told_too(submission):
    """then and catch may be called long after the outcome is there."""
    error = Failed("no price")
    for value in ("24.90", None, False, Failed("a value can be an error, too")):
        scene = Scene(submission)
        fulfilled, rejected = scene.fulfilled(value), scene.rejected(error)
        scene.listen(fulfilled)
        scene.listen(rejected)
        scene.run()
        scene.told.clear()
        scene.listen(fulfilled, "late")
        rejected.catch(scene.note("late on_error"))
        scene.run()
        expected = ("late on_done", value), ("late on_error", error)
        scene.assert_told(*expected, after="asked when all was decided")


@pytest.mark.points(1)
def test_everyone_who_asks_is_told_in_the_order_of_asking(submission):
    """All who ask are told, in the order of asking, also who asks in a handler."""
    scene = Scene(submission)
    promise, resolve, _ = scene.promise()
    promise.then(scene.note("first"))
    promise.then(lambda value: scene.listen(promise, "asked by second"))
    promise.then(scene.note("third"))
    resolve(7)
    scene.run()
    expected = ("first", 7), ("third", 7), ("asked by second on_done", 7)
    scene.assert_told(*expected, after="three asked, and then the second asked again")


@pytest.mark.points(1)
def test_the_first_call_decides(submission):
    """The first call of resolve or reject decides; later ones do nothing."""
    error, other = Failed("first"), Failed("second")
    for first, outcome in (("resolve", "one"), ("reject", error)):
        scene = Scene(submission)
        promise, resolve, reject = scene.promise()
        scene.listen(promise)
        {"resolve": resolve, "reject": reject}[first](outcome)
        resolve("two")
        reject(other)
        scene.run()
        resolve("three")
        reject(other)
        scene.run()
        assert len(scene.told) < 2, mistake(
            "callback-called-twice",
            f"{first} was called, then resolve and reject again: {said(scene.told)}.",
        )
        name = "on_done" if first == "resolve" else "on_error"
        scene.assert_told((name, outcome), after=f"{first} was called first")


@pytest.mark.points(1)
def test_what_start_raises_rejects_the_promise(submission):
    """What start raises rejects the promise, unless it is decided already."""
    error = Failed("while starting")

    def resolve_and_raise(resolve, reject):
        resolve("24.90")
        raise error

    def take_over_and_raise(resolve, reject):
        inner, resolve_inner, _ = scene.promise()
        resolve(inner)
        scene.loop.call_soon(resolve_inner, "29.90")
        raise error

    for story, start, expected in (
        ("start raised", lambda resolve, reject: raiser(error)(None), ("on_error", error)),
        ("start resolved, and raised", resolve_and_raise, ("on_done", "24.90")),
        ("start resolved with a promise, and raised", take_over_and_raise, ("on_done", "29.90")),
    ):
        scene = Scene(submission)
        try:
            promise = submission.Promise(scene.loop.call_soon, start)
        except Failed:
            raise AssertionError("start raised, and so did Promise(call_soon, start)") from None
        scene.listen(promise)
        scene.run()
        scene.assert_told(expected, after=story)


@pytest.mark.points(2)
def test_then_calls_no_handler(submission):
    """then and catch call no handler, even if the outcome is there already."""
    for name in ("then", "catch"):
        scene = Scene(submission)
        if name == "then":
            scene.fulfilled(1).then(scene.note("done"))
        else:
            scene.rejected(Failed("no price")).catch(scene.note("error"))
        assert not scene.told, mistake(
            "inline-callback", f"The promise had its outcome, and {name} called the handler itself."
        )
        scene.run()
        assert len(scene.told) == 1, f"after the loop had run: {said(scene.told)}"


@pytest.mark.points(2)
def test_resolve_and_reject_call_no_handler(submission):
    """resolve and reject call no handler."""
    for name in ("resolve", "reject"):
        scene = Scene(submission)
        promise, resolve, reject = scene.promise()
        scene.listen(promise)
        decide = {"resolve": resolve, "reject": reject}[name]
        decide(Failed("a value can be an error, too"))
        assert not scene.told, mistake(
            "inline-callback", f"{name} called a handler that was waiting, and returned after it."
        )
        scene.run()
        assert len(scene.told) == 1, f"after the loop had run: {said(scene.told)}"


@pytest.mark.points(2)
def test_then_gives_a_promise_for_what_the_handler_returns(submission):
    """then returns a promise for what the handler returns."""
    scene = Scene(submission)
    first = scene.fulfilled(2)
    second = first.then(lambda value: value + 1)
    assert isinstance(second, submission.Promise), f"then returned {second!r}, not a Promise"
    assert second is not first, "then returned the same promise, not a new one"
    scene.listen(first, "first")
    scene.listen(second.then(lambda value: value * 10))
    scene.run()
    scene.assert_told(("first on_done", 2), ("on_done", 30), after="2, then + 1, then * 10")


@pytest.mark.points(1)
def test_a_handler_may_return_anything(submission):
    """What a handler returns is a value, also if it is None or an exception."""
    for value in (None, 0, Failed("returned, and not raised")):
        scene = Scene(submission)
        scene.listen(scene.fulfilled(1).then(partial(lambda value, _: value, value)), "then")
        mended = scene.rejected(Failed("a")).catch(partial(lambda value, _: value, value))
        scene.listen(mended, "catch")
        scene.run()
        expected = ("then on_done", value), ("catch on_done", value)
        scene.assert_told(*expected, after=f"handlers returned {value!r}")


@pytest.mark.points(1)
def test_handlers_of_a_chain_wait_for_their_turn(submission):
    """The next handler of a chain queues behind those that are due already."""
    scene = Scene(submission)
    promise, resolve, _ = scene.promise()
    promise.then(scene.note("a")).then(scene.note("b")).then(scene.note("c"))
    promise.then(scene.note("x"))
    resolve(None)
    scene.run()
    order = [name for name, _ in scene.told]
    assert order != ["a", "b", "c", "x"], mistake(
        "inline-callback",
        "b and c were called right after a, before x, which was due when a was: a's promise "
        "called its handlers itself.",
    )
    assert order == ["a", "x", "b", "c"], f"the order was {order}; a and x were due first"

    scene = Scene(submission)
    promise, another = scene.fulfilled(1), scene.fulfilled(2)
    promise.then(scene.note("a"))
    another.then(scene.note("x"))
    promise.then(scene.note("b"))
    scene.run()
    order = [name for name, _ in scene.told]
    assert order == ["a", "x", "b"], (
        f"two promises have their values; one is asked by a, the other by x, the first again by b, "
        f"and the order was {order}"
    )


@pytest.mark.points(2)
def test_what_a_handler_raises_rejects_its_promise(submission):
    """What a handler raises rejects the promise that then returned."""
    error = Failed("in a handler")
    for kind in ("on_done", "on_error"):
        scene = Scene(submission)
        if kind == "on_done":
            origin = scene.fulfilled(1)
            following = origin.then(raiser(error), scene.note("the same then's on_error"))
        else:
            origin = scene.rejected(Failed("first"))
            following = origin.catch(raiser(error))
        scene.listen(following)
        reported = scene.run(error)
        assert scene.told, mistake(
            "error-swallowed",
            f"{kind} raised {error!r}, and who waits for the promise of its then was not told"
            + (": it went up to the loop." if reported else "."),
        )
        scene.assert_told(("on_error", error), after=f"{kind} raised")
        assert not reported, f"{kind} raised {error!r}: handled by on_error, and reported as well"


@pytest.mark.points(2)
def test_a_handled_error_is_over(submission):
    """What on_error returns fulfils the promise that then or catch returned."""
    scene = Scene(submission)
    scene.listen(scene.rejected(Failed("a")).catch(lambda error: "instead"), "catch")
    mended = scene.rejected(Failed("b")).then(scene.note("done"), lambda error: "instead")
    scene.listen(mended, "then")
    scene.run()
    expected = ("catch on_done", "instead"), ("then on_done", "instead")
    scene.assert_told(*expected, after="handlers returned 'instead'")


@pytest.mark.points(2)
@pytest.mark.hint("A then without on_error is a link in a chain. What does it do with an error?")
def test_without_a_handler_the_outcome_goes_on(submission):
    """Without a handler for it, an outcome goes on down the chain unchanged."""
    scene, error = Scene(submission), Failed("no price")
    unseen = scene.note("a handler that is not for this outcome")
    failing = scene.rejected(error).then(unseen).then(unseen, None).then()
    scene.listen(failing, "the error's chain")
    scene.listen(scene.fulfilled(0).catch(unseen).then(None, unseen), "the value's chain")
    scene.run()
    scene.told.sort(key=str)  # which of the two chains is quicker does not matter
    expected = ("the error's chain on_error", error), ("the value's chain on_done", 0)
    scene.assert_told(*expected, after="two chains without handlers for their outcomes")


@pytest.mark.points(2)
@pytest.mark.hint("When a handler returns a promise, whose outcome does the next handler want?")
def test_a_handler_may_return_a_promise(submission):
    """If a handler returns a promise, the next one gets that one's outcome."""
    for name, decided, outcome in product(
        ("on_done", "on_error"), ("before", "after"), ("inner", Failed("inner"))
    ):
        scene = Scene(submission)
        inner, resolve, reject = scene.promise()
        decide = partial(resolve if outcome == "inner" else reject, outcome)
        handler = partial(lambda inner, _: inner, inner)
        if name == "on_done":
            scene.listen(scene.fulfilled(1).then(handler))
        else:
            scene.listen(scene.rejected(Failed("outer")).catch(handler))
        if decided == "before":
            decide()
        scene.run()
        if decided == "after":
            scene.assert_told(after="the promise it returned is undecided")
            decide()
            scene.run()
        expected = ("on_done" if outcome == "inner" else "on_error", outcome)
        scene.assert_told(expected, after=f"{name} returned a promise, decided {decided} that")


@pytest.mark.points(1)
def test_resolve_may_be_given_a_promise(submission):
    """resolve(promise) decides for that promise's outcome, however deep."""
    scene = Scene(submission)
    outer, resolve_outer, reject_outer = scene.promise()
    middle, resolve_middle, _ = scene.promise()
    inner, resolve_inner, _ = scene.promise()
    scene.listen(outer)
    resolve_outer(middle)
    reject_outer(Failed("too late"))
    resolve_outer("too late")
    resolve_middle(inner)
    scene.run()
    scene.assert_told(after="the inner promise is undecided")
    resolve_inner("inner")
    scene.run()
    scene.assert_told(("on_done", "inner"), after="the inner promise was fulfilled")


@pytest.mark.points(1)
def test_a_promise_may_be_taken_over_by_several(submission):
    """A promise's outcome is for all who ask, and for all promises that take it over."""
    for outcome in ("inner", Failed("inner")):
        scene = Scene(submission)
        inner, resolve, reject = scene.promise()
        scene.listen(inner, "inner")
        for name in ("first", "second"):
            outer, resolve_outer, _ = scene.promise()
            scene.listen(outer, name)
            resolve_outer(inner)
        decide = resolve if outcome == "inner" else reject
        decide(outcome)
        scene.run()
        scene.told.sort(key=str)  # who is told first does not matter here
        kind = "on_done" if outcome == "inner" else "on_error"
        expected = [(f"{name} {kind}", outcome) for name in ("first", "inner", "second")]
        scene.assert_told(*expected, after="two promises took over a third, which was decided")


@pytest.mark.points(2)
def test_a_rejection_that_nobody_handles_is_reported(submission):
    """A rejection that nobody asks about is reported by the loop, once."""
    scene, error = Scene(submission), Failed("nobody cares")
    promise = scene.rejected(error)
    assert_reported_once(scene, error, "A promise was rejected that nobody asked for its outcome")
    promise.catch(scene.note("late"))
    assert scene.run(error) == 0, "the error was reported once more when somebody asked"
    scene.assert_told(("late", error), after="reported, and then caught")


@pytest.mark.points(2)
@pytest.mark.hint("Every then makes a promise, and each promise looks after its own rejection.")
def test_the_end_of_a_chain_is_reported(submission):
    """Of a chain that nobody catches, the last promise is reported, once."""
    scene, error = Scene(submission), Failed("nobody cares")
    promise, _, reject = scene.promise()
    promise.then(scene.note("a")).then(scene.note("b"))
    reject(error)
    assert_reported_once(scene, error, "A chain of two thens without a catch was rejected")

    scene = Scene(submission)
    scene.rejected(Failed("first")).catch(raiser(error))
    assert_reported_once(scene, error, "A catch raised, and nothing came after it")

    scene = Scene(submission)
    _, resolve, _ = scene.promise()
    resolve(scene.rejected(error))
    assert_reported_once(scene, error, "A promise that nobody asked took over a rejected one")


def assert_reported_once(scene, error, story):
    reported = scene.run(error)
    assert reported, mistake("lost-rejection", f"{story}, and the loop was not told.")
    assert reported == 1, f"{story}; the same error was reported {reported} times"


@pytest.mark.points(2)
@pytest.mark.hint("Between the rejection and the catch there is usually a line or two of code.")
def test_a_handled_rejection_is_not_reported(submission):
    """A rejection that is handled is not reported."""

    def caught_at_once(scene, error):
        scene.rejected(error).catch(scene.note("caught"))

    def caught_at_the_end(scene, error):
        scene.rejected(error).then(scene.note("a")).then(scene.note("b")).catch(
            scene.note("caught")
        )

    def caught_before(scene, error):
        promise, _, reject = scene.promise()
        promise.catch(scene.note("caught"))
        scene.run()
        reject(error)

    def raised_by_a_handler(scene, error):
        scene.fulfilled(1).then(raiser(error)).catch(scene.note("caught"))

    def returned_by_a_handler(scene, error):
        scene.fulfilled(1).then(lambda _: scene.rejected(error)).catch(scene.note("caught"))

    def taken_over(scene, error):
        outer, resolve, _ = scene.promise()
        resolve(scene.rejected(error))
        outer.catch(scene.note("caught"))

    for case in (
        caught_at_once,
        caught_at_the_end,
        caught_before,
        raised_by_a_handler,
        returned_by_a_handler,
        taken_over,
    ):
        scene, error = Scene(submission), Failed("handled")
        story = case.__name__.replace("_", " ")
        case(scene, error)
        reported = scene.run(error)
        scene.assert_told(("caught", error), after=f"a rejection, {story}")
        assert not reported, f"a rejection, {story}, was reported as if nobody had handled it"
