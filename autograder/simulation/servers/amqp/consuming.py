"""Consuming: the part of a channel that hands messages out and takes acknowledgements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pamqp import commands

from .channelstate import ChannelState
from .errors import failed, not_allowed, not_implemented, refused
from .message import Entry, Message
from .publishing import REPLY_TO, Content
from .queues import Consumer, Queue

if TYPE_CHECKING:
    from .connections import ClientConnection


@dataclass(slots=True)
class Held:
    """A message that the client has and did not acknowledge yet; by `consumer`, or by a get.

    ``since`` is when it was handed out.
    """

    entry: Entry
    queue: Queue
    consumer: Consumer | None
    since: float


class Consuming(ChannelState):
    """Consumers, deliveries and acknowledgements.

    ``prefetch`` is what consumers made from now on may hold each, ``shared_prefetch`` what all
    consumers of the channel may hold together; 0 for any number.
    """

    def __init__(self, connection: ClientConnection, number: int) -> None:
        super().__init__(connection, number)
        self.prefetch = 0
        self.shared_prefetch = 0
        self.held: dict[int, Held] = {}
        self.held_by_consumers = 0
        self.most_held = 0
        self._delivered = 0
        self._reply_tag: str | None = None
        self._reply_address: str | None = None
        self._patience: float | None = None

    # -- consumers --------------------------------------------------------------------------------

    def has_room(self) -> bool:
        """True while one more message may be handed out here."""
        if not self.open:
            return False
        return not self.shared_prefetch or self.held_by_consumers < self.shared_prefetch

    def on_basic_qos(self, frame: Any) -> None:
        if frame.prefetch_size:
            raise not_implemented(f"prefetch_size!=0 ({frame.prefetch_size})")
        # A prefetch for each consumer takes the one for all of them away.
        self.shared_prefetch = frame.prefetch_count if frame.global_ else 0
        if not frame.global_:
            self.prefetch = frame.prefetch_count
        self.send(commands.Basic.QosOk())
        self._serve_all()

    def on_basic_consume(self, frame: Any) -> None:
        if frame.queue == REPLY_TO:
            self._consume_replies(frame)
            return
        tag = frame.consumer_tag
        if tag in self.consumers:
            raise not_allowed(f"attempt to reuse consumer tag '{tag}'")
        queue = self.find_queue(frame.queue)
        if any(c.exclusive for c in queue.consumers) or (frame.exclusive and queue.consumers):
            raise refused(f"queue '{queue.name}' in vhost '{self.vhost.name}' in exclusive use")
        tag = tag or self.broker.fresh_name("amq.ctag-")
        arguments = frame.arguments or {}
        consumer = Consumer(
            tag, self._as_channel(), queue, frame.no_ack, frame.exclusive, self.prefetch, arguments
        )
        self.consumers[tag] = consumer
        self.reply(frame, commands.Basic.ConsumeOk(tag))
        self.broker.tell("consume", connection=self.connection, queue=queue.name, consumer=tag)
        queue.add_consumer(consumer)
        queue.serve()

    def _as_channel(self) -> Any:
        return self

    def on_basic_cancel(self, frame: Any) -> None:
        tag = frame.consumer_tag
        consumer = self.consumers.pop(tag, None)
        if tag == self._reply_tag:
            self.drop_reply_consumer()
        self.reply(frame, commands.Basic.CancelOk(tag))
        if consumer is not None:
            self.broker.tell(
                "cancel", connection=self.connection, queue=consumer.queue.name, consumer=tag
            )
            consumer.queue.remove_consumer(consumer)

    def cancel_from_here(self, consumer: Consumer) -> None:
        """The consumer's queue is gone: tell the client, if it wants to know."""
        self.consumers.pop(consumer.tag, None)
        if self.open and self.connection.capabilities.get("consumer_cancel_notify"):
            self.send(commands.Basic.Cancel(consumer.tag, True))

    # -- deliveries -------------------------------------------------------------------------------

    def deliver(self, consumer: Consumer, entry: Entry) -> None:
        """Hand a message to a consumer."""
        tag = self._hand_out(entry, consumer.queue, consumer, consumer.no_ack)
        message = entry.message
        self.broker.tell(
            "deliver", connection=self.connection, queue=consumer.queue.name, message=message,
            redelivered=entry.redelivered, consumer=consumer.tag, tag=tag,
        )  # fmt: skip
        self.send(
            commands.Basic.Deliver(
                consumer.tag, tag, entry.redelivered, message.exchange, message.routing_key
            )
        )
        self.send(Content(_as_seen(entry, consumer.queue)))

    def _hand_out(self, entry: Entry, queue: Queue, consumer: Consumer | None, no_ack: bool) -> int:
        self._delivered += 1
        tag = self._delivered
        if no_ack:
            queue.settle(entry)
            return tag
        self.held[tag] = Held(entry, queue, consumer, self.broker.now())
        self.most_held = max(self.most_held, len(self.held))
        if consumer is not None:
            consumer.unacked += 1
            consumer.most_unacked = max(consumer.most_unacked, consumer.unacked)
            most, key = self.broker.most_unacked, (self.vhost.name, queue.name)
            most[key] = max(most.get(key, 0), consumer.unacked)
            self.held_by_consumers += 1
            self._watch_patience()
        return tag

    def on_basic_get(self, frame: Any) -> None:
        queue = self.find_queue(frame.queue)
        queue.use()
        queue.drop_expired()
        if not len(queue.ready):
            self.send(commands.Basic.GetEmpty())
            return
        entry = queue.take()
        tag = self._hand_out(entry, queue, None, frame.no_ack)
        message = entry.message
        self.broker.tell(
            "deliver", connection=self.connection, queue=queue.name, message=message,
            redelivered=entry.redelivered, consumer=None, tag=tag,
        )  # fmt: skip
        self.send(
            commands.Basic.GetOk(
                tag, entry.redelivered, message.exchange, message.routing_key, len(queue.ready)
            )
        )
        self.send(Content(_as_seen(entry, queue)))

    # -- acknowledgements -------------------------------------------------------------------------

    def on_basic_ack(self, frame: Any) -> None:
        held = self._let_go(frame.delivery_tag, frame.multiple)
        for one in held:
            self._tell_settled("ack", one)
            one.queue.settle(one.entry)
        self._serve_after(held)

    def on_basic_nack(self, frame: Any) -> None:
        self._reject(frame.delivery_tag, frame.multiple, frame.requeue)

    def on_basic_reject(self, frame: Any) -> None:
        self._reject(frame.delivery_tag, False, frame.requeue)

    def _reject(self, tag: int, multiple: bool, requeue: bool) -> None:
        held = self._let_go(tag, multiple)
        for one in held:
            self._tell_settled("requeue" if requeue else "reject", one)
        if requeue:
            self._give_back(held)
        else:
            for one in held:
                one.queue.settle(one.entry)
                if not one.queue.deleted:
                    self.vhost.dead_letter(one.queue, one.entry, "rejected")
        self._serve_after(held)

    def on_basic_recover(self, frame: Any) -> None:
        self._recover(frame)
        self.send(commands.Basic.RecoverOk())

    def on_basic_recover_async(self, frame: Any) -> None:
        self._recover(frame)

    def _recover(self, frame: Any) -> None:
        if not frame.requeue:
            raise not_implemented("requeue=false")
        held = self._let_go(0, True)
        self._give_back(held)
        self._serve_after(held)

    def _let_go(self, tag: int, multiple: bool) -> list[Held]:
        """What the client speaks of; raises ChannelError if it does not hold that."""
        if tag == 0 and multiple:
            tags = list(self.held)
        elif tag not in self.held:
            raise failed(f"unknown delivery tag {tag}")
        else:
            tags = [held for held in self.held if held <= tag] if multiple else [tag]
        held = [self.held.pop(one) for one in tags]
        for one in held:
            if one.consumer is not None:
                one.consumer.unacked -= 1
                self.held_by_consumers -= 1
        return held

    def _give_back(self, held: Iterable[Held], *, refused: bool = True) -> None:
        by_queue: dict[Queue, list[Entry]] = {}
        for one in held:
            by_queue.setdefault(one.queue, []).append(one.entry)
        for queue, entries in by_queue.items():
            queue.give_back(entries, refused=refused)

    def give_everything_back(self) -> None:
        """The channel closes: what it holds goes back to where it came from."""
        held = self._let_go(0, True)
        for one in held:
            self._tell_settled("requeue", one)
        self._give_back(held, refused=False)

    def _tell_settled(self, event: str, held: Held) -> None:
        self.broker.tell(
            event, connection=self.connection, queue=held.queue.name, message=held.entry.message
        )

    def _serve_after(self, held: Iterable[Held]) -> None:
        """There is room again."""
        if self.shared_prefetch:
            self._serve_all()
            return
        for queue in {one.queue: None for one in held}:
            if not queue.deleted:
                queue.serve()

    def _serve_all(self) -> None:
        for queue in {consumer.queue: None for consumer in self.consumers.values()}:
            queue.serve()

    # -- consumers that take too long -------------------------------------------------------------

    def _watch_patience(self) -> None:
        timeout = self.broker.consumer_timeout
        if timeout is not None and self._patience is None:
            self._patience = self.broker.now() + timeout
            self.broker.wake_at(self._patience, self._check_patience)

    def _check_patience(self) -> None:
        self._patience = None
        timeout = self.broker.consumer_timeout
        waiting = [held.since for held in self.held.values() if held.consumer is not None]
        if timeout is None or not self.open or not waiting:
            return
        if min(waiting) + timeout <= self.broker.now():
            self.connection.fail_channel(
                self._as_channel(),
                failed(
                    f"delivery acknowledgement on channel {self.number} timed out. Timeout value "
                    f"used: {timeout * 1000:.0f} ms. This timeout value can be configured, see "
                    "consumers doc guide to learn more"
                ),
            )
            return
        self._patience = min(waiting) + timeout
        self.broker.wake_at(self._patience, self._check_patience)

    # -- direct replies ---------------------------------------------------------------------------

    def _consume_replies(self, frame: Any) -> None:
        if not frame.no_ack:
            raise failed("reply consumer cannot acknowledge")
        if self._reply_tag is not None:
            raise failed("reply consumer already set")
        self._reply_tag = frame.consumer_tag or self.broker.fresh_name("amq.ctag-")
        self._reply_address = self.broker.fresh_name(f"{REPLY_TO}.")
        self.broker.reply_channels[self._reply_address] = self._as_channel()
        self.reply(frame, commands.Basic.ConsumeOk(self._reply_tag))

    def reply_address(self) -> str | None:
        return self._reply_address

    def drop_reply_consumer(self) -> None:
        if self._reply_address is not None:
            self.broker.reply_channels.pop(self._reply_address, None)
        self._reply_tag = self._reply_address = None

    def deliver_reply(self, message: Message) -> None:
        self._delivered += 1
        self.send(
            commands.Basic.Deliver(
                self._reply_tag, self._delivered, False, message.exchange, message.routing_key
            )
        )
        self.send(Content(message))


def _as_seen(entry: Entry, queue: Queue) -> Message:
    """Quorum queues say how often a message came back."""
    if not queue.quorum:
        return entry.message
    return entry.message.changed({**entry.message.headers, "x-delivery-count": entry.returns})
