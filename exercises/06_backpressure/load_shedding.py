"""Stay useful with ten times too much to do.

Your service answers 20 requests a second, and today there are 200. It cannot serve them all; it can
still serve 20. But a plain queue grows, everybody waits for longer than they are willing to, and
the service works without a pause on requests whose senders have given up: it answers nobody.

So it has to turn people away: soon, and the right ones. Who has just come will still be there when
the answer is; who has waited for long is about to leave. So the newest are served first, and the
oldest are turned away.

Write `Shedder.submit`, and add to `Shedder` what you need for it. `Overloaded` is given.

Rules
  1. `submit(request)` gives what `handler(request)` returns, or raises what it raises. If a worker
     is free, the request is handled at once; at most `workers` are handled at any moment.
  2. Else the request waits. When a worker is free again, it takes the one that came last, at once.
  3. At most `capacity` requests wait. If there would be one more, the one that has waited longest
     is refused: its `submit` raises Overloaded, at once.
  4. A request that has waited for `deadline` seconds is refused at that moment. Only the waiting
     counts; handling may take as long as it likes.
  5. A request is gone when it was refused, or when its `submit` was cancelled. If it was waiting,
     it is not handled any more and takes nobody's place; if it was being handled, its handler is
     cancelled, and the worker is free when the handler has ended. The cancellation goes on.
  6. However a request ends, by an answer, an exception, a refusal or a cancellation, at whatever
     moment: no worker is lost, and none is gained. When all requests have ended, nothing of the
     Shedder is running: no task, and no timer.

Out of scope: a capacity of 0, priorities, requests of different cost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any


class Overloaded(Exception):
    """There is too much to do: the request was refused, and nothing was done for it."""


class Shedder:
    """Handles what can be handled, and refuses the rest in time; `deadline` is in seconds."""

    def __init__(
        self,
        handler: Callable[[Any], Awaitable[Any]],
        *,
        workers: int,
        capacity: int,
        deadline: float,
    ) -> None:
        self.handler = handler
        self.workers = workers
        self.capacity = capacity
        self.deadline = deadline

    async def submit(self, request: Any) -> Any:
        """What the handler returns for this request; Overloaded if it is refused."""
        raise NotImplementedError
