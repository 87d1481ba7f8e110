"""Messages, and what one queue knows of a message that lies in it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from .errors import failed

PERSISTENT = 2


class Message:
    """What was published. Queues share it: none of them changes it.

    Attributes:
        exchange: the name it was published to.
        routing_keys: the publisher's, then those of the headers CC and BCC.
        properties: a ``pamqp.commands.Basic.Properties``.
        body: the payload.
        raw: the properties as they came over the wire; None if they were changed since.
    """

    __slots__ = ("body", "exchange", "properties", "raw", "routing_keys")

    def __init__(
        self,
        exchange: str,
        routing_keys: tuple[str, ...],
        properties: Any,
        body: bytes,
        raw: bytes | None = None,
    ) -> None:
        self.exchange = exchange
        self.routing_keys = routing_keys
        self.properties = properties
        self.body = body
        self.raw = raw

    @property
    def routing_key(self) -> str:
        return self.routing_keys[0]

    @property
    def persistent(self) -> bool:
        return bool(self.properties.delivery_mode == PERSISTENT)

    @property
    def headers(self) -> dict[str, Any]:
        """The headers, not to be changed."""
        return self.properties.headers or {}

    def changed(self, headers: dict[str, Any] | None = None, **properties: Any) -> Message:
        """A copy with other headers and properties."""
        new = copy.copy(self.properties)
        if headers is not None:
            new.headers = headers
        for name, value in properties.items():
            setattr(new, name, value)
        return Message(self.exchange, self.routing_keys, new, self.body)

    def time_to_live(self) -> float | None:
        """The publisher's ``expiration``, in seconds; ChannelError if it is no number."""
        text = self.properties.expiration
        if text is None:
            return None
        if not text.isdecimal():
            negative = text.removeprefix("-").isdecimal()
            reason = f"{{value_negative,{text}}}" if negative else "no_integer"
            raise failed(f"invalid expiration '{text}': {reason}")
        return int(text) / 1000


class Entry:
    """A message in one queue.

    Attributes:
        position: its place among the entries of the queue; requeueing does not change it.
        expires: virtual time at which it expires, None for never.
        redelivered: it was handed to a consumer before.
        returns: how often it came back unacknowledged (quorum queues count it).
        stored: virtual time at which it is safe on disk; None if it is kept in memory only.
    """

    __slots__ = ("expires", "message", "position", "redelivered", "returns", "stored")

    def __init__(self, message: Message, position: tuple[int, int], expires: float | None) -> None:
        self.message = message
        self.position = position
        self.expires = expires
        self.redelivered = False
        self.returns = 0
        self.stored: float | None = None

    def __repr__(self) -> str:
        return f"<Entry {self.position} {self.message.body[:20]!r}>"


class Ready:
    """The entries of a queue that wait for a consumer, by position: highest priority first."""

    __slots__ = ("_bytes", "_entries")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        """From head to tail."""
        return reversed(self._entries)

    @property
    def size(self) -> int:
        """Bytes of all bodies."""
        return self._bytes

    @property
    def head(self) -> Entry:
        return self._entries[-1]

    def add(self, entry: Entry) -> None:
        """Put an entry where its position says."""
        # The list is kept tail first, so that the head is cheap to take; what is new belongs near
        # the tail, what is requeued near the head: a binary search finds either.
        entries = self._entries
        low, high = 0, len(entries)
        while low < high:
            middle = (low + high) // 2
            if entries[middle].position > entry.position:
                low = middle + 1
            else:
                high = middle
        entries.insert(low, entry)
        self._bytes += len(entry.message.body)

    def take(self) -> Entry:
        """Remove the head."""
        entry = self._entries.pop()
        self._bytes -= len(entry.message.body)
        return entry

    def clear(self) -> int:
        """Remove all; how many there were."""
        count = len(self._entries)
        self._entries.clear()
        self._bytes = 0
        return count
