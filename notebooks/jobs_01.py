"""The two jobs that the notebook of module 01 measures.

They are in a file of their own because a new process imports the work that it is given; it cannot
import a notebook.
"""

import time


def wait(_: object = None) -> None:
    """An I/O-bound job: a tenth of a second of waiting for somebody else."""
    time.sleep(0.1)


def count_primes(_: object = None, below: int = 120_000) -> int:
    """A CPU-bound job: how many primes there are below a number."""
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, below))
