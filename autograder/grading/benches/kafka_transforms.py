"""Transformers from topic to topic, and what is to be seen of them."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..mistakes import mistake
from .kafka_desk import PROTOCOL, QUICK, Desk, Member
from .kafka_waiting import IN_TIME, LITTLE, Waiting
from .watched_kafka import Abandoned, Watch, run_watched
from .watched_producer import Books, Producer, WatchedProducer

_SETTLED = b"the grader has looked"
MOST = 60
"""Steps: a right transformer has a third of them."""


@dataclass
class Running:
    """A transformer that was started."""

    task: asyncio.Task[Any]
    stop: asyncio.Event
    expects_failure: bool = False


class Transfer:
    """A source, a target and transformers; what is converted is held, or fails, at will."""

    def __init__(self, submission: ModuleType, desk: Desk, watch: Watch, books: Books) -> None:
        self.desk, self.watch, self.books = desk, watch, books
        self.source, self.target = desk.topic("payments", 1), desk.topic("entries", 1)
        self.group, self.name = desk.name("transformers"), desk.name("transformer")
        self.held: Callable[[bytes], bool] = lambda value: False
        self.fails: Callable[[bytes], bool] = lambda value: False
        self.seconds = 0.0  # that converting takes
        self.began: list[bytes] = []
        self._gate = asyncio.Event()
        self._sent = 0
        self._transform = submission.transform
        self._waiting = Waiting(self._transform, desk.slowness)
        self._running: list[Running] = []
        self._reader: Member | None = None

    # -- transformers -----------------------------------------------------------------------------

    async def convert(self, value: bytes) -> Sequence[bytes]:
        """What transformers are given: two entries for a payment, none for a note."""
        assert isinstance(value, bytes), f"convert takes the value of a message; given {value!r}"
        self.began.append(value)
        await asyncio.sleep(self.seconds)
        if self.held(value):
            await self._gate.wait()
        if self.fails(value):
            raise RuntimeError(f"{value.decode()} cannot be converted")
        return [] if value.startswith(b"note") else [value + b": out", value + b": in"]

    def release(self) -> None:
        """Hold nothing any more."""
        self.held = lambda value: False
        self._gate.set()

    async def start(self) -> Running:
        """A transformer."""
        stop = asyncio.Event()
        # The mock tells of new messages when a fetch has waited for so long. A producer warns of
        # what it does not know, and nobody reads that.
        config = {"bootstrap.servers": self.desk.bootstrap, "log_level": 0, **QUICK}
        coroutine = self._transform(
            {**config, "group.protocol": PROTOCOL}, self.convert, stop, source=self.source,
            target=self.target, group=self.group, transactional_id=self.name,
        )  # fmt: skip
        running = Running(asyncio.create_task(coroutine, name="transformer"), stop)
        self._running.append(running)
        return running

    async def stop(self, running: Running) -> None:
        """Tell a transformer to stop, and wait until it has."""
        running.stop.set()
        ended = await self.until(running.task.done)
        assert ended, mistake("never-stops", "stop was set, and transform has not returned.")
        running.task.result()

    def check(self) -> None:
        """Raise what a transformer raised; AssertionError if one has returned untold."""
        for one in self._running:
            if one.task.done() and not one.expects_failure:
                one.task.result()
                assert one.stop.is_set(), "transform returned, and nobody had told it to stop"

    async def put_down(self, running: Running) -> None:
        """Whatever it is at: nothing of it runs any more."""
        self.watch.kill()
        running.expects_failure = True
        running.task.cancel()
        await asyncio.wait([running.task], timeout=LITTLE)
        await asyncio.to_thread(self.watch.close_all)

    # -- what is there ----------------------------------------------------------------------------

    async def send(self, *values: str) -> None:
        """Append messages to the source."""
        await self.desk.send(self.source, [(0, "ada", value) for value in values])
        self._sent += len(values)

    @property
    def sent(self) -> int:
        return self._sent

    async def until(self, condition: Callable[[], Any]) -> bool:
        """Wait until something is true: whether it is."""
        return await self._waiting.until(condition, self.check, patience=IN_TIME)

    async def committed(self) -> int:
        """How far the group has read the source."""
        own = self.books.offsets.get((self.source, 0), 0)
        return max(own, await self.desk.committed(self.group, self.source, 0))

    def visible(self) -> Counter[bytes]:
        """What a reader of the target has seen that reads only what is committed."""
        if not self.books.carries_out:
            return Counter(value for topic, value in self.books.visible if topic == self.target)
        if self._reader is None:
            self._reader = self.desk.stranger(self.target)
        return Counter(value for _, _, value in self._reader.messages if value != _SETTLED)

    async def settle(self) -> None:
        """Wait until all is seen that is there by now."""
        if self.books.carries_out:
            self.visible()
            await self.desk.send(self.target, [(0, "grader", _SETTLED.decode())])
            reader = self._reader
            assert reader is not None
            before = sum(value == _SETTLED for _, _, value in reader.messages)
            await self.until(
                lambda: sum(value == _SETTLED for _, _, value in reader.messages) > before
            )

    async def done(self) -> bool:
        """All of the source is read, and committed."""
        return await self.committed() >= self._sent

    def take_over(self) -> Any:
        """Another producer with the transformer's id: whoever had it is a zombie from here on."""
        successor = Producer(
            {
                "bootstrap.servers": self.desk.bootstrap,
                "transactional.id": self.name,
                "log_level": 0,
            }
        )
        successor.init_transactions(30)
        self.books.own(self.name, successor)
        return successor

    async def close(self) -> None:
        """End whatever is left."""
        for one in self._running:
            if not one.task.done():
                await self.put_down(one)
        await asyncio.gather(*(one.task for one in self._running if one.task.done()),
                             return_exceptions=True)  # fmt: skip
        self.watch.kill(for_good=True)
        await asyncio.to_thread(self.watch.close_all)


class Death:
    """Kills what is watched at the n-th step: before a call of its clients, or after a commit.

    After any other call is as good as before the next one.
    """

    def __init__(self, watch: Watch, nth: int) -> None:
        self.happened = ""
        self._watch, self._left = watch, nth
        watch.on_call = self._step

    def _step(self, what: str) -> None:
        if not self.happened:
            if what.startswith("after") and "commit" not in what:
                return
            self._left -= 1
            if self._left >= 0:
                return
            self._watch.kill()
            self.happened = what  # somebody waits for this, and goes on
            if what.startswith("before"):
                raise Abandoned


Play = Callable[[Transfer], Awaitable[None]]


def play(
    submission: ModuleType,
    bootstrap: str,
    create_topic: Callable[[str, int], object],
    scenario: Play,
    *,
    prefix: str = "",
    carries_out: bool = False,
) -> None:
    """Play a scenario on a broker, which carries out transactions or does not."""
    watch, books = Watch(), Books(carries_out=carries_out)

    async def run() -> None:
        desk = Desk(bootstrap, create_topic, prefix)
        transfer = Transfer(submission, desk, watch, books)
        try:
            await scenario(transfer)
        finally:
            await transfer.close()
            await desk.close()

    watch.books = books
    with watch.on(WatchedProducer):
        run_watched(run(), watch)
    gc.collect(1)  # a producer has no close of its own in AIOProducer, and six threads
