"""Where connections are to be cut: before or after what the client or the broker says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pamqp import commands

from .wire import spec_name

if TYPE_CHECKING:
    from .broker import AmqpBroker
    from .connections import ClientConnection
    from .serving import ServerProtocol

When = Literal["before", "after"]


@dataclass(eq=False, slots=True)
class Cut:
    """A cut that is to happen: before or after ``what``.

    Attributes:
        nth: the first, the second, ... that fits; None for a draw at each, by ``chance``.
        queue: only what is about this queue; client: only from or to this host or connection name.
        seen: how many fitted so far; happened: how often it has cut.
    """

    when: When
    what: str
    nth: int | None
    chance: float | None
    queue: str | None
    client: str | None
    seen: int = 0
    happened: int = 0


class Faults:
    """The cuts of one broker."""

    def __init__(self, server: AmqpBroker) -> None:
        self._server = server
        self._cuts: list[Cut] = []

    def add(self, cut: Cut) -> None:
        self._cuts.append(cut)

    def heal(self) -> None:
        """No more cuts."""
        self._cuts.clear()

    def strikes(self, when: When, what: str, queue: str | None, protocol: ServerProtocol) -> bool:
        """True if the connection is to be cut here."""
        for cut in self._cuts:
            if cut.when != when or cut.what != what:
                continue
            if cut.queue not in (None, queue):
                continue
            if cut.client not in (None, protocol.host, protocol.client.name):
                continue
            cut.seen += 1
            if self._falls(cut):
                cut.happened += 1
                self._server.fault(
                    f"the connection of {protocol.host} is cut {when} {what} "
                    f"{'is sent' if when == 'before' and what in SENT else 'gets through'}"
                )
                return True
        return False

    def _falls(self, cut: Cut) -> bool:
        if cut.chance is not None:
            key = f"{self._server.host} cut {cut.when} {cut.what}"
            return self._server.world.chance(cut.chance, key)
        return cut.seen == cut.nth


SENT = frozenset({"confirm", "basic.deliver", "basic.return", "basic.get-ok"})
"""What the broker says by itself, or in answer to something that may be cut too."""


_METHODS: list[Any] = list(commands.INDEX_MAPPING.values())


def check_name(what: str) -> None:
    """Raises ValueError if this is neither a method's name nor "confirm"."""
    names = {spec_name(method.name) for method in _METHODS}
    if what not in {"confirm", *names}:
        raise ValueError(
            f"{what!r} is no method of AMQP, such as 'basic.ack' or 'basic.publish', and not "
            "'confirm'"
        )


def queue_of(client: ClientConnection, number: int, frame: Any) -> str | None:
    """The name of the queue that a frame is about, as far as one can say."""
    name = getattr(frame, "queue", None)
    if name:
        return str(name)
    channel = client.channels.get(number)
    if channel is None:
        return None
    held = channel.held.get(getattr(frame, "delivery_tag", 0))
    if held is not None:
        return held.queue.name
    consumer = channel.consumers.get(getattr(frame, "consumer_tag", ""))
    if consumer is not None:
        return consumer.queue.name
    if frame.name == "Basic.Publish" and not frame.exchange:
        return str(frame.routing_key)
    return None
