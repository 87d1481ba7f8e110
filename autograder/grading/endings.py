"""A learner's code may neither end the run nor decide that a test is skipped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .frames import is_raised_by_code, learner_frames
from .submission import Copies


@contextmanager
def no_early_end(copies: Copies) -> Iterator[None]:
    """Turn what would end the run, raised by a learner's code, into an ordinary failure."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt, pytest.exit.Exception, pytest.xfail.Exception) as error:
        real = isinstance(error, KeyboardInterrupt) and not is_raised_by_code(error)
        if real or not learner_frames(error, copies.is_learner):
            raise
        raise Ended(error) from error


class Ended(AssertionError):
    """Stands for an exception that would have ended the whole run."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"the program was ended by {type(error).__name__}")
