"""Module 07 for real: a chat in the browser, and a line that can be cut."""

from typing import Any


def __getattr__(name: str) -> Any:
    # Tests use the parts of this package, and need nothing of the program around them.
    if name == "run":
        from autograder.course.programs.chat.program import run

        return run
    raise AttributeError(name)
