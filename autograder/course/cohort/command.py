"""`course grade` with several submissions: progress, a table, a page."""

from __future__ import annotations

import sys
from pathlib import Path

from autograder.course import screen
from autograder.course.commands.judging import (
    FAILED,
    FULL_MARKS,
    LESS,
    Wishes,
    chosen_exercises,
    chosen_sandbox,
    limits_of,
)
from autograder.course.refusal import Refusal
from autograder.course.root import find_root
from autograder.grading import mistakes, reports
from autograder.grading.intake import NoSubmission, open_source, take

from .names import names_of, part_of
from .page import to_html
from .running import Order, Outcome, Runner, grade_all, run_here
from .table import mistakes_of, to_csv

TABLE, PAGE = "grades.csv", "index.html"
_MOST_MISTAKES = 5


def grade_cohort(wishes: Wishes) -> int:
    """Grade all, keep each verdict as it comes, then write the table and the page.

    Raises:
        Refusal: a submission is not there; nothing has been graded then.
    """
    root = find_root()
    chosen_sandbox(wishes)
    mistakes.use_root(root)
    orders = _orders(root, wishes)
    output = wishes.output
    outcomes: list[Outcome] = []
    try:
        for outcome in grade_all(orders, _runner(root, wishes), root, output):
            outcomes.append(outcome)
            reports.write(wishes.reports, outcome.verdict, output / outcome.name)
            _tell(outcome, len(outcomes), len(orders))
    except KeyboardInterrupt:
        _finish_line()
        screen.say(f"Stopped. {len(outcomes)} of {len(orders)} verdicts are kept in {output}:")
        screen.say("the same command goes on from there.")
        raise
    _finish_line()
    (output / TABLE).write_text(to_csv(outcomes), "utf-8")
    (output / PAGE).write_text(to_html(outcomes), "utf-8")
    _summarise(outcomes, output)
    if any(outcome.verdict.status == "error" for outcome in outcomes):
        return FAILED
    return FULL_MARKS if all(outcome.verdict.full_marks for outcome in outcomes) else LESS


def _orders(root: Path, wishes: Wishes) -> list[Order]:
    exercises = tuple(chosen_exercises(root, wishes.only))
    names = names_of(wishes.paths)
    orders = []
    for path in part_of(sorted(names, key=names.__getitem__), wishes.part):
        try:
            taken = take(open_source(path, Path.cwd(), root), root, exercises)
        except NoSubmission as error:
            raise Refusal(str(error)) from None
        orders.append(Order(names[path], taken, exercises, limits_of(wishes)))
    return orders


def _runner(root: Path, wishes: Wishes) -> Runner:
    if wishes.cluster is None:
        return run_here(root, wishes.jobs)
    from .cluster import run_on_cluster

    return run_on_cluster(wishes.cluster)


def _tell(outcome: Outcome, number: int, total: int) -> None:
    found = outcome.verdict
    score = f"{found.score:g} of {found.max_score:g}"
    if sys.stderr.isatty():
        screen.passing(f"{number} of {total}   {outcome.name}   {score}")
    else:
        again = "   as before" if outcome.reused else ""
        screen.say(f"{number:>4} of {total}   {score:>12}   {outcome.name}{again}")


def _finish_line() -> None:
    if sys.stderr.isatty():
        screen.passing("")


def _summarise(outcomes: list[Outcome], output: Path) -> None:
    full = sum(outcome.verdict.full_marks for outcome in outcomes)
    reused = sum(outcome.reused for outcome in outcomes)
    screen.say(f"{len(outcomes)} submissions, {full} with full marks", "bold")
    if reused:
        screen.say(f"{reused} had not changed: their verdicts were kept.")
    for name, count in mistakes_of(outcomes).most_common(_MOST_MISTAKES):
        screen.say(f"  {count:>4}  {name}")
    for outcome in outcomes:
        if outcome.verdict.status in ("voided", "error"):
            screen.say(f"{outcome.name}: {outcome.verdict.reason}")
    screen.say(f"table: {output / TABLE}")
    screen.say(f"page:  {output / PAGE}")
