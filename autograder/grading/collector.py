"""Gathers what became of every test, wherever it ran."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from . import tree
from .results import TestResult, from_dict, write

if TYPE_CHECKING:
    from .run import Run


class Calm:
    """What pytest shows of a failure, wherever it shows it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def toterminal(self, tw: Any) -> None:
        for line in self.text.splitlines():
            tw.line(line)


class Collector:
    """Hears of every report, also those of pytest-xdist's workers, and keeps the results."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        graded = getattr(report, "graded", None)
        if graded is not None:
            self._run.tests[report.nodeid] = from_dict(graded)
        elif report.failed and report.nodeid not in self._run.tests:
            self._worker_died(report)

    def _worker_died(self, report: Any) -> None:
        """Without a word from the test itself: the process it ran in has ended."""
        path = self._run.config.rootpath / report.nodeid.partition("::")[0]
        exercise = tree.exercise_of(path, self._run.root)
        if exercise is None:
            return
        self._run.tests[report.nodeid] = TestResult(
            exercise=exercise.key,
            test=report.nodeid.rpartition("::")[2],
            nodeid=report.nodeid,
            title=tree.title_of(self._run.root, exercise.module),
            grader=tree.shown(path, self._run.root),
            requirement=report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " "),
            status="failed",
            message="The process that ran this test ended in the middle of it.",
            path=str(self._run.copies_for(exercise).path),
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        run, config = self._run, self._run.config
        if run.reporter is not None:
            run.reporter.notices += self._notices()
        file = config.getoption("results")
        if file is not None:
            write(run.here / file, run.tests.values())

    def _notices(self) -> Iterator[str]:
        config = self._run.config
        holds = any(test.status == "passed" for test in self._run.tests.values())
        left_out = self._run.live_left_out
        if left_out and holds:
            tests, them = (
                ("1 live test", "it") if left_out == 1 else (f"{left_out} live tests", "them")
            )
            yield f"{tests} left out: --live runs {them}, in real time."
        token = config.getoption("replay")
        statuses = {test.status for test in self._run.tests.values()}
        if token is not None and statuses == {"passed"}:
            yield f"In the world {token} it holds now."
