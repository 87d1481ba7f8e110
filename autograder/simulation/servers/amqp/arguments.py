"""The ``x-`` arguments of queues, checked and compared as RabbitMQ does."""

from __future__ import annotations

from typing import Any

from .errors import AmqpError, failed

KINDS = ("classic", "quorum")
OVERFLOWS = ("drop-head", "reject-publish", "reject-publish-dlx")
_DURATIONS = {"x-message-ttl": 0, "x-expires": 1}
_COUNTS = ("x-max-length", "x-max-length-bytes", "x-delivery-limit")
_MOST = 2**32 - 1  # milliseconds: more does not fit Erlang's timers
_NOT_FOR_QUORUM = ("x-max-priority", "x-queue-mode")
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
    "x-delivery-limit",
)


def check(name: str, vhost: str, arguments: dict[str, Any]) -> None:
    """Raises ChannelError if an argument has a value that the queue cannot work with."""
    for key, value in arguments.items():
        reason = _complaint(key, value, arguments)
        if reason is not None:
            raise failed(f"invalid arg '{key}' for queue '{name}' in vhost '{vhost}': {reason}")
    if arguments.get("x-queue-type") == "quorum":
        for key in _NOT_FOR_QUORUM:
            if key in arguments:
                raise failed(
                    f"invalid arg '{key}' for queue '{name}' in vhost '{vhost}' of queue type "
                    "rabbit_quorum_queue"
                )


def _complaint(key: str, value: Any, arguments: dict[str, Any]) -> str | None:
    if key in _DURATIONS:
        return _bad_number(value, _DURATIONS[key], _MOST)
    if key in _COUNTS:
        return _bad_number(value, 0, None)
    if key == "x-max-priority":
        return _bad_number(value, 0, 255)
    if key in ("x-dead-letter-exchange", "x-dead-letter-routing-key"):
        if not isinstance(value, str):
            return f"{{unacceptable_type,{erlang_type(value)}}}"
        if key == "x-dead-letter-routing-key" and "x-dead-letter-exchange" not in arguments:
            return "routing_key_but_no_dlx_defined"
    if key == "x-overflow" and value not in OVERFLOWS:
        return "invalid_overflow"
    if key == "x-queue-type" and value not in KINDS:
        return "unsupported_queue_type"
    if key == "x-single-active-consumer" and not isinstance(value, bool):
        return f"{{unacceptable_type,{erlang_type(value)}}}"
    return None


def _bad_number(value: Any, least: int, most: int | None) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return f"{{unacceptable_type,{erlang_type(value)}}}"
    if value < 0:
        return f"{{value_negative,{value}}}"
    if value < least:
        return f"{{value_zero,{value}}}"
    if most is not None and value > most:
        return f"{{value_too_large,{value}}}"
    return None


def compare(what: str, vhost: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Raises ChannelError if a declaration asks for other arguments than those there are.

    ``what`` names the thing, such as "queue 'orders'".
    """
    for key in _COMPARED:
        if old.get(key) != new.get(key):
            raise different(key, what, vhost, old.get(key), new.get(key))


def different(key: str, what: str, vhost: str, old: Any, new: Any) -> AmqpError:
    """The error for an argument that differs from what was declared before."""
    return failed(
        f"inequivalent arg '{key}' for {what} in vhost '{vhost}': "
        f"received {_value(new)} but current is {_value(old, ' value')}"
    )


def _value(value: Any, article: str = "") -> str:
    if value is None:
        return "none"
    return f"the value '{shown(value)}' of type '{erlang_type(value)}'"


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
