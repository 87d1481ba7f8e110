"""Move items through several steps, and let the slowest set the pace.

An import reads records from an export (the source), parses them, looks up addresses, and stores
them (the sink). Each step takes its time, and so they all work at once, each on another item. The
export has millions of records and reads far faster than anything can be stored: without a bound,
all of them would pile up in memory in front of the sink.

Write `run_pipeline`. `Stage` is given; leave it as it is.

Rules
  1. Every item of `source` goes through every stage, in the order of `stages`, and what the last
     one returns goes to the sink, once. `run_pipeline` returns when the last item is through.
     Any value is an item, None too. Without stages the items go straight to the sink.
  2. The source, the stages and the sink work at the same time, each on items of its own. A stage
     works on up to `workers` items at once and never on more; the sink takes one at a time. If
     every stage has one worker, the items reach the sink in their order; else in any order.
  3. Between one step and the next at most `capacity` items wait. Besides those, the reader of the
     source, each worker and the sink hold one item each. So the read-ahead, which is the number of
     items that were taken from the source and are not yet through the sink, is at most
     capacity * (number of stages + 1) + 1 + (all workers) + 1. When all places are taken, the
     source is not asked for more.
  4. If the source, a stage or the sink raises, that is the end: the others are cancelled, what is
     on its way is given up, and the exception is raised, alone or in an ExceptionGroup. Whatever
     the others are waiting for at that moment.
  5. When `run_pipeline` ends, nothing of it is still running: every function it called has ended,
     its clean-up included. If `run_pipeline` is cancelled, the same holds, and the cancellation
     goes on to the caller.

Out of scope: retries, more than one failure at a time, closing the source.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A step that makes something of each item, on up to `workers` items at once."""

    function: Callable[[Any], Awaitable[Any]]
    workers: int = 1


async def run_pipeline(
    source: AsyncIterator[Any],
    stages: Sequence[Stage],
    sink: Callable[[Any], Awaitable[None]],
    *,
    capacity: int = 10,
) -> None:
    """Move every item from `source` through `stages` into `sink`; at most `capacity` wait each."""
    raise NotImplementedError
