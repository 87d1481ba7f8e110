"""Declaring, deleting and binding: the part of a channel that shapes the topology."""

from __future__ import annotations

from typing import Any

from pamqp import commands

from . import arguments as checks
from .channelstate import ChannelState
from .errors import ConnectionError_, failed, locked, not_found, refused
from .exchanges import TYPES, Destination, Exchange
from .publishing import REPLY_TO
from .queues import Queue


class Declaring(ChannelState):
    """Exchanges, queues and bindings."""

    # -- exchanges --------------------------------------------------------------------------------

    def on_exchange_declare(self, frame: Any) -> None:
        name, vhost = frame.exchange, self.vhost
        if frame.passive:
            _not_default(name)
            vhost.exchange(name)
            self.reply(frame, commands.Exchange.DeclareOk())
            return
        kind = frame.exchange_type
        if kind not in TYPES:
            raise ConnectionError_(503, f"unknown exchange type '{kind}'")
        _not_default(name)
        alternate = (frame.arguments or {}).get("alternate-exchange", "")
        if not isinstance(alternate, str):
            raise failed(
                f"invalid type '{checks.erlang_type(alternate)}' for arg 'alternate-exchange' in "
                f"exchange '{name}' in vhost '{vhost.name}'"
            )
        exchange = vhost.exchanges.get(name)
        if exchange is not None:
            self._compare_exchange(exchange, frame)
        else:
            _not_reserved("exchange", name)
            vhost.exchanges[name] = Exchange(
                name,
                kind,
                durable=frame.durable,
                auto_delete=frame.auto_delete,
                internal=frame.internal,
                arguments=frame.arguments,
            )
        self.reply(frame, commands.Exchange.DeclareOk())

    def _compare_exchange(self, old: Exchange, new: Any) -> None:
        what, vhost = f"exchange '{old.name}'", self.vhost.name
        for field, was, wanted in (
            ("type", old.kind, new.exchange_type),
            ("durable", old.durable, new.durable),
            ("auto_delete", old.auto_delete, new.auto_delete),
            ("internal", old.internal, new.internal),
        ):
            if was != wanted:
                raise _different(field, what, vhost, was, wanted)
        alternate = (new.arguments or {}).get("alternate-exchange")
        if old.alternate != alternate:
            raise checks.different("alternate-exchange", what, vhost, old.alternate, alternate)

    def on_exchange_delete(self, frame: Any) -> None:
        _not_default(frame.exchange)
        if frame.exchange.startswith("amq."):
            raise refused(
                f"deletion of system exchange '{frame.exchange}' in vhost '{self.vhost.name}' not "
                "allowed"
            )
        exchange = self.vhost.exchanges.get(frame.exchange)
        if exchange is not None:
            if frame.if_unused and exchange.bindings:
                raise failed(f"exchange '{exchange.name}' in vhost '{self.vhost.name}' in use")
            self.vhost.delete_exchange(exchange)
        self.reply(frame, commands.Exchange.DeleteOk())

    def on_exchange_bind(self, frame: Any) -> None:
        _not_default(frame.source)
        _not_default(frame.destination)
        destination = self.vhost.exchange(frame.destination)
        self._bind(frame, frame.source, destination)
        self.reply(frame, commands.Exchange.BindOk())

    def on_exchange_unbind(self, frame: Any) -> None:
        _not_default(frame.source)
        _not_default(frame.destination)
        self._unbind(frame, frame.source, self.vhost.exchanges.get(frame.destination))
        self.reply(frame, commands.Exchange.UnbindOk())

    # -- bindings ---------------------------------------------------------------------------------

    def _bind(self, frame: Any, source: str, destination: Destination) -> None:
        exchange = self.vhost.exchange(source)
        exchange.bind(destination, frame.routing_key, frame.arguments or {})

    def _unbind(self, frame: Any, source: str, destination: Destination | None) -> None:
        """What is not bound, or not there at all, is unbound already."""
        exchange = self.vhost.exchanges.get(source)
        if exchange is None or destination is None:
            return
        if exchange.unbind(destination, frame.routing_key, frame.arguments or {}):
            self.vhost.unbound(exchange)

    def on_queue_bind(self, frame: Any) -> None:
        queue = self.find_queue(frame.queue)
        _not_default(frame.exchange)
        key = frame.routing_key
        if not frame.queue and not key:
            frame.routing_key = queue.name
        self._bind(frame, frame.exchange, queue)
        self.reply(frame, commands.Queue.BindOk())

    def on_queue_unbind(self, frame: Any) -> None:
        _not_default(frame.exchange)
        name = frame.queue or self.last_queue
        queue = self.find_queue(name) if name in self.vhost.queues else None
        self._unbind(frame, frame.exchange, queue)
        self.send(commands.Queue.UnbindOk())

    # -- queues -----------------------------------------------------------------------------------

    def on_queue_declare(self, frame: Any) -> None:
        name = frame.queue
        if name.startswith(REPLY_TO):
            # Declaring it asks whether the one who waits for the reply is still there.
            self._declare_reply_queue(frame)
            return
        if frame.passive:
            queue = self.find_queue(name)
        elif name in self.vhost.queues:
            queue = self._redeclare(self.vhost.queues[name], frame)
        else:
            queue = self._declare(name, frame)
        queue.use()
        queue.drop_expired()
        self.last_queue = queue.name
        answer = commands.Queue.DeclareOk(queue.name, len(queue.ready), len(queue.consumers))
        self.reply(frame, answer)

    def _declare_reply_queue(self, frame: Any) -> None:
        name = frame.queue
        if name != REPLY_TO and name not in self.broker.reply_channels:
            raise not_found("queue", name, self.vhost.name)
        self.reply(frame, commands.Queue.DeclareOk(frame.queue, 0, 1))

    def _declare(self, name: str, frame: Any) -> Queue:
        vhost, arguments = self.vhost, dict(frame.arguments or {})
        if name:
            _not_reserved("queue", name)
        else:
            name = self.broker.fresh_name("amq.gen-")
        checks.check(name, vhost.name, arguments)
        if arguments.get("x-queue-type") == "quorum":
            _check_quorum(name, vhost.name, frame)
        queue = Queue(
            name,
            vhost,
            durable=frame.durable,
            owner=self.connection if frame.exclusive else None,
            auto_delete=frame.auto_delete,
            arguments=arguments,
        )
        vhost.queues[name] = queue
        self.broker.tell("declare-queue", queue=name)
        return queue

    def _redeclare(self, queue: Queue, frame: Any) -> Queue:
        what, vhost = f"queue '{queue.name}'", self.vhost.name
        if queue.owner is not (self.connection if frame.exclusive else None):
            raise locked(queue.name, vhost)
        for field, was, wanted in (
            ("durable", queue.durable, frame.durable),
            ("auto_delete", queue.auto_delete, frame.auto_delete),
        ):
            if was != wanted:
                raise _different(field, what, vhost, was, wanted)
        checks.compare(what, vhost, queue.arguments, frame.arguments or {})
        return queue

    def on_queue_delete(self, frame: Any) -> None:
        name = self.name_of_queue(frame.queue)
        count = 0
        if name in self.vhost.queues:
            queue = self.find_queue(name)
            where = f"queue '{name}' in vhost '{self.vhost.name}'"
            if frame.if_unused and queue.consumers:
                raise failed(f"{where} in use")
            if frame.if_empty and len(queue.ready):
                raise failed(f"{where} not empty")
            count = len(queue.ready)
            self.vhost.delete_queue(queue)
        self.reply(frame, commands.Queue.DeleteOk(count))

    def on_queue_purge(self, frame: Any) -> None:
        queue = self.find_queue(frame.queue)
        self.reply(frame, commands.Queue.PurgeOk(queue.purge()))


def _not_default(name: str) -> None:
    if not name:
        raise refused("operation not permitted on the default exchange")


def _not_reserved(kind: str, name: str) -> None:
    if name.startswith("amq."):
        raise refused(f"{kind} name '{name}' contains reserved prefix 'amq.*'")


def _different(field: str, what: str, vhost: str, was: Any, wanted: Any) -> Exception:
    return failed(
        f"inequivalent arg '{field}' for {what} in vhost '{vhost}': "
        f"received '{checks.shown(wanted)}' but current is '{checks.shown(was)}'"
    )


def _check_quorum(name: str, vhost: str, frame: Any) -> None:
    """Quorum queues are durable, and belong to nobody."""
    for bad, what in (
        (not frame.durable, "non-durable"),
        (frame.exclusive, "exclusive-owner"),
        (frame.auto_delete, "auto-delete"),
    ):
        if bad:
            raise failed(f"invalid property '{what}' for queue '{name}' in vhost '{vhost}'")
