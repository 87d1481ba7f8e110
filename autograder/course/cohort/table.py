"""One row for each submission: for a spreadsheet, or to import into a gradebook."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence

from .running import Outcome

_FIRST = ("submission", "score", "max_score", "status", "reason", "resembles_reference", "seconds")


def to_csv(outcomes: Sequence[Outcome]) -> str:
    """The scores as CSV: in all, then for each exercise. The rows are in order of their names."""
    exercises = exercises_of(outcomes)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_FIRST, *exercises])
    for outcome in sorted(outcomes, key=lambda outcome: outcome.name):
        found = outcome.verdict
        scores = {one.exercise: one.score for one in found.exercises}
        copied = [one.exercise for one in found.exercises if one.resembles_reference]
        row = [outcome.name, f"{found.score:g}", f"{found.max_score:g}", found.status]
        row += [found.reason, " ".join(copied), f"{found.seconds:.1f}"]
        row += [f"{scores[name]:g}" if name in scores else "" for name in exercises]
        writer.writerow([_harmless(cell) for cell in row])
    return out.getvalue()


def exercises_of(outcomes: Sequence[Outcome]) -> list[str]:
    """All exercises that were graded, in the order of the course."""
    return list(dict.fromkeys(one.exercise for o in outcomes for one in o.verdict.exercises))


def mistakes_of(outcomes: Sequence[Outcome]) -> Counter[str]:
    """How many submissions make each mistake."""
    count: Counter[str] = Counter()
    for outcome in outcomes:
        tests = [test for one in outcome.verdict.exercises for test in one.tests]
        count.update({test.mistake for test in tests if test.mistake})
    return count


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
