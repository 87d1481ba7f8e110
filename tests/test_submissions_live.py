"""What is right in a world is right on PostgreSQL, and what is wrong is called by no other name.

The solution and the right submissions are accepted live, on a real server. The wrong ones of which
a server can be made to tell are rejected there, by no other name than their docstrings say.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.grading.results import ExerciseResult, grade

from .test_submissions import entries, read_docstring

REJECTED = {
    "05_shared_state/optimistic_inventory": None,
    "12_event_sourcing/event_store": {"follows_by_position"},
}
"""By exercise: the wrong submissions that PostgreSQL has to find; None: all but some."""
ONLY_IN_A_WORLD = {"rolls_back_cancellations", "tries_twice_at_least"}
"""What comes of a database that is locked, and of another buyer at the only attempt."""


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize("key", REJECTED)
def test_postgresql_gives_the_same_verdicts(
    root: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    rejected = REJECTED[key]
    submissions = {"solution": root / "solutions" / f"{key}.py"}
    for kind in ("right", "wrong"):
        for path in entries(root / "tests" / kind / key):
            found = path.stem not in ONLY_IN_A_WORLD if rejected is None else path.stem in rejected
            if kind == "wrong" and not found:
                continue
            submissions[f"{kind}/{path.stem}"] = path
    monkeypatch.setenv("DATABASE_URL", database_url)  # the child finds our server
    graded = grade(
        [f"exercises/{key.replace('/', '/test_')}_live.py"],
        root=root,
        variants={key: submissions},
        options=["--live"],
    )
    assert {result.submission for result in graded} == set(submissions)
    problems = [
        f"{result.submission}: {problem}"
        for result in graded
        for problem in problems_with(result, submissions[result.submission])
    ]
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


def problems_with(result: ExerciseResult, path: Path) -> list[str]:
    """What is not as it has to be, in words."""
    bad = [test for test in result.tests if test.status != "passed"]
    if not result.submission.startswith("wrong/"):
        return [f"{test.test} is {test.status}: {test.message}" for test in bad]
    said = read_docstring(path)
    assert said is not None
    problems = [
        f"{test.test} names {test.mistake}: {test.message}"
        for test in bad
        if test.mistake not in (None, said.mistake, *said.also)
    ]
    problems += [f"{test.test} is {test.status}" for test in bad if test.status != "failed"]
    return problems if bad else ["PostgreSQL accepts it"]
