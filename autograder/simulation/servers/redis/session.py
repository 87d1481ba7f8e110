"""What the server knows of one connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .replies import NO_REPLY, Reply
from .resp import encode

if TYPE_CHECKING:
    from .commands.table import Command
    from .keyspace import Database


@dataclass(eq=False, slots=True)
class Wait:
    """A blocking command that has found nothing yet.

    Attributes:
        attempt: looks again; `NOTHING_YET`, or what to answer.
        kind: what a key must hold for that; None for anything or nothing.
        deadline: ms since 1970 at which ``empty`` is answered; None for never.
        db, keys: where something may turn up.
        command: as it was asked, for who looks on.
    """

    attempt: Callable[[], Reply]
    kind: type | None
    deadline: int | None
    empty: Reply
    db: Database
    keys: list[bytes]
    command: list[bytes]


class Session:
    """The state of one connection.

    Attributes:
        number: what CLIENT ID answers.
        protocol: 2 or 3.
        queue: commands since MULTI, or None outside of a transaction.
        wait: the blocking command that is not answered yet, or None.
        write: called with the bytes of a reply.
        close: called when the server ends the connection, with the reason.
    """

    def __init__(
        self,
        number: int,
        db: Database,
        write: Callable[[bytes], None],
        close: Callable[[str], None],
        address: str = "",
    ) -> None:
        self.number = number
        self.db = db
        self.write = write
        self.close = close
        self.address = address
        self.protocol = 2
        self.name = b""
        self.library = {b"lib-name": b"", b"lib-ver": b""}
        self.authenticated = True
        self.queue: list[tuple[Command, list[bytes]]] | None = None
        self.queue_failed = False
        self.watched: dict[tuple[int, bytes], None] = {}
        self.watched_changed = False
        self.wait: Wait | None = None
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}
        self.silent = False
        self.skip_replies = 0
        self.commands = 0
        self.connected_at = 0
        self.last_command = b""
        self.last_at = 0
        self.closed = False

    @property
    def is_subscribed(self) -> bool:
        """True for one that gets messages."""
        return bool(self.channels or self.patterns or self.shard_channels)

    @property
    def subscriptions(self) -> int:
        return len(self.channels) + len(self.patterns)

    def reply(self, reply: Reply) -> None:
        """Answer the command that was asked."""
        if self.silent or self.skip_replies:
            return
        self.send(reply)

    def send(self, reply: Reply) -> None:
        """Send a reply or a message."""
        if reply is not NO_REPLY and not self.closed:
            self.write(encode(reply, self.protocol))
