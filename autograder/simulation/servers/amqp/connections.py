"""One client's connection: the handshake, its channels, its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from .channels import Channel
from .core import VERSION
from .errors import AmqpError, ChannelError, ConnectionError_, not_allowed

if TYPE_CHECKING:
    from .core import Broker
    from .vhosts import VirtualHost

CHANNEL_MAX = 2047
FRAME_MAX = 131_072
_CAPABILITIES: dict[str, Any] = {
    "publisher_confirms": True,
    "exchange_exchange_bindings": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "consumer_priorities": True,
    "authentication_failure_close": True,
    "per_consumer_qos": True,
    "direct_reply_to": True,
}


class ClientConnection:
    """The server's side of a connection.

    What it has to say collects in ``outbox``, as (channel number, frame or message content);
    ``hang_up`` is set once the socket is to be closed after that. ``name`` is the client's.

    Attributes:
        state: "start", "tune", "open", "running", "closing" or "closed".
        blocked: nothing more is read from it for now, since the broker's alarm is on.
    """

    def __init__(self, broker: Broker, peer: str, on_output: Callable[[], None]) -> None:
        self.broker = broker
        self.peer = peer
        self.name = peer
        self.user = ""
        self.state = "start"
        self.heartbeat = 0
        self.blocked = False
        self.hang_up = False
        self.capabilities: dict[str, Any] = {}
        self.channels: dict[int, Channel] = {}
        self.outbox: list[tuple[int, Any]] = []
        self.vhost: VirtualHost
        self._on_output = on_output
        self._closing_channels: set[int] = set()

    def send(self, channel: int, frame: Any) -> None:
        """Put a frame into the outbox."""
        if not self.outbox:
            self._on_output()
        self.outbox.append((channel, frame))

    def begin(self) -> None:
        """The client has said which protocol it speaks."""
        self.broker.connections[self] = None
        properties: dict[str, Any] = {
            "capabilities": _CAPABILITIES,
            "cluster_name": "rabbit@simulated",
            "copyright": "",
            "information": "Licensed under the MPL 2.0. Website: https://rabbitmq.com",
            "platform": "Erlang/OTP 25.2",
            "product": "RabbitMQ",
            "version": VERSION,
        }
        self.send(0, commands.Connection.Start(0, 9, properties, "PLAIN", "en_US"))

    # -- frames come in ---------------------------------------------------------------------------

    def receive(self, number: int, frame: Any, raw: bytes = b"") -> None:
        """Handle one frame; ``raw`` is its payload as it came."""
        if self.state == "closed" or isinstance(frame, Heartbeat):
            return
        try:
            if number == 0:
                self._receive_own(frame)
            elif self.state == "running":
                self._receive_for_channel(number, frame, raw)
            elif self.state != "closing":
                raise ConnectionError_(505, "unexpected frame before the connection was open")
        except ConnectionError_ as error:
            self.fail(error, frame)

    def _receive_own(self, frame: Any) -> None:
        if isinstance(frame, commands.Connection.Close):
            self._drop_channels()
            self.send(0, commands.Connection.CloseOk())
            self._end()
        elif isinstance(frame, commands.Connection.CloseOk):
            self._end()
        elif self.state == "closing":
            return
        elif self.state == "start" and isinstance(frame, commands.Connection.StartOk):
            self._authenticate(frame)
        elif self.state == "tune" and isinstance(frame, commands.Connection.TuneOk):
            self.heartbeat = frame.heartbeat
            self.state = "open"
        elif self.state == "open" and isinstance(frame, commands.Connection.Open):
            self._open(frame.virtual_host)
        elif isinstance(frame, commands.Connection.UpdateSecret):
            self.send(0, commands.Connection.UpdateSecretOk())
        else:
            raise ConnectionError_(503, f"unexpected {getattr(frame, 'name', frame)}")

    def _authenticate(self, frame: commands.Connection.StartOk) -> None:
        properties: dict[str, Any] = frame.client_properties or {}
        capabilities = properties.get("capabilities")
        self.capabilities = capabilities if isinstance(capabilities, dict) else {}
        self.name = str(properties.get("connection_name") or self.peer)
        _, user, password = [*str(frame.response).split("\0"), "", ""][:3]
        if frame.mechanism != "PLAIN" or self.broker.users.get(user) != password:
            error = ConnectionError_(
                403,
                "Login was refused using authentication mechanism "
                f"{frame.mechanism}. For details see the broker logfile.",
            )
            if not self.capabilities.get("authentication_failure_close"):
                self._end()
                return
            raise error
        self.user = user
        self.state = "tune"
        self.send(0, commands.Connection.Tune(CHANNEL_MAX, FRAME_MAX, self.broker.heartbeat))

    def _open(self, name: str) -> None:
        vhost = self.broker.vhosts.get(name)
        if vhost is None:
            raise not_allowed(f"vhost {name} not found")
        self.vhost = vhost
        self.state = "running"
        self.send(0, commands.Connection.OpenOk())
        self.broker.tell("connect", connection=self)

    # -- channels ---------------------------------------------------------------------------------

    def _receive_for_channel(self, number: int, frame: Any, raw: bytes) -> None:
        if number in self._closing_channels:
            self._receive_for_closing(number, frame)
            return
        channel = self.channels.get(number)
        if channel is None:
            if not isinstance(frame, commands.Channel.Open):
                raise ConnectionError_(504, "expected 'channel.open'")
            self._open_channel(number)
            return
        if isinstance(frame, commands.Channel.Close):
            self.close_channel(channel)
            self.send(number, commands.Channel.CloseOk())
            return
        try:
            if isinstance(frame, ContentHeader):
                channel.receive_header(frame, raw)
            elif isinstance(frame, ContentBody):
                channel.receive_body(frame.value)
            else:
                channel.receive_method(frame)
        except ChannelError as error:
            self._fail_channel(channel, error, channel.last_method or frame)

    def _open_channel(self, number: int) -> None:
        if len(self.channels) >= CHANNEL_MAX:
            raise not_allowed(
                f"number of channels opened ({len(self.channels)}) has reached the negotiated "
                f"channel_max ({CHANNEL_MAX})"
            )
        self.channels[number] = Channel(self, number)
        self.send(number, commands.Channel.OpenOk())

    def _receive_for_closing(self, number: int, frame: Any) -> None:
        """A channel that was told to close: all but the answer is ignored."""
        if isinstance(frame, commands.Channel.CloseOk):
            self._closing_channels.discard(number)
        elif isinstance(frame, commands.Channel.Close):
            self.send(number, commands.Channel.CloseOk())

    def _fail_channel(self, channel: Channel, error: ChannelError, frame: Any) -> None:
        self.fail_channel(channel, error, *_ids(frame))

    def fail_channel(
        self, channel: Channel, error: ChannelError, class_id: int = 0, method_id: int = 0
    ) -> None:
        """Close a channel and say why."""
        self.close_channel(channel)
        self._closing_channels.add(channel.number)
        self.broker.tell("close-channel", connection=self, channel=channel.number, why=error.text)
        close = commands.Channel.Close(error.code, error.text, class_id, method_id)
        self.send(channel.number, close)

    def close_channel(self, channel: Channel) -> None:
        """A channel is no more: its consumers go, what it holds goes back to the queues."""
        self.channels.pop(channel.number, None)
        channel.close()

    def _drop_channels(self) -> None:
        for channel in list(self.channels.values()):
            self.close_channel(channel)
        if self.state == "running":
            self.vhost.let_go(self)

    # -- the end ----------------------------------------------------------------------------------

    def fail(self, error: AmqpError, frame: Any = None) -> None:
        """End the connection with an error, and say why."""
        self._drop_channels()
        self.state = "closing"
        self.broker.tell("close-connection", connection=self, why=error.text)
        self.send(0, commands.Connection.Close(error.code, error.text, *_ids(frame)))

    def force_close(self, why: str = "shutdown") -> None:
        """The operator or a shutdown ends the connection, and says so."""
        if self.state in ("closing", "closed"):
            return
        text = f"broker forced connection closure with reason '{why}'"
        self.fail(ConnectionError_(320, text), None)

    def _end(self) -> None:
        self.state = "closed"
        self.hang_up = True
        self._leave()
        self._on_output()

    def gone(self) -> None:
        """The socket is closed, however that came."""
        if self.state != "closed":
            self._drop_channels()
            self.state = "closed"
        self._leave()
        self.outbox.clear()

    def _leave(self) -> None:
        if self in self.broker.connections:
            del self.broker.connections[self]
            if self.user:
                self.broker.tell("disconnect", connection=self)

    # -- flow -------------------------------------------------------------------------------------

    def published(self) -> None:
        """A message came in: if an alarm is on, nothing more is read from this client."""
        if self.broker.alarm is not None and not self.blocked:
            self.blocked = True
            if self.capabilities.get("connection.blocked"):
                self.send(0, commands.Connection.Blocked(self.broker.alarm))

    def unblock(self) -> None:
        if self.blocked:
            self.blocked = False
            if self.capabilities.get("connection.blocked"):
                self.send(0, commands.Connection.Unblocked())
            self._on_output()


def _ids(frame: Any) -> tuple[int, int]:
    """The class and method that an error is about."""
    index = getattr(frame, "index", 0)
    return index >> 16, index & 0xFFFF
