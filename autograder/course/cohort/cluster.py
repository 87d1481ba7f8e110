"""The same job on a Dask cluster: `course grade submissions/*/ --cluster ADDRESS`.

The workers need the course installed, at the same version; the files of the submissions travel with
the orders, so no file system has to be shared. Everything else is as on one machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from autograder.course.refusal import Refusal
from autograder.course.root import find_root

from .running import Order, Outcome, Runner, grade_order


def run_on_cluster(address: str) -> Runner:
    """A runner that hands orders to a Dask scheduler, such as "tcp://10.0.0.5:8786".

    Raises:
        Refusal: Dask is not installed, or nobody answers at the address.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise Refusal("--cluster needs Dask: pip install -e '.[cluster]'") from None

    def run(orders: Sequence[Order]) -> Iterator[Outcome]:
        try:
            client: Any = Client(address, timeout=10)
        except (OSError, TimeoutError, ValueError) as error:
            raise Refusal(f"No Dask scheduler answers at {address}: {error}.") from None
        with client:
            waiting = client.map(grade_on_worker, orders, pure=False)
            for done in as_completed(waiting):
                yield done.result()

    return run


def grade_on_worker(order: Order) -> Outcome:
    """Grade one submission with the course that is installed on this worker."""
    return grade_order(order, find_root())
