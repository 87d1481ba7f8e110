"""A channel: what its client asks for is done here, and what it holds is remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .consuming import Consuming
from .declaring import Declaring
from .errors import ConnectionError_
from .publishing import Publishing

if TYPE_CHECKING:
    from .connections import ClientConnection

Handler = Callable[["Channel", Any], None]


class Channel(Declaring, Consuming, Publishing):
    """The server's side of a channel."""

    def __init__(self, connection: ClientConnection, number: int) -> None:
        super().__init__(connection, number)

    def receive_method(self, frame: Any) -> None:
        """Handle one method; raises AmqpError."""
        if self.expects_content:
            raise ConnectionError_(
                505,
                "expected content header for class 60, got one for class "
                f"{frame.index >> 16} instead",
            )
        self.last_method = frame
        handler = _HANDLERS.get(frame.name)
        if handler is None:
            raise ConnectionError_(540, f"{frame.name} is not simulated")
        handler(self, frame)

    def close(self) -> None:
        """No more is sent; what it holds goes back to the queues, and its consumers go."""
        self.open = False
        self.drop_reply_consumer()
        self.give_everything_back()
        for consumer in list(self.consumers.values()):
            consumer.queue.remove_consumer(consumer)
        self.consumers.clear()
        self.forget_confirms()


_HANDLERS: dict[str, Handler] = {
    "Exchange.Declare": Channel.on_exchange_declare,
    "Exchange.Delete": Channel.on_exchange_delete,
    "Exchange.Bind": Channel.on_exchange_bind,
    "Exchange.Unbind": Channel.on_exchange_unbind,
    "Queue.Declare": Channel.on_queue_declare,
    "Queue.Delete": Channel.on_queue_delete,
    "Queue.Bind": Channel.on_queue_bind,
    "Queue.Unbind": Channel.on_queue_unbind,
    "Queue.Purge": Channel.on_queue_purge,
    "Confirm.Select": Channel.on_confirm_select,
    "Basic.Publish": Channel.on_basic_publish,
    "Basic.Qos": Channel.on_basic_qos,
    "Basic.Consume": Channel.on_basic_consume,
    "Basic.Cancel": Channel.on_basic_cancel,
    "Basic.Get": Channel.on_basic_get,
    "Basic.Ack": Channel.on_basic_ack,
    "Basic.Nack": Channel.on_basic_nack,
    "Basic.Reject": Channel.on_basic_reject,
    "Basic.Recover": Channel.on_basic_recover,
    "Basic.RecoverAsync": Channel.on_basic_recover_async,
    "Channel.Open": Channel.on_channel_open,
    "Channel.Flow": Channel.on_channel_flow,
    "Channel.FlowOk": Channel.on_channel_flow_ok,
}
