"""Commits every quarter of a minute, as each commit is a trip to the broker. A worker that dies has
done so much in vain.

mistake: none
fails: test_every_message_is_handled, test_a_commit_that_fails_is_made_up_for
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaException, Message, TopicPartition
from confluent_kafka.aio import AIOConsumer

Handler = Callable[[Message], Awaitable[object]]
"""A message -> the work is done. Raises if it cannot be done."""

_POLL = 0.05
"""Seconds that one poll waits: so late is `stop` noticed, at most."""
_PAUSED_POLL = 0.2
"""Seconds between polls that only show that this worker lives."""


async def work(
    config: Mapping[str, Any],
    handle: Handler,
    stop: asyncio.Event,
    *,
    topic: str,
    limit: int = 100,
) -> None:
    """Hand the messages of `topic` to `handle` until `stop` is set."""
    # Auto-commit would commit what was polled, whatever became of it.
    consumer = AIOConsumer({**config, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    worker = _Worker(consumer, handle, stop, topic, limit)
    try:
        await consumer.subscribe([topic], on_revoke=worker.revoked, on_lost=worker.lost)
        await worker.run()
    finally:
        await consumer.close()


@dataclass
class _Partition:
    """What is read of a partition and not committed."""

    open: dict[int, bool] = field(default_factory=dict)  # by offset, in order: is it done?
    position: int = -1  # everything before this is done; -1: nothing was
    committed: int = -1
    lanes: dict[bytes, deque[Message]] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def done(self, offset: int) -> None:
        self.open[offset] = True
        # Only as far as there is no gap: what is committed is promised, all of it.
        while self.open and self.open[first := next(iter(self.open))]:
            del self.open[first]
            self.position = first + 1


class _Worker:
    """One consumer. Only the task that runs it calls it, so nothing is committed in a rebalance but
    what the callbacks commit."""

    def __init__(
        self, consumer: AIOConsumer, handle: Handler, stop: asyncio.Event, topic: str, limit: int
    ) -> None:
        self._consumer = consumer
        self._handle = handle
        self._stop = stop
        self._topic = topic
        self._limit = limit
        self._partitions: dict[int, _Partition] = {}
        self._paused = False
        self._next_commit = 0.0
        self._freed = asyncio.Event()
        self._failure: Exception | None = None

    async def run(self) -> None:
        while not self._is_ending():
            message = await self._next()
            if message is not None and not message.error():
                self._take(message)
            await self._commit()
        while tasks := [task for p in self._partitions.values() for task in p.tasks]:
            # Who finishes must be seen to live: others would get these partitions otherwise.
            await asyncio.wait(tasks, timeout=_PAUSED_POLL)
            await self._pause()
            await self._consumer.poll(0)
            await self._commit()
        await self._commit()
        if self._failure is not None:
            raise self._failure

    def _is_ending(self) -> bool:
        return self._stop.is_set() or self._failure is not None

    # -- messages come in -------------------------------------------------------------------------

    async def _next(self) -> Message | None:
        """The next message; None if there is none now, or no room for it."""
        if self._held() < self._limit:
            if self._paused:
                await self._consumer.resume(await self._consumer.assignment())
                self._paused = False
            message: Message | None = await self._consumer.poll(_POLL)
            return message
        await self._pause()
        self._freed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._freed.wait(), _PAUSED_POLL)
        # Paused, this gives no message. It says that we live, and serves rebalances.
        nothing: Message | None = await self._consumer.poll(0)
        return nothing

    async def _pause(self) -> None:
        await self._consumer.pause(await self._consumer.assignment())
        self._paused = True

    def _held(self) -> int:
        return sum(len(lane) for p in self._partitions.values() for lane in p.lanes.values())

    def _take(self, message: Message) -> None:
        number, offset, key = message.partition(), message.offset(), message.key()
        assert number is not None
        assert offset is not None
        assert key is not None
        partition = self._partitions.setdefault(number, _Partition())
        partition.open[offset] = False
        if key in partition.lanes:
            partition.lanes[key].append(message)  # its task is at work, and comes to this one, too
            return
        partition.lanes[key] = deque([message])
        task = asyncio.create_task(self._work_off(partition, key))
        partition.tasks.add(task)
        task.add_done_callback(partition.tasks.discard)

    async def _work_off(self, partition: _Partition, key: bytes) -> None:
        """All that is there of one key, one after another."""
        lane = partition.lanes[key]
        while lane and not self._is_ending():
            try:
                await self._handle(lane[0])
            except Exception as error:
                self._failure = self._failure or error
                break
            offset = lane.popleft().offset()
            assert offset is not None
            partition.done(offset)
            self._freed.set()
        del partition.lanes[key]
        self._freed.set()

    # -- what is done -----------------------------------------------------------------------------

    async def _commit(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._next_commit and not self._is_ending():
            return
        self._next_commit = now + 15
        offsets = []
        for number, partition in self._partitions.items():
            if partition.position > partition.committed:
                offsets.append(TopicPartition(self._topic, number, partition.position))
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException:
            # In a rebalance, say: the next one will do. Or we are out of the group: whoever has the
            # partitions does this work again.
            logging.getLogger(__name__).warning("not committed: %s", offsets, exc_info=True)
            return
        for offset in offsets:
            self._partitions[offset.partition].committed = offset.offset

    async def revoked(self, consumer: AIOConsumer, partitions: list[TopicPartition]) -> None:
        """Called in a poll, or while closing: they are ours until this returns."""
        await self._commit()
        await self._give_up(partitions)

    async def lost(self, consumer: AIOConsumer, partitions: list[TopicPartition]) -> None:
        """Somebody else has them already."""
        await self._give_up(partitions)

    async def _give_up(self, partitions: list[TopicPartition]) -> None:
        """Forget them: should they come back, they begin where the group is then."""
        gone = [self._partitions.pop(p.partition, None) for p in partitions]
        tasks = [task for partition in gone if partition for task in partition.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
