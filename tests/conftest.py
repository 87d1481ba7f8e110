"""What the tests of the course share."""

from pathlib import Path

import pytest

# Submissions for the graders: they are read by tests, and are no tests themselves.
collect_ignore = ["wrong", "right", "attacks"]


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the whole course."""
    return Path(__file__).resolve().parent.parent
