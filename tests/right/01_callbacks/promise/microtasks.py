"""As the standard of JavaScript has it: reactions, a queue of jobs of our own, one flush.

Taking over another promise is a job, too, so a flattened promise is a few jobs later than it could
be. One callback of the loop works off all jobs that are due.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any


class Jobs:
    """The jobs of all promises on one loop."""

    queues: dict[Any, Jobs] = {}  # noqa: RUF012

    def __init__(self, call_soon: Callable[..., object]) -> None:
        self.call_soon = call_soon
        self.jobs: deque[Callable[[], object]] = deque()
        self.unhandled: list[Promise] = []

    def add(self, job: Callable[[], object]) -> None:
        self.jobs.append(job)
        if len(self.jobs) == 1:
            self.call_soon(self.flush)

    def flush(self) -> None:
        while self.jobs:
            self.jobs[0]()
            self.jobs.popleft()
        unhandled, self.unhandled = self.unhandled, []
        for promise in unhandled:
            if not promise.handled:
                self.call_soon(promise.report)


class Promise:
    def __init__(self, call_soon: Callable[..., object], start: Callable[..., object]) -> None:
        self.jobs = Jobs.queues.setdefault(call_soon, Jobs(call_soon))
        self.call_soon = call_soon
        self.state = "pending"
        self.result: Any = None
        self.reactions: list[tuple[Callable[..., object], Callable[..., object]]] = []
        self.handled = False
        resolve, reject = self.make_functions()
        try:
            start(resolve, reject)
        except Exception as error:
            reject(error)

    def make_functions(self) -> tuple[Callable[..., None], Callable[..., None]]:
        already = False

        def resolve(value: Any = None) -> None:
            nonlocal already
            if already:
                return
            already = True
            if isinstance(value, Promise):
                value.handled = True
                self.jobs.add(lambda: value.then(*self.make_functions()))
            else:
                self.settle("fulfilled", value)

        def reject(error: Exception) -> None:
            nonlocal already
            if not already:
                already = True
                self.settle("rejected", error)

        return resolve, reject

    def settle(self, state: str, result: Any) -> None:
        self.state, self.result = state, result
        reactions, self.reactions = self.reactions, []
        for reaction in reactions:
            self.react(reaction)
        if state == "rejected":
            self.jobs.unhandled.append(self)
            self.jobs.add(lambda: None)

    def react(self, reaction: tuple[Callable[..., object], Callable[..., object]]) -> None:
        self.jobs.add(lambda: reaction[self.state == "rejected"](self.result))

    def report(self) -> None:
        raise self.result

    def then(self, on_done: Any = None, on_error: Any = None) -> Promise:
        self.handled = True

        def start(resolve: Any, reject: Any) -> None:
            def job(handler: Any) -> Callable[[Any], None]:
                def run(argument: Any) -> None:
                    try:
                        result = handler(argument)
                    except Exception as error:
                        reject(error)
                    else:
                        resolve(result)

                return run

            reaction = (
                job(on_done) if callable(on_done) else resolve,
                job(on_error) if callable(on_error) else reject,
            )
            if self.state == "pending":
                self.reactions.append(reaction)
            else:
                self.react(reaction)

        return Promise(self.call_soon, start)

    def catch(self, on_error: Any) -> Promise:
        return self.then(None, on_error)
