"""A call into C that keeps all of Python waiting ends the run, and a person is told where."""

from __future__ import annotations

import io
import os

import pytest

from autograder.grading import standstill

from .conftest import Course

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the hang is made by pthreads")

REAL_TIME = '''
import asyncio

import pytest

pytestmark = pytest.mark.real_time(60, standstill=0.5)


def test_first(submission):
    """Twice one is two."""
    assert asyncio.run(submission.double(1)) == 2


def test_second(submission):
    """Twice two is four."""
    assert asyncio.run(submission.double(2)) == 4


def test_third(submission):
    """Twice three is six."""
    assert asyncio.run(submission.double(3)) == 6
'''

STANDS_STILL = """
import ctypes

async def double(number):
    if number == 2:
        wait_for_ever()
    return 2 * number

def wait_for_ever():
    lock = ctypes.create_string_buffer(256)  # a mutex; this call keeps the GIL
    for _ in range(2):
        ctypes.PyDLL(None).pthread_mutex_lock(lock)
"""

TAKES_LONG = """
import time

async def double(number):
    end = time.monotonic() + (1.2 if number == 2 else 0)
    while time.monotonic() < end:
        time.sleep(0.3)
    return 2 * number
"""


def test_it_is_ended_and_told(course: Course) -> None:
    """Where it was, what had been found out by then, and how to run the rest."""
    course.write("exercises/03_async_await/test_double.py", REAL_TIME)
    course.answer(STANDS_STILL)
    status, said = course.pytest("exercises/03")
    assert status == 1
    words = " ".join(said.split())
    assert "Until then: 03 async/await · double.py holds" in words
    assert (
        "Stopped: Python stood still for 0.5 s in test_second, of 03_async_await/double." in words
    )
    assert "double.py, line 11, in wait_for_ever" in words
    assert "exercises/03_async_await/test_double.py::test_second" in words
    assert "faulthandler" not in said
    assert "Thread 0x" not in said


def test_what_takes_long_is_let_run(course: Course) -> None:
    """As long as Python runs, now and then, nobody stands still."""
    course.write("exercises/03_async_await/test_double.py", REAL_TIME)
    course.answer(TAKES_LONG)
    status, said = course.pytest("exercises/03")
    assert (status, "stood still" in said) == (0, False), said


def test_nothing_is_told_of_a_run_that_ends() -> None:
    """A line for each test, and then no more: all went well, or it was ended by somebody else."""
    heard = io.StringIO()
    standstill.tell(io.BytesIO(b'{"test": "test_first"}\n{"test": "test_second"}\n'), heard)
    assert heard.getvalue() == ""
