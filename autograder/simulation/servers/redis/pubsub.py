"""Channels, patterns, and who listens to them."""

from __future__ import annotations

from .arguments import glob
from .replies import Push
from .session import Session

Listeners = dict[bytes, dict[Session, None]]


class PubSub:
    """Subscriptions of all sessions. A message goes to who listens now, and nowhere else."""

    def __init__(self) -> None:
        self.channels: Listeners = {}
        self.patterns: Listeners = {}
        self.shard_channels: Listeners = {}

    def publish(self, channel: bytes, message: bytes) -> int:
        """Send a message to all who listen; to how many it was sent."""
        sent = 0
        for session in list(self.channels.get(channel, ())):
            session.send(Push([b"message", channel, message]))
            sent += 1
        for pattern, sessions in list(self.patterns.items()):
            if glob(pattern).match(channel):
                for session in list(sessions):
                    session.send(Push([b"pmessage", pattern, channel, message]))
                    sent += 1
        return sent

    def publish_to_shard(self, channel: bytes, message: bytes) -> int:
        """As `publish`, for shard channels."""
        listening = list(self.shard_channels.get(channel, ()))
        for session in listening:
            session.send(Push([b"smessage", channel, message]))
        return len(listening)

    def drop(self, session: Session) -> None:
        """A session listens to nothing any more."""
        for mine, everybody in (
            (session.channels, self.channels),
            (session.patterns, self.patterns),
            (session.shard_channels, self.shard_channels),
        ):
            for name in mine:
                remove(everybody, name, session)
            mine.clear()


def remove(listeners: Listeners, name: bytes, session: Session) -> None:
    """Take a session off the list of a channel or pattern."""
    sessions = listeners.get(name)
    if sessions is not None:
        sessions.pop(session, None)
        if not sessions:
            del listeners[name]
