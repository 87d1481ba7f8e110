"""Finds every bug of the tests' corpus in full numbers: ``python benchmarks/corpus.py``.

Every bad program must be found within 1,000 worlds in 20 of 20 choices of worlds, and no good one
may fail in 5,000. Takes about a minute; exits with 1 if anything is not as it must be.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

from autograder.simulation import Settings, explore

STRIDE = 1_000_003
QUICK = Settings(budget=0.0)


def main() -> int:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "simulation"))
    from corpus import CASES

    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--bases", type=int, default=20, help="choices of worlds")
    arguments.add_argument("--seeds", type=int, default=1000, help="worlds a bug must be found in")
    arguments.add_argument("--good", type=int, default=5000, help="worlds a good program must pass")
    options = arguments.parse_args()
    print(f"{'case':24}{'found':>8}{'median':>8}{'most':>6}   {'named':24}good")
    return max([judge(case, options) for case in CASES])


def judge(case: Any, options: argparse.Namespace) -> int:
    """Print one row; 0 if the case is as it must be, else 1."""
    worlds, names = [], set()
    for base in range(0, options.bases * STRIDE, STRIDE):
        found = explore(
            case.program(False), seeds=options.seeds, base=base, settings=QUICK, **case.options
        )
        if found is not None:
            worlds.append(found.world)
            names |= {problem.name for problem in found.problems} or {None}
    accused = explore(case.program(True), seeds=options.good, settings=QUICK, **case.options)
    print(
        f"{case.name:24}{len(worlds):>5}/{options.bases:<2}"
        f"{statistics.median(worlds or [0]):>8.0f}{max(worlds or [0]):>6}   "
        f"{', '.join(name or 'by its own assertion' for name in names):24}"
        f"{f'passed {options.good:,}' if accused is None else f'FAILED in {accused.token}'}"
        f"{'' if case.possible else '   (advisory tier)'}",
        flush=True,
    )
    right = len(worlds) == options.bases and names == {case.mistake} and accused is None
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
