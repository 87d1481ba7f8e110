"""The callback loop of module 01's graders."""

from __future__ import annotations

import pytest

from autograder.grading.benches.callback_loop import CallbackLoop


def test_callbacks_run_in_the_order_of_asking_those_asked_for_meanwhile_too() -> None:
    loop, calls = CallbackLoop(), []

    def first() -> None:
        calls.append("first")
        loop.call_soon(calls.append, "third")

    loop.call_soon(first)
    loop.call_soon(calls.append, "second")
    assert calls == []
    loop.run()
    assert calls == ["first", "second", "third"]


def test_call_after_waits_for_turns_of_the_queue() -> None:
    loop, calls = CallbackLoop(), []
    loop.call_after(2, calls.append, "after two")
    loop.call_after(1, calls.append, "after one")
    loop.call_after(0, calls.append, "at once")
    assert calls == ["at once"]
    loop.run()
    assert calls == ["at once", "after one", "after two"]


def test_an_error_is_kept_and_the_loop_goes_on() -> None:
    loop, calls = CallbackLoop(), []
    loop.call_soon(int, "forty")
    loop.call_soon(calls.append, "next")
    loop.run()
    assert calls == ["next"]
    with pytest.raises(ValueError, match="forty"):
        loop.raise_unexpected()


def test_an_expected_error_is_taken_by_identity_and_counted() -> None:
    loop, error = CallbackLoop(), ValueError("expected")

    def fail() -> None:
        raise error

    loop.call_soon(fail)
    loop.call_soon(fail)
    loop.run()
    assert loop.take(ValueError("expected")) == 0
    assert loop.take(error) == 2
    loop.raise_unexpected()


def test_a_queue_that_never_gets_empty_is_an_error() -> None:
    loop = CallbackLoop()

    def again() -> None:
        loop.call_soon(again)

    again()
    with pytest.raises(AssertionError, match="after 100 callbacks"):
        loop.run(most=100)


def test_a_result_in_place_of_a_function_is_refused() -> None:
    with pytest.raises(TypeError, match="was given 40"):
        CallbackLoop().call_soon(int("40"))  # type: ignore[arg-type]
