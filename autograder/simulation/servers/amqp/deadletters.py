"""What is written on a message that leaves a queue without having been acknowledged."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from .message import Message
from .queues import Queue, Reason


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that left a queue unacknowledged.

    Attributes:
        time: virtual seconds since the world began.
        queue: the queue it left; ``reason``: "rejected", "expired", "maxlen" or "delivery_limit".
        message: as it was in that queue.
        exchange: where it was sent to; None if it was dropped, since the queue has no dead-letter
            exchange.
    """

    time: float
    queue: str
    reason: str
    message: Message
    exchange: str | None

    @property
    def body(self) -> bytes:
        return self.message.body


def dead_letter(message: Message, queue: Queue, reason: Reason, seconds: float) -> Message:
    """The message as it is published to the dead-letter exchange.

    ``seconds`` is the time of its death since 1970. A death for the same reason in the same queue
    is counted in the entry there is; the latest death comes first. RabbitMQ 4 keeps these entries
    too, and adds ``x-last-death-queue``, ``-reason`` and ``-exchange``.
    """
    headers = dict(message.headers)
    deaths = [dict(death) for death in _deaths(headers)]
    entry = _taken(deaths, queue.name, reason)
    if entry is None:
        entry = _entry(message, queue, reason, seconds)
    else:
        entry["count"] += 1
    headers["x-death"] = [entry, *deaths]
    headers.setdefault("x-first-death-exchange", message.exchange)
    headers.setdefault("x-first-death-queue", queue.name)
    headers.setdefault("x-first-death-reason", reason)
    keys = message.routing_keys
    if queue.dead_letter_key is not None:
        headers.pop("CC", None)
        keys = (queue.dead_letter_key,)
    dead = message.changed(headers, expiration=None)
    dead.exchange = queue.dead_letter_exchange or ""
    dead.routing_keys = keys
    return dead


def _deaths(headers: dict[str, Any]) -> list[dict[str, Any]]:
    """The deaths that a message tells of; what is no such entry was put there by a client."""
    deaths = headers.get("x-death")
    return [d for d in deaths if isinstance(d, dict)] if isinstance(deaths, list) else []


def _taken(deaths: list[dict[str, Any]], queue: str, reason: Reason) -> dict[str, Any] | None:
    for death in deaths:
        if death.get("queue") == queue and death.get("reason") == reason:
            deaths.remove(death)
            return death
    return None


def _entry(message: Message, queue: Queue, reason: Reason, seconds: float) -> dict[str, Any]:
    carbon_copies = message.headers.get("CC")
    keys = [message.routing_key, *(carbon_copies if isinstance(carbon_copies, list) else [])]
    entry: dict[str, Any] = {
        "count": 1,
        "reason": reason,
        "queue": queue.name,
        "time": datetime.datetime.fromtimestamp(int(seconds), tz=datetime.UTC),
        "exchange": message.exchange,
        "routing-keys": keys,
    }
    if message.properties.expiration is not None:
        entry["original-expiration"] = message.properties.expiration
    return entry


def goes_in_circles(message: Message, queue: Queue, reason: Reason) -> bool:
    """True if a dead letter came from this queue before, and no consumer has rejected it since:
    it would go round for ever, and is dropped instead."""
    if reason == "rejected":
        return False
    for death in _deaths(message.headers):
        if death.get("reason") == "rejected":
            return False
        if death.get("queue") == queue.name:
            return True
    return False
