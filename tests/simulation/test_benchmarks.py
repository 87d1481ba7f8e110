"""The benchmarks run, in small numbers; what they measure is not asserted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["benchmarks/simulation.py", "--rounds=1", "--scale=0.01"], "500 tasks"),
        (["-m", "benchmarks", "--rounds=1", "--scale=0.01"], "small case"),
        (["benchmarks/corpus.py", "--bases=1", "--good=20"], "late_configuration"),
        (["benchmarks/redis_world.py", "--rounds=1", "--worlds=2"], "20 commands"),
        (["benchmarks/amqp_world.py", "--rounds=1", "--worlds=2"], "10 messages"),
        (["benchmarks/grading.py", "--rounds=1", "--exercises=01/emitter", "--sizes=2"], "cohorts"),
    ],
)
def test_a_benchmark_runs(arguments: list[str], words: str) -> None:
    """It prints its rows and exits with 0."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
