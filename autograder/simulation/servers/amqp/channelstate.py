"""What every part of a channel needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pamqp import commands

from .errors import ChannelError, ConnectionError_, locked
from .queues import Consumer, Queue

if TYPE_CHECKING:
    from .connections import ClientConnection
    from .core import Broker
    from .vhosts import VirtualHost


class ChannelState:
    """A channel's connection, number and consumers.

    ``last_method`` is the method that is being handled; ``last_queue`` the queue declared last,
    which an empty name stands for.
    """

    def __init__(self, connection: ClientConnection, number: int) -> None:
        self.connection = connection
        self.number = number
        self.open = True
        self.consumers: dict[str, Consumer] = {}
        self.last_method: Any = None
        self.last_queue = ""

    @property
    def broker(self) -> Broker:
        return self.connection.broker

    @property
    def vhost(self) -> VirtualHost:
        return self.connection.vhost

    def send(self, frame: Any) -> None:
        self.connection.send(self.number, frame)

    def reply(self, request: Any, answer: Any) -> None:
        """Answer a request, unless it wants no answer."""
        if not request.nowait:
            self.send(answer)

    def find_queue(self, name: str) -> Queue:
        """A queue that this connection may use; raises ChannelError."""
        name = self.name_of_queue(name)
        queue = self.vhost.queue(name)
        if queue.owner not in (None, self.connection):
            raise locked(name, self.vhost.name)
        return queue

    def name_of_queue(self, name: str) -> str:
        """The name, or that of the queue declared last, which an empty one stands for."""
        if not name and not self.last_queue:
            raise ChannelError(404, "no previously declared queue")
        return name or self.last_queue

    def on_channel_open(self, frame: Any) -> None:
        raise ConnectionError_(504, "second 'channel.open' seen")

    def on_channel_flow(self, frame: Any) -> None:
        if not frame.active:
            raise ConnectionError_(540, "active=false")
        self.send(commands.Channel.FlowOk(True))

    def on_channel_flow_ok(self, frame: Any) -> None: ...
