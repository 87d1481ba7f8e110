"""Words that several reports have in common."""

from __future__ import annotations

from autograder.grading.verdict import TestVerdict

MARKS = {"passed": "✓", "failed": "✗", "not-begun": "·", "missing": "✗"}


def points(score: float, max_score: float) -> str:
    """ "3 / 4": without needless decimals."""
    return f"{score:g} / {max_score:g}"


def message(test: TestVerdict) -> str:
    """Why a test earned nothing, in full: as the terminal shows it where it can."""
    if test.status == "passed":
        return ""
    told = test.told.strip()
    if test.reason and test.reason.splitlines()[0] not in told:
        return f"{test.reason}\n\n{told}".strip()
    return told or test.reason


def cut(text: str, most: int) -> str:
    """At most so many characters, the last of which say that there were more."""
    more = "\n[cut]"
    return text if len(text) <= most else text[: most - len(more)] + more
