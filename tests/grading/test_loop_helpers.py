"""What the graders of module 02 are built from: loops and selectors in virtual time."""

from __future__ import annotations

import selectors
from collections.abc import Callable

import pytest

from autograder.grading.benches.fake_selector import FakeSelector, GaveUp
from autograder.grading.benches.timer_loop import TimerLoop


def test_a_wait_takes_virtual_time() -> None:
    selector = FakeSelector()
    assert selector.select(3600) == []
    assert selector.clock() == 3600
    assert selector.waits == [3600]


def test_an_arrival_ends_a_wait() -> None:
    selector = FakeSelector()
    selector.register("socket", selectors.EVENT_READ, "data")
    selector.arrive(5, "socket")
    selector.arrive(1, "nobody watches this one")
    [(key, events)] = selector.select(None)
    assert (key.data, events, selector.clock()) == ("data", selectors.EVENT_READ, 5)


def test_an_arrival_that_nobody_asked_for_is_no_event() -> None:
    selector = FakeSelector()
    selector.register("socket", selectors.EVENT_WRITE)
    selector.arrive(1, "socket", selectors.EVENT_READ)
    assert selector.select(2) == []


def test_waiting_for_ever_is_given_up() -> None:
    with pytest.raises(GaveUp, match=r"select\(None\)"):
        FakeSelector().select(None)


@pytest.mark.parametrize("ask", [lambda s: s.select(0), lambda s: s.clock()])
def test_asking_again_and_again_is_given_up(ask: Callable[[FakeSelector], object]) -> None:
    selector = FakeSelector()

    def pester() -> None:
        for _ in range(100_000):
            ask(selector)

    with pytest.raises(GaveUp):
        pester()


def test_a_wait_may_end_too_early() -> None:
    selector = FakeSelector(early=0.25)
    selector.select(10)
    assert selector.clock() == 9.75
    selector.select(0.25)
    assert selector.clock() == 10


def test_calls_are_made_in_the_order_of_their_times() -> None:
    loop, made = TimerLoop(), []
    loop.call_later(2, made.append, "two")
    loop.call_later(1, made.append, "one")
    loop.call_later(1, made.append, "one more")
    loop.call_soon(made.append, "now")
    loop.call_later(1.5, made.append, "never").cancel()
    loop.run()
    assert made == ["now", "one", "one more", "two"]
    assert loop.time() == 2


def test_an_error_is_kept_and_the_loop_goes_on() -> None:
    loop, made = TimerLoop(), []
    loop.call_soon(int, "no number")
    loop.call_soon(made.append, "next")
    loop.run()
    assert made == ["next"]
    assert isinstance(loop.errors[0], ValueError)


def test_a_loop_without_end_is_given_up() -> None:
    loop = TimerLoop()

    def again() -> None:
        loop.call_soon(again)

    again()
    with pytest.raises(AssertionError, match="still something to do"):
        loop.run(most=100)
