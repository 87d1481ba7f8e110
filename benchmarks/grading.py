"""What it costs to grade in isolation: ``python benchmarks/grading.py``.

First one exercise at a time: `course grade` beside a bare `pytest` of its test file, in turns, the
best of several runs of each. Then cohorts that grow, each submission different: submissions a
second, and seconds a submission, which must not grow. Their peer is as many bare pytest runs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOAL_RATIO, GOAL_MORE = 1.5, 0.3
_BARE = ("-q", "-p", "no:cacheprovider", "--submission")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0 whatever the figures are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, the best counts")
    parser.add_argument("--exercises", nargs="*", default=["01/emitter", "03/fetch_prices"])
    parser.add_argument("--sizes", nargs="*", type=int, default=[10, 30, 100])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    print(f"{'exercise':<20} {'pytest':>9} {'grade':>9}   ratio   goal: 1.5x + 0.3 s")
    bare = dict.fromkeys(options.exercises, 0.0)
    for name in options.exercises:
        bare[name] = one_exercise(name, options.rounds)
    if options.exercises and options.sizes:
        cohorts(options.exercises[0], options.sizes, options.jobs, bare[options.exercises[0]])
    return 0


def one_exercise(name: str, rounds: int) -> float:
    """Grade the solution both ways, in turns; return the seconds of a bare pytest."""
    with tempfile.TemporaryDirectory() as folder:
        grade = [*course(), "grade", "solutions", "--only", name, "--output", folder]
        bare = [sys.executable, "-m", "pytest", f"exercises/{name}", *_BARE, "solutions"]
        times = [(seconds(bare), seconds(grade)) for _ in range(rounds)]
    pytest, graded = (min(column) for column in zip(*times, strict=True))
    holds = "met" if graded <= GOAL_RATIO * pytest + GOAL_MORE else "missed"
    print(f"{name:<20} {pytest:>7.2f} s {graded:>7.2f} s   {graded / pytest:.2f}x   {holds}")
    return pytest


def cohorts(name: str, sizes: Sequence[int], jobs: int, bare: float) -> None:
    """Grade cohorts of growing sizes."""
    [solution] = (ROOT / "solutions").glob(f"{name.replace('/', '_*/')}.py")
    print(f"\ncohorts of {name}, {jobs} jobs")
    print(f"{'submissions':>11} {'a second':>9} {'each':>9}   against as many bare pytest runs")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(size):
                place = Path(folder, f"s{number:04}", solution.name)
                place.parent.mkdir()
                shutil.copy(solution, place)
                with place.open("a") as file:
                    file.write(f"\n# {number}\n")
            paths = sorted(map(str, Path(folder).iterdir()))
            command = [*course(), "grade", *paths, "--only", name, "--jobs", str(jobs)]
            took = seconds([*command, "--output", str(Path(folder, "grades"))])
        print(f"{size:>11} {size / took:>9.2f} {took / size:>7.3f} s   {took / (bare * size):.2f}x")


def course() -> list[str]:
    return [sys.executable, "-m", "autograder.course.app"]


def seconds(command: Sequence[str]) -> float:
    """Real time that a command takes, its start included."""
    began = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        sys.exit((done.stdout + done.stderr).decode("utf-8", "replace"))
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
