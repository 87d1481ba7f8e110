"""How many bytes entries of a stream take in memory, as far as it decides where nodes end."""

from __future__ import annotations

import re

from .stream_ids import EntryId

MOST_ENTRIES = 100
MOST_BYTES = 4096

_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_SIZES = ((-64, 63, 0), (-4096, 4095, 1), (-(2**15), 2**15 - 1, 2), (-(2**23), 2**23 - 1, 3),
          (-(2**31), 2**31 - 1, 4), (-(2**63), 2**63 - 1, 8))  # fmt: skip


def _integer_size(value: int) -> int:
    if 0 <= value <= 127:
        return 2
    for low, high, extra in _SIZES[1:]:
        if low <= value <= high:
            return 2 + extra
    return 10


def _element_size(element: bytes) -> int:
    if len(element) < 21 and _INTEGER.fullmatch(element) and -(2**63) <= int(element) < 2**63:
        return _integer_size(int(element))
    length = len(element)
    encoded = length + (1 if length < 64 else 2 if length < 4096 else 5)
    return encoded + _back_length(encoded)


def _back_length(size: int) -> int:
    for length, most in ((1, 127), (2, 16_383), (3, 2_097_151), (4, 268_435_455)):
        if size <= most:
            return length
    return 5


class Node:
    """Entries that lie together.

    Attributes:
        first: the id that the node was made for; last: the highest that it holds or held.
        alive: ids that were not deleted.
    """

    __slots__ = ("_bytes", "_fields", "_total", "alive", "first", "last")

    def __init__(self, first: EntryId, fields: tuple[bytes, ...]) -> None:
        self.first = self.last = first
        self.alive: dict[EntryId, None] = {}
        self._fields = fields[::2]
        self._total = 0
        names = sum(map(_element_size, self._fields))
        # A header of 6 bytes and 1 at the end; counts of entries, deleted ones and fields; a zero.
        self._bytes = 7 + 2 + 2 + _integer_size(len(self._fields)) + names + 2

    def takes(self, fields: tuple[bytes, ...]) -> bool:
        """True if there is room for one more entry."""
        if self._bytes + sum(map(len, fields)) >= MOST_BYTES:
            return False
        return self._total < MOST_ENTRIES

    def add(self, entry_id: EntryId, fields: tuple[bytes, ...]) -> None:
        count = len(fields) // 2
        same = fields[::2] == self._fields
        milliseconds = entry_id[0] - self.first[0]
        sequence = entry_id[1] - self.first[1]
        self._bytes += 2 + _integer_size(milliseconds) + _integer_size(sequence)
        if same:
            self._bytes += sum(map(_element_size, fields[1::2])) + _integer_size(count + 3)
        else:
            self._bytes += _integer_size(count) + sum(map(_element_size, fields))
            self._bytes += _integer_size(2 * count + 4)
        self.alive[entry_id] = None
        self.last = entry_id
        self._total += 1

    def drop(self, entry_id: EntryId) -> None:
        del self.alive[entry_id]
