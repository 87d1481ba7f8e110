"""Workers on a Kafka topic, and a bank in which a grader decides when a handler returns."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from confluent_kafka import Message

from ..mistakes import mistake
from .kafka_desk import PROTOCOL, QUICK, Desk, Member
from .kafka_waiting import IN_TIME, LITTLE, Waiting
from .watched_kafka import Watch, run_watched

TOPIC, GROUP = "changes", "bank"
POLL_INTERVAL = 1500
_FAREWELL = 0.5
"""Seconds in which who is cancelled may leave its group; then its clients are closed for it."""


@dataclass
class Call:
    """One call of a handler."""

    worker: str
    key: str
    partition: int
    offset: int
    nth: int
    state: str = "at work"  # then "done", "failed" or "cancelled"


class Bank:
    """What handlers do, and the table of what they have done: one row for each time.

    Attributes:
        calls: of handlers, in the order in which they began.
        overlaps: two calls for one key of which the second began while the first was at work.
        values: what was sent, by partition and offset.
    """

    def __init__(self) -> None:
        self.values: dict[tuple[int, int], str] = {}
        self.calls: list[Call] = []
        self.overlaps: list[tuple[Call, Call]] = []
        self.most_at_work = self.done = 0
        self.odd = ""
        self.held: Callable[[str], bool] = lambda value: False
        self.fails: Callable[[str], bool] = lambda value: False
        self.on_step: Callable[[str, str], None] = lambda worker, step: None
        self._gates: dict[tuple[int, int], asyncio.Event] = {}
        self._table = sqlite3.connect(":memory:", isolation_level=None)
        self._table.execute("CREATE TABLE applied (partition INTEGER, place INTEGER, value TEXT)")

    def close(self) -> None:
        self._table.close()

    def handler(self, worker: str) -> Callable[[Message], Awaitable[None]]:
        """What a worker of this name is given."""

        async def handle(message: Message) -> None:
            if not isinstance(message, Message):
                self.odd = f"handle({message!r})"
                raise TypeError("handle takes a message of confluent_kafka")
            await self._apply(worker, message)

        return handle

    async def _apply(self, worker: str, message: Message) -> None:
        key, value = (message.key() or b"").decode(), (message.value() or b"").decode()
        place = message.partition() or 0, message.offset() or 0
        call = Call(worker, key, *place, nth=1 + len(self.of(*place)))
        at_work = self.at_work
        self.overlaps += [(other, call) for other in at_work
                          if other.key == key and other.worker == worker]  # fmt: skip
        self.calls.append(call)
        self.most_at_work = max(self.most_at_work, 1 + len(at_work))
        try:
            await asyncio.sleep(0)
            self.on_step(worker, f"began with {value}")
            if self.held(value):
                await self._gates.setdefault(place, asyncio.Event()).wait()
            if self.fails(value):
                raise RuntimeError(f"{value} cannot be applied")
        except asyncio.CancelledError:
            call.state = "cancelled"
            raise
        except RuntimeError:
            call.state = "failed"
            raise
        call.state, self.done = "done", self.done + 1
        self._table.execute("INSERT INTO applied VALUES (?, ?, ?)", (*place, value))
        self.on_step(worker, f"has done {value}")

    def release(self, *values: str) -> None:
        """Let handlers go on: those of these messages, or all; later ones are not held, either."""
        held, names = self.held, set(values)
        self.held = lambda value: bool(names) and value not in names and held(value)
        for (partition, offset), gate in self._gates.items():
            if not names or self.values[partition, offset] in names:
                gate.set()

    @property
    def at_work(self) -> list[Call]:
        return [call for call in self.calls if call.state == "at work"]

    def of(self, partition: int, offset: int) -> list[Call]:
        """The calls for one message."""
        return [c for c in self.calls if (c.partition, c.offset) == (partition, offset)]

    def applied(self) -> Counter[str]:
        """How often each message was applied, by its value."""
        return Counter(value for (value,) in self._table.execute("SELECT value FROM applied"))


@dataclass
class Running:
    """A worker that was started."""

    task: asyncio.Task[Any]
    stop: asyncio.Event
    expects_failure: bool = field(default=False)


class Scene:
    """A topic, a bank and workers."""

    def __init__(self, submission: ModuleType, desk: Desk, watch: Watch, partitions: int) -> None:
        self.desk = desk
        self.watch = watch
        self.bank = Bank()
        self.topic = desk.topic(TOPIC, partitions)
        self.group = desk.name(GROUP)
        self._lengths = [0] * partitions
        self._work = submission.work
        self._workers: list[Running] = []
        self._waiting = Waiting(self._work, desk.slowness)
        self.most_held = 0  # messages read, and not done
        watch.on_messages = self._count

    def _count(self) -> None:
        self.most_held = max(self.most_held, len(self.watch.polls) - self.bank.done)

    # -- workers ----------------------------------------------------------------------------------

    def start(self, name: str = "worker", *, limit: int = 100, **settings: Any) -> Running:
        """A worker."""
        stop = asyncio.Event()
        config = {
            "bootstrap.servers": self.desk.bootstrap,
            "group.id": self.group,
            "group.protocol": PROTOCOL,
            # Whoever lets the client commit by itself sees soon what that does.
            "auto.commit.interval.ms": 100,
            "log_level": 0,
            **QUICK,
            **settings,
        }
        coroutine = self._work(config, self.bank.handler(name), stop, topic=self.topic, limit=limit)
        running = Running(asyncio.create_task(coroutine, name=name), stop)
        self._workers.append(running)
        return running

    async def stop(self, worker: Running) -> None:
        """Tell a worker to stop, and wait until it has."""
        worker.stop.set()
        await self.until(worker.task.done, patience=IN_TIME)
        self.check_ended(worker)

    def check_ended(self, worker: Running) -> None:
        """AssertionError if it has not returned."""
        busy = self.bank.at_work
        assert worker.task.done() or busy, mistake(
            "never-stops",
            "stop was set, no handler was at work, and the worker has not returned.",
        )
        assert worker.task.done(), f"stop was set, and {len(busy)} handlers are at work for ever"
        worker.task.result()

    def check(self) -> None:
        """Raise what a worker raised; AssertionError if one has returned untold."""
        assert not self.bank.odd, f"handle takes the message as it came: {self.bank.odd}"
        for worker in self._workers:
            if worker.task.done() and not worker.expects_failure:
                worker.task.result()
                assert worker.stop.is_set(), "the worker returned, and nobody had told it to stop"

    def check_limit(self, limit: int) -> None:
        """AssertionError if the worker has ever held more messages."""
        assert self.most_held <= limit, mistake(
            "no-backpressure",
            f"limit is {limit}, and the worker held {self.most_held} messages, read and not done: "
            "it reads on, however slow the work is.",
        )

    # -- messages ---------------------------------------------------------------------------------

    async def send(self, *messages: tuple[int, str, str]) -> None:
        """Append messages: partition, key, value. Each value is there once."""
        for partition, _, value in messages:
            self.bank.values[partition, self._lengths[partition]] = value
            self._lengths[partition] += 1
        await self.desk.send(self.topic, messages)

    def end(self, partition: int) -> int:
        """The offset of the next message to come."""
        return self._lengths[partition]

    async def begin_group(self) -> None:
        """The group has been there before, and has committed that it is at the beginning."""
        await self.desk.commit(self.group, self.topic, dict.fromkeys(range(len(self._lengths)), 0))

    async def committed(self, partition: int) -> int:
        """How far the group has committed."""
        return await self.desk.committed(self.group, self.topic, partition)

    def join(self, **settings: Any) -> Member:
        """Another member of the group, the grader's own."""
        return self.desk.join(self.topic, self.group, **settings)

    # -- waiting ----------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], Any], **how_long: Any) -> bool:
        """Wait until something is true, or for longer than a right worker needs: whether it is.

        ``how_long``: as `Waiting.until` has it.
        """
        return await self._waiting.until(condition, self.check, **how_long)

    async def applied(self, *values: str) -> None:
        """Wait until these messages are applied; AssertionError if they are not."""
        await self.until(lambda: not set(values) - set(self.bank.applied()))
        missing = sorted(set(values) - set(self.bank.applied()))
        self.check()
        assert not missing, f"of {len(values)} messages, these were not applied: {missing}"

    async def called(self, *values: str) -> bool:
        """Wait until handlers of these messages have begun: whether they have."""
        return await self.until(lambda: not set(values) - self.begun())

    def begun(self) -> set[str]:
        """The messages whose handlers have begun, by value."""
        return {self.bank.values[call.partition, call.offset] for call in self.bank.calls}

    async def behind(self, *partitions: int) -> dict[int, int]:
        """How far the partitions are committed of which not all is."""
        committed = {partition: await self.committed(partition) for partition in partitions}
        return {p: offset for p, offset in committed.items() if offset != self.end(p)}

    async def until_committed(self, *partitions: int) -> dict[int, int]:
        """Wait until all of these partitions is committed: how far each is not."""
        behind: dict[int, int] = {}

        async def look() -> bool:
            nonlocal behind
            behind = await self.behind(*partitions)
            return not behind

        await self.until(look, patience=IN_TIME)
        return behind

    async def a_reader_has_read_it_all(self) -> None:
        """Wait for as long as it takes to join a group and read the whole topic."""
        stranger = self.desk.stranger(self.topic)
        await self.until(lambda: len(stranger.messages) >= sum(self._lengths), ours=True)
        await asyncio.to_thread(stranger.close)

    # -- the end ----------------------------------------------------------------------------------

    async def close(self) -> None:
        """End whatever is left."""
        self.bank.release()  # who gives up partitions may wait for what has begun
        for worker in self._workers:
            worker.task.cancel()
        tasks = [worker.task for worker in self._workers]
        if tasks:
            await asyncio.wait(tasks, timeout=self._waiting.shorter(_FAREWELL))
        self.watch.kill(for_good=True)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LITTLE)
        await asyncio.gather(*(task for task in tasks if task.done()), return_exceptions=True)
        await asyncio.to_thread(self.watch.close_all)
        self.bank.close()


Play = Callable[[Scene], Awaitable[Any]]


def play(
    submission: ModuleType,
    bootstrap: str,
    create_topic: Callable[[str, int], object],
    scenario: Play,
    *,
    partitions: int = 1,
    prefix: str = "",
    new_group: bool = False,
) -> Any:
    """Play a scenario on a broker, for a group that has been there before, or a new one.

    Returns:
        What the scenario returns.
    """

    async def run(watch: Watch) -> Any:
        desk = Desk(bootstrap, create_topic, prefix)
        scene = Scene(submission, desk, watch, partitions)
        try:
            if not new_group:
                await scene.begin_group()
            return await scenario(scene)
        finally:
            await scene.close()
            await desk.close()

    with Watch().on() as watch:
        return run_watched(run(watch), watch)


def lost(applied: Iterable[str], *values: str) -> list[str]:
    """Which messages were not applied."""
    return sorted(set(values) - set(applied))
