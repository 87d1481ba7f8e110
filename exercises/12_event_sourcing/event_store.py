"""Keep what has happened: an event store on SQLite, and a reader for stores that have gaps.

The shop wants to know why an order is in the state it is in. So it keeps events, not rows, and
keeps them for ever. The events of one order are a stream ("order-o-17"), with the versions 1, 2, 3
and so on; all events together are one log, ordered by position. Several programs of the shop use
one file at the same time, and any of them may be killed at any moment.

Write `EventStore` and `follow`. The four classes before them are given; leave them as they are.

The store
  1. `async with EventStore(path) as store:` opens the file, and makes in it what is not there yet:
     the table `events` with the columns position, stream, version, id, type and data (as JSON).
     Several programs may do this at once, or be killed in the middle of it; then the next one does
     the rest. Readers of the file and whoever writes to it do not wait for each other (WAL).
     When the block ends, all connections to the file are closed.
  2. `append` adds events at the end of a stream, and returns them as they are stored. It does so
     only if the stream's version is `expected_version`; 0 means that there is no such stream yet.
     Else WrongExpectedVersion is raised, and nothing is added. Positions only rise.
  3. All events of one append are there, or none. Nobody ever sees some of them, or one that is
     taken back. However append ends, also if it is cancelled: by then it is decided which of the
     two, and the store can go on; so it can when somebody who reads is cancelled. Several tasks
     may use one store at once.
  4. Each event has an id. The same append (stream and events) again adds nothing and returns what
     the first one did, whatever `expected_version` says and the version is by now. The caller
     may have lost the answer; the first one may also be running at this moment, elsewhere.
  5. History stays as it is. UPDATE, DELETE and INSERT OR REPLACE of what is in `events` fail,
     whoever sends them, with whatever SQLite connection.
  6. `subscribe` yields each event above `after` once, in the order of positions: first those that
     are there, then those that come, for ever. If it is appended with this very store, that is
     within a second; if by another program, or by an append that was cancelled, within `poll`
     seconds (and one more). It does not ask the file more often than that while nothing comes. A
     slow subscriber holds up nobody.

The reader
  7. `follow` is a subscription to a `Log`: a store whose transactions run side by side, so that 8
     may be committed before 7, and 7 perhaps never. It yields each event above `after` once, in the
     order of positions. No event is missed, however late it is committed: whoever remembers the
     last position can go on from there later.
  8. An event comes within two times `poll` seconds (and one more) once it and all positions before
     it are settled: committed, or rolled back. If there was nothing to yield, `follow` asks the log
     again after `poll` seconds, and not sooner.

Out of scope: an append of no events, of some that are stored and some that are not, or of ids that
are in another stream; leaving the `async with` while somebody uses the store; DROP TABLE and DROP
TRIGGER; a Log that raises.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Event:
    """What has happened; `data` can be written as JSON."""

    id: str
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class StoredEvent:
    """An event, and where it is: `position` in the log, `version` in its stream, both from 1."""

    position: int
    stream: str
    version: int
    id: str
    type: str
    data: Mapping[str, Any]


class WrongExpectedVersion(Exception):
    """The stream's version is `actual`, and the caller's decision was made at `expected`."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"{stream} is at version {actual}, expected {expected}")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class Log(Protocol):
    """A store such as PostgreSQL. A position is taken when an event is inserted; the event can be
    seen when its transaction is committed. If that is rolled back, its position stays empty."""

    async def settled(self) -> int:
        """A position. Whoever has taken it, or a lower one, has committed by now, or never will."""

    async def read(self, after: int, limit: int = 100) -> Sequence[StoredEvent]:
        """What is committed and above `after`: the lowest first, and so many at most."""


class EventStore:
    """An append-only log of events in a file of SQLite. `poll`: in seconds, see rule 6."""

    def __init__(self, path: str | Path, *, poll: float = 1.0) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> EventStore:
        raise NotImplementedError

    async def __aexit__(self, *exc: object) -> None:
        raise NotImplementedError

    async def append(
        self, stream: str, events: Sequence[Event], expected_version: int
    ) -> list[StoredEvent]:
        """Add one or more events at the end of a stream that is at `expected_version`.

        Raises WrongExpectedVersion if it is at another one.
        """
        raise NotImplementedError

    async def read_stream(self, stream: str, from_version: int = 1) -> list[StoredEvent]:
        """The events of a stream by version, from this one on; [] if there are none."""
        raise NotImplementedError

    async def read_all(self, after: int = 0, limit: int | None = None) -> list[StoredEvent]:
        """The events above a position, the lowest first, and at most so many."""
        raise NotImplementedError

    def subscribe(self, after: int = 0) -> AsyncIterator[StoredEvent]:
        """The events above a position: those that are there, and then those that come."""
        raise NotImplementedError


def follow(log: Log, after: int = 0, *, poll: float = 1.0) -> AsyncIterator[StoredEvent]:
    """The events of a log above a position, none missed; `poll`: in seconds, see rule 8."""
    raise NotImplementedError
