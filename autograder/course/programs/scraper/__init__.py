"""Practice project 1 for real: ten local shops, or a person's own URLs, and a scraper at work."""

from typing import Any


def __getattr__(name: str) -> Any:
    # The graders use the shops of this package, and need nothing of the program around them.
    if name == "run":
        from autograder.course.programs.scraper.program import run

        return run
    raise AttributeError(name)
