"""A virtual host: exchanges, queues, and the way of a message from one to the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .deadletters import DeadLetter, dead_letter, goes_in_circles
from .errors import not_found
from .exchanges import Destination, Exchange
from .message import Entry, Message
from .queues import Queue, Reason

if TYPE_CHECKING:
    from .connections import ClientConnection
    from .core import Broker

_BUILT_IN = {
    "": "direct",
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.topic": "topic",
    "amq.headers": "headers",
    "amq.match": "headers",
}


class VirtualHost:
    """Names of exchanges and queues, and what was dead-lettered."""

    def __init__(self, name: str, broker: Broker) -> None:
        self.name = name
        self.broker = broker
        self.queues: dict[str, Queue] = {}
        self.exchanges: dict[str, Exchange] = {
            name: Exchange(name, kind, durable=True) for name, kind in _BUILT_IN.items()
        }
        self.dead_letters: list[DeadLetter] = []

    # -- what queues need -------------------------------------------------------------------------

    def now(self) -> float:
        return self.broker.now()

    def wake_at(self, when: float, wake: Callable[[], None]) -> None:
        self.broker.wake_at(when, wake)

    # -- finding ----------------------------------------------------------------------------------

    def exchange(self, name: str) -> Exchange:
        """The exchange of that name; raises ChannelError."""
        exchange = self.exchanges.get(name)
        if exchange is None:
            raise not_found("exchange", name, self.name)
        return exchange

    def queue(self, name: str) -> Queue:
        """The queue of that name; raises ChannelError."""
        queue = self.queues.get(name)
        if queue is None:
            raise not_found("queue", name, self.name)
        return queue

    # -- routing ----------------------------------------------------------------------------------

    def route(self, exchange: Exchange, message: Message) -> list[Queue]:
        """The queues that a message gets to by way of an exchange, each once."""
        queues: dict[Queue, None] = {}
        seen: set[Exchange] = {exchange}
        todo = [exchange]
        while todo:
            here = todo.pop(0)
            found = self._destinations(here, message)
            if not found and here.alternate is not None:
                instead = self.exchanges.get(here.alternate)
                found = [] if instead is None else [instead]
            for destination in found:
                if isinstance(destination, Queue):
                    queues[destination] = None
                elif destination not in seen:
                    seen.add(destination)
                    todo.append(destination)
        return list(queues)

    def _destinations(self, exchange: Exchange, message: Message) -> list[Destination]:
        if exchange.name:
            return list(exchange.matching(message))
        # Every queue is bound to the default exchange by its name.
        found = (self.queues.get(key) for key in message.routing_keys)
        return [queue for queue in found if queue is not None]

    def dead_letter(self, queue: Queue, entry: Entry, reason: Reason) -> None:
        """An entry leaves a queue unacknowledged: on to the dead-letter exchange, if it has one.

        It is published once the operation at hand is done, as by somebody else.
        """
        name = queue.dead_letter_exchange
        message = entry.message
        letter = DeadLetter(self.broker.elapsed(), queue.name, reason, message, name)
        self.dead_letters.append(letter)
        self.broker.tell("dead-letter", queue=queue.name, reason=reason, message=message)
        if name is not None:
            dead = dead_letter(message, queue, reason, self.broker.wall_time())
            self.broker.later(lambda: self._publish_dead(dead, reason))

    def _publish_dead(self, message: Message, reason: Reason) -> None:
        exchange = self.exchanges.get(message.exchange)
        if exchange is None:
            return
        for queue in self.route(exchange, message):
            if not goes_in_circles(message, queue, reason):
                entry = queue.put(message)
                if entry is not None:
                    self.broker.store(queue, entry)

    # -- deleting ---------------------------------------------------------------------------------

    def delete_queue(self, queue: Queue) -> None:
        """A queue ceases to be: its messages, bindings and consumers with it."""
        queue.deleted = True
        self.queues.pop(queue.name, None)
        queue.ready.clear()
        self._unbind_everywhere(queue)
        for consumer in list(queue.consumers):
            consumer.channel.cancel_from_here(consumer)
        queue.consumers.clear()
        self.broker.tell("delete-queue", queue=queue.name)

    def delete_exchange(self, exchange: Exchange) -> None:
        """An exchange ceases to be, and the bindings to it and from it."""
        self.exchanges.pop(exchange.name, None)
        exchange.bindings.clear()
        self._unbind_everywhere(exchange)

    def _unbind_everywhere(self, destination: Destination) -> None:
        for exchange in list(self.exchanges.values()):
            if exchange.forget(destination):
                self.unbound(exchange)

    def unbound(self, exchange: Exchange) -> None:
        """A binding was taken away: an auto-delete exchange goes with its last."""
        if exchange.auto_delete and not exchange.bindings:
            self.delete_exchange(exchange)

    def let_go(self, connection: ClientConnection) -> None:
        """A connection is gone, and its exclusive queues with it."""
        for queue in list(self.queues.values()):
            if queue.owner is connection:
                self.delete_queue(queue)

    # -- restart ----------------------------------------------------------------------------------

    def survive(self, crashed: bool) -> None:
        """The broker starts anew: what is durable is still there, and persistent messages that
        were stored. ``crashed``: what was not on disk yet is lost."""
        now = self.now()
        for queue in list(self.queues.values()):
            if not queue.durable or queue.owner is not None:
                self.delete_queue(queue)
        for exchange in list(self.exchanges.values()):
            if not exchange.durable:
                self.delete_exchange(exchange)
        for queue in self.queues.values():
            entries = list(queue.ready)
            queue.ready.clear()
            for entry in entries:
                if entry.stored is not None and (not crashed or entry.stored <= now):
                    queue.ready.add(entry)
            queue.serve()
