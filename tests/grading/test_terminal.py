"""What `pytest exercises/03` prints, and how it ends."""

from __future__ import annotations

import importlib.util
import json
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .conftest import SOLUTION, STUB, Course

WRONG = "async def double(service, number):\n    service(number)\n    return 3 * number\n"
WITH_MANY = "async def double(service, number):\n    raise KeyError('usd')\n"

pytestmark = pytest.mark.slow  # each test runs pytest once or more

needs_xdist = pytest.mark.skipif(
    importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed"
)


def test_an_exercise_that_is_not_begun_is_one_calm_line(course: Course) -> None:
    status, said = course.pytest("exercises/03")
    assert status == 1
    assert said.splitlines() == [
        "",
        "03 async/await · double.py" + "not begun".rjust(74),
        "",
        "Start with the lesson, lessons/03_async_await.md, then open "
        "exercises/03_async_await/double.py: its",
        "first lines say what to build.",
    ]


def test_a_module_that_is_not_begun_is_a_table(course: Course) -> None:
    for name in ("alpha", "omega"):
        course.write(f"exercises/03_async_await/{name}.py", STUB)
        course.write(
            f"exercises/03_async_await/test_{name}.py",
            "def test_it(submission):\n    submission.double()\n",
        )
    status, said = course.pytest("03", here="exercises")
    assert status == 1
    assert [line.split() for line in said.splitlines()[1:5]] == [
        ["03", "async/await", "0", "of", "3", "exercises", "done"],
        ["alpha", "not", "begun", "03_async_await/alpha.py"],
        ["double", "not", "begun"],
        ["omega", "not", "begun"],
    ]
    assert "then open 03_async_await/double.py" in said, "the lesson names it first"


def test_full_marks_are_exit_status_0(course: Course) -> None:
    course.answer(SOLUTION)
    status, said = course.pytest("exercises/03/double")
    assert status == 0
    lines = said.splitlines()
    assert lines[1].split() == ["03", "async/await", "·", "double.py", "all", "2", "hold"]
    assert "  ✓ Twice the number comes back: two for one" in lines
    assert lines[-1].startswith("2 passed in ")
    status, said = course.pytest("exercises/03", "-q")
    assert status == 0
    assert "✓" not in said


def test_a_failure_says_what_happened_what_it_is_called_and_how_to_see_it_again(
    course: Course,
) -> None:
    course.answer(WRONG)
    status, said = course.pytest("exercises/03")
    assert status == 1
    lines = said.splitlines()
    block = lines[lines.index("  ↳ probably follows from what is told below") + 2 :]
    assert block[0].startswith("✗ Twice the number comes back: two for one")
    assert block[0].endswith("found in world 1 of 5")
    assert "on line 2 was called but never awaited" in block[1]
    assert block[2].split() == ["exercises/03_async_await/double.py:2", "service(number)"]
    assert "  double(1) is 3, not 2" in block
    assert "  never-awaited: A coroutine was made and never run. Calling it is not enough." in block
    read = next(line for line in block if line.startswith("  Read   course explain never-awaited"))
    assert read.endswith('lessons/03_async_await.md, "A coroutine is a recipe"')
    assert lines[-1].startswith("2 failed in ")
    assert "Traceback" not in said

    again = next(line for line in block if line.startswith("  Again  pytest "))
    command = shlex.split(again.removeprefix("  Again  pytest "))
    assert command == ["exercises/03/double::test_it_doubles", "--replay", "0"]
    status, said = course.pytest(*command)
    assert status == 1
    assert "double(1) is 3, not 2" in said
    course.answer(SOLUTION)
    status, said = course.pytest(*command)
    assert status == 0
    assert "In the world 0 it holds now." in said


