"""Has submissions graded side by side, here or on a cluster, and keeps each verdict at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from autograder.grading import tree, verdict
from autograder.grading.intake import Taken
from autograder.grading.isolation import outside
from autograder.grading.isolation.limits import Limits
from autograder.grading.submissions import grade_taken, graded_with
from autograder.grading.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Order:
    """One submission to grade.

    Attributes:
        name: also that of its folder; taken: its files; exercises: the ones to grade.
    """

    name: str
    taken: Taken
    exercises: tuple[tree.Exercise, ...]
    limits: Limits


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one submission; `reused` if an earlier verdict still holds."""

    name: str
    verdict: Verdict
    reused: bool = False


Runner = Callable[[Sequence[Order]], Iterator[Outcome]]


def grade_order(order: Order, root: Path) -> Outcome:
    """Grade one submission; if grading itself fails, the verdict says so."""
    try:
        found = grade_taken(order.taken, root, order.exercises, limits=order.limits)
    except outside.GradingBroke as error:
        found = verdict.no_verdict(order.taken.source, f"Grading failed: {error}")
    return Outcome(order.name, found)


def run_here(root: Path, jobs: int) -> Runner:
    """A runner that uses so many threads, each of which waits for children."""

    def run(orders: Sequence[Order]) -> Iterator[Outcome]:
        pool = ThreadPoolExecutor(jobs)
        try:
            waiting = [pool.submit(grade_order, order, root) for order in orders]
            for done in as_completed(waiting):
                yield done.result()
        except BaseException:  # Ctrl-C: what is being graded is not waited for
            outside.interrupted.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    return run


def grade_all(
    orders: Sequence[Order], runner: Runner, root: Path, output: Path
) -> Iterator[Outcome]:
    """Outcomes as they come: first what is known already, then what had to be graded.

    Each is in its file, `output/NAME/verdict.json`, before it is yielded.
    """
    todo = []
    for order in orders:
        known = _known(order, root, output)
        if known is None:
            todo.append(order)
        else:
            yield Outcome(order.name, known, reused=True)
    for outcome in runner(todo) if todo else ():
        verdict.write(outcome.verdict, _file(outcome.name, output))
        yield outcome


def _file(name: str, output: Path) -> Path:
    return output / name / "verdict.json"


def _known(order: Order, root: Path, output: Path) -> Verdict | None:
    """The verdict that was kept, if nothing that it depends on has changed."""
    try:
        kept = verdict.read(_file(order.name, output))
    except (OSError, ValueError):
        return None
    same = (
        kept.status != "error"
        and kept.digest == order.taken.digest
        and kept.graded_with == graded_with(root, order.limits)
        and [one.exercise for one in kept.exercises] == [one.key for one in order.exercises]
    )
    return kept if same else None
