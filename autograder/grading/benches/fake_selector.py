"""A selector for graders: it waits in no time at all, and knows when it is being pestered."""

from __future__ import annotations

import heapq
import itertools
import selectors
from collections.abc import Mapping
from typing import Any

MOST_IN_VAIN = 500
MOST_CALLS = 5_000
MOST_LOOKS_AT_THE_CLOCK = 50_000


class GaveUp(BaseException):
    """The loop under study would go on for ever. No Exception, so that it cannot be caught."""


class FakeSelector(selectors.BaseSelector):
    """Stands for sockets and for the time that passes while a loop waits for them.

    ``select`` moves ``now`` (seconds) on by as much as a real one would have waited. Anything that
    can be hashed may be registered; ``arrive`` says when it becomes ready. ``waits`` are the
    timeouts that ``select`` was called with, ``woke`` the times at which it returned.

    Args:
        early: a wait of more than double this many seconds ends so much too early, for nothing,
            as real ones do.

    Raises:
        GaveUp: from ``select`` or ``clock``, when a loop asks again and again and nothing happens.
    """

    def __init__(self, early: float = 0.0) -> None:
        self.now = 0.0
        self.waits: list[float | None] = []
        self.woke: list[float] = []
        self.early = early
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self._arrivals: list[tuple[float, int, Any, int]] = []
        self._always: set[Any] = set()
        self._numbers = itertools.count(1)
        self._in_vain = 0
        self._looks = 0
        self._last_seen = 0.0

    def clock(self) -> float:
        """Return the time in seconds, as ``time.monotonic`` does."""
        self._looks += 1
        if self._looks > MOST_LOOKS_AT_THE_CLOCK:
            raise GaveUp(
                f"the loop looked at the clock {self._looks:,} times without asking the selector"
            )
        return self.now

    def arrive(self, when: float, fileobj: Any, events: int = selectors.EVENT_READ) -> None:
        """Make ``fileobj`` ready once, at the time ``when``."""
        heapq.heappush(self._arrivals, (when, next(self._numbers), fileobj, events))

    def keep_ready(self, fileobj: Any) -> None:
        """Make ``fileobj`` ready from now on, whatever is done with it."""
        self._always.add(fileobj)

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch ``fileobj``; ``data`` comes back with its key."""
        if fileobj in self._keys:
            raise KeyError(f"{fileobj!r} is already registered")
        key = selectors.SelectorKey(fileobj, next(self._numbers), events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Watch ``fileobj`` no longer."""
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Return what is registered."""
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until something is ready, at most ``timeout`` seconds; None is for ever."""
        self._looks = 0
        self.waits.append(timeout)
        if len(self.waits) > MOST_CALLS:
            raise GaveUp(f"the loop called select {MOST_CALLS:,} times")
        if timeout is None or timeout > 0:
            self._pass(timeout)
        self.woke.append(self.now)
        ready = self._take_ready()
        moved, self._last_seen = self.now > self._last_seen, self.now
        self._in_vain = 0 if ready or moved else self._in_vain + 1
        if self._in_vain > MOST_IN_VAIN:
            raise GaveUp(f"the loop called select {self._in_vain} times in a row for nothing")
        return ready

    def _pass(self, timeout: float | None) -> None:
        ends = [self.now for fileobj in self._always if fileobj in self._keys]
        if timeout is not None:
            ends.append(self.now + timeout - (self.early if timeout > 2 * self.early else 0.0))
        ends += [arrival[0] for arrival in self._arrivals if arrival[2] in self._keys][:1]
        if not ends:
            raise GaveUp(
                "the loop called select(None): it waits for a socket, and none will ever be ready"
            )
        self.now = max(self.now, min(ends))

    def _take_ready(self) -> list[tuple[selectors.SelectorKey, int]]:
        ready = [(key, key.events) for name, key in self._keys.items() if name in self._always]
        while self._arrivals and self._arrivals[0][0] <= self.now:
            _, _, fileobj, events = heapq.heappop(self._arrivals)
            key = self._keys.get(fileobj)
            if key and key.events & events:
                ready.append((key, key.events & events))
        return ready
