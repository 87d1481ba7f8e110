"""`course grade`: a verdict on a submission that may be broken, hostile or enormous."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.course import screen
from autograder.course.choose import choose
from autograder.course.refusal import Refusal
from autograder.course.root import find_root
from autograder.course.syllabus import read_syllabus
from autograder.grading import reports, tree, verdict
from autograder.grading.intake import NoSubmission, open_source, take
from autograder.grading.isolation.limits import Limits
from autograder.grading.isolation.outside import GradingBroke
from autograder.grading.isolation.sandbox import Sandbox, find_sandbox
from autograder.grading.submissions import Progress, grade_taken, is_changed
from autograder.grading.verdict import ExerciseVerdict, Run, Verdict

FULL_MARKS, LESS, FAILED, STOPPED = 0, 1, 2, 130
VERDICT = "verdict.json"
_MOST_TOLD = 3


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked of `course grade`.

    Attributes:
        paths: submissions; only: exercises, all if it is empty; reports: names of reports.
        changed: grade only what differs from the course's own files.
        output: the folder for verdicts; jobs: how many children at a time.
        part: which part of the submissions, "2/5"; cluster: the address of a Dask scheduler.
        seconds: real time that an exercise may take, None for the usual; isolated: True to refuse
            to grade where there is no sandbox.
    """

    paths: list[str]
    only: list[str]
    reports: list[str]
    output: Path
    jobs: int
    changed: bool = False
    part: str | None = None
    cluster: str | None = None
    seconds: float | None = None
    isolated: bool = False


def grade(wishes: Wishes) -> int:
    """Do what was asked; return the exit status.

    Raises:
        Refusal: it cannot be done.
    """
    unknown = [name for name in wishes.reports if name not in reports.NAMES]
    if unknown:
        known = ", ".join(reports.NAMES)
        raise Refusal(f"There is no report {unknown[0]!r}. There are: {known}.")
    signal.signal(signal.SIGTERM, _stop)
    try:
        if len(wishes.paths) > 1 or wishes.part or wishes.cluster:
            from autograder.course.cohort.command import grade_cohort

            return grade_cohort(wishes)
        return _grade_one(wishes)
    except KeyboardInterrupt:
        return STOPPED
    except (NoSubmission, GradingBroke, Refusal) as error:
        why = str(error)
        if isinstance(error, GradingBroke):
            why = f"Grading failed, and that is not the submission's fault. {error}"
        verdict.write(verdict.no_verdict(wishes.paths[0], why), wishes.output / VERDICT)
        raise Refusal(why) from None


def _stop(*_: object) -> None:
    """A polite request to end is like Ctrl-C: children are reaped."""
    raise KeyboardInterrupt


def _grade_one(wishes: Wishes) -> int:
    """Grade one submission, write its verdict and reports; return the exit status."""
    root = find_root()
    exercises = chosen_exercises(root, wishes.only)
    sandbox = chosen_sandbox(wishes)
    taken = take(open_source(wishes.paths[0], Path.cwd(), root), root, exercises)
    if wishes.changed:
        exercises = [one for one in exercises if is_changed(one, taken, root)]
    with _progress(len(exercises)) as tick:
        found = grade_taken(
            taken,
            root,
            exercises,
            limits=limits_of(wishes),
            sandbox=sandbox,
            jobs=wishes.jobs,
            progress=tick,
        )
    verdict.write(found, wishes.output / VERDICT)
    said = reports.write(wishes.reports, found, wishes.output)
    with _no_commands(bool(os.environ.get("GITHUB_ACTIONS"))):
        show(found)
        screen.say()
        screen.say(f"verdict: {wishes.output / VERDICT}")
    for text in said:
        print(text, flush=True)
    return FULL_MARKS if found.full_marks else LESS


def chosen_exercises(root: Path, only: Sequence[str]) -> list[tree.Exercise]:
    """The exercises that were named, as the lessons order them; all of the course if none was.

    Raises:
        Refusal: there is no such exercise.
    """
    syllabus = read_syllabus(root)
    wanted = [one for typed in only for one in choose(syllabus, typed)] or syllabus.exercises
    kept = {(one.module, one.name) for one in wanted}
    ordered = [one for one in syllabus.exercises if (one.module, one.name) in kept]
    return [tree.Exercise(one.module, one.name, one.in_folder) for one in ordered]


def chosen_sandbox(wishes: Wishes) -> Sandbox:
    """The sandbox to grade in.

    Raises:
        Refusal: there is no real one, and it was asked for.
    """
    sandbox = find_sandbox()
    if wishes.isolated and not sandbox.real:
        raise Refusal(f"--isolated: {' '.join(sandbox.notes)}")
    return sandbox


def limits_of(wishes: Wishes) -> Limits:
    """What each exercise may use."""
    if wishes.seconds is None:
        return Limits()
    return replace(Limits(), wall=wishes.seconds, cpu=wishes.seconds)


def show(found: Verdict) -> None:
    """A table of the exercises, and the first failures."""
    total = f"{found.score:g} of {found.max_score:g} points"
    screen.say(screen.both_ends(found.submission, total), "bold")
    names = [_short(exercise) for exercise in found.exercises]
    column = max(map(len, names), default=0)
    for name, exercise in zip(names, found.exercises, strict=True):
        score = f"{exercise.score:g} of {exercise.max_score:g}"
        mark = screen.symbol({"passed": "yes", "not-begun": "dot"}.get(exercise.status, "no"))
        why = exercise.reason.splitlines()[0] if exercise.reason else ""
        row = f"  {mark} {name:<{column}}  {score:>9}   {why}".rstrip()
        screen.say(row, "dim" if exercise.status == "not-begun" else None)
    for exercise in _to_tell(found):
        first = next(test for test in exercise.tests if test.told)
        screen.say()
        screen.say(f"{exercise.title} · {Path(exercise.file).name}", "bold")
        screen.say(first.told)
    notes = [f"ignored: {one['path']}: {one['why']}" for one in found.ignored] + found.isolation
    if notes:
        screen.say()
    for note in notes:
        screen.say(note, "dim")


def _to_tell(found: Verdict) -> list[ExerciseVerdict]:
    begun = [one for one in found.exercises if one.status == "failed"]
    return [one for one in begun if any(test.told for test in one.tests)][:_MOST_TOLD]


def _short(exercise: ExerciseVerdict) -> str:
    module, _, name = exercise.exercise.partition("/")
    return f"{module.partition('_')[0]}/{name}"


@contextmanager
def _progress(total: int) -> Iterator[Progress | None]:
    """One line in a terminal while it takes its time."""
    done = 0

    def tick(run: Run) -> None:
        nonlocal done
        done += 1
        screen.passing(f"Graded {done} of {total}: {run.exercise}")

    if not sys.stderr.isatty():
        yield None
        return
    try:
        yield tick
    finally:
        screen.passing("")


@contextmanager
def _no_commands(in_actions: bool) -> Iterator[None]:
    """GitHub Actions acts on lines that begin with ::, whoever wrote them."""
    token = secrets.token_hex(16)
    if in_actions:
        print(f"::stop-commands::{token}", flush=True)
    try:
        yield
    finally:
        if in_actions:
            print(f"::{token}::", flush=True)
