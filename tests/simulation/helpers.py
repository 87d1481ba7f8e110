"""What the tests of detectors share."""

from __future__ import annotations

import linecache
from typing import Any

from autograder.simulation import Finding, Problem, explore
from autograder.simulation.running import Program

MARK = "# here"
"""Ends the line that a detector must point at."""


def find(program: Program, seeds: int = 20, **options: Any) -> Finding:
    """The failing world that exploration must find."""
    finding = explore(program, seeds=seeds, **options)
    assert finding is not None, "no world failed"
    assert finding.lost is None, finding.lost
    return finding


def accuse(program: Program, name: str, **options: Any) -> Problem:
    """The one problem that exploration must name, at the line that ends with ``# here``."""
    finding = find(program, **options)
    assert [problem.name for problem in finding.problems] == [name], finding
    problem = finding.problems[0]
    assert source(problem).endswith(MARK), f"{problem} points at {source(problem)!r}"
    return problem


def source(problem: Problem) -> str:
    """The line of source that a problem points at."""
    assert problem.file is not None
    assert problem.line is not None
    return linecache.getline(problem.file, problem.line).strip()
