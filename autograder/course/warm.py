"""A process that has imported all that grading needs, and forks for each run.

Importing pytest and aiohttp takes longer than grading an exercise does. On POSIX the fork server of
`multiprocessing` imports it all once; each run is a fork of it, so no run sees what another
one left behind. Windows has no fork: there each run is a fresh process.
"""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

PRELOADED = ["autograder.course.preload", __name__]
UNSET = {"PYTEST_ADDOPTS": ""}  # a person's own options for pytest are not for this


class Run(Protocol):
    """A grading run under way."""

    def finished(self) -> bool:
        """Whether it has ended."""

    def stop(self) -> None:
        """End it now, whatever it is doing."""

    def wait(self) -> None:
        """Wait until it has ended."""


class _Fresh:
    def __init__(self, root: Path, arguments: list[str]) -> None:
        command = [sys.executable, "-m", "pytest", *arguments]
        environment = os.environ | UNSET
        self._process = subprocess.Popen(
            command, cwd=root, env=environment, stdin=subprocess.DEVNULL
        )

    def finished(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        self._process.kill()
        self.wait()

    def wait(self) -> None:
        self._process.wait()


class _Forked:
    def __init__(self, root: Path, arguments: list[str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self._process = context.Process(target=_grade, args=(str(root), arguments))
        self._process.start()

    def finished(self) -> bool:
        return not self._process.is_alive()

    def stop(self) -> None:
        self._process.kill()
        self.wait()

    def wait(self) -> None:
        self._process.join()


def start(root: Path, arguments: list[str]) -> Run:
    """Begin to run pytest in the course's folder with these arguments."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        return _Forked(root, arguments)
    return _Fresh(root, arguments)


def _grade(root: str, arguments: list[str]) -> None:
    """Run pytest in a fork. Ctrl-C is for the process that watches, which then ends this one."""
    import signal

    import pytest

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir(root)
    os.environ |= UNSET
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # imported early, on purpose
    sys.exit(pytest.main([*arguments, *quiet]))
