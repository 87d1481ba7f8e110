"""What a grader can ask of a broker: queues, consumers, and what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .deadletters import DeadLetter
from .message import Message
from .queues import Consumer, Queue

if TYPE_CHECKING:
    from .vhosts import VirtualHost

EVENTS = (
    "connect",
    "disconnect",
    "close-connection",
    "close-channel",
    "declare-queue",
    "delete-queue",
    "consume",
    "cancel",
    "publish",
    "return",
    "confirm",
    "refuse",
    "deliver",
    "ack",
    "reject",
    "requeue",
    "dead-letter",
)
"""What can happen, by the names that `Happening.event` has."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened at the broker.

    Attributes:
        time: virtual seconds since the world began.
        event: one of `EVENTS`. "refuse" is a publish that was answered with basic.nack; "requeue"
            a message that came back, by its consumer's wish or because that is gone.
        client: the client's connection name, or its host and port; "" where there is none.
        queue: the name of the queue, "" where there is none.
        message: what it is about, None where that is no message.
        redelivered: of a "deliver": the message was delivered before.
        number: of a "deliver" its delivery tag, of a "confirm" or "refuse" that of the publish.
        count: of a "confirm": how many messages it confirms.
        reason: of a "dead-letter", as in x-death; of an error that closed something, its text.
    """

    time: float
    event: str
    client: str = ""
    queue: str = ""
    message: Message | None = None
    redelivered: bool = False
    number: int = 0
    count: int = 1
    reason: str = ""

    @property
    def body(self) -> bytes:
        """The message's body; empty where there is no message."""
        return b"" if self.message is None else self.message.body


class QueueView:
    """One queue, looked at from outside. Of a queue that does not exist, everything is 0."""

    def __init__(self, vhost: VirtualHost, name: str) -> None:
        self.name = name
        self._vhost = vhost

    def __repr__(self) -> str:
        if not self.exists:
            return f"<queue {self.name!r}: does not exist>"
        return (
            f"<queue {self.name!r}: {self.ready} ready, {self.unacked} unacked, "
            f"{len(self.consumers)} consumers>"
        )

    @property
    def _queue(self) -> Queue | None:
        queue = self._vhost.queues.get(self.name)
        if queue is not None:
            queue.drop_expired()
        return queue

    @property
    def exists(self) -> bool:
        return self._queue is not None

    @property
    def ready(self) -> int:
        """Messages that wait for a consumer."""
        queue = self._queue
        return len(queue.ready) if queue else 0

    @property
    def unacked(self) -> int:
        """Messages that consumers have and did not acknowledge yet."""
        queue = self._queue
        return len(queue.unacked) if queue else 0

    @property
    def depth(self) -> int:
        """Ready and unacknowledged messages together."""
        return self.ready + self.unacked

    @property
    def messages(self) -> list[Message]:
        """What waits, from head to tail."""
        queue = self._queue
        return [entry.message for entry in queue.ready] if queue else []

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of what waits, from head to tail."""
        return [message.body for message in self.messages]

    @property
    def consumers(self) -> list[Consumer]:
        queue = self._queue
        return list(queue.consumers) if queue else []

    @property
    def most_unacked(self) -> int:
        """The most that was unacknowledged at any time."""
        queue = self._queue
        return queue.most_unacked if queue else 0

    @property
    def most_unacked_by_one(self) -> int:
        """The most that any single consumer had unacknowledged at any time, also of those gone."""
        return self._vhost.broker.most_unacked.get((self._vhost.name, self.name), 0)

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """What left this queue unacknowledged, oldest first."""
        return [dead for dead in self._vhost.dead_letters if dead.queue == self.name]
