"""The grader's side of a Kafka: topics, what is committed, other members of a group, and a clock.

Kafka's clients run on threads of their own, in real time. So nothing here waits for a time to pass:
it waits for something to have happened, and where nothing is to happen, until something else has
that takes as long.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from .watched_kafka import Consumer, close_in_peace

PROTOCOL = "consumer"
AT_ONCE = {"enable.sparse.connections": False}
"""Else a client connects to the broker of a partition 50 ms after it has asked who that is."""
QUICK = {
    **AT_ONCE,
    "fetch.wait.max.ms": 10,
    "fetch.queue.backoff.ms": 10,
    "topic.metadata.refresh.interval.ms": 50,
}
"""The mock cluster tells of new messages when a fetch has waited for so long, and no sooner. A
client that has been paused notices that it is resumed when it next hears from its broker."""
CLASSIC: dict[str, Any] = {
    "group.protocol": "classic",
    "session.timeout.ms": 1500,
    "heartbeat.interval.ms": 50,
}
"""The older protocol, in which a consumer that does not poll leaves its group at once."""
_TRIP = 30.0
"""Seconds that a broker may take for an answer before the grader gives up."""
_REAL = 3.0
"""A real Kafka's members hear of a rebalance by heartbeats that are seconds apart."""
_CLOSING = 5.0
"""Seconds that closing may take."""
_TRIES = 500
_NOT_YET = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)
_names = iter(range(1, 1_000_000))


class Member(threading.Thread):
    """A consumer of the grader's own, which polls on a thread of its own until it is closed.

    Attributes:
        assigned: the partitions that it has; ever: those that it has had.
        messages: what it has read: partition, offset, value.
    """

    def __init__(self, bootstrap: str, topic: str, group: str, **settings: Any) -> None:
        super().__init__(name=f"a member of {group}", daemon=True)
        self.assigned: set[int] = set()
        self.ever: set[int] = set()
        self.messages: list[tuple[int, int, bytes]] = []
        self._over = threading.Event()
        self._polls = threading.Event()
        self._polls.set()
        self._asked: SimpleQueue[tuple[Future[None], list[TopicPartition]]] = SimpleQueue()
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "group.protocol": PROTOCOL,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "log_level": 0,
                **QUICK,
                **settings,
            }
        )
        # Without callbacks: who closes a consumer that waits for one may wait for ever.
        self._consumer.subscribe([topic])
        self.start()

    def run(self) -> None:
        while not self._over.is_set():
            if not self._polls.wait(0.02):
                continue
            if not self._asked.empty():
                future, offsets = self._asked.get()
                self._consumer.commit(offsets=offsets, asynchronous=False)
                future.set_result(None)
            message = self._consumer.poll(0.02)
            if message is not None and not message.error():
                self.messages.append((message.partition(), message.offset(), message.value()))
            self.assigned = {place.partition for place in self._consumer.assignment()}
            self.ever |= self.assigned

    def fall_silent(self) -> None:
        """Poll no more, and live on."""
        self._polls.clear()

    def offsets(self, partition: int) -> list[int]:
        """What it has read of a partition."""
        return [offset for number, offset, _ in self.messages if number == partition]

    async def commit(self, topic: str, partition: int, offset: int) -> None:
        """Commit, and wait until it is."""
        future: Future[None] = Future()
        self._asked.put((future, [TopicPartition(topic, partition, offset)]))
        await asyncio.wrap_future(future)

    def close(self) -> None:
        """Leave the group."""
        if not self._over.is_set():
            self._over.set()
            self.join()
            close_soon([lambda: close_in_peace(self._consumer)])


def close_soon(closing: Iterable[Callable[[], object]]) -> None:
    """Make calls that close something, side by side; one that does not end is left to itself."""
    threads = [threading.Thread(target=call, daemon=True) for call in closing]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_CLOSING)


async def _again(call: Callable[[], Any]) -> Any:
    """Ask a broker that may have to find out first who knows of a group."""
    for _ in range(_TRIES):
        try:
            return await asyncio.to_thread(call)
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET:
                raise
        await asyncio.sleep(0.02)
    return await asyncio.to_thread(call)


class Desk:
    """A broker, and what a grader asks of it.

    Args:
        bootstrap: its address.
        create_topic: makes a topic with so many partitions.
        prefix: a beginning for all names, on a real Kafka.

    Attributes:
        slowness: so many times longer than librdkafka's mock cluster it may take for what it does.
    """

    def __init__(
        self, bootstrap: str, create_topic: Callable[[str, int], object], prefix: str = ""
    ) -> None:
        self.bootstrap = bootstrap
        self._create = create_topic
        self._prefix = prefix
        self.slowness = _REAL if prefix else 1.0
        self._members: list[Member] = []
        self._readers: dict[str, Any] = {}
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "linger.ms": 0,
                "log_level": 0,
                "acks": "all",
                **AT_ONCE,
            }
        )

    def name(self, what: str) -> str:
        """A name that nobody else has."""
        return f"{self._prefix}{what}.{next(_names)}"

    def topic(self, what: str, partitions: int) -> str:
        """A new topic."""
        name = self.name(what)
        self._create(name, partitions)
        return name

    async def send(self, topic: str, messages: Iterable[tuple[int, str, str]]) -> None:
        """Append messages (partition, key, value), in this order, and wait until they are there."""
        failures: list[Any] = []
        for partition, key, value in messages:
            self._producer.produce(
                topic, value, key, partition,
                on_delivery=lambda error, _: failures.append(error) if error else None,
            )  # fmt: skip
        left = await asyncio.to_thread(self._producer.flush, _TRIP)
        problem = failures or left
        assert not problem, f"the broker takes no messages: {problem}"

    async def committed(self, group: str, topic: str, partition: int) -> int:
        """How far a group has committed; 0 if it never has."""
        asked = [TopicPartition(topic, partition)]
        reader = self._reader(group)
        [answer] = await _again(lambda: reader.committed(asked, _TRIP))
        assert not answer.error, f"the broker does not say what is committed: {answer.error}"
        return max(0, int(answer.offset))

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Commit for a group that has no members."""
        places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        reader = self._reader(group)
        await _again(lambda: reader.commit(offsets=places, asynchronous=False))

    def _reader(self, group: str) -> Any:
        """A consumer that is no member of its group."""
        if group not in self._readers:
            self._readers[group] = Consumer(
                {
                    "bootstrap.servers": self.bootstrap,
                    "group.id": group,
                    # Else it waits for transactions that have sent offsets and not ended.
                    "isolation.level": "read_uncommitted",
                    "log_level": 0,
                    **AT_ONCE,
                }
            )
        return self._readers[group]

    def join(self, topic: str, group: str, **settings: Any) -> Member:
        """A member of a group."""
        member = Member(self.bootstrap, topic, group, **settings)
        self._members.append(member)
        return member

    def stranger(self, topic: str, **settings: Any) -> Member:
        """The only member of a group of its own: it reads all that there is."""
        return self.join(topic, self.name("stranger"), **settings)

    async def close(self) -> None:
        """Leave all groups."""
        for member in self._members:
            await asyncio.to_thread(member.close)
        await asyncio.to_thread(close_soon, [reader.close for reader in self._readers.values()])