def test_an_answer_from_elsewhere_is_graded_with_the_same_settings(
    course: Course, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    answer = elsewhere / "03_async_await" / "double.py"
    answer.parent.mkdir()
    answer.write_text(WRONG)
    status, said = course.pytest("exercises/03", "--submission", str(elsewhere))
    assert status == 1
    assert f"--submission {elsewhere} --replay 0" in said
    assert "PytestDeprecationWarning" not in said
    status, said = course.pytest("exercises/03", "--submission", "solutions")
    assert status == 0
    status, said = course.pytest("exercises/03", "--submission", str(answer))
    assert status == 1
    assert "Price" not in said


def test_a_file_that_cannot_be_read_is_told_once(course: Course) -> None:
    course.answer("async def double(service, number:\n    return 2\n")
    status, said = course.pytest("exercises/03")
    assert status == 1
    assert said.splitlines()[1:4] == [
        "03 async/await · double.py could not be read: line 1, '(' was never closed.",
        "    async def double(service, number:",
        "                    ^",
    ]
    assert said.count("double.py") == 1


def test_a_stub_that_was_deleted(course: Course) -> None:
    (course.root / "exercises/03_async_await/double.py").unlink()
    status, said = course.pytest("exercises/03")
    assert status == 1
    assert "double.py is not there.\n    course reset 03/double   brings the stub back." in said


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["exercises/99"], "There is no module '99'"),
        (["exercises/03/dubble"], "Did you mean double? It has: double."),
        (["exercises/03", "--submission", "solution"], "there is no such folder"),
        (["exercises/03", "--replay", "seven"], "'seven' is no replay token"),
        (["exercises/03", "--replay", "7"], "add ::test_name"),
        (["exercises/03", "--worlds", "0"], "at least one world is needed"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    course: Course, typed: list[str], said: str
) -> None:
    status, output = course.pytest(*typed)
    assert status == 4
    (line,) = output.strip().splitlines()
    assert line.startswith("ERROR: ")
    assert said in line


@needs_xdist
def test_workers_tell_the_same(course: Course) -> None:
    course.answer(WRONG)
    alone = course.pytest("exercises/03")
    shared = course.pytest("03", "-n", "2", here="exercises")
    assert shared[0] == alone[0] == 1
    told = [text.replace("exercises/", "").splitlines()[:-1] for _, text in (alone, shared)]
    assert told[0] == told[1]


def test_the_usual_options_of_pytest_work(course: Course) -> None:
    course.answer(WITH_MANY)
    status, said = course.pytest("exercises/03", "-x")
    assert status == 1
    assert "Stopped: stopping after 1 failures." in said
    assert "0 of 1 hold" in said
    status, said = course.pytest("exercises/03", "--co", "-q")
    assert status == 0
    assert "exercises/03_async_await/test_double.py::test_zero" in said
    status, said = course.pytest("exercises/03", "-p", "no:terminal")
    assert (status, said.strip()) == (1, "")
    status, said = course.pytest("exercises/03", "-k", "zero", "--lf", "-v")
    assert status == 1
    assert "test_zero" in said
    assert "two for one" not in said
    status, said = course.pytest("exercises/03", "--full-trace", "-k", "zero")
    assert "raise KeyError('usd')" in said
    assert "decorator.py" in said


def test_other_reports_have_the_same_words(course: Course) -> None:
    course.answer(WITH_MANY)
    course.pytest("exercises/03", "--junitxml=junit.xml", "--results=results.json")
    failures = ElementTree.parse(course.root / "junit.xml").findall(".//failure")
    assert "double raised KeyError: 'usd'" in str(failures[0].text)
    assert "autograder" not in str(failures[0].text)
    content = json.loads((course.root / "results.json").read_text("utf-8"))
    assert [test["status"] for test in content["tests"]] == ["failed", "failed"]


def test_colours_and_signs_suit_the_terminal(course: Course) -> None:
    course.answer(WRONG)
    assert "\x1b[" not in course.pytest("exercises/03")[1]
    coloured = course.pytest("exercises/03", "--color=yes")[1]
    assert "\x1b[31m" in coloured
    assert "\x1b[" not in course.pytest("exercises/03", env={"NO_COLOR": "1"})[1]
    status, said = course.pytest("exercises/03", env={"PYTHONIOENCODING": "cp1252"})
    assert status == 1
    assert "  x Twice the number comes back" in said
    assert "UnicodeEncodeError" not in said


def test_the_courses_own_tests_are_reported_as_usual(course: Course) -> None:
    course.write("tests/test_own.py", "def test_it():\n    assert True\n")
    status, said = course.pytest()
    assert status == 0
    assert "1 passed" in said
    assert "test session starts" in said


