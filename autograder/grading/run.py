"""One run of pytest over exercises: which submission is graded, and what becomes of each test."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import mistakes, tree
from .collector import Calm, Collector
from .complaints import BadSubmission
from .endings import no_early_end
from .layout import Page, plain
from .results import TestResult, to_dict
from .submission import Copies, Submission

_COPIES = pytest.StashKey[Copies]()
_MOST_OUTPUT = 20_000
_PATIENCE = 2.0
"""Seconds that a test outside of worlds may take without an end in sight."""
_BUDGET, _SHRINKING_BUDGET = 0.5, 0.6
"""Seconds that making the first failing world smaller may take; each further one gets less."""


def begin(config: pytest.Config) -> Run | None:
    """What this run of pytest has to do with exercises; None if there is no course here.

    Rewrites the arguments: `exercises/03` becomes the folder that it means.
    """
    here = config.invocation_params.dir
    root = tree.find_root(config.rootpath, here)
    if root is None:
        return None
    mistakes.use_root(root)
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        from . import paths

        try:
            config.args[:] = [
                resolved
                for argument in config.args
                for resolved in paths.resolve(argument, here, root)
            ]
        except paths.UnknownPath as error:
            raise pytest.UsageError(str(error)) from None
    return Run(config, root)


class Run:
    """The exercises' side of one run of pytest.

    Attributes:
        page: how results are laid out.
        tests: results so far, by node id.
        variants: by exercise, submissions by label; None to grade one submission.
        is_watched: somebody outside of this process ends it if it stands still.
    """

    def __init__(self, config: pytest.Config, root: Path) -> None:
        self.config = config
        self.root = root
        self.here = config.invocation_params.dir
        self.tests: dict[str, TestResult] = {}
        self.failed: set[str] = set()  # exercises of which a test has failed so far
        self.reporter: Any = None
        self.is_watched = False
        self._copies: dict[tuple[tree.Exercise, Path], Copies] = {}
        self.live_left_out = 0
        self._positions: dict[str, int] = {}
        self._budget = _BUDGET
        self._check_options()
        self.base = self._find_base()
        if self.takes_over_terminal:
            # A package that one grader needs and that is not here is no matter to the others.
            config.option.continue_on_collection_errors = True
        self.variants = self._read_variants()
        self.page = Page(root, self.here, options=self._repeated_options())
        worker = getattr(config, "workerinput", {}).get("page")
        if worker is not None:
            self.page.width, self.page.encoding = worker
        if not hasattr(config, "workerinput"):
            config.pluginmanager.register(Collector(self), "autograder-results")

    # -- options --------------------------------------------------------------------------------

    def _check_options(self) -> None:
        worlds, token = self.config.getoption("worlds"), self.config.getoption("replay")
        if worlds is not None and worlds < 1:
            raise pytest.UsageError(f"--worlds {worlds}: at least one world is needed.")
        if token is not None:
            from autograder.simulation.tokens import read_token

            try:
                read_token(token)
            except ValueError as error:
                raise pytest.UsageError(f"--replay: {error}.") from None

    def _find_base(self) -> Path:
        """The folder shaped like `exercises/` that is graded, or the one file."""
        typed = self.config.getoption("submission")
        if typed is None:
            return self.root / "exercises"
        base = Path(os.path.normpath(self.here / Path(typed).expanduser()))
        if not base.exists():
            raise pytest.UsageError(f"--submission {typed}: there is no such folder.")
        if base.is_dir() and tree.is_root(base):
            return base / "exercises"
        return base

    def _repeated_options(self) -> str:
        typed = self.config.getoption("submission")
        return f" --submission {typed}" if typed else ""

    def _read_variants(self) -> dict[str, dict[str, Path]] | None:
        file = self.config.getoption("variants")
        if file is None:
            return None
        content = json.loads(Path(file).read_text("utf-8"))
        return {
            exercise: {label: Path(path) for label, path in listed.items()}
            for exercise, listed in content.items()
        }

    @property
    def takes_over_terminal(self) -> bool:
        """True if only exercises are graded, and the learner is to read what became of them."""
        option = self.config.option
        if option.collectonly or option.help or option.version:
            return False
        exercises = self.root / "exercises"
        paths = [self.here / argument.partition("::")[0] for argument in self.config.args]
        return bool(paths) and all(
            Path(os.path.normpath(path)).is_relative_to(exercises) for path in paths
        )

    def make_reporter(self) -> Any:
        """The reporter that speaks of exercises."""
        from .terminal import ExerciseReporter

        self.reporter = ExerciseReporter(self.config, self.page, self.tests)
        return self.reporter

    # -- what is graded -------------------------------------------------------------------------

    def exercise_of(self, item: pytest.Item) -> tree.Exercise | None:
        """The exercise that a test grades; None for other tests."""
        return tree.exercise_of(item.path, self.root)

    def variants_of(self, grader: Path) -> dict[str, Path]:
        """The submissions to grade with a grader, by label."""
        exercise = tree.exercise_of(grader, self.root)
        return (self.variants or {}).get(exercise.key, {}) if exercise else {}

    def _label_of(self, item: pytest.Item) -> str:
        """Which of several submissions a test is run on."""
        if self.variants is None:
            return ""
        callspec: Any = getattr(item, "callspec", None)
        path = callspec.params.get("submission") if callspec is not None else None
        labels = [label for label, known in self.variants_of(item.path).items() if known == path]
        return labels[0] if labels else ""

    def collected(self, items: list[pytest.Item]) -> None:
        """Prepare the tests that will run."""
        graded = [item for item in items if self.exercise_of(item) is not None]
        self._positions = {item.nodeid: position for position, item in enumerate(graded)}
        for item in graded:
            # A warning that a learner's line causes is told, and is no failure.
            item.add_marker(pytest.mark.filterwarnings("default"))
        token = self.config.getoption("replay")
        simulated = [item for item in graded if _plan_of(item) is not None]
        if token is not None and len(simulated) > 1:
            raise pytest.UsageError(
                f"--replay shows the world of one test, and {len(simulated)} are selected: "
                "add ::test_name, as the failure printed it."
            )

    @contextmanager
    def submission(self, item: Any, variant: Path | None) -> Iterator[Submission]:
        """The learner's files for a test, importable while it runs."""
        exercise = self.exercise_of(item)
        if exercise is None:
            raise pytest.UsageError("The fixture `submission` is for graders in exercises/.")
        copies = self.copies_for(exercise, variant)
        item.stash[_COPIES] = copies
        copies.enter()
        try:
            yield Submission(copies, copies.name)
        finally:
            copies.leave()

    def copies_for(self, exercise: tree.Exercise, variant: Path | None = None) -> Copies:
        """The learner's files for an exercise."""
        path = variant or self.base
        if variant is None and path.is_dir():
            path = path / exercise.file
        key = exercise, path
        if key not in self._copies:
            self._copies[key] = Copies(exercise, path)
        return self._copies[key]

    # -- while a test runs ----------------------------------------------------------------------

    @contextmanager
    def calling(self, item: pytest.Item) -> Iterator[None]:
        """A graded test is called in this block."""
        from autograder.simulation.plan import Settings, use_settings

        from .debugging import breakpoints_in_view

        copies = item.stash.get(_COPIES, None)
        if copies is None:
            yield
            return
        if copies.complaint is not None:
            raise BadSubmission(copies.complaint)
        settings = Settings(
            worlds=self.config.getoption("worlds"),
            replay=self.config.getoption("replay"),
            learner=copies.is_learner,
            debug=self._is_debugged(),
            budget=self._budget,
        )
        with (
            use_settings(settings),
            breakpoints_in_view(),
            no_early_end(copies),
            self._limit(item, copies),
        ):
            yield

    def _is_debugged(self) -> bool:
        option = self.config.option
        replays_in_debugger = option.usepdb and self.config.getoption("replay") is not None
        return bool(option.trace or replays_in_debugger)

    def _limit(self, item: pytest.Item, copies: Copies) -> contextlib.AbstractContextManager[None]:
        """Worlds have limits of their own; a plain test needs one."""
        live = item.get_closest_marker("live") is not None
        if live or _plan_of(item) is not None or self.config.option.usepdb or self._is_debugged():
            return contextlib.nullcontext()
        from autograder.simulation.limits import time_limit
        from autograder.simulation.ownership import Ownership

        real_time = item.get_closest_marker("real_time")
        seconds = float(real_time.args[0]) if real_time else _PATIENCE
        limit = functools.partial(time_limit, seconds, Ownership(copies.is_learner))
        if real_time is None or self.is_watched:
            return limit()
        from .standstill import watcher

        return watcher(self.config).watch(
            limit, self._new_result(item, None), self, **real_time.kwargs
        )

    def renew_budget(self) -> None:
        """Shrink the next failure at leisure again."""
        self._budget = _BUDGET

    # -- afterwards -----------------------------------------------------------------------------

    def judge(self, item: pytest.Item, call: pytest.CallInfo[None], report: Any) -> None:
        """Add what became of a graded test to pytest's report."""
        if call.when != "call" and report.passed:
            return
        result = self._new_result(item, call)
        copies = item.stash.get(_COPIES, None) or self.copies_for(_known(self.exercise_of(item)))
        if report.skipped and call.excinfo is not None:
            from .frames import learner_frames

            if learner_frames(call.excinfo.value, copies.is_learner):
                report.outcome = "failed"  # only a test may skip itself
        if report.passed:
            self._judge_pass(result, copies)
        elif report.skipped:
            result.status, result.message = "skipped", _why_skipped(report)
        elif call.excinfo is not None:
            self._judge_failure(result, copies, call.excinfo.value, report)
        if result.bad:
            self.failed.add(result.exercise)
        report.sections = [(name, _bounded(text)) for name, text in report.sections]
        report.graded = to_dict(result)

    def _new_result(self, item: pytest.Item, call: pytest.CallInfo[None] | None) -> TestResult:
        exercise = _known(self.exercise_of(item))
        label = self._label_of(item)
        copies = item.stash.get(_COPIES, None)
        result = TestResult(
            exercise=exercise.key,
            test=_name_without(item.name, label),
            nodeid=item.nodeid,
            title=tree.title_of(self.root, exercise.module),
            submission=label,
            grader=tree.shown(item.path, self.root),
            position=self._positions.get(item.nodeid, 0),
            requirement=_requirement(item, label),
            max_points=_points(item),
            hints=[str(mark.args[0]) for mark in item.iter_markers("hint") if mark.args][::-1],
            seconds=call.duration if call else 0.0,
            path=str(copies.path if copies else self.copies_for(exercise).path),
        )
        plan = _plan_of(item)
        if plan is not None:
            result.worlds = self.config.getoption("worlds") or plan.seeds
        return result

    def _judge_pass(self, result: TestResult, copies: Copies) -> None:
        """Some requirements hold of a stub too; nothing is earned by that."""
        from .feedback import Judge

        if Judge(self.root, copies).is_untouched():
            result.status = "not-begun"

    def _judge_failure(
        self, result: TestResult, copies: Copies, error: BaseException, report: Any
    ) -> None:
        from .feedback import Judge

        Judge(self.root, copies, self.page.width, self.page.encoding).judge(result, error)
        self._budget *= _SHRINKING_BUDGET
        if not result.output and not result.worlds:
            result.output = _bounded(report.capstdout)
        if self.config.getoption("fulltrace", default=False):
            result.trace = str(report.longrepr)
        report.longrepr = Calm(self._told(result))

    def _told(self, result: TestResult) -> str:
        """What an editor shows for a failing test, and what stands in a JUnit file."""
        if result.status == "not-begun":
            return f"not begun: {self.page.shown(result.path)}"
        if result.status == "unreadable":
            subject = f"{result.title} · {Path(result.file or result.path).name}"
            return plain(self.page.complaint(subject, result))
        return plain(self.page.failure(result))


