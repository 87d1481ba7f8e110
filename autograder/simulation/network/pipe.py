"""One direction of a connection: bytes in order, late, as many as the window holds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from enum import Enum
from typing import TYPE_CHECKING

from .retransmission import GIVE_UP, next_attempt
from .words import describe

if TYPE_CHECKING:
    from ..world import World
    from .hosts import Link

WINDOW = 64 * 1024
"""Bytes that may be under way or unread at the receiver before the sender must wait."""

SEGMENT = 16 * 1024
"""Bytes that travel together at most: network cards merge packets to about this size."""


class Signal(Enum):
    """What travels besides bytes."""

    OPEN = "the handshake's last leg"
    EOF = "end of stream"
    RESET = "connection reset"


class Pipe:
    """Carries bytes from one transport to another.

    ``receive`` and ``signal`` are called with what arrives, ``writable`` when the window has room
    again after a sender was refused room, ``on_given_up`` when nothing has been acknowledged for
    too long. All of them run in the context of the end they belong to, if one is given. Latencies
    are drawn for each segment; one that is faster than the one before waits for it.
    """

    __slots__ = (
        "_credits", "_direction", "_ended", "_giving_up", "_loop", "_lost_since", "_sent",
        "_severed", "_timer", "_under_way", "_unread", "_waited_for", "_wake_up", "_world",
        "context", "fuse", "key", "link", "names", "on_fuse", "on_given_up", "receive",
        "sender_context", "signal", "writable",
    )  # fmt: skip

    def __init__(
        self, world: World, link: Link, key: str, names: tuple[str, str], direction: int
    ) -> None:
        self._world = world
        self._loop = world.loop
        self.link = link
        self.key = key
        self.names = names
        self.context: Context | None = None
        self.sender_context: Context | None = None
        self.receive: Callable[[bytes], None]
        self.signal: Callable[[Signal], None]
        self.writable: Callable[[], None]
        self.on_given_up: Callable[[], None]
        self.fuse: int | None = None
        """Bytes after which ``on_fuse`` is called and nothing more gets through."""
        self.on_fuse: Callable[[], None]
        self._under_way: deque[tuple[float, bytes | Signal, str]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._unread = 0
        self._credits: deque[tuple[float, int]] = deque()
        self._waited_for = False
        self._wake_up: asyncio.TimerHandle | None = None
        self._sent = 0
        self._ended: Signal | None = None
        self._direction = direction
        self._severed = False
        self._lost_since = 0.0
        self._giving_up: asyncio.TimerHandle | None = None

    # -- the sender's end -----------------------------------------------------------------------

    def room(self) -> int:
        """Bytes that may be sent now."""
        credits = self._credits
        if credits and not self.link.held:
            now = self._loop.now
            while credits and credits[0][0] <= now:
                self._unread -= credits.popleft()[1]
        return WINDOW - self._unread

    def send(self, data: bytes) -> None:
        """Put bytes on their way: no more of them than there is room."""
        if self._ended is not None:
            return
        if self.fuse is not None:
            through, data = data[: self.fuse], data[self.fuse :]
            self.fuse -= len(through)
            self._send(through)
            if self.fuse:
                return
            self.fuse = None
            self.on_fuse()
            if self._ended is not None:
                return
        self._send(data)

    def _send(self, data: bytes) -> None:
        size = len(data)
        if not size:
            return
        self._unread += size
        shown = self._shown(data) if self._world.tracing else ""
        if size <= SEGMENT and not self.link.fragment:
            self._launch(data, shown)
            return
        start = 0
        while start < size:
            piece = data[start : start + self._piece(min(SEGMENT, size - start))]
            start += len(piece)
            self._launch(piece, shown if start == size else "")

    def _piece(self, size: int) -> int:
        """How many of these bytes travel together."""
        key = f"{self.key} fragment"
        if size > 1 and self.link.fragment and self._world.chance(self.link.fragment, key):
            return 1 + self._world.choose(size - 1, key)
        return size

    def end(self, signal: Signal) -> None:
        """Send the end of the stream, or a reset, behind whatever is under way."""
        if self._ended is signal or self._ended is Signal.RESET:
            return
        self._ended = signal
        self._launch(signal, "")

    def open(self) -> None:
        """Send the last leg of the handshake."""
        self._launch(Signal.OPEN, "")

    def wait_for_room(self) -> None:
        """Have ``writable`` called once there is more room."""
        self._waited_for = True
        if self.link.dark or self._severed:
            self._wait_for_acknowledgement()
        if self._credits:
            self._wake_up_at(self._credits[0][0])

    def _wake_up_at(self, when: float) -> None:
        if self._wake_up is None:
            when = max(when, self._loop.now)
            self._wake_up = self._loop.call_when(when, self._writable, context=self.sender_context)

    def _writable(self) -> None:
        self._wake_up = None
        if not self.link.held:
            self._waited_for = False
            self.writable()

    # -- under way ------------------------------------------------------------------------------

    def _launch(self, payload: bytes | Signal, shown: str) -> None:
        self._sent += 1
        link, world = self.link, self._world
        latency = world.latency(f"{self.key} seg {self._sent}", link.low, link.high)
        if self._severed:
            self._wait_for_acknowledgement()
            return
        arrival = self._departure(payload) + latency
        self._under_way.append((arrival, payload, shown))
        if link.dark:
            self._wait_for_acknowledgement()
        if self._timer is None:
            self._timer = self._loop.call_when(arrival, self._arrive, context=self.context)

    def _departure(self, payload: bytes | Signal) -> float:
        """When the last byte of it is on its way: behind all that the link has yet to carry."""
        if self.link.bandwidth is None or isinstance(payload, Signal):
            return self._loop.now
        return self.link.departure(self._direction, len(payload), self._loop.now)

    def _shown(self, data: bytes) -> str:
        what = describe(data)
        key = f"{self.key} seg {self._sent + 1}"
        self._world.record("send", f"{what} to {self.names[1]}", key=key)
        return f"{key}\0{what}"

    def _arrive(self) -> None:
        """Hand over what has arrived by now, bytes that came together in one piece."""
        self._timer = None
        if self.link.held:
            return
        now = self._loop.now
        under_way = self._under_way
        arrived: list[bytes] = []
        while under_way and under_way[0][0] <= now:
            _, payload, shown = under_way.popleft()
            if shown:
                self._record_arrival(shown)
            if isinstance(payload, bytes):
                arrived.append(payload)
                continue
            self._hand_over(arrived)
            arrived = []
            self.signal(payload)
        self._hand_over(arrived)
        if under_way and self._timer is None:
            self._timer = self._loop.call_when(under_way[0][0], self._arrive, context=self.context)

    def _hand_over(self, arrived: list[bytes]) -> None:
        if arrived:
            self.receive(arrived[0] if len(arrived) == 1 else b"".join(arrived))

    def _record_arrival(self, shown: str) -> None:
        key, what = shown.split("\0", 1)
        self._world.record("deliver", f"{what} from {self.names[0]}", lane="", key=key)

    def let_go(self) -> None:
        """The link is no longer held: what waited arrives a trip later.

        What was lost meanwhile is sent when TCP tries again, which may be a while from now.
        """
        if self._giving_up is None:
            self._go_on()
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        attempt = next_attempt(self._lost_since, self._loop.now)
        if attempt is not None and not self._severed:
            self._timer = self._loop.call_when(
                attempt, self._send_again, context=self.sender_context
            )

    def _send_again(self) -> None:
        self._timer = None
        if not self.link.held:
            assert self._giving_up is not None
            self._giving_up.cancel()
            self._giving_up = None
            self._go_on()

    def _go_on(self) -> None:
        link, now = self.link, self._loop.now
        later = self._world.latency(f"{self.key} let go", link.low, link.high)
        if self._under_way and self._timer is None:
            again = [
                (max(due, self._departure(payload) + later), payload, shown)
                for due, payload, shown in self._under_way
            ]
            self._under_way = deque(again)
            self._timer = self._loop.call_when(again[0][0], self._arrive, context=self.context)
        if self._waited_for and self._credits:
            self._wake_up_at(now + later)

    # -- without an answer ----------------------------------------------------------------------

    def darken(self) -> None:
        """Nothing gets through the link any more, and nobody says so."""
        if self._under_way or self._waited_for:
            self._wait_for_acknowledgement()

    def sever(self) -> None:
        """Lose for ever what is sent from now on, and tell nobody."""
        self._severed = True
        if self._waited_for:
            self._wait_for_acknowledgement()

    def _wait_for_acknowledgement(self) -> None:
        if self._giving_up is None:
            self._lost_since = self._loop.now
            self._giving_up = self._loop.call_later(
                GIVE_UP, self._give_up, context=self.sender_context
            )

    def _give_up(self) -> None:
        if self._world.tracing:
            one, other = self.names
            said = f"{one} gives up on {other}: nothing was acknowledged for {GIVE_UP:g} s"
            self._world.record("fault", said)
        self.abandon()
        self.on_given_up()

    def abandon(self) -> None:
        """The sender has no connection any more: what is under way is not sent again."""
        self._under_way.clear()
        self._waited_for = False
        self._stop_timers()

    # -- the receiver's end ---------------------------------------------------------------------

    def consumed(self, size: int) -> None:
        """The receiver has read bytes; the sender learns of the room a trip later."""
        when = self._loop.now + self.link.low
        self._credits.append((when, size))
        if self._waited_for:
            self._wake_up_at(when)

    def disown(self) -> None:
        """The receiver is dead: what arrives is the operating system's to deal with."""
        self.context = Context()
        if self._timer is not None:
            when = self._timer.when()
            self._timer.cancel()
            self._timer = self._loop.call_when(when, self._arrive, context=self.context)

    def close(self) -> None:
        """The world is over."""
        self._ended = Signal.RESET
        self._credits.clear()
        self.abandon()

    def _stop_timers(self) -> None:
        for timer in (self._timer, self._wake_up, self._giving_up):
            if timer is not None:
                timer.cancel()
        self._timer = self._wake_up = self._giving_up = None
