"""What can be wrong with a world: problems that detectors report, errors that end it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake that a detector saw.

    ``name`` is the mistake's name in the catalogue (``never-awaited``), ``message`` one or two
    sentences, ``file`` and ``line`` the place in the code under study, ``rows`` further lines
    to show below the message (who waits for what, for instance).
    """

    name: str
    message: str
    file: str | None = None
    line: int | None = None
    rows: tuple[str, ...] = ()


class WorldEnded(Exception):
    """The world cannot go on; ``problem`` says why. Raised out of the loop, never into a task."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Deadlock(WorldEnded):
    """Nothing can run any more, or a cycle of lock waits stands still while other things tick."""


class Livelock(WorldEnded):
    """More steps than the world allows, or more virtual time."""


class Stuck(BaseException):
    """One step ran for too long in real time: a loop without an await, or a call that blocks.

    It derives from BaseException so that ``except Exception`` in the code under study
    does not stop it.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Crash(BaseException):
    """Injected by a test: the process that runs this coroutine dies here."""


class Refused(RuntimeError):
    """The code under study asked for something a simulated world does not have."""
