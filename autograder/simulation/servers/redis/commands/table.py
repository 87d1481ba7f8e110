"""The table of commands, and what a handler is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..replies import NOTHING_YET, RedisError, Reply
from ..session import Wait

if TYPE_CHECKING:
    from ..engine import Engine
    from ..keyspace import Database
    from ..session import Session

Handler = Callable[["Call"], Reply]


@dataclass(slots=True)
class Command:
    """One command.

    Attributes:
        name: in lower case, with its parent if it is a subcommand: ``xgroup|create``.
        arity: how many words with its name; at least ``-arity`` if negative.
        flags: what Redis says of it: ``write``, ``noscript``, ``no_multi``, ...
        keys: positions of its keys: first, last, step; (0, 0, 0) for none or hard to tell.
        handler: does it; None for one that only has subcommands.
    """

    name: str
    arity: int
    flags: frozenset[str]
    keys: tuple[int, int, int]
    handler: Handler | None
    subcommands: dict[bytes, Command] = field(default_factory=dict)

    def takes(self, words: int) -> bool:
        """True if it may be asked with that many words."""
        return words == self.arity if self.arity > 0 else words >= -self.arity


TABLE: dict[bytes, Command] = {}


def command(
    name: str, arity: int, flags: str = "", keys: tuple[int, int, int] = (0, 0, 0)
) -> Callable[[Handler], Handler]:
    """Register a handler under a name, or under a parent's and its own: ``XGROUP CREATE``."""

    def register(handler: Handler) -> Handler:
        parent, _, child = name.partition(" ")
        if not child:
            entry = Command(name.lower(), arity, frozenset(flags.split()), keys, handler)
            TABLE[name.encode()] = entry
            return handler
        above = TABLE.get(parent.encode())
        if above is None:
            above = Command(parent.lower(), -2, frozenset(), (0, 0, 0), None)
            TABLE[parent.encode()] = above
        full = name.lower().replace(" ", "|")
        entry = Command(full, arity, frozenset(flags.split()), keys, handler)
        above.subcommands[child.encode()] = entry
        return handler

    return register


class Call:
    """One command of one connection, while it runs.

    Attributes:
        args: what came after the name (and after the subcommand's).
        now: ms since 1970.
        waits: False inside of a transaction or a script, where blocking commands do not block.
    """

    __slots__ = ("args", "command", "db", "engine", "now", "session", "waits")

    def __init__(
        self, engine: Engine, session: Session, command: Command, args: list[bytes], waits: bool
    ) -> None:
        self.engine = engine
        self.session = session
        self.db: Database = session.db
        self.command = command
        self.args = args
        self.now = engine.now
        self.waits = waits

    def block(
        self,
        keys: list[bytes],
        kind: type | None,
        attempt: Callable[[], Reply],
        timeout: int | None,
        empty: Reply,
    ) -> Reply:
        """What ``attempt`` finds, now or when one of ``keys`` has changed; ``empty`` in the end.

        Once it waits, only a key that holds a ``kind`` counts, or any change if that is None.
        ``timeout`` is in milliseconds, None for none.
        """
        found = attempt()
        if found is not NOTHING_YET:
            return found
        if not self.waits:
            return empty
        deadline = None if timeout is None else self.now + timeout
        words = [*self.command.name.upper().encode().split(b"|"), *self.args]
        self.session.wait = Wait(attempt, kind, deadline, empty, self.db, keys, words)
        self.db.wait(self.session, keys)
        return NOTHING_YET

    def wrong_number(self) -> RedisError:
        """The error for a number of arguments that this command cannot have."""
        return RedisError(f"ERR wrong number of arguments for '{self.command.name}' command")


class Words:
    """Walks over arguments that are options."""

    __slots__ = ("_words", "position")

    def __init__(self, words: list[bytes], position: int = 0) -> None:
        self._words = words
        self.position = position

    def __bool__(self) -> bool:
        return self.position < len(self._words)

    def option(self) -> bytes:
        """The next word in capitals."""
        return self.word().upper()

    def word(self) -> bytes:
        """The next word; raises `RedisError` if there is none."""
        if self.position >= len(self._words):
            raise RedisError("ERR syntax error")
        self.position += 1
        return self._words[self.position - 1]

    def left(self) -> int:
        """How many words are left."""
        return len(self._words) - self.position

    def rest(self) -> list[bytes]:
        """All that are left."""
        return self._words[self.position :]
