"""What is wrong on SQLite is wrong on PostgreSQL, and what is right is right.

The solution and the right submissions of `optimistic_inventory` are accepted live, on a real
server. Each wrong one is rejected there, and called by no other name than its docstring says.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.grading.results import ExerciseResult, grade

from .test_submissions import entries, read_docstring

KEY = "05_shared_state/optimistic_inventory"


@pytest.mark.live
@pytest.mark.slow
def test_postgresql_gives_the_same_verdicts(
    root: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    submissions = {"solution": root / "solutions" / f"{KEY}.py"}
    for kind in ("right", "wrong"):
        for path in entries(root / "tests" / kind / KEY):
            submissions[f"{kind}/{path.stem}"] = path
    monkeypatch.setenv("DATABASE_URL", database_url)  # the child finds our server
    graded = grade(
        [f"exercises/{KEY.replace('/', '/test_')}_live.py"],
        root=root,
        variants={KEY: submissions},
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
