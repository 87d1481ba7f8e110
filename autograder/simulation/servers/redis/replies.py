"""What a command answers, before it is bytes.

A handler returns plain Python, and `resp` writes it in the protocol of the connection:

=================  ======================  ======================
Python             RESP2                   RESP3
=================  ======================  ======================
``str``            simple string           simple string
``bytes``          bulk string             bulk string
``int``            integer                 integer
``float``          bulk string             double
``None``           null bulk string        null
``NULL_ARRAY``     null array              null
``list``           array                   array
``dict``           flat array              map
`Pairs`            flat array              array of pairs
`Streams`          array of pairs          map
`Members`          array                   set
`Push`             array                   push
`Text`             bulk string             verbatim string
`RedisError`       error                   error
=================  ======================  ======================
"""

from __future__ import annotations

from typing import Any

Reply = Any
"""One of the types above, or a container of them."""


class RedisError(Exception):
    """An error as the server words it: a code in capitals, a space, a sentence."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Pairs(list[tuple[Any, Any]]):
    """Two by two, as ``WITHSCORES`` answers."""

    __slots__ = ()


class Streams(list[tuple[bytes, Any]]):
    """Entries by key, as XREAD answers."""

    __slots__ = ()


class Members(list[Any]):
    """A set."""

    __slots__ = ()


class Push(list[Any]):
    """What nobody asked for at that moment, such as a message of a channel."""

    __slots__ = ()


class Text(bytes):
    """Text for people, such as INFO's."""

    __slots__ = ()


class _Marker:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


NULL_ARRAY = _Marker("NULL_ARRAY")
NO_REPLY = _Marker("NO_REPLY")
"""The command has answered by itself, or nobody is to be answered."""
NOTHING_YET = _Marker("NOTHING_YET")
"""A blocking command has found nothing and waits on."""


def wrong_type() -> RedisError:
    return RedisError("WRONGTYPE Operation against a key holding the wrong kind of value")


def syntax_error() -> RedisError:
    return RedisError("ERR syntax error")


def not_an_integer() -> RedisError:
    return RedisError("ERR value is not an integer or out of range")


def not_a_float() -> RedisError:
    return RedisError("ERR value is not a valid float")


def no_such_key() -> RedisError:
    return RedisError("ERR no such key")
