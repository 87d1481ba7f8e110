"""One numbered database: keys, values, when they expire, and who watches or waits for them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .replies import wrong_type
from .streams import Stream
from .values import Hash, List, Set, SortedSet

if TYPE_CHECKING:
    from .session import Session

Value = bytes | Hash | List | Set | SortedSet | Stream
V = TypeVar("V", bytes, Hash, List, Set, SortedSet, Stream)

TYPE_NAMES: dict[type, str] = {
    bytes: "string",
    Hash: "hash",
    List: "list",
    Set: "set",
    SortedSet: "zset",
    Stream: "stream",
}


class Database:
    """Keys and their values.

    Every change goes through `touch`, which tells transactions that watch the key and commands
    that wait for it. Keys that have expired are gone before a command looks.

    Attributes:
        number: as SELECT takes it.
        ready: keys that changed while somebody waits for them, in that order.
        changes: how many changes there were.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.values: dict[bytes, Any] = {}
        self.expiries: dict[bytes, int] = {}
        self._soonest: list[tuple[int, bytes]] = []
        self.watchers: dict[bytes, dict[Session, None]] = {}
        self.waiting: dict[bytes, dict[Session, None]] = {}
        self.ready: dict[bytes, None] = {}
        self.changes = 0

    # -- reading --------------------------------------------------------------------------------

    def get(self, key: bytes, kind: type[V]) -> V | None:
        """The value of a key; None if there is none. Raises `RedisError` for another type."""
        value = self.values.get(key)
        if value is None:
            return None
        if type(value) is not kind:
            raise wrong_type()
        return value

    def get_or_new(self, key: bytes, kind: Callable[[], V]) -> V:
        """The value of a key, or a new one that `store` must put there."""
        value = self.get(key, kind)  # type: ignore[arg-type]
        return kind() if value is None else value

    # -- writing --------------------------------------------------------------------------------

    def store(self, key: bytes, value: Value, *, keep_expiry: bool = True) -> None:
        """Put a value, or note that the one which is there has changed; an empty one is deleted."""
        if not value and type(value) is not bytes and type(value) is not Stream:
            self.delete(key)
            return
        self.values[key] = value
        if not keep_expiry:
            self.expiries.pop(key, None)
        self.touch(key)

    def delete(self, key: bytes) -> bool:
        """True if there was such a key."""
        if key not in self.values:
            return False
        del self.values[key]
        self.expiries.pop(key, None)
        self.touch(key)
        return True

    def touch(self, key: bytes) -> None:
        """A key has changed."""
        if self.watchers:
            for session in self.watchers.get(key, ()):
                session.watched_changed = True
        self.signal(key)

    def signal(self, key: bytes) -> None:
        """A key has changed in a way that concerns only who waits for it."""
        self.changes += 1
        if key in self.waiting:
            self.ready[key] = None

    def clear(self) -> None:
        """Delete every key."""
        for key in list(self.values):
            self.delete(key)
        self._soonest.clear()

    # -- expiry ---------------------------------------------------------------------------------

    def expire_at(self, key: bytes, when: int | None) -> None:
        """Let a key expire at a time in milliseconds since 1970; None for never."""
        if when is None:
            self.expiries.pop(key, None)
            return
        self.expiries[key] = when
        heapq.heappush(self._soonest, (when, key))

    def purge(self, now: int) -> None:
        """Delete what has expired."""
        soonest = self._soonest
        while soonest and soonest[0][0] < now:
            when, key = heapq.heappop(soonest)
            if self.expiries.get(key) == when:
                self.delete(key)

    # -- waiting --------------------------------------------------------------------------------

    def wait(self, session: Session, keys: list[bytes]) -> None:
        """Remember that a session waits for keys."""
        for key in keys:
            self.waiting.setdefault(key, {})[session] = None

    def stop_waiting(self, session: Session, keys: list[bytes]) -> None:
        """Forget it again."""
        for key in keys:
            sessions = self.waiting.get(key)
            if sessions is not None:
                sessions.pop(session, None)
                if not sessions:
                    del self.waiting[key]
