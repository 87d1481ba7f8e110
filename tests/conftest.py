"""What the tests of the course share."""

import signal
from pathlib import Path

import pytest

# Submissions for the graders: they are read by tests, and are no tests themselves.
collect_ignore = ["wrong", "right", "attacks"]


def pytest_configure() -> None:
    """A shell that runs us in the background has Ctrl-C ignored: tests of it need it back."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the whole course."""
    return Path(__file__).resolve().parent.parent
