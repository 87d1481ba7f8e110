"""The broker as a state machine, without input or output.

Frames go in at `ClientConnection.receive`, frames come out in the connections' outboxes; time and
chance are asked of its `Surroundings`. Nothing here knows of a network or of an event loop.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from .message import Entry, Message
from .queues import Queue
from .vhosts import VirtualHost

if TYPE_CHECKING:
    from .connections import ClientConnection

VERSION = "3.10.8"
"""The version of RabbitMQ that the broker claims to be, and whose behaviour it has."""


class Surroundings(Protocol):
    """What the broker asks of the world it is in."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""

    def elapsed(self) -> float:
        """Seconds since the world began."""

    def wall_time(self) -> float:
        """Seconds since 1970."""

    def time_to_store(self, queue: Queue) -> float:
        """Seconds until a message is safe on the queue's disk."""

    def tell(self, event: str, **details: Any) -> None:
        """Something happened."""


class Broker:
    """Virtual hosts, connections, and what is still to be done."""

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        vhosts: Iterable[str] = ("/",),
        users: dict[str, str] | None = None,
        heartbeat: int = 60,
        consumer_timeout: float | None = 1800.0,
    ) -> None:
        self.users = {"guest": "guest"} if users is None else users
        self.heartbeat = heartbeat
        self.consumer_timeout = consumer_timeout
        self.alarm: str | None = None
        self.connections: dict[ClientConnection, None] = {}
        self.vhosts = {name: VirtualHost(name, self) for name in vhosts}
        self._surroundings = surroundings
        self._names = 0
        self._work: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_count = 0
        self._confirming: dict[Any, None] = {}
        self.reply_channels: dict[str, Any] = {}
        self.most_unacked: dict[tuple[str, str], int] = {}
        self.now = surroundings.now
        self.elapsed = surroundings.elapsed
        self.wall_time = surroundings.wall_time
        self.tell = surroundings.tell

    # -- time and work ----------------------------------------------------------------------------

    @property
    def next_deadline(self) -> float | None:
        """When `settle` is to be called next, if nothing comes in before."""
        return self._timers[0][0] if self._timers else None

    def wake_at(self, when: float, wake: Callable[[], None]) -> None:
        """Call back at a time."""
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, wake))

    def later(self, work: Callable[[], None]) -> None:
        """Do something once the operation at hand is done."""
        self._work.append(work)

    def settle(self) -> None:
        """Do what is due and what was put off; to be called after whatever came in."""
        now = self.now()
        while self._work or (self._timers and self._timers[0][0] <= now):
            if self._work:
                self._work.popleft()()
            else:
                heapq.heappop(self._timers)[2]()
        confirming, self._confirming = self._confirming, {}
        for channel in confirming:
            channel.send_confirms()

    # -- messages ---------------------------------------------------------------------------------

    def store(self, queue: Queue, entry: Entry) -> float | None:
        """Write an entry to disk, if it is meant to last; when it will be safe there."""
        if not (queue.quorum or (queue.durable and entry.message.persistent)):
            return None
        entry.stored = self.now() + self._surroundings.time_to_store(queue)
        return entry.stored

    def confirm_soon(self, channel: Any) -> None:
        """A channel has confirms to send, once the work at hand is done: many become one."""
        self._confirming[channel] = None

    def publish(self, vhost: VirtualHost, queues: list[Queue], message: Message) -> Fate:
        """Put a message into queues."""
        fate = Fate()
        for queue in queues:
            entry = queue.put(message)
            if entry is None:
                fate.refused = True
                continue
            stored = self.store(queue, entry)
            if stored is not None:
                fate.safe_at = max(fate.safe_at, stored)
        return fate

    # -- names ------------------------------------------------------------------------------------

    def fresh_name(self, prefix: str) -> str:
        """A name that looks as RabbitMQ's do, the same in every run: ``amq.gen-Xa2…``."""
        self._names += 1
        digest = hashlib.md5(str(self._names).encode(), usedforsecurity=False).digest()
        return prefix + base64.urlsafe_b64encode(digest).decode().rstrip("=")

    # -- the operator -----------------------------------------------------------------------------

    def raise_alarm(self, reason: str) -> None:
        """Memory or disk run low: whoever publishes is blocked."""
        self.alarm = reason

    def clear_alarm(self) -> None:
        self.alarm = None
        for connection in list(self.connections):
            connection.unblock()

    def restart(self, crashed: bool) -> None:
        """Begin anew: connections are gone, what is durable is there again."""
        for connection in list(self.connections):
            connection.gone()
        self.settle()
        self.alarm = None
        for vhost in self.vhosts.values():
            vhost.survive(crashed)
        self.settle()


class Fate:
    """What became of a published message: ``safe_at`` is when the last queue has it on disk, 0 for
    at once."""

    __slots__ = ("refused", "safe_at")

    def __init__(self) -> None:
        self.refused = False
        self.safe_at = 0.0
