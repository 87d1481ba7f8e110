"""Module 02 for real: an event loop and an echo server, and hundreds of connections at once."""

from typing import Any


def __getattr__(name: str) -> Any:
    # The live grader uses the crowd of this package, and needs nothing of the program around it.
    if name == "run":
        from autograder.course.programs.echo.program import run

        return run
    raise AttributeError(name)