def expected_of(item: pytest.Item) -> dict[str, Any]:
    """A test as it is known before any submission is imported: the fields of `verdict.Expected`."""
    import inspect

    function: Any = getattr(item, "function", None)
    function = inspect.unwrap(getattr(function, "__simulated__", function))
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        lines, first = [], 0
    return {
        "nodeid": item.nodeid,
        "test": item.name,
        "requirement": _requirement(item, ""),
        "max_score": _points(item),
        "grader": item.nodeid.partition("::")[0],
        "line": first,
        "source": "".join(lines),
    }


def _points(item: pytest.Item) -> float:
    points = item.get_closest_marker("points")
    return float(points.args[0]) if points and points.args else 1.0


def _plan_of(item: pytest.Item) -> Any:
    return getattr(getattr(item, "function", None), "__simulate__", None)


def _requirement(item: pytest.Item, label: str) -> str:
    """A test's docstring, as one sentence without its full stop; else its name in words."""
    name = _name_without(item.name, label)
    text = (getattr(getattr(item, "function", None), "__doc__", None) or "").strip()
    paragraph = " ".join(text.split("\n\n")[0].split())
    said = paragraph.removesuffix(".")
    if not said:
        return name.removeprefix("test_").replace("_", " ")
    case = name[len(getattr(item, "originalname", name)) :].strip("[]")
    return f"{said} ({case})" if case else said


def _name_without(name: str, label: str) -> str:
    """A test's name with its own parameters only."""
    if not label:
        return name
    return name.replace(f"[{label}-", "[").removesuffix(f"[{label}]")


def _known(exercise: tree.Exercise | None) -> tree.Exercise:
    assert exercise is not None
    return exercise


def _why_skipped(report: Any) -> str:
    """The reason that a test gives for being skipped."""
    place = report.longrepr
    reason = str(place[2]) if isinstance(place, tuple) and len(place) == 3 else ""
    return reason.removeprefix("Skipped: ")


def _bounded(text: str) -> str:
    if len(text) <= _MOST_OUTPUT:
        return text
    return f"{text[:_MOST_OUTPUT]}\n… and {len(text) - _MOST_OUTPUT:,} characters more"
