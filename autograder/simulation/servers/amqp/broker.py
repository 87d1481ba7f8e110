"""The simulated broker, as graders use it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...clock import wall_time
from ..port import ServerOnPort
from .core import Broker
from .deadletters import DeadLetter
from .faults import Cut, Faults, When, check_name
from .queues import Queue
from .serving import ServerProtocol
from .views import EVENTS, Happening, QueueView

if TYPE_CHECKING:
    from ...world import World

Range = tuple[float, float]
_NOTED = ("return", "refuse", "requeue", "dead-letter", "close-channel", "close-connection")
"""What the timeline tells: the rest can be seen in what is sent and what arrives."""


class AmqpBroker(ServerOnPort):
    """An AMQP 0-9-1 broker on a host of the world's network, that behaves as RabbitMQ does.

    aio-pika connects to `url` as it would to any other::

        broker = AmqpBroker(world)
        connection = await aio_pika.connect_robust(broker.url)

    Args:
        world: the world it is in.
        host, port: where it listens.
        latency: seconds, least and most, that one operation of a channel takes.
        storing: seconds, least and most, until a persistent message is on the disk of a durable
            queue: so long its confirm takes, and a crash before that loses it.
        vhosts, users: those there are; user names with their passwords.
        consumer_timeout: seconds that a consumer may hold a message; None for ever.
    """

    def __init__(
        self,
        world: World,
        host: str = "rabbit",
        port: int = 5672,
        *,
        latency: Range = (0.0, 0.0),
        storing: Range = (0.0, 0.010),
        vhosts: Iterable[str] = ("/",),
        users: dict[str, str] | None = None,
        consumer_timeout: float | None = 1800.0,
    ) -> None:
        super().__init__(world, host, port)
        self.latency = latency
        self.storing = storing
        self.core = Broker(self, vhosts=vhosts, users=users, consumer_timeout=consumer_timeout)
        self.faults = Faults(self)
        self.log: list[Happening] = []
        self.protocols: dict[ServerProtocol, None] = {}
        self._hooks: dict[str, list[Callable[[Happening], object]]] = {}
        self._to_flush: dict[ServerProtocol, None] = {}
        self._waiters: dict[asyncio.Event, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<AmqpBroker {self.host}:{self.port}, {len(self.protocols)} connections>"

    @property
    def url(self) -> str:
        """What a client connects to: ``amqp://guest:guest@rabbit:5672/``."""
        name, password = (quote(part, safe="") for part in next(iter(self.core.users.items())))
        vhost = next(iter(self.core.vhosts))
        path = "" if vhost == "/" else quote(vhost, safe="")
        return f"amqp://{name}:{password}@{self.host}:{self.port}/{path}"

    # -- looking ----------------------------------------------------------------------------------

    def queue(self, name: str, vhost: str | None = None) -> QueueView:
        """A queue, by name; it need not exist."""
        return QueueView(self._vhost(vhost), name)

    def queues(self, vhost: str | None = None) -> list[QueueView]:
        """Every queue there is, oldest first."""
        return [self.queue(name, vhost) for name in self._vhost(vhost).queues]

    def exchanges(self, vhost: str | None = None) -> list[str]:
        """The names of the exchanges that were declared."""
        return [n for n in self._vhost(vhost).exchanges if n and not n.startswith("amq.")]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """What left any queue unacknowledged, oldest first."""
        return [dead for vhost in self.core.vhosts.values() for dead in vhost.dead_letters]

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return sum(1 for c in self.core.connections if c.state == "running")

    @property
    def channels(self) -> int:
        """How many channels are open."""
        return sum(len(connection.channels) for connection in self.core.connections)

    @property
    def unconfirmed(self) -> int:
        """Publishes that are still to be confirmed."""
        return sum(
            len(channel.unconfirmed)
            for connection in self.core.connections
            for channel in connection.channels.values()
        )

    def happened(self, event: str, queue: str | None = None) -> list[Happening]:
        """What happened so far, by one of the names in `EVENTS`."""
        _known(event)
        return [one for one in self.log if one.event == event and queue in (None, one.queue)]

    def on(self, event: str, hook: Callable[[Happening], object]) -> None:
        """Call ``hook`` at once whenever this happens; it must not wait."""
        _known(event)
        self._hooks.setdefault(event, []).append(hook)

    async def until(self, condition: Callable[[], Any], seconds: float = 600.0) -> None:
        """Wait until ``condition()`` is true: it is asked whenever something has happened here,
        and once a second. Raises TimeoutError after so many virtual seconds."""
        waiter = asyncio.Event()
        self._waiters[waiter] = None
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    waiter.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(waiter.wait(), 1.0)
        finally:
            del self._waiters[waiter]

    def _vhost(self, name: str | None) -> Any:
        return self.core.vhosts[name] if name else next(iter(self.core.vhosts.values()))

    # -- making things go wrong -------------------------------------------------------------------

    def cut(
        self,
        *,
        before: str | None = None,
        after: str | None = None,
        nth: int = 1,
        chance: float | None = None,
        queue: str | None = None,
        client: str | None = None,
    ) -> Cut:
        """Break a client's connection when it does something for the ``nth`` time.

        ``before="basic.ack"``: the acknowledgement gets lost; ``after="basic.ack"``: it counts, and
        then the connection breaks. So for "basic.publish", "basic.nack", "basic.consume",
        "queue.declare" and any other method of the client; for "confirm", "basic.deliver" and
        "basic.return", which the broker sends, ``before`` means that it is not sent any more.

        Args:
            chance: instead of ``nth``: the share of times, drawn anew each time, none in the calm
                world.
            queue: only if it is about this queue. For a confirm that cannot be said.
            client: only for this host or connection name.

        Returns: the cut; its ``happened`` counts.
        """
        if (before is None) == (after is None):
            raise TypeError("cut() takes one of before=... and after=...")
        when: When = "before" if after is None else "after"
        what = before or after or ""
        check_name(what)
        cut = Cut(when, what, nth if chance is None else None, chance, queue, client)
        self.faults.add(cut)
        return cut

    def disconnect(self, client: str | None = None) -> None:
        """Break the connections of all clients, or of one host or connection name, now."""
        for protocol in list(self.protocols):
            if client in (None, protocol.host, protocol.client.name):
                self.fault(f"the connection of {protocol.host} breaks")
                protocol.cut()

    def close_connections(self, why: str = "closed by the operator") -> None:
        """End all connections as an operator would: clients are told, with code 320."""
        for protocol in list(self.protocols):
            protocol.client.force_close(why)
        self.settle()

    def stop(self, *, crash: bool = False) -> None:
        """Go down: connections end, and new ones are refused until `start`.

        Durable queues keep their persistent messages. A crash says nothing to clients, and loses
        what was not on disk yet (and so was never confirmed).
        """
        if not self._hang_up():
            return
        self.fault(f"{self.host} {'crashes' if crash else 'shuts down'}")
        for protocol in list(self.protocols):
            if crash:
                protocol.forget_waiting()
                protocol.cut()
            else:
                protocol.client.force_close()
                protocol.flush()
                protocol.drop()
        self.core.restart(crash)
        self.settle()

    def block(self, reason: str = "low on memory") -> None:
        """Raise an alarm: clients that publish get connection.blocked, and are not read from."""
        self.fault(f"{self.host} blocks publishers: {reason}")
        self.core.raise_alarm(reason)

    def unblock(self) -> None:
        """The alarm is over."""
        self.core.clear_alarm()
        for protocol in list(self.protocols):
            protocol.block()
        self.settle()

    # -- what the core asks -----------------------------------------------------------------------

    def now(self) -> float:
        return self.world.loop.now

    def elapsed(self) -> float:
        return self.world.time()

    def wall_time(self) -> float:
        return wall_time(self.world)

    def time_to_store(self, queue: Queue) -> float:
        low, high = self.storing
        return self.world.latency(f"{self.host} stores {queue.name}", low, high) if high else 0.0

    def tell(self, event: str, **details: Any) -> None:
        """Something happened: remember it, and tell whoever wants to know."""
        connection = details.pop("connection", None)
        client = "" if connection is None else connection.name
        happening = Happening(
            self.world.time(),
            event,
            client,
            details.get("queue", ""),
            details.get("message"),
            details.get("redelivered", False),
            details.get("number", details.get("tag", 0)),
            details.get("count", 1),
            details.get("reason", details.get("why", "")),
        )
        self.log.append(happening)
        if self.world.tracing and event in _NOTED:
            self.note(_said(self.host, happening))
        for hook in self._hooks.get(event, ()):
            hook(happening)

    # -- the shell --------------------------------------------------------------------------------

    def _accept(self) -> ServerProtocol:
        return ServerProtocol(self)

    def has_output(self, protocol: ServerProtocol) -> None:
        """A connection has something to say, once everything is settled."""
        self._to_flush[protocol] = None

    def settle(self) -> None:
        """Let the core do what is due, send what it has to say, and come back when it is time."""
        self.core.settle()
        while self._to_flush:
            flush, self._to_flush = self._to_flush, {}
            for protocol in flush:
                protocol.flush()
                if protocol.client.blocked:
                    protocol.block()
        for waiter in self._waiters:
            waiter.set()
        self._set_timer()

    def _set_timer(self) -> None:
        deadline = self.core.next_deadline
        timer = self._timer
        if timer is not None and not timer.cancelled():
            if deadline is not None and timer.when() == deadline:
                return
            timer.cancel()
        self._timer = None
        if deadline is not None:
            self._timer = self.world.loop.call_when(deadline, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.settle()


def _known(event: str) -> None:
    if event not in EVENTS:
        raise ValueError(f"{event!r} is no event: there are {', '.join(EVENTS)}")


def _said(host: str, one: Happening) -> str:
    """A happening in words, for the timeline."""
    body = one.body[:24].decode("utf-8", "replace")
    match one.event:
        case "return":
            return f"{host} returns {body!r}: no queue is bound for it"
        case "refuse":
            return f"{host} refuses a message: its queue is full"
        case "requeue":
            return f"{host} puts {body!r} back into {one.queue}"
        case "dead-letter":
            return f"{host} dead-letters {body!r} from {one.queue}: {one.reason}"
        case "close-channel":
            return f"{host} closes a channel of {one.client}: {one.reason}"
        case _:
            return f"{host} closes the connection of {one.client}: {one.reason}"
