"""A child grades; what it cannot do, and what is said when it does not come back."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from autograder.grading import tree
from autograder.grading.isolation import processes
from autograder.grading.isolation.channel import Forged, Reader, sender
from autograder.grading.isolation.hearing import clean
from autograder.grading.isolation.limits import Limits
from autograder.grading.isolation.outside import GradingBroke, grade_exercise
from autograder.grading.isolation.sandbox import Sandbox, find_sandbox
from autograder.grading.verdict import Run, verdict_of

from .conftest import SOLUTION, Course

EXERCISE = tree.Exercise("03_async_await", "double")
PLAIN = Sandbox("plain", ("not isolated",))
pytestmark = pytest.mark.slow  # each test has a child of its own
QUICK = replace(Limits(), wall=20.0)


@pytest.fixture(params=["best", "plain"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """The sandbox of this machine, and none at all."""
    if request.param == "plain":
        return PLAIN
    if not find_sandbox().real:
        pytest.skip("There is no sandbox here. " + " ".join(find_sandbox().notes))
    return find_sandbox()


def graded(course: Course, sandbox: Sandbox, answer: str, limits: Limits = QUICK) -> Run:
    files = {EXERCISE.file: dedent(answer).encode()}
    return grade_exercise(course.root, EXERCISE, files, sandbox=sandbox, limits=limits)


def score(run: Run) -> float:
    return verdict_of([run], submission="x").score


def test_a_solution_has_full_marks(course: Course, sandbox: Sandbox) -> None:
    run = graded(course, sandbox, SOLUTION)
    assert score(run) == 3
    assert (run.ended, run.tampering) == ("", "")


def test_a_stub_is_not_begun(course: Course, sandbox: Sandbox) -> None:
    run = graded(course, sandbox, (course.root / "exercises" / EXERCISE.file).read_text("utf-8"))
    assert verdict_of([run], submission="x").status == "not-begun"


def test_a_failure_is_told_as_the_terminal_tells_it(course: Course, sandbox: Sandbox) -> None:
    run = graded(course, sandbox, SOLUTION.replace("2 *", "3 *"))
    [test, _] = verdict_of([run], submission="x").exercises[0].tests
    assert test.reason == "double(1) is 3, not 2"
    assert "pytest exercises/03/double::test_it_doubles" in test.told


def test_leaving_early_earns_nothing(course: Course, sandbox: Sandbox) -> None:
    run = graded(course, sandbox, "import os\nos._exit(0)\n")
    assert score(run) == 0
    assert "exit status 0" in run.ended


def test_a_fork_that_goes_on_is_not_heard(course: Course, sandbox: Sandbox) -> None:
    answer = "import os\nif os.fork():\n    os._exit(0)\n" + dedent(SOLUTION)
    assert score(graded(course, sandbox, answer)) == 0


def test_what_never_ends_is_ended(course: Course, sandbox: Sandbox) -> None:
    answer = """
        import signal, time
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            try:
                time.sleep(1000)
            except BaseException:
                pass
    """
    run = graded(course, sandbox, answer, replace(Limits(), wall=3.0))
    assert score(run) == 0
    assert "3 seconds" in run.ended


def test_nothing_outlives_the_verdict(course: Course, sandbox: Sandbox) -> None:
    answer = """
        import os, subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                         start_new_session=True)
        os._exit(0)
    """
    before = set(_sleepers())
    graded(course, sandbox, answer)
    assert set(_sleepers()) <= before


def _sleepers() -> list[int]:
    """Processes that sleep for 600 seconds."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"time.sleep(600)" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_the_environment_has_no_secrets(
    course: Course, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    answer = f"import os\nassert 'MY_TOKEN' not in os.environ, 'seen'\n{dedent(SOLUTION)}"
    assert score(graded(course, sandbox, answer)) == 3


def test_a_sandbox_hides_the_solutions_and_the_network(course: Course) -> None:
    if not find_sandbox().real:
        pytest.skip("There is no sandbox here. " + " ".join(find_sandbox().notes))
    answer = f"""
        import os, socket
        assert not os.path.exists({str(course.root)!r})
        found = [f for _, _, files in os.walk("/course") for f in files if f == "double.py"]
        assert len(found) == 2, found  # the answer and the stub
        assert [name for _, name in socket.if_nameindex()] == ["lo"]
    """
    assert score(graded(course, find_sandbox(), dedent(answer) + SOLUTION)) == 3


def test_a_changed_library_voids_the_score(course: Course, sandbox: Sandbox) -> None:
    answer = """
        from _pytest.python import Function
        Function.runtest = lambda self: None
    """
    run = graded(course, sandbox, answer)
    assert score(run) == 0


def test_worlds_that_are_never_run_void_the_score(course: Course, sandbox: Sandbox) -> None:
    answer = """
        import gc
        for thing in gc.get_objects():
            if getattr(thing, "__name__", "") == "explore" and hasattr(thing, "__code__"):
                thing.__code__ = (lambda program, plan: None).__code__
    """
    found = verdict_of([graded(course, sandbox, answer)], submission="x")
    assert found.score == 0
    assert found.voided
    assert "the untouched stub passed" in found.reason


def test_a_grader_that_does_not_run_is_not_the_submissions_fault(
    course: Course, sandbox: Sandbox
) -> None:
    course.write("exercises/03_async_await/test_double.py", "import nothing_of_the_kind\n")
    with pytest.raises(GradingBroke, match="nothing_of_the_kind"):
        graded(course, sandbox, SOLUTION)


def test_a_message_without_the_key_is_forged() -> None:
    out, into = os.pipe()
    send = sender(into, b"k" * 32)
    send({"kind": "ready"})
    send({"kind": "end", "tampered": []})
    first, second = os.read(out, 10_000).splitlines()
    with pytest.raises(Forged):
        Reader(b"another key").message(first)
    reader = Reader(b"k" * 32)
    with pytest.raises(Forged):
        reader.message(second)  # out of order
    assert reader.message(first) == {"kind": "ready"}
    with pytest.raises(Forged):
        reader.message(first)  # again
    os.close(out)
    os.close(into)


def test_text_of_a_learner_is_safe_to_print() -> None:
    assert clean("a\x1b[31mb\x1b]0;title\x07c\r\nd\x00\u202e") == "abc\nd\ufffd\ufffd"
    assert clean(None) == ""


def test_a_token_finds_what_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(processes.marked("nobody-has-this-token")) == []
