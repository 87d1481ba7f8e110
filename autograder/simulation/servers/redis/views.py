"""What a grader can look at: values, streams, clients, and what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .stream_ids import LAST, ZERO, parse, show
from .streams import Group, Stream
from .values import Hash, List, Set, SortedSet

if TYPE_CHECKING:
    from .keyspace import Database
    from .serving import Connection


def text(data: bytes) -> str:
    """Bytes as text; what is no UTF-8 is shown as �."""
    return data.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Executed:
    """A command that took effect and was answered.

    Attributes:
        time: virtual seconds since the world began, when it was answered.
        client: the client's name, or the host it runs on.
        name: in capitals; words: all of it, with the name.
        reply: as Python: bytes, int, float, list, dict, None, or a `RedisError`.
    """

    time: float
    client: str
    name: str
    words: tuple[str, ...]
    reply: Any

    def __str__(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class PendingEntry:
    """An entry that a consumer got and did not acknowledge yet.

    Attributes:
        idle: seconds since it was delivered last; deliveries: how often it was.
    """

    id: str
    consumer: str
    idle: float
    deliveries: int


@dataclass(frozen=True, slots=True)
class ConsumerView:
    """A consumer: how much it owes, and seconds since it asked for anything (``idle``)."""

    name: str
    pending: int
    idle: float


@dataclass(frozen=True, slots=True)
class Client:
    """A connection.

    Attributes:
        name: what CLIENT SETNAME said; host: where it runs.
        commands: how many it has asked for.
        channels, patterns: what it listens to.
        waits: True while a blocking command of it waits.
        buffered: bytes that it has not read, beyond what its window holds.
    """

    number: int
    name: str
    host: str
    commands: int
    channels: tuple[str, ...]
    patterns: tuple[str, ...]
    waits: bool
    buffered: int


def client_of(connection: Connection) -> Client:
    """The view of a connection."""
    session = connection.session
    return Client(
        session.number,
        text(session.name),
        connection.host,
        session.commands,
        tuple(map(text, session.channels)),
        tuple(map(text, session.patterns)),
        session.wait is not None,
        connection.buffered,
    )


def value_of(value: Any) -> Any:
    """What a key holds, as plain Python with text for bytes.

    A string is a str; a hash is a dict; a list is a list; a set is a set; a sorted set is a dict of
    scores, lowest first; a stream is a list of (id, fields); no value is None.
    """
    if value is None:
        return None
    if type(value) is bytes:
        return text(value)
    if type(value) is Hash:
        return {text(field): text(content) for field, content in value.items()}
    if type(value) is List:
        return [text(element) for element in value]
    if type(value) is Set:
        return {text(member) for member in value}
    if type(value) is SortedSet:
        return {text(member): score for score, member in value}
    return [(text(show(i)), fields_of(value, i)) for i in value.range(ZERO, LAST)]


def fields_of(stream: Stream, entry_id: tuple[int, int]) -> dict[str, str]:
    """The fields of an entry, as a dict."""
    fields = stream.entries[entry_id]
    return {text(f): text(v) for f, v in zip(fields[::2], fields[1::2], strict=True)}


class StreamView:
    """A stream, looked at from outside. One that does not exist is empty."""

    def __init__(self, db: Database, key: str, now: int) -> None:
        self.key = key
        self._now = now
        found = db.get(key.encode(), Stream)
        self.exists = found is not None
        self._stream = Stream() if found is None else found  # one without entries is false

    def __repr__(self) -> str:
        if not self.exists:
            return f"<stream {self.key!r}: does not exist>"
        return f"<stream {self.key!r}: {self.length} entries, groups {', '.join(self.groups)}>"

    @property
    def length(self) -> int:
        return len(self._stream)

    @property
    def added(self) -> int:
        """How many entries were ever added."""
        return self._stream.entries_added

    @property
    def last_id(self) -> str:
        """The highest id there ever was."""
        return text(show(self._stream.last_id))

    @property
    def entries(self) -> list[tuple[str, dict[str, str]]]:
        """Ids and fields, oldest first."""
        found: list[tuple[str, dict[str, str]]] = value_of(self._stream)
        return found

    @property
    def ids(self) -> list[str]:
        return [text(show(entry_id)) for entry_id in self._stream.range(ZERO, LAST)]

    def entry(self, entry_id: str) -> dict[str, str] | None:
        """The fields of one entry; None if it is not there any more."""
        wanted = parse(entry_id.encode())
        return fields_of(self._stream, wanted) if wanted in self._stream.entries else None

    # -- groups ---------------------------------------------------------------------------------

    @property
    def groups(self) -> list[str]:
        return [text(name) for name in self._stream.groups]

    def pending(self, group: str, consumer: str | None = None) -> list[PendingEntry]:
        """What was delivered and not acknowledged, oldest id first; of one consumer or of all."""
        found = self._group(group)
        rows = []
        for entry_id in found.pending_ids() if found else ():
            pending = found.pending[entry_id]  # type: ignore[union-attr]
            name = text(pending.consumer.name)
            if consumer in (None, name):
                idle = (self._now - pending.delivered_at) / 1000
                rows.append(PendingEntry(text(show(entry_id)), name, idle, pending.deliveries))
        return rows

    def consumers(self, group: str) -> list[ConsumerView]:
        """The consumers of a group, by name."""
        found = self._group(group)
        members = sorted(found.consumers.items()) if found else []
        return [
            ConsumerView(text(name), len(member.pending), (self._now - member.seen_at) / 1000)
            for name, member in members
        ]

    def last_delivered(self, group: str) -> str | None:
        """The id up to which a group has read; None if there is no such group."""
        found = self._group(group)
        return text(show(found.last_id)) if found else None

    def unread(self, group: str) -> int:
        """Entries in the stream that no consumer of the group has had."""
        found = self._group(group)
        return len(self._stream.following(found.last_id)) if found else 0

    def _group(self, name: str) -> Group | None:
        return self._stream.groups.get(name.encode())
