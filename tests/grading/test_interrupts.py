"""Ctrl-C at the worst moment: a child was started, and nobody has kept it yet."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from typing import Any

import pytest

from autograder.grading import tree
from autograder.grading.isolation import outside, processes
from autograder.grading.isolation.interrupts import postponed
from autograder.grading.isolation.limits import Limits
from autograder.grading.isolation.sandbox import find_sandbox

from .conftest import SOLUTION, Course

EXERCISE = tree.Exercise("03_async_await", "double")


def test_an_interrupt_comes_when_it_is_over() -> None:
    done = []

    def begin() -> None:
        with postponed():
            signal.raise_signal(signal.SIGINT)
            done.append("what was begun")

    with pytest.raises(KeyboardInterrupt):
        begin()
    assert done == ["what was begun"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)  # as before


def test_without_one_nothing_happens() -> None:
    before = signal.getsignal(signal.SIGINT)
    with postponed():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_it_leaves_other_threads_alone() -> None:
    seen = []

    def look() -> None:
        with postponed():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_child_that_was_just_started_is_ended(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *how: Any, **also: Any) -> None:
            super().__init__(*how, **also)
            if "COURSE_GRADING" in (also.get("env") or {}):  # git is asked something before
                started.append(self.pid)
                signal.raise_signal(signal.SIGINT)

    sandbox = find_sandbox()
    monkeypatch.setattr(outside.subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        outside.grade_exercise(
            course.root,
            EXERCISE,
            {EXERCISE.file: SOLUTION.encode()},
            sandbox=sandbox,
            limits=Limits(),
        )
    assert len(started) == 1
    assert not processes.is_alive(started[0])
