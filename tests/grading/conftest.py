"""Small courses to grade, made for a test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from autograder.grading import results
from autograder.grading.results import ExerciseResult

SETTINGS = """
[tool.pytest.ini_options]
testpaths = ["tests"]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
addopts = "--import-mode=importlib --strict-markers"
filterwarnings = ["error"]
"""

LESSON = """
# 03 async/await

## The first one: `double`

### The gap at every await
"""

MISTAKES = """
# Mistakes

### never-awaited
A coroutine was made and *never* run. Calling it is not enough.

More words.

Read: [A coroutine is a recipe](03_async_await.md#a-coroutine)

### check-then-act
You looked, you awaited, you acted on what you had seen.
"""

STUB = '''
"""Double a number. Slowly."""


async def double(service, number):
    """Twice the number that the service gives for a number."""
    raise NotImplementedError
'''

SOLUTION = '''
"""Double a number. Slowly."""


async def double(service, number):
    """Twice the number that the service gives for a number."""
    return 2 * await service(number)
'''

GRADER = '''
"""Grades double.py."""

import pytest

from autograder.grading import mistake
from autograder.simulation import simulate


def same(number):
    return number


@pytest.mark.points(2)
@pytest.mark.hint("Twice means two times.")
@simulate(seeds=5)
async def test_it_doubles(world, submission):
    """Twice the number comes back: two for one."""
    result = await submission.double(world.service(same), 1)
    assert result == 2, f"double(1) is {result!r}, not 2"


@simulate(seeds=3)
async def test_zero(world, submission):
    """Twice nothing is nothing."""
    result = await submission.double(world.service(same), 0)
    assert result == 0, mistake("check-then-act", f"double(0) is {result!r}, not 0")
'''


@dataclass
class Course:
    """A course in a folder of its own."""

    root: Path

    def prepare(self) -> None:
        """Have one exercise, not begun."""
        self.write("pyproject.toml", SETTINGS)
        self.write("lessons/03_async_await.md", LESSON)
        self.write("lessons/mistakes.md", MISTAKES)
        self.write("exercises/03_async_await/test_double.py", GRADER)
        self.write("solutions/03_async_await/double.py", SOLUTION)
        self.answer(STUB)

    def write(self, path: str, text: str) -> Path:
        """Write a file, its text without the indentation it has in a test."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip("\n"), "utf-8")
        return file

    def answer(self, text: str) -> Path:
        """Write the learner's answer to the exercise."""
        return self.write("exercises/03_async_await/double.py", text)

    def pytest(
        self,
        *arguments: str,
        here: str = ".",
        env: Mapping[str, str] | None = None,
        typed: str = "",
    ) -> tuple[int, str]:
        """Type a command in one of the folders; exit status and everything that was printed."""
        environment = {**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8", **(env or {})}
        environment.pop("PYTEST_ADDOPTS", None)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=self.root / here,
            env=environment,
            input=typed.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def grade(self, answers: Mapping[str, str]) -> dict[str, ExerciseResult]:
        """Grade several answers to the exercise, given by name, in one process."""
        files = {name: self.write(f"answers/{name}.py", text) for name, text in answers.items()}
        graded = results.grade(
            ["exercises/03"], root=self.root, variants={"03_async_await/double": files}
        )
        return {result.submission: result for result in graded}


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course with one exercise, 03/double, that has not been begun."""
    made = Course(tmp_path)
    made.prepare()
    return made
