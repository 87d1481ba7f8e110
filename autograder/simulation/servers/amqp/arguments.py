"""The ``x-`` arguments of queues, checked and compared as RabbitMQ does."""

from __future__ import annotations

from typing import Any

from .errors import AmqpError, failed

KINDS = ("classic", "quorum")
OVERFLOWS = ("drop-head", "reject-publish", "reject-publish-dlx")
_LEAST = {
    "x-message-ttl": 0,
    "x-expires": 1,
    "x-max-length": 0,
    "x-max-length-bytes": 0,
    "x-max-priority": 0,
}
_NOT_FOR = {"quorum": ("x-max-priority", "x-queue-mode"), "classic": ("x-delivery-limit",)}
_COMPARED = (
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-single-active-consumer",
    "x-queue-type",
)


def check(name: str, vhost: str, arguments: dict[str, Any]) -> None:
    """Raises ChannelError if an argument has a value that the queue cannot work with."""
    where = f"queue '{name}' in vhost '{vhost}'"
    exchange = arguments.get("x-dead-letter-exchange", "")
    if not isinstance(exchange, str):
        raise failed(
            f"invalid type '{erlang_type(exchange)}' for arg 'x-dead-letter-exchange' in {where}"
        )
    for key, value in arguments.items():
        reason = _complaint(key, value, arguments)
        if reason is not None:
            raise failed(f"invalid arg '{key}' for {where}: {reason}")
    kind = arguments.get("x-queue-type", "classic")
    for key in _NOT_FOR[kind]:
        if key in arguments:
            raise failed(f"invalid arg '{key}' for {where} of queue type rabbit_{kind}_queue")


def _complaint(key: str, value: Any, arguments: dict[str, Any]) -> str | None:
    if key in _LEAST:
        return _bad_number(value, _LEAST[key], 255 if key == "x-max-priority" else None)
    if key in ("x-overflow", "x-queue-type", "x-dead-letter-routing-key"):
        return _bad_text(key, value, arguments)
    if key == "x-single-active-consumer" and not isinstance(value, bool):
        return f"{{unacceptable_type,{erlang_type(value)}}}"
    return None


def _bad_number(value: Any, least: int, most: int | None) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return f'"expected integer, got {erlang_type(value)}"'
    if value < 0:
        return f"{{value_negative,{value}}}"
    if value < least:
        return f"{{value_zero,{value}}}"
    if most is not None and value > most:
        return f"{{max_value_exceeded,{value}}}"
    return None


def _bad_text(key: str, value: Any, arguments: dict[str, Any]) -> str | None:
    if not isinstance(value, str):
        return f"{{unacceptable_type,{erlang_type(value)}}}"
    if key == "x-overflow" and value not in OVERFLOWS:
        return "invalid_overflow"
    if key == "x-queue-type" and value not in KINDS:
        return f"\"unsupported queue type '{value}'\""
    if key == "x-dead-letter-routing-key" and "x-dead-letter-exchange" not in arguments:
        return "routing_key_but_no_dlx_defined"
    return None


def compare(what: str, vhost: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Raises ChannelError if a declaration asks for other arguments than those there are.

    ``what`` names the thing, such as "queue 'orders'".
    """
    for key in _COMPARED:
        # A classic queue need not say that it is one.
        default = "classic" if key == "x-queue-type" else None
        if old.get(key, default) != new.get(key, default):
            raise different(key, what, vhost, old.get(key), new.get(key))


def different(key: str, what: str, vhost: str, old: Any, new: Any) -> AmqpError:
    """The error for an argument that differs from what was declared before."""
    both = old is not None and new is not None
    return failed(
        f"inequivalent arg '{key}' for {what} in vhost '{vhost}': "
        f"received {_value(new, both)} but current is {_value(old, both)}"
    )


def _value(value: Any, bare: bool) -> str:
    if value is None:
        return "none"
    return (
        f"'{shown(value)}'"
        if bare
        else f"the value '{shown(value)}' of type '{erlang_type(value)}'"
    )


def shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def erlang_type(value: Any) -> str:
    """What RabbitMQ calls the type of a value that came in a table."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return _integer_type(value)
    names = {str: "longstr", float: "float", dict: "table", list: "array", type(None): "void"}
    return names.get(type(value), "binary")


def _integer_type(value: int) -> str:
    """The smallest type that holds it: so pamqp encodes it."""
    for bits, signed, unsigned in (
        (8, "byte", None),
        (16, "short", "unsignedshort"),
        (32, "signedint", "unsignedint"),
    ):
        half = 1 << (bits - 1)
        if -half <= value < half:
            return signed
        if unsigned is not None and 0 <= value < 2 * half:
            return unsigned
    return "long"
