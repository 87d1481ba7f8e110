"""What a learner is told of each way to get an answer wrong. All are graded in one process."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest

from autograder.grading.results import ExerciseResult, TestResult, from_dict, to_dict

from .conftest import SOLUTION, STUB, Course

pytestmark = pytest.mark.slow

DOUBLE = "async def double(service, number):\n"

ANSWERS = {
    "right": SOLUTION,
    "swallows": f"{DOUBLE}    try:\n        return await half(number)\n"
    "    except NotImplementedError:\n        return 0.5\n\n"
    "async def half(number):\n    raise NotImplementedError\n",
    "stub": STUB,
    "comments": STUB.replace("raise", "# I will do this tomorrow\n    raise"),
    "half": f"{DOUBLE}    if number:\n        return 2 * await service(number)\n"
    "    raise NotImplementedError\n",
    "helper": "def half(n):\n    return n / 2\n\n" + STUB,
    "wrong": f"{DOUBLE}    return 3 * await service(number)\n",
    "nothing": f"{DOUBLE}    await service(number)\n",
    "unawaited": f"{DOUBLE}    service(number)\n    return 2 * number\n",
    "raises": "def twice(n):\n    return {}[n]\n\n" + f"{DOUBLE}    return twice(number)\n",
    "group": "import asyncio\n\nasync def fail(n):\n    raise ValueError(n)\n\n"
    f"{DOUBLE}    async with asyncio.TaskGroup() as tg:\n"
    "        tg.create_task(fail(1))\n        tg.create_task(fail(2))\n",
    "plain": "def double(service, number):\n    return 2 * number\n",
    "runs": "import asyncio\ndef double(service, number):\n"
    "    return asyncio.run(service(number))\n",
    "renamed": SOLUTION.replace("double", "dubble"),
    "parameters": "async def double(service):\n    return 2\n",
    "syntax": "async def double(service, number:\n    return 2\n",
    "exits": f"import sys\n{DOUBLE}    sys.exit(0)\n",
    "interrupts": f"{DOUBLE}    raise KeyboardInterrupt\n",
    "skips": f"import pytest\n{DOUBLE}    pytest.skip('easy')\n",
    "prints": f"{DOUBLE}    print('x' * 200_000)\n    return 3 * number\n",
    "warns": f"import warnings\n{DOUBLE}    warnings.warn('old')\n"
    "    return 2 * await service(number)\n",
    "sleeps": f"import time\n{DOUBLE}    time.sleep(1)\n    return 3 * number\n",
    "deep": f"def f(n):\n    return f(n)\n\n{DOUBLE}    return f(number)\n",
    "loops": f"{DOUBLE}    while True:\n        pass\n",
}

Graded = Callable[[str], ExerciseResult]


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    course = Course(tmp_path_factory.mktemp("course"))
    course.prepare()
    results = course.grade({name: dedent(text) for name, text in ANSWERS.items()})
    return lambda name: results[name]


def first(result: ExerciseResult) -> TestResult:
    return result.tests[0]


def test_what_holds_is_worth_its_points(graded: Graded) -> None:
    result = graded("right")
    assert result.status == "passed"
    assert [test.max_points for test in result.tests] == [2.0, 1.0]
    assert first(result).requirement == "Twice the number comes back: two for one"
    assert first(result).hints == ["Twice means two times."]
    assert result.title == "03 async/await"


@pytest.mark.parametrize("name", ["stub", "comments"])
def test_a_stub_is_not_begun(graded: Graded, name: str) -> None:
    assert graded(name).status == "not-begun"
    assert {test.status for test in graded(name).tests} == {"not-begun"}


def test_a_path_that_is_still_to_write_is_not_begun(graded: Graded) -> None:
    assert [test.status for test in graded("half").tests] == ["passed", "not-begun"]
    assert graded("half").status == "failed"


def test_an_assertion_speaks_for_itself(graded: Graded) -> None:
    test = first(graded("wrong"))
    assert test.status == "failed"
    assert test.message == "double(1) is 3, not 2"
    assert (test.mistake, test.token, test.world, test.worlds) == (None, "0", 1, 5)


def test_an_assertion_may_name_a_mistake(graded: Graded) -> None:
    test = graded("nothing").tests[1]
    assert test.mistake == "check-then-act"
    assert test.message == "double(0) is None, not 0"


def test_what_a_detector_saw_comes_first(graded: Graded) -> None:
    result = graded("unawaited")
    assert [test.mistake for test in result.tests] == ["never-awaited", "never-awaited"]
    assert first(result).notes[0].certain
    assert first(result).line == 2
    assert len(result.roots()) == 1


def test_an_exception_is_told_with_the_learners_lines_only(graded: Graded) -> None:
    result = graded("raises")
    assert first(result).message == "double raised KeyError: 1"
    assert [row.partition("   ")[2] for row in first(result).rows] == [
        "return twice(number)",
        "return {}[n]",
    ]
    assert all("raises.py:" in row for row in first(result).rows)
    assert len(result.roots()) == 1, "the second one follows from the first"


def test_a_group_of_exceptions_is_opened(graded: Graded) -> None:
    assert first(graded("group")).message.splitlines() == [
        "double raised an ExceptionGroup with",
        "  ValueError: 1",
        "  ValueError: 2",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("plain", "has a plain `def double` on line 1; the brief has `async def`."),
        ("runs", "has a plain `def double` on line 2; the brief has `async def`."),
        ("renamed", "has no double. Did you mean dubble? It has to be called double."),
        ("parameters", "has other parameters than the brief:"),
        ("syntax", "could not be read: line 1, '(' was never closed."),
    ],
)
def test_what_is_wrong_with_the_file_itself_is_told_once(
    graded: Graded, name: str, said: str
) -> None:
    result = graded(name)
    assert first(result).message.startswith(said)
    assert [test.nodeid for test in result.roots()] == [first(result).nodeid]
    assert result.status == ("unreadable" if name == "syntax" else "failed")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("exits", "double raised SystemExit: 0"),
        ("interrupts", "double raised KeyboardInterrupt"),
        ("skips", "double raised Skipped: easy"),
        ("deep", "double raised RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_an_answer_cannot_end_the_run(graded: Graded, name: str, said: str) -> None:
    assert {test.status for test in graded(name).tests} == {"failed"}
    assert first(graded(name)).message.startswith(said)
    assert len(first(graded(name)).rows) <= 4


def test_what_was_printed_is_kept_in_bounds(graded: Graded) -> None:
    assert first(graded("prints")).message == "double(1) is 3, not 2"
    assert 1_000 < len(first(graded("prints")).output) < 60_000


def test_a_warning_is_no_failure(graded: Graded) -> None:
    assert graded("warns").status == "passed"


def test_a_blocking_call_is_named_beside_the_assertion(graded: Graded) -> None:
    test = first(graded("sleeps"))
    assert test.mistake == "blocking-call"
    assert test.message == "double(1) is 3, not 2"


def test_a_loop_without_an_end_is_cut(graded: Graded) -> None:
    result = graded("loops")
    assert [test.mistake for test in result.tests] == ["blocking-call", "blocking-call"]
    assert first(result).line in (2, 3)


def test_working_helpers_make_a_beginning_but_only_what_is_asked_for_counts(graded: Graded) -> None:
    assert {test.status for test in graded("helper").tests} == {"not-begun"}


def test_a_stub_with_a_part_that_is_given_is_not_begun(graded: Graded) -> None:
    assert graded("swallows").status == "not-begun"


def test_results_survive_being_written(graded: Graded) -> None:
    for name in ANSWERS:
        for test in graded(name).tests:
            assert from_dict(to_dict(test)) == test
