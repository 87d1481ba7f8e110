"""What the broker refuses, with the reply codes and texts that RabbitMQ uses.

A `ChannelError` closes the channel, a `ConnectionError_` the whole connection.
"""

from __future__ import annotations

NAMES = {
    311: "CONTENT_TOO_LARGE",
    312: "NO_ROUTE",
    320: "CONNECTION_FORCED",
    402: "INVALID_PATH",
    403: "ACCESS_REFUSED",
    404: "NOT_FOUND",
    405: "RESOURCE_LOCKED",
    406: "PRECONDITION_FAILED",
    501: "FRAME_ERROR",
    502: "SYNTAX_ERROR",
    503: "COMMAND_INVALID",
    504: "CHANNEL_ERROR",
    505: "UNEXPECTED_FRAME",
    506: "RESOURCE_ERROR",
    530: "NOT_ALLOWED",
    540: "NOT_IMPLEMENTED",
    541: "INTERNAL_ERROR",
}


class AmqpError(Exception):
    """``code`` is the reply code; ``text`` is what the peer is told."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = f"{NAMES[code]} - {text}"
        super().__init__(self.text)


class ChannelError(AmqpError):
    """The channel is closed; the connection lives on."""


class ConnectionError_(AmqpError):
    """The connection is closed, with all its channels."""


def not_found(kind: str, name: str, vhost: str) -> ChannelError:
    return ChannelError(404, f"no {kind} '{name}' in vhost '{vhost}'")


def refused(text: str) -> ChannelError:
    return ChannelError(403, text)


def locked(queue: str, vhost: str) -> ChannelError:
    return ChannelError(
        405,
        f"cannot obtain exclusive access to locked queue '{queue}' in vhost '{vhost}'. It could be "
        "originally declared on another connection or the exclusive property value does not match "
        "that of the original declaration.",
    )


def failed(text: str) -> ChannelError:
    return ChannelError(406, text)


def not_allowed(text: str) -> ConnectionError_:
    return ConnectionError_(530, text)


def not_implemented(text: str) -> ConnectionError_:
    return ConnectionError_(540, text)
