"""A stream: an append-only log of entries, and the consumer groups that read it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from .listpack import Node
from .stream_ids import LAST, ZERO, EntryId, after

Fields = tuple[bytes, ...]
"""Fields and values of an entry, in turn."""


@dataclass(eq=False, slots=True)
class Pending:
    """An entry that was delivered and not acknowledged yet. Times in ms since 1970."""

    consumer: Consumer
    delivered_at: int
    deliveries: int = 1


@dataclass(eq=False, slots=True)
class Consumer:
    """A member of a group.

    Attributes:
        seen_at: when it last asked for anything; active_at: when it last got something, or -1.
        pending: the ids that were delivered to it, in no order.
    """

    name: bytes
    seen_at: int
    active_at: int = -1
    pending: dict[EntryId, None] = field(default_factory=dict)


class Group:
    """A consumer group: how far it has read, and what its consumers still owe.

    ``entries_read`` counts entries from the beginning of the stream; None when it is not known.
    """

    __slots__ = ("consumers", "entries_read", "last_id", "name", "pending")

    def __init__(self, name: bytes, last_id: EntryId, entries_read: int | None) -> None:
        self.name = name
        self.last_id = last_id
        self.entries_read = entries_read
        self.consumers: dict[bytes, Consumer] = {}
        self.pending: dict[EntryId, Pending] = {}

    def consumer(self, name: bytes, now: int) -> Consumer:
        """The consumer of that name, made if it is new, and seen now."""
        found = self.consumers.get(name)
        if found is None:
            found = self.consumers[name] = Consumer(name, now)
        found.seen_at = now
        return found

    def deliver(self, entry_id: EntryId, consumer: Consumer, now: int) -> None:
        """An entry goes to a consumer for the first time, or again after the group was set back."""
        self.forget(entry_id)
        self.pending[entry_id] = Pending(consumer, now)
        consumer.pending[entry_id] = None

    def hand_over(self, entry_id: EntryId, pending: Pending, consumer: Consumer) -> None:
        """A pending entry now belongs to another consumer."""
        pending.consumer.pending.pop(entry_id, None)
        pending.consumer = consumer
        consumer.pending[entry_id] = None

    def forget(self, entry_id: EntryId) -> bool:
        """Acknowledge an entry; True if it was pending."""
        pending = self.pending.pop(entry_id, None)
        if pending is None:
            return False
        pending.consumer.pending.pop(entry_id, None)
        return True

    def pending_ids(self, consumer: Consumer | None = None) -> list[EntryId]:
        """Ids of pending entries in order, of the group or of one consumer."""
        return sorted(self.pending if consumer is None else consumer.pending)


class Stream:
    """Entries by id, and groups by name.

    Entries lie in nodes of a hundred or about 4 kB, as in Redis: ``MAXLEN ~`` trims whole ones.
    """

    __slots__ = (
        "_ids", "entries", "entries_added", "first_id", "groups", "last_id", "max_deleted",
        "nodes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.entries: dict[EntryId, Fields] = {}
        self._ids: list[EntryId] = []
        self.nodes: list[Node] = []
        self.groups: dict[bytes, Group] = {}
        self.last_id = ZERO
        self.first_id = ZERO
        self.max_deleted = ZERO
        self.entries_added = 0

    def __len__(self) -> int:
        return len(self.entries)

    # -- entries --------------------------------------------------------------------------------

    def append(self, entry_id: EntryId, fields: Fields) -> None:
        """Add an entry with an id above all others."""
        if not self.nodes or not self.nodes[-1].takes(fields):
            self.nodes.append(Node(entry_id, fields))
        self.nodes[-1].add(entry_id, fields)
        if not self.entries:
            self.first_id = entry_id
        self.entries[entry_id] = fields
        self._ids.append(entry_id)
        self.last_id = entry_id
        self.entries_added += 1

    def range(self, low: EntryId, high: EntryId, count: int | None = None) -> list[EntryId]:
        """Ids from ``low`` to ``high``, both included, the first ``count`` of them."""
        start, stop = bisect_left(self._ids, low), bisect_right(self._ids, high)
        return self._ids[start : stop if count is None else min(stop, start + count)]

    def reversed_range(
        self, low: EntryId, high: EntryId, count: int | None = None
    ) -> list[EntryId]:
        """Ids from ``high`` down to ``low``."""
        found = self.range(low, high)[::-1]
        return found if count is None else found[:count]

    def following(self, entry_id: EntryId, count: int | None = None) -> list[EntryId]:
        """Ids above one."""
        start = bisect_right(self._ids, entry_id)
        return self._ids[start:] if count is None else self._ids[start : start + count]

    def delete(self, entry_id: EntryId) -> bool:
        """Take out one entry; True if it was there."""
        if entry_id not in self.entries:
            return False
        self._drop(entry_id)
        del self._ids[bisect_left(self._ids, entry_id)]
        self.max_deleted = max(self.max_deleted, entry_id)
        self._find_first()
        return True

    def _drop(self, entry_id: EntryId) -> None:
        del self.entries[entry_id]
        position = bisect_right(self.nodes, entry_id, key=lambda node: node.first) - 1
        node = self.nodes[position]
        node.drop(entry_id)
        if not node.alive:
            del self.nodes[position]

    def _find_first(self) -> None:
        self.first_id = self._ids[0] if self._ids else ZERO

    # -- trimming -------------------------------------------------------------------------------

    def trim_to_length(self, most: int, *, roughly: bool, limit: int) -> int:
        """Drop the oldest entries until ``most`` are left; how many were dropped."""
        return self._trim(
            lambda: len(self.entries) <= most,
            lambda node: len(self.entries) - len(node.alive) >= most,
            roughly,
            limit,
        )

    def trim_below(self, lowest: EntryId, *, roughly: bool, limit: int) -> int:
        """Drop entries with ids below ``lowest``; how many were dropped."""
        return self._trim(
            lambda: not self._ids or self._ids[0] >= lowest,
            lambda node: node.last < lowest,
            roughly,
            limit,
        )

    def _trim(
        self,
        is_enough: Callable[[], bool],
        is_whole: Callable[[Node], bool],
        roughly: bool,
        limit: int,
    ) -> int:
        dropped = 0
        while self.nodes and not is_enough():
            node = self.nodes[0]
            if limit and dropped + len(node.alive) > limit:
                break
            if is_whole(node):
                count = len(node.alive)
                for entry_id in node.alive:
                    del self.entries[entry_id]
                del self._ids[:count]
                del self.nodes[0]
                dropped += count
            elif roughly:
                break
            else:
                self._drop(self._ids[0])
                del self._ids[0]
                dropped += 1
        if dropped:
            self._find_first()
        return dropped

    # -- how far groups are ---------------------------------------------------------------------

    def read_by(self, group: Group, entry_id: EntryId) -> None:
        """A group has read on to an entry."""
        knows = group.entries_read is not None and group.last_id >= self.first_id
        if knows and not self._has_gaps_from(group.last_id):
            group.entries_read += 1  # type: ignore[operator]
        elif self.entries_added:
            group.entries_read = self.count_up_to(entry_id)
        group.last_id = entry_id

    def lag(self, group: Group) -> int | None:
        """Entries that a group has not read yet; None when deletions make it impossible to say."""
        if not self.entries_added:
            return 0
        if group.entries_read is not None and not self._has_gaps_from(group.last_id):
            return self.entries_added - group.entries_read
        read = self.count_up_to(group.last_id)
        return None if read is None else self.entries_added - read

    def count_up_to(self, entry_id: EntryId) -> int | None:
        """Which entry of all that were ever added an id is, counted from 1; None if unknown."""
        if not self.entries_added:
            return 0
        if not self.entries and entry_id <= self.last_id:
            return self.entries_added
        if entry_id != ZERO and entry_id < self.max_deleted:
            return None
        if entry_id == self.last_id:
            return self.entries_added
        if entry_id > self.last_id:
            return None
        if self.max_deleted == ZERO or self.max_deleted < self.first_id:
            if entry_id < self.first_id:
                return self.entries_added - len(self.entries)
            if entry_id == self.first_id:
                return self.entries_added - len(self.entries) + 1
        return None

    def _has_gaps_from(self, start: EntryId) -> bool:
        if not self.entries or self.max_deleted == ZERO:
            return False
        return start <= self.max_deleted <= LAST

    # -- ids ------------------------------------------------------------------------------------

    def next_id(self, now: int) -> EntryId | None:
        """The id that ``*`` stands for; None if there is none left."""
        return (now, 0) if now > self.last_id[0] else after(self.last_id)
