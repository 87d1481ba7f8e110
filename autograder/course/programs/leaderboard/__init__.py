"""Module 10 for real: a live leaderboard in the browser, and buttons that make trouble."""

from typing import Any


def __getattr__(name: str) -> Any:
    # Tests and the benchmark use the parts of this package, without the program around them.
    if name == "run":
        from autograder.course.programs.leaderboard.program import run

        return run
    raise AttributeError(name)