def test_live_tests_run_only_when_asked_for(course: Course) -> None:
    course.answer(SOLUTION)
    course.write(
        "exercises/03_async_await/test_double_live.py",
        """
        import asyncio
        import pytest

        @pytest.fixture
        async def service():
            async def serve(number):
                await asyncio.sleep(0)
                return number
            yield serve

        @pytest.mark.live
        async def test_really(submission, service):
            assert await submission.double(service, 4) == 8
        """,
    )
    status, said = course.pytest("exercises/03")
    assert status == 0
    assert "1 live test left out: --live runs" in said
    status, said = course.pytest("exercises/03", "-k", "not really")
    assert status == 0
    assert "left out" not in said, "what -k leaves out was not asked for"
    status, said = course.pytest("exercises/03", "--live")
    assert status == 0
    assert "all 3 hold" in said


def test_a_server_that_comes_as_a_wheel_is_tried_in_the_end(course: Course) -> None:
    """Where the wheel is, and once all else holds; not where it is missing, nor for `--no-live`."""
    course.write(
        "exercises/03_async_await/test_double_live.py",
        """
        import pytest

        @pytest.mark.live(wheel="pytest")
        async def test_really(submission):
            assert submission.double

        @pytest.mark.live(wheel="no_such_wheel")
        async def test_elsewhere(submission):
            assert submission.double
        """,
    )
    course.answer(SOLUTION)
    status, said = course.pytest("exercises/03")
    assert status == 0
    assert "all 3 hold" in said
    assert "1 live test left out: --live runs" in said
    assert "all 2 hold" in course.pytest("exercises/03", "--no-live")[1]
    course.answer(WRONG)
    status, said = course.pytest("exercises/03")
    assert status == 1
    assert "as soon as the other tests hold" in said


def test_why_tests_were_skipped_is_said_once(course: Course) -> None:
    course.answer(SOLUTION)
    course.write(
        "exercises/03_async_await/test_double_live.py",
        """
        import pytest

        @pytest.fixture
        def server():
            pytest.skip("There is no server here: start one.")

        @pytest.mark.live
        @pytest.mark.parametrize("number", [1, 2])
        def test_really(submission, server, number):
            raise AssertionError
        """,
    )
    status, said = course.pytest("exercises/03", "--live")
    assert status == 0
    assert said.count("skipped: There is no server here: start one.") == 1
    status, said = course.pytest("exercises/03", "--live", "-k", "really")
    assert status == 0
    assert said.count("skipped: There is no server here: start one.") == 1, "although all were"
    assert "2 skipped in" in said


def test_a_plain_test_has_a_time_limit_and_ends_nothing(course: Course) -> None:
    course.write(
        "exercises/03_async_await/test_double_plain.py",
        """
        def test_spin(submission):
            submission.spin()

        def test_leave(submission):
            submission.leave()

        def test_skip(submission):
            submission.skip()
        """,
    )
    course.answer(
        SOLUTION + "\n\nimport pytest, sys\ndef spin():\n    while True: pass\n"
        "def leave():\n    raise KeyboardInterrupt\ndef skip():\n    pytest.skip('x')\n"
    )
    status, said = course.pytest("exercises/03")
    assert status == 1
    assert "3 failed, 2 passed" in said
    assert "blocking-call" in said
    assert "the program was ended by KeyboardInterrupt" in said


def test_a_debugger_opens_where_the_learner_is(course: Course) -> None:
    course.answer(
        "async def double(service, number):\n    secret = 41\n    breakpoint()\n"
        "    return 2 * await service(number)\n"
    )
    where = "exercises/03/double::test_it_doubles"
    status, said = course.pytest(where, "--replay", "3", typed="p secret + 1\nc\n")
    assert status == 0
    assert "(Pdb) 42" in said
    course.answer("async def double(service, number):\n    secret = 41\n    return {}[secret]\n")
    status, said = course.pytest(where, "--replay", "3", "--pdb", typed="p secret + 1\nq\n")
    assert "(Pdb) 42" in said


def test_a_grader_that_cannot_be_imported_says_what_is_missing(course: Course) -> None:
    course.write("exercises/04_more/more.py", "def f():\n    raise NotImplementedError\n")
    course.write("exercises/04_more/test_more.py", "import aio_pika_\n")
    course.answer(SOLUTION)
    status, said = course.pytest("exercises")
    assert status == 1
    assert "all 2 hold" in said
    assert "exercises/04_more/test_more.py needs the package aio_pika_" in said
    assert "Traceback" not in said


def test_the_root_conftest_knows_a_python_without_the_course(root: Path) -> None:
    said = (root / "conftest.py").read_text("utf-8")
    compile(said, "conftest.py", "exec", dont_inherit=True)
    assert "3, 11" in said
