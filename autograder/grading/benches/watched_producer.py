"""confluent-kafka's producer, with somebody who keeps book of its transactions.

librdkafka's mock cluster accepts transactions and does not carry them out. What a real one would do
with them follows from the calls of its clients, so it is worked out here, from calls that have
succeeded: what is visible to who reads only what is committed, which offsets were committed with
it, and who is fenced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

from .watched_kafka import Abandoned, current_watch

Producer: Any = confluent_kafka.Producer
"""The one that nobody watches, for graders themselves."""


@dataclass(eq=False)
class _Open:
    """A transaction that has begun."""

    sent: list[tuple[str, bytes]] = field(default_factory=list)
    offsets: list[Any] = field(default_factory=list)


class Books:
    """What has become of transactions.

    Args:
        carries_out: the cluster does so itself, and nothing is to be worked out.

    Attributes:
        visible: topic and value of all that is committed, or was sent without a transaction.
        offsets: by topic and partition, as transactions have committed them.
        open: transactions that have begun, and have been neither committed nor aborted.
        keys: topic and key of whatever was sent.
    """

    def __init__(self, *, carries_out: bool) -> None:
        self.carries_out = carries_out
        self.visible: list[tuple[str, bytes]] = []
        self.offsets: dict[tuple[str, int], int] = {}
        self.open: list[_Open] = []
        self.keys: set[tuple[str, bytes | None]] = set()
        self._owners: dict[str, object] = {}

    def own(self, name: str, owner: object) -> None:
        """Somebody has begun with a transactional id: whoever had it is a zombie."""
        self._owners[name] = owner

    def check(self, name: str, owner: object) -> None:
        """KafkaException for a zombie."""
        if not self.carries_out and self._owners.get(name, owner) is not owner:
            reason = "there is a newer producer with the same transactional.id"
            raise KafkaException(KafkaError(KafkaError._FENCED, reason, True))

    def commit(self, one: _Open) -> None:
        self.open.remove(one)
        self.visible += one.sent
        for place in one.offsets:
            self.offsets[place.topic, place.partition] = place.offset


def _as_bytes(given: Any) -> bytes | None:
    """As it is sent."""
    return given.encode() if isinstance(given, str) else None if given is None else bytes(given)


class WatchedProducer(Producer):  # type: ignore[misc]
    """A Producer. A learner's module may have imported it for an earlier watch."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        config = {**(args[0] if args else {}), **kwargs}
        self._transactional_id = str(config.get("transactional.id") or "")
        self._open: _Open | None = None
        self.watch = current_watch()
        self.life, self.books = self.watch.life, self.watch.books
        super().__init__(*args, **kwargs)

    # -- what is sent -------------------------------------------------------------------------

    def produce(self, topic: str, value: Any = None, *args: Any, **kwargs: Any) -> None:
        self.watch.told("produce", Producer.produce, self, topic, value, *args, **kwargs)
        self._sent(topic, value, args[0] if args else kwargs.get("key"))

    def produce_batch(self, topic: str, messages: Any, *args: Any, **kwargs: Any) -> Any:
        messages = list(messages)
        count = self.watch.told(
            "produce", Producer.produce_batch, self, topic, messages, *args, **kwargs
        )
        for message in messages:
            if "_error" not in message:
                self._sent(topic, message.get("value"), message.get("key"))
        return count

    def _sent(self, topic: str, value: Any, key: Any) -> None:
        sent = topic, _as_bytes(value) or b""
        self.books.keys.add((topic, _as_bytes(key)))
        if self._open is not None:
            self._open.sent.append(sent)
        elif not self._transactional_id:
            self.books.visible.append(sent)

    def flush(self, timeout: float = -1) -> Any:
        if len(self):
            self.watch.must_not_block("Producer.flush", float(timeout))
        if self.life.over:
            raise Abandoned
        return Producer.flush(self, timeout)

    # -- transactions -------------------------------------------------------------------------

    def init_transactions(self, *args: Any, **kwargs: Any) -> None:
        self._step("init_transactions", Producer.init_transactions, *args, **kwargs)
        self.books.own(self._transactional_id, self)

    def begin_transaction(self, *args: Any, **kwargs: Any) -> None:
        self._step("begin_transaction", Producer.begin_transaction, *args, **kwargs)
        self._open = _Open()
        self.books.open.append(self._open)

    def send_offsets_to_transaction(
        self, positions: Any, metadata: Any, *args: Any, **kwargs: Any
    ) -> None:
        send = Producer.send_offsets_to_transaction
        self._step("send_offsets_to_transaction", send, positions, metadata, *args, **kwargs)
        if self._open is not None:
            self._open.offsets += positions

    def commit_transaction(self, *args: Any, **kwargs: Any) -> None:
        def commit(*given: Any, **named: Any) -> None:
            Producer.commit_transaction(*given, **named)
            if self._open is not None:
                self.books.commit(self._open)
                if not self.books.carries_out:
                    self.watch.commit_by_member(self._open.offsets)
            self._open = None

        self._step("commit_transaction", commit, *args, **kwargs)

    def abort_transaction(self, *args: Any, **kwargs: Any) -> None:
        self._step("abort_transaction", Producer.abort_transaction, *args, **kwargs)
        if self._open is not None:
            self.books.open.remove(self._open)
        self._open = None

    def _step(self, name: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if name != "begin_transaction":
            self.watch.must_not_block(f"Producer.{name}", -1)
        if name != "init_transactions":
            self.books.check(self._transactional_id, self)
        self.watch.told(name, call, self, *args, **kwargs)


WatchedProducer.__name__ = "Producer"
