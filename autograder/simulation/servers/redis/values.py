"""What a key can hold. Strings are plain ``bytes``."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator


class Hash(dict[bytes, bytes]):
    """Fields and their values, in the order they came."""

    __slots__ = ()


class List(list[bytes]):
    """Elements from left to right."""

    __slots__ = ()


class Set(dict[bytes, None]):
    """Members in the order they came: a Python set has an order that changes from run to run."""

    __slots__ = ()


class SortedSet:
    """Members by score, equal scores in the order of their bytes."""

    __slots__ = ("_order", "scores")

    def __init__(self) -> None:
        self.scores: dict[bytes, float] = {}
        self._order: list[tuple[float, bytes]] = []

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[tuple[float, bytes]]:
        return iter(self._order)

    def put(self, member: bytes, score: float) -> None:
        """Give a member a score, a new one or another."""
        old = self.scores.get(member)
        if old is not None:
            if old == score:
                return
            del self._order[self._find(old, member)]
        self.scores[member] = score
        insort(self._order, (score, member))

    def remove(self, member: bytes) -> bool:
        """True if the member was there."""
        score = self.scores.pop(member, None)
        if score is None:
            return False
        del self._order[self._find(score, member)]
        return True

    def rank(self, member: bytes) -> int | None:
        """The position from the lowest score, counted from 0; None if it is no member."""
        score = self.scores.get(member)
        return None if score is None else self._find(score, member)

    def slice(self, start: int, stop: int) -> list[tuple[float, bytes]]:
        """Scores and members of positions from ``start`` up to but without ``stop``."""
        return self._order[start:stop]

    def _find(self, score: float, member: bytes) -> int:
        return bisect_left(self._order, (score, member))
