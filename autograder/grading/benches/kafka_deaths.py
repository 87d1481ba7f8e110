"""A worker on a Kafka topic that is killed at every step of its work, one after the other."""

from __future__ import annotations

import asyncio

from ..mistakes import mistake
from .kafka_workers import Scene
from .watched_kafka import Abandoned

_FIRST, _SECOND = "the first worker", "the second worker"
_MOST = 60
"""Steps: a right worker has a third of them."""


class Death:
    """Kills a worker at its n-th step: nothing that it does from then on has an effect.

    Steps are: a handler begins, a handler has done its work, before and after each commit.
    """

    def __init__(self, at: Scene, nth: int) -> None:
        self.happened = ""
        self._at = at
        self._left = nth
        at.watch.on_call = lambda call: self._step(_FIRST, call)
        at.bank.on_step = self._step

    def _step(self, worker: str, what: str) -> None:
        if worker != _FIRST:
            return
        if not self.happened:
            self._left -= 1
            if self._left >= 0:
                return
            self._at.watch.kill()
            self.happened = what  # somebody waits for this, and goes on
        if not what.startswith("after"):
            raise Abandoned


async def killed_at_step(at: Scene, nth: int) -> bool:
    """Kill a worker at a step, let another one go on: False if the first has no such step."""
    messages = [(p, f"key {p} {n % 2}", f"{p}: {n}") for n in range(3) for p in (0, 1)]
    await at.send(*messages)
    death = Death(at, nth)
    first = at.start(_FIRST)
    first.expects_failure = True
    values = {value for _, _, value in messages}

    async def all_is_committed() -> bool:
        done = values <= set(at.bank.applied())
        return done and all([await at.committed(p) == at.end(p) for p in (0, 1)])

    await at.until(lambda: death.happened or first.task.done() or values <= set(at.bank.applied()))
    if not death.happened:
        await at.until(lambda: death.happened or first.task.done() or all_is_committed())
    first.stop.set()
    if not death.happened:
        await at.until(lambda: death.happened or first.task.done())
    if death.happened:
        first.task.cancel()
        await asyncio.wait([first.task], timeout=10)
    at.watch.kill()
    await asyncio.to_thread(at.watch.close_all)
    at.watch.on_call = lambda call: None
    if not death.happened:
        first.expects_failure = False
        at.check()
    second = at.start(_SECOND)
    await at.send((0, "last", "last 0"), (1, "last", "last 1"))
    await at.until(lambda: {"last 0", "last 1"} <= set(at.bank.applied()))
    await at.until_committed(0, 1)
    missing = sorted(values - set(at.bank.applied()))
    await at.stop(second)
    assert not missing, mistake(
        "commits-early",
        f"A worker was killed (at step {nth}: {death.happened}), and another one went on. Nobody "
        f"has handled {missing}.",
    )
    return bool(death.happened) and nth < _MOST
