"""Grades a whole submission: takes its files, has each exercise graded apart, gives one verdict."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import mistakes, stubs, tree
from .intake import Source, Taken, take
from .intake.taking import learners_files
from .isolation import outside
from .isolation.limits import Limits
from .isolation.sandbox import PACKAGE, Sandbox, find_sandbox
from .resemblance import resembles
from .verdict import Run, Verdict, verdict_of

Progress = Callable[[Run], None]


def grade_submission(
    source: Source, root: Path, exercises: Sequence[tree.Exercise], **how: Any
) -> Verdict:
    """Take the answers to these exercises from a submission and grade them: see `grade_taken`."""
    return grade_taken(take(source, root, exercises), root, exercises, **how)


def grade_taken(
    taken: Taken,
    root: Path,
    exercises: Sequence[tree.Exercise],
    *,
    limits: Limits | None = None,
    sandbox: Sandbox | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Verdict:
    """Grade what was taken of a submission with the graders of the course in `root`.

    `jobs` exercises at a time; `progress` hears of each that is done.

    Raises:
        GradingBroke: a grader does not run at all.
    """
    began = time.monotonic()
    mistakes.use_root(root)
    sandbox, limits = sandbox or find_sandbox(), limits or Limits()

    def grade(exercise: tree.Exercise) -> Run:
        run = _grade(exercise, taken, root, limits, sandbox)
        if progress is not None:
            progress(run)
        return run

    if jobs <= 1 or len(exercises) <= 1:
        runs = [grade(exercise) for exercise in exercises]
    else:
        with ThreadPoolExecutor(jobs) as pool:
            try:
                runs = list(pool.map(grade, exercises))
            except KeyboardInterrupt:
                outside.interrupted.set()
                raise
    return verdict_of(
        runs,
        submission=taken.source,
        digest=taken.digest,
        isolation=list(sandbox.notes),
        ignored=[{"path": one.path, "why": one.why} for one in taken.ignored],
        graded_with=graded_with(root, limits),
        seconds=time.monotonic() - began,
    )


def _grade(
    exercise: tree.Exercise, taken: Taken, root: Path, limits: Limits, sandbox: Sandbox
) -> Run:
    wanted = learners_files(root, exercise)
    files = {inside: taken.files[inside] for inside in wanted if inside in taken.files}
    run = outside.grade_exercise(
        root,
        exercise,
        files,
        sandbox=sandbox,
        limits=limits,
        complaint=_complaint(wanted, files, taken),
    )
    run.file = _file_of(wanted, taken)
    run.resembles = _resembles(root, wanted, files)
    for result in run.results.values():  # where the learner's file is in the submission
        inside = (result.file or "").removeprefix("exercises/")
        result.file = taken.places.get(inside)
        if result.file is None:
            result.line = None
    return run


def is_changed(exercise: tree.Exercise, taken: Taken, root: Path) -> bool:
    """True if a submission has an answer that differs from what stands in the course itself."""
    for inside in learners_files(root, exercise):
        if inside in taken.refused:
            return True
        mine = root / "exercises" / inside
        theirs = taken.files.get(inside)
        here = mine.read_bytes() if mine.is_file() else None
        if theirs is not None and (here is None or _lines(theirs) != _lines(here)):
            return True
    return False


def _lines(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


def _complaint(wanted: list[str], files: dict[str, bytes], taken: Taken) -> str:
    refused = [taken.refused[inside] for inside in wanted if inside in taken.refused]
    if taken.complaint:
        return taken.complaint
    if refused:
        return f"{refused[0].path} {refused[0].why}"
    return "" if files else f"{_file_of(wanted, taken)} is not in the submission."


def _file_of(wanted: list[str], taken: Taken) -> str:
    """The learner's file as the submission has it; the folder, if there are several."""
    places = [taken.places[inside] for inside in wanted]
    return places[0] if len(places) == 1 else places[0].rpartition("/")[0]


def _resembles(root: Path, wanted: list[str], files: dict[str, bytes]) -> bool:
    solutions = [root / "solutions" / inside for inside in wanted]
    if not files or not all(path.is_file() for path in solutions):
        return False
    given = [stubs.shipped(root, inside) or b"" for inside in wanted]
    return resembles(files.values(), [path.read_bytes() for path in solutions], given)


def graded_with(root: Path, limits: Limits) -> dict[str, str]:
    """What a verdict depends on beside the submission."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        course = version("callbacks-to-sagas")
    except PackageNotFoundError:
        course = "unknown"
    python = ".".join(map(str, sys.version_info[:3]))
    return {
        "course": course,
        "python": python,
        "graders": _digest_of_graders(root),
        "seconds": f"{limits.wall:g}",
    }


@lru_cache(maxsize=4)
def _digest_of_graders(root: Path) -> str:
    """Changes with any grader and with the engine."""
    digest = hashlib.sha256()
    graders = [path for module in tree.modules(root) for path in module.rglob("*.py")]
    for path in sorted([*filter(tree.is_grader, graders), *PACKAGE.rglob("*.py")]):
        digest.update(f"{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
