"""What `pytest exercises/03` prints: a terminal reporter that speaks of exercises."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter

from . import tree
from .layout import Line, Page
from .results import ExerciseResult, TestResult, by_exercise

_STYLES: dict[str, dict[str, bool]] = {
    "good": {"green": True},
    "bad": {"red": True},
    "bold": {"bold": True},
    "dim": {"light": True},
    "name": {"yellow": True, "bold": True},
    "": {},
}
_NARROWEST, _WIDEST = 80, 100
_ABOUT_WORKERS = re.compile(
    r"bringing up nodes|(created|initialized|ready|collecting): |\d+ workers?\b|scheduling tests"
)


def width_of(columns: int) -> int:
    """The width that pages are set in, for a terminal of so many columns."""
    return max(_NARROWEST, min(_WIDEST, columns))


class ExerciseReporter(TerminalReporter):  # type: ignore[misc]  # final, but made to be replaced
    """Says what holds and what went wrong, exercise by exercise, when all tests have run."""

    def __init__(
        self, config: pytest.Config, page: Page, tests: dict[str, TestResult], file: Any = None
    ) -> None:
        super().__init__(config, file)
        self.page = page
        self.tests = tests
        self.notices: list[str] = []
        page.width = width_of(self._tw.fullwidth)
        page.encoding = getattr(file or self._tw._file, "encoding", None)

    # -- while tests run: nothing, or one line that goes away -----------------------------------

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep what the base class needs to know; no header."""
        from _pytest import timing

        self._session = session
        self._session_start = timing.Instant()

    def pytest_collection(self) -> None:
        """Say nothing."""

    def report_collect(self, final: bool = False) -> None:
        """Say nothing."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Say nothing."""

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        """Say nothing."""

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Say nothing."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count it; it is told at the end."""
        self._tests_ran = True
        status = self.config.hook.pytest_report_teststatus(report=report, config=self.config)
        self._add_stats(status[0], [report])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Any:
        return (yield)

    def rewrite(self, line: str, **markup: bool) -> None:
        """Say nothing: this is how workers report that they have come up."""

    def write_line(self, line: str | bytes, **markup: bool) -> None:
        """Say only what matters to a learner."""
        text = line if isinstance(line, str) else line.decode("utf-8", "replace")
        if text and not _ABOUT_WORKERS.match(text):
            super().write_line(text, **markup)

    def write_sep(
        self, sep: str, title: str | None = None, fullwidth: int | None = None, **markup: bool
    ) -> None:
        """Say why a run was stopped without shouting; everything else as usual."""
        if sep != "!" or not title:
            super().write_sep(sep, title, fullwidth, **markup)
            return
        self._tw.line()
        self._tw.line(f"Stopped: {title.strip()}.")

    def _report_keyboardinterrupt(self) -> None:
        crash = getattr(self._keyboardinterrupt_memo, "reprcrash", None)
        said = crash.message.rpartition(": ")[2].splitlines()[0] if crash else ""
        self._tw.line()
        ctrl_c = said in ("", "KeyboardInterrupt")
        self._tw.line("Stopped by Ctrl-C." if ctrl_c else f"Stopped: {said}.")

    # -- at the end -----------------------------------------------------------------------------

    def show(self, lines: Iterable[Line]) -> None:
        """Write styled lines."""
        for line in lines:
            for text, style in line:
                self._tw.write(text, **_STYLES[style])
            self._tw.line()

    def summary_failures(self) -> None:
        """Every exercise, those not begun last."""
        exercises = by_exercise(self.tests.values())
        begun = [e for e in exercises if e.status != "not-begun"]
        short = self.verbosity < 0 or (len(begun) > 1 and self.verbosity == 0)
        previous_bad = True
        for number, exercise in enumerate(begun):
            bad = exercise.status not in ("passed", "skipped")
            if number and (bad or previous_bad or not short):
                self._tw.line()
            self.show(
                self.page.exercise(
                    exercise,
                    short=self.verbosity < 0 or (short and not bad),
                    verbose=self.verbosity > 0,
                )
            )
            previous_bad = bad
        waiting = [e for e in exercises if e.status == "not-begun"]
        if waiting:
            if begun:
                self._tw.line()
            self.show(self._not_begun(waiting, exercises))

    def _not_begun(
        self, waiting: list[ExerciseResult], everything: list[ExerciseResult]
    ) -> Iterable[Line]:
        """A table for each module, and where to start."""
        page, root = self.page, self.page.root
        waiting = sorted(waiting, key=self._place)
        for module in dict.fromkeys(e.exercise.partition("/")[0] for e in waiting):
            of_module = [e for e in everything if e.exercise.startswith(f"{module}/")]
            here = [e for e in of_module if e in waiting]
            done = sum(e.status == "passed" for e in of_module)
            if len(here) == len(of_module) == 1:
                yield page.sides([(page.heading(here[0]), "bold")], "not begun", "dim")
                continue
            count = f"{done} of {len(of_module)} exercises done"
            yield page.sides([(tree.title_of(root, module), "bold")], count, "dim")
            longest = max(len(e.name) for e in here)
            for number, exercise in enumerate(here):
                path = page.say(page.shown(exercise.path)) if number == 0 else ""
                row = f"  {exercise.name:<{longest}}   not begun   {path}"
                yield ((row.rstrip(), ""),)
        yield ()
        yield from page.wrapped(self._where_to_start(waiting[0]), "")

    def _place(self, exercise: ExerciseResult) -> tuple[int, int, int, str]:
        return tree.place_in_lesson(self.page.root, *exercise.exercise.split("/"))

    def _where_to_start(self, first: ExerciseResult) -> str:
        lesson = tree.lesson_of(self.page.root, first.exercise.partition("/")[0])
        file = Path(first.path)
        what = f"open {self.page.shown(file)}: its first lines say what to build."
        if file.is_dir():
            what = f"open the files in {self.page.shown(file)}."
        if lesson.is_file():
            return f"Start with the lesson, {self.page.shown(lesson)}, then {what}"
        return f"Start here: {what}"

    def summary_errors(self) -> None:
        """Graders that could not be collected: say what is missing, not where we looked."""
        errors = [r for r in self.stats.get("error", []) if r.nodeid not in self.tests]
        for report in errors:
            missing = _missing_module(report)
            name = self.page.shown(self.config.rootpath / report.nodeid.partition("::")[0])
            if missing:
                says = f"{name} needs the package {missing}, which is not installed here."
                self.show(self.page.wrapped(says, ""))
                self._tw.line("    course doctor   says how to install what is missing.")
            else:
                self.write_sep("_", f"{name} could not be read")
                self._outrep_summary(report)

    def summary_warnings(self) -> None:
        """Only what warns of the learner's own lines."""
        seen: dict[str, None] = {}
        for warning in self.stats.pop("warnings", []):
            location = warning.fslocation
            path = str(location[0]) if location else ""
            if any(path and path == test.path for test in self.tests.values()):
                place = f"{self.page.shown(path)}:{location[1]}"
                words = " ".join(str(warning.message).split())
                words = words.removeprefix(f"{path}:{location[1]}: ")
                seen[f"{place} warns: {words[:200]}"] = None
        if seen:
            self._tw.line()
        for text in list(seen)[:3]:
            self.show(self.page.wrapped(text, ""))

    def short_test_summary(self) -> None:
        """Everything has been said."""

    def summary_passes(self) -> None:
        """Everything has been said."""

    def summary_stats(self) -> None:
        """Counts and time, in one line."""
        if getattr(self._session, "exitstatus", None) == pytest.ExitCode.USAGE_ERROR:
            return
        if self.notices:
            self._tw.line()
        for notice in self.notices:
            self.show(self.page.wrapped(notice, ""))
        statuses = [test.status for test in self.tests.values()]
        if statuses and set(statuses) <= {"not-begun"}:
            return
        failed = sum(status in ("failed", "unreadable") for status in statuses)
        errors = len([r for r in self.stats.get("error", []) if r.nodeid not in self.tests])
        counts = [
            (failed, "failed", "bad"),
            (statuses.count("passed"), "passed", "good"),
            (statuses.count("not-begun"), "not begun", "dim"),
            (statuses.count("skipped"), "skipped", "dim"),
            (errors, "could not be read", "bad"),
        ]
        spans: list[tuple[str, str]] = []
        for count, word, style in counts:
            if count:
                spans += [(", ", "")] if spans else []
                spans.append((f"{count} {word}", style))
        seconds = self._session_start.elapsed().seconds if self._session_start else 0.0
        spans = spans or [("no tests ran", "")]
        if self.tests:
            self._tw.line()
        self.show([(*spans, (f" in {seconds:.1f} s", ""))])


def _missing_module(report: Any) -> str | None:
    text = getattr(report, "longreprtext", "") or str(getattr(report, "longrepr", ""))
    found = re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", text)
    return found[1].partition(".")[0] if found else None
