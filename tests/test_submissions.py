"""Every submission gets the verdict it deserves.

A solution and a right answer earn full marks. A stub is not begun. A wrong answer is rejected with
the mistake that its docstring names, by the tests that it lists, and no test calls it by another
name:

    mistake: never-awaited
    fails: test_prices_are_fetched, test_results_are_in_order

One that really makes a second mistake says so in a line between the two: `also: deadlock`. One
that breaks a rule of its exercise alone, for which no mistake has a name, says `mistake: none`.
All submissions of one exercise are graded in one process. WRONG=1/3 in the environment grades
every third wrong one of each exercise only: `.ci/run` shares them among the Pythons it finds.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.grading import mistakes, tree
from autograder.grading.results import ExerciseResult, TestResult, grade

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = [exercise for module in tree.modules(ROOT) for exercise in tree.exercises(module)]
_MISTAKE = re.compile(r"^mistake: *(?P<name>[\w-]+) *$", re.MULTILINE)
_ALSO = re.compile(r"^also: *(?P<names>[\w-]+(?:, *[\w-]+)*) *$", re.MULTILINE)
_FAILS = re.compile(r"^fails: *(?P<names>test_\w+(?:,\s+test_\w+)*) *$", re.MULTILINE)

SHARE, OF = (int(number) for number in os.environ.get("WRONG", "1/1").split("/"))

each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.short)


@dataclass(frozen=True)
class Wrong:
    """What the docstring of a wrong submission says of it."""

    mistake: str | None
    fails: list[str]
    also: tuple[str, ...] = ()


@pytest.mark.slow
@each_exercise
def test_submissions(exercise: tree.Exercise, tmp_path: Path) -> None:
    submissions = submissions_of(exercise, tmp_path)
    graders = tree.exercises(ROOT / "exercises" / exercise.module)[exercise]
    graded = grade(
        [grader.relative_to(ROOT) for grader in graders],
        root=ROOT,
        variants={exercise.key: submissions},
    )
    results = {result.submission: result for result in graded}
    assert set(results) == set(submissions), "some submissions were not graded"
    problems = [
        f"{label}: {problem}"
        for label, result in results.items()
        for problem in problems_with(label, result, submissions[label])
    ]
    if problems:
        pytest.fail("\n".join([f"{exercise.short}:", *problems]), pytrace=False)


def problems_with(label: str, result: ExerciseResult, path: Path) -> list[str]:
    """What is not as it has to be, in words."""
    if label == "stub":
        # Some requirements may hold of a stub too; none may look like a mistake.
        odd = [test for test in result.tests if test.status not in ("not-begun", "passed")]
        problems = [f"{test.test} is {test.status}: {test.message}" for test in odd]
        return problems if result.passed < len(result.tests) else ["it earns full marks"]
    if not label.startswith("wrong/"):
        return [
            f"{test.test} is {test.status}: {test.message or test.notes}"
            for test in result.tests
            if test.status != "passed"
        ]
    return problems_with_wrong(result, read_docstring(path))


def problems_with_wrong(result: ExerciseResult, said: Wrong | None) -> list[str]:
    if said is None:
        return ["its docstring has no lines `mistake:` and `fails:`"]
    failed = [test for test in result.tests if test.bad]
    names = [base_name(test) for test in failed]
    problems = [
        f"{test.test} fails, and is not in `fails:` ({test.message or test.notes})"
        for test in failed
        if base_name(test) not in said.fails
    ]
    problems += [
        f"{test.test} names {test.mistake}"
        for test in failed
        if test.mistake not in (None, said.mistake, *said.also)
    ]
    first = [test for test in failed if base_name(test) == said.fails[0]]
    if not first:
        problems.append(f"{said.fails[0]} does not fail (failed: {', '.join(names) or 'none'})")
    elif said.mistake not in [test.mistake for test in first]:
        named = said.mistake or "no mistake"
        problems.append(f"{said.fails[0]} does not name {named}: {first[0].message}")
    return problems


def base_name(test: TestResult) -> str:
    return test.test.partition("[")[0]


def test_every_mistake_has_a_wrong_submission() -> None:
    made = named_by_submissions()
    unused = [name for name in mistakes.names() if name not in made]
    assert not unused, f"nothing in tests/wrong makes: {', '.join(unused)}"


def test_every_named_mistake_has_a_section() -> None:
    named = named_by_submissions()
    for grader in (ROOT / "exercises").rglob("*.py"):
        named |= names_in(grader)
    missing = sorted(named - set(mistakes.names()))
    assert not missing, f"lessons/mistakes.md has no section for: {', '.join(missing)}"


def test_every_mistake_has_one_section() -> None:
    headings = re.findall(
        r"^### +([\w-]+)", mistakes.catalogue_file().read_text("utf-8"), re.MULTILINE
    )
    double = sorted({name for name in headings if headings.count(name) > 1})
    assert not double, f"lessons/mistakes.md has several sections for: {', '.join(double)}"


def names_in(grader: Path) -> set[str]:
    """The mistakes that a grader names by `mistake("name", ...)`."""
    calls = [
        node
        for node in ast.walk(ast.parse(grader.read_bytes()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "mistake"
        and node.args
    ]
    return {str(call.args[0].value) for call in calls if isinstance(call.args[0], ast.Constant)}


def named_by_submissions() -> set[str]:
    return {wrong.mistake for wrong in wrong_submissions() if wrong and wrong.mistake}


def wrong_submissions() -> list[Wrong | None]:
    folders = (ROOT / "tests" / "wrong").glob("*/*")
    return [read_docstring(path) for folder in folders for path in entries(folder)]


def submissions_of(exercise: tree.Exercise, scratch: Path) -> dict[str, Path]:
    """Every submission of an exercise by label: stub, solution, right/... and wrong/..."""
    solution = ROOT / "solutions" / exercise.file
    found = {"stub": ROOT / "exercises" / exercise.file, "solution": solution}
    for kind in ("right", "wrong"):
        paths = entries(ROOT / "tests" / kind / exercise.key)
        for path in paths if kind == "right" else paths[SHARE - 1 :: OF]:
            label = f"{kind}/{path.stem}"
            if exercise.folder:
                # Only what is different is there: the rest is as in the solution.
                whole = scratch / label
                shutil.copytree(solution, whole)
                shutil.copytree(path, whole, dirs_exist_ok=True)
                path = whole
            found[label] = path
    return found


def entries(folder: Path) -> list[Path]:
    """A submission is a file, or a folder for an exercise of several files."""
    return sorted(
        path
        for path in folder.glob("[!_.]*")
        if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))
    )


def read_docstring(path: Path) -> Wrong | None:
    """What a wrong submission says of itself; in a folder, one of its files says it."""
    files = sorted(path.glob("*.py")) if path.is_dir() else [path]
    for file in files:
        text = ast.get_docstring(ast.parse(file.read_bytes())) or ""
        mistake, fails = _MISTAKE.search(text), _FAILS.search(text)
        if mistake and fails:
            also = _ALSO.search(text)
            others = tuple(re.findall(r"[\w-]+", also["names"])) if also else ()
            name = None if mistake["name"] == "none" else mistake["name"]
            return Wrong(name, re.findall(r"test_\w+", fails["names"]), others)
    return None
