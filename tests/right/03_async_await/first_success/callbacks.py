"""A future that the first successful task sets, by callbacks; a small class holds it together."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Race(Generic[T]):
    def __init__(self, mirrors: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> None:
        self.outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.errors: list[Exception] = []
        self.tasks = [asyncio.create_task(mirror(), name=f"mirror {n}")
                      for n, mirror in enumerate(mirrors)]  # fmt: skip
        for task in self.tasks:
            task.add_done_callback(self.on_done)

    def on_done(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if self.outcome.done():
            return
        if error is None:
            self.outcome.set_result(task.result())
        else:
            self.errors.append(error)
            if len(self.errors) == len(self.tasks):
                self.outcome.set_exception(ExceptionGroup("every mirror failed", self.errors))

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def first_success(mirrors: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> T:
    if not mirrors:
        raise ValueError("mirrors is empty")
    race = Race(mirrors)
    try:
        return await race.outcome
    finally:
        await race.stop()
