"""Queues: entries in order, handed to consumers in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from .message import Entry, Message, Ready

if TYPE_CHECKING:
    from .channels import Channel
    from .connections import ClientConnection

Reason = str
"""Why a message left a queue without having been acknowledged: "rejected", "expired", "maxlen" or
"delivery_limit"."""


class Owner(Protocol):
    """What a queue needs of the broker that it belongs to."""

    def now(self) -> float: ...

    def wake_at(self, when: float, wake: Callable[[], None]) -> None: ...

    def dead_letter(self, queue: Queue, entry: Entry, reason: Reason) -> None: ...

    def delete_queue(self, queue: Queue) -> None: ...


@dataclass(eq=False, slots=True)
class Consumer:
    """Somebody who takes messages from a queue, on a channel.

    ``prefetch`` is the most it may hold unacknowledged, 0 for any number; ``most_unacked`` the most
    it ever held.
    """

    tag: str
    channel: Channel
    queue: Queue
    no_ack: bool
    exclusive: bool
    prefetch: int
    arguments: dict[str, Any] = field(default_factory=dict)
    unacked: int = 0
    most_unacked: int = 0

    @property
    def priority(self) -> int:
        value = self.arguments.get("x-priority", 0)
        return value if isinstance(value, int) else 0

    def has_room(self) -> bool:
        full = self.prefetch and not self.no_ack and self.unacked >= self.prefetch
        return not full and self.channel.has_room()


class Queue:
    """One queue.

    Attributes:
        owner: the connection that an exclusive queue belongs to, else None.
        ready: what waits for a consumer; ``unacked``: what was handed out and not acknowledged.
        consumers: in the order in which they are served next.
        deleted: it is gone; what still comes back to it is dropped.
    """

    def __init__(
        self,
        name: str,
        broker: Owner,
        *,
        durable: bool = False,
        owner: ClientConnection | None = None,
        auto_delete: bool = False,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.durable = durable
        self.owner = owner
        self.auto_delete = auto_delete
        self.arguments = arguments or {}
        self.ready = Ready()
        self.unacked: dict[Entry, None] = {}
        self.consumers: list[Consumer] = []
        self.most_unacked = 0
        self.had_consumers = False
        self.deleted = False
        self._broker = broker
        self._count = 0
        self._used = broker.now()
        self._alarm: float | None = None
        if self.lifetime is not None:
            self._watch_for_disuse()

    # -- what it was declared with ----------------------------------------------------------------

    @property
    def quorum(self) -> bool:
        return bool(self.arguments.get("x-queue-type") == "quorum")

    @property
    def kind(self) -> str:
        return "quorum" if self.quorum else "classic"

    @property
    def time_to_live(self) -> float | None:
        """Seconds that a message may wait."""
        value = self.arguments.get("x-message-ttl")
        return None if value is None else value / 1000

    @property
    def lifetime(self) -> float | None:
        """Seconds that the queue lives on without being used."""
        value = self.arguments.get("x-expires")
        return None if value is None else value / 1000

    @property
    def dead_letter_exchange(self) -> str | None:
        return self.arguments.get("x-dead-letter-exchange")

    @property
    def dead_letter_key(self) -> str | None:
        return self.arguments.get("x-dead-letter-routing-key")

    @property
    def overflow(self) -> str:
        return str(self.arguments.get("x-overflow", "drop-head"))

    @property
    def single_active(self) -> bool:
        return bool(self.arguments.get("x-single-active-consumer"))

    # -- messages come ----------------------------------------------------------------------------

    def is_full(self, message: Message) -> bool:
        """True if one more would be too many."""
        length = self.arguments.get("x-max-length")
        size = self.arguments.get("x-max-length-bytes")
        return (length is not None and len(self.ready) + 1 > length) or (
            size is not None and self.ready.size + len(message.body) > size
        )

    def put(self, message: Message) -> Entry | None:
        """Take a message; None if the queue is full and refuses it."""
        if self.overflow != "drop-head" and self.is_full(message):
            if self.overflow == "reject-publish-dlx":
                self._broker.dead_letter(self, self._entry(message), "maxlen")
            return None
        entry = self._entry(message)
        self.drop_expired()
        consumer = None if len(self.ready) else self._next_consumer()
        self.ready.add(entry)
        if consumer is not None:
            # Whoever waits gets it, however short its time to live.
            consumer.channel.deliver(consumer, self.take())
        else:
            self.serve()
            self._drop_overflow()
        return entry

    def _entry(self, message: Message) -> Entry:
        self._count += 1
        limits = [t for t in (self.time_to_live, message.time_to_live()) if t is not None]
        expires = self._broker.now() + min(limits) if limits else None
        return Entry(message, (-self._priority(message), self._count), expires)

    def _priority(self, message: Message) -> int:
        most = self.arguments.get("x-max-priority")
        return min(message.properties.priority or 0, most) if most else 0

    def _drop_overflow(self) -> None:
        length = self.arguments.get("x-max-length")
        size = self.arguments.get("x-max-length-bytes")
        while len(self.ready) and (
            (length is not None and len(self.ready) > length)
            or (size is not None and self.ready.size > size)
        ):
            self._broker.dead_letter(self, self.ready.take(), "maxlen")

    # -- messages go ------------------------------------------------------------------------------

    def serve(self) -> None:
        """Hand out what waits to whoever has room for it, in turn."""
        self.drop_expired()
        while len(self.ready):
            consumer = self._next_consumer()
            if consumer is None:
                break
            consumer.channel.deliver(consumer, self.take())
            self.drop_expired()
        self._watch_head()

    def take(self) -> Entry:
        """Hand out the head."""
        entry = self.ready.take()
        self.unacked[entry] = None
        self.most_unacked = max(self.most_unacked, len(self.unacked))
        return entry

    def _next_consumer(self) -> Consumer | None:
        """Whose turn it is: of those with room the one with the highest priority, then the one
        that was served the longest time ago."""
        if self.single_active:
            first = self.consumers[0] if self.consumers else None
            return first if first is not None and first.has_room() else None
        able = [consumer for consumer in self.consumers if consumer.has_room()]
        if not able:
            return None
        consumer = max(able, key=lambda one: one.priority)
        self.consumers.remove(consumer)
        self.consumers.append(consumer)
        return consumer

    def settle(self, entry: Entry) -> None:
        """An entry is done with."""
        self.unacked.pop(entry, None)

    def give_back(self, entries: Iterable[Entry], *, refused: bool = True) -> None:
        """Entries come back unacknowledged, and are marked as redelivered.

        ``refused``: a consumer gave them back; else it is gone. Classic queues put them where they
        lay before; quorum queues put them behind what came back earlier, before all else; but what
        was refused goes to the tail where there is no delivery limit.
        """
        limit = self.arguments.get("x-delivery-limit")
        for entry in entries:
            self.unacked.pop(entry, None)
            if self.deleted:
                continue
            entry.redelivered = True
            entry.returns += 1
            if self.quorum:
                self._count += 1
                to_tail = refused and limit is None
                entry.position = (0 if to_tail else -1, self._count)
            if self.quorum and limit is not None and entry.returns > limit:
                self._broker.dead_letter(self, entry, "delivery_limit")
            else:
                self.ready.add(entry)
        if not self.deleted:
            self.serve()
            self._drop_overflow()

    def purge(self) -> int:
        """Drop what waits; how much it was."""
        self.drop_expired()
        return self.ready.clear()

    # -- time -------------------------------------------------------------------------------------

    def drop_expired(self) -> None:
        """Messages expire at the head only: one behind it waits until its turn comes."""
        now = self._broker.now()
        while len(self.ready):
            expires = self.ready.head.expires
            if expires is None or expires > now:
                return
            self._broker.dead_letter(self, self.ready.take(), "expired")

    def _watch_head(self) -> None:
        expires = self.ready.head.expires if len(self.ready) else None
        if expires is not None and (self._alarm is None or expires < self._alarm):
            self._alarm = expires
            self._broker.wake_at(expires, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        if not self.deleted:
            self.drop_expired()
            self._watch_head()

    def use(self) -> None:
        """Somebody uses the queue: its lifetime begins anew."""
        self._used = self._broker.now()

    def _watch_for_disuse(self) -> None:
        assert self.lifetime is not None
        self._broker.wake_at(self._used + self.lifetime, self._check_disuse)

    def _check_disuse(self) -> None:
        if self.deleted or self.lifetime is None:
            return
        if self.consumers:
            self._used = self._broker.now()
        elif self._used + self.lifetime <= self._broker.now():
            self._broker.delete_queue(self)
            return
        self._watch_for_disuse()

    # -- consumers --------------------------------------------------------------------------------

    def add_consumer(self, consumer: Consumer) -> None:
        self.consumers.append(consumer)
        self.had_consumers = True
        self.use()

    def remove_consumer(self, consumer: Consumer) -> None:
        """The queue is used no more by this one; an auto-delete queue goes with its last."""
        if consumer not in self.consumers:
            return
        self.consumers.remove(consumer)
        self.use()
        if self.auto_delete and not self.consumers and not self.deleted:
            self._broker.delete_queue(self)
        elif not self.deleted:
            self.serve()
