"""Publishing: the part of a channel that takes messages in and confirms them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pamqp import commands

from .channelstate import ChannelState
from .errors import ConnectionError_, failed, refused
from .message import Message

if TYPE_CHECKING:
    from .connections import ClientConnection

REPLY_TO = "amq.rabbitmq.reply-to"
"""The name of the queue that is none: replies go straight to whoever consumes from it."""


class Content:
    """A message's frames, after the method that announces them."""

    __slots__ = ("message",)

    def __init__(self, message: Message) -> None:
        self.message = message


class Publishing(ChannelState):
    """Publishing, returns and confirms."""

    def __init__(self, connection: ClientConnection, number: int) -> None:
        super().__init__(connection, number)
        self.confirms = False
        self.published = 0
        self.unconfirmed: dict[int, None] = {}
        self._confirmed: list[int] = []
        self._refused: list[int] = []
        self._announced: Any = None
        self._header: Any = None
        self._raw = b""
        self._body: list[bytes] = []
        self._missing = 0

    # -- frames -----------------------------------------------------------------------------------

    @property
    def expects_content(self) -> bool:
        """A message was announced, and not all of it has come yet."""
        return self._announced is not None

    def on_confirm_select(self, frame: Any) -> None:
        self.confirms = True
        self.reply(frame, commands.Confirm.SelectOk())

    def on_basic_publish(self, frame: Any) -> None:
        if frame.immediate:
            raise ConnectionError_(540, "immediate=true")
        self._announced, self._header = frame, None

    def receive_header(self, header: Any, raw: bytes) -> None:
        """The properties of a message; ``raw`` is the frame's payload."""
        if self._announced is None or self._header is not None:
            raise ConnectionError_(505, "unexpected content header frame")
        self._header, self._raw = header, raw
        self._missing = header.body_size
        self._body = []
        if not self._missing:
            self._complete()

    def receive_body(self, piece: bytes) -> None:
        """A piece of a message's body."""
        if self._header is None:
            raise ConnectionError_(505, "unexpected content body frame")
        self._body.append(piece)
        self._missing -= len(piece)
        if self._missing <= 0:
            self._complete()

    def _complete(self) -> None:
        frame, self._announced = self._announced, None
        header, self._header = self._header, None
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        keys = (frame.routing_key, *_copies(header.properties.headers))
        # After the class, the weight and the size come the flags and the properties.
        message = Message(frame.exchange, keys, header.properties, body, self._raw[12:])
        self.last_method = frame
        self._publish(frame, message)

    # -- routing ----------------------------------------------------------------------------------

    def _publish(self, frame: Any, message: Message) -> None:
        self.connection.published()
        exchange = self.vhost.exchange(frame.exchange)
        if exchange.internal:
            raise refused(
                f"cannot publish to internal exchange '{exchange.name}' in vhost "
                f"'{self.vhost.name}'"
            )
        self._check(message)
        message = _without_blind_copies(self._with_reply_address(message))
        if self.confirms:
            self.published += 1
            self.unconfirmed[self.published] = None
        self.broker.tell("publish", connection=self.connection, message=message)
        if not frame.exchange and frame.routing_key.startswith(REPLY_TO + "."):
            self._reply_directly(frame.routing_key, message)
            # A direct reply counts as routed nowhere, even if it got through.
            self._after(frame, message, False, 0.0, refused=False)
            return
        queues = self.vhost.route(exchange, message)
        fate = self.broker.publish(self.vhost, queues, message)
        self._after(frame, message, bool(queues), fate.safe_at, refused=fate.refused)

    def _check(self, message: Message) -> None:
        user = message.properties.user_id
        if user and user != self.connection.user:
            raise failed(
                f"user_id property set to '{user}' but authenticated user was "
                f"'{self.connection.user}'"
            )
        message.time_to_live()

    def _after(
        self, frame: Any, message: Message, routed: bool, safe_at: float, *, refused: bool
    ) -> None:
        """Return what reached no queue, and confirm: in this order."""
        if frame.mandatory and not routed:
            self.broker.tell("return", connection=self.connection, message=message)
            self.send(
                commands.Basic.Return(312, "NO_ROUTE", frame.exchange, frame.routing_key),
            )
            self.send(Content(message))
        if not self.confirms:
            return
        number = self.published
        if refused:
            self._settle(number, self._refused)
        elif safe_at > self.broker.now():
            self.broker.wake_at(safe_at, lambda: self._settle(number, self._confirmed))
        else:
            self._settle(number, self._confirmed)

    # -- confirms ---------------------------------------------------------------------------------

    def _settle(self, number: int, outcome: list[int]) -> None:
        if self.open and number in self.unconfirmed:
            del self.unconfirmed[number]
            outcome.append(number)
            self.broker.confirm_soon(self)

    def send_confirms(self) -> None:
        """Say what was settled since the last time, in as few frames as RabbitMQ does.

        One frame speaks for all up to the first that is still open, or of which the opposite has
        to be said.
        """
        if not self.open:
            return
        refused, self._refused = sorted(self._refused), []
        confirmed, self._confirmed = sorted(self._confirmed), []
        first_open = min(self.unconfirmed, default=self.published + 1)
        for number, count in _together(refused, min([first_open, *confirmed])):
            self.broker.tell("refuse", connection=self.connection, number=number, count=count or 1)
            self.send(commands.Basic.Nack(number, count > 0, False))
        for number, count in _together(confirmed, min([first_open, *refused])):
            alone = len(confirmed) == 1
            self.broker.tell("confirm", connection=self.connection, number=number, count=count or 1)
            self.send(commands.Basic.Ack(number, count > 0 and not alone))

    def forget_confirms(self) -> None:
        self.unconfirmed.clear()
        self._confirmed, self._refused = [], []

    # -- direct replies ---------------------------------------------------------------------------

    def _with_reply_address(self, message: Message) -> Message:
        if message.properties.reply_to != REPLY_TO:
            return message
        address = self.reply_address()
        if address is None:
            raise failed("fast reply consumer does not exist")
        return message.changed(reply_to=address)

    def reply_address(self) -> str | None:
        """Where replies to this channel go, if it waits for any."""
        raise NotImplementedError

    def _reply_directly(self, address: str, message: Message) -> None:
        channel = self.broker.reply_channels.get(address)
        if channel is not None:
            channel.deliver_reply(message)


def _together(numbers: list[int], cutoff: int) -> Iterator[tuple[int, int]]:
    """The numbers to be said: the last one before the cutoff for all before it, with their count,
    then those behind it each for itself, with 0."""
    before = [number for number in numbers if number < cutoff]
    if before:
        yield before[-1], len(before)
    for number in numbers[len(before) :]:
        yield number, 0


def _copies(headers: dict[str, Any] | None) -> list[str]:
    """The routing keys that come with a message besides the publisher's own."""
    found: list[str] = []
    for name in ("CC", "BCC"):
        keys = (headers or {}).get(name)
        if isinstance(keys, list):
            found += [key for key in keys if isinstance(key, str)]
    return found


def _without_blind_copies(message: Message) -> Message:
    if "BCC" not in message.headers:
        return message
    return message.changed({k: v for k, v in message.headers.items() if k != "BCC"})
