"""Exchanges: which bindings a message matches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

from .message import Message

if TYPE_CHECKING:
    from .queues import Queue

Destination = Union["Queue", "Exchange"]

TYPES = ("direct", "fanout", "topic", "headers")


@dataclass(eq=False, slots=True)
class Binding:
    """Leads what matches ``key`` (or ``arguments``, for headers exchanges) to a destination."""

    destination: Destination
    key: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def is_same(self, destination: Destination, key: str, arguments: dict[str, Any]) -> bool:
        return self.destination is destination and self.key == key and self.arguments == arguments


class Exchange:
    """One exchange and the bindings that lead away from it."""

    def __init__(
        self,
        name: str,
        kind: str,
        *,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.durable = durable
        self.auto_delete = auto_delete
        self.internal = internal
        self.arguments = arguments or {}
        self.bindings: list[Binding] = []

    @property
    def alternate(self) -> str | None:
        """Where messages go that match no binding."""
        name = self.arguments.get("alternate-exchange")
        return None if name is None else str(name)

    def bind(self, destination: Destination, key: str, arguments: dict[str, Any]) -> None:
        """A binding that is there already is not made twice."""
        if not any(b.is_same(destination, key, arguments) for b in self.bindings):
            self.bindings.append(Binding(destination, key, arguments))

    def unbind(self, destination: Destination, key: str, arguments: dict[str, Any]) -> bool:
        """True if there was such a binding."""
        kept = [b for b in self.bindings if not b.is_same(destination, key, arguments)]
        gone = len(kept) < len(self.bindings)
        self.bindings = kept
        return gone

    def forget(self, destination: Destination) -> bool:
        """Remove the bindings to a destination that is deleted; True if there were any."""
        kept = [b for b in self.bindings if b.destination is not destination]
        gone = len(kept) < len(self.bindings)
        self.bindings = kept
        return gone

    def matching(self, message: Message) -> Iterator[Destination]:
        """The destinations of the bindings that the message matches."""
        for key in message.routing_keys:
            for binding in self.bindings:
                if self._matches(binding, key, message):
                    yield binding.destination

    def _matches(self, binding: Binding, key: str, message: Message) -> bool:
        if self.kind == "fanout":
            return True
        if self.kind == "direct":
            return binding.key == key
        if self.kind == "topic":
            return topic_matches(_words(binding.key), _words(key))
        return headers_match(binding.arguments, message.headers)


def _words(key: str) -> list[str]:
    """An empty key has no word at all."""
    return key.split(".") if key else []


def topic_matches(pattern: list[str], words: list[str]) -> bool:
    """``*`` stands for one word, ``#`` for any number of words."""
    if not pattern:
        return not words
    first, rest = pattern[0], pattern[1:]
    if first == "#":
        return any(topic_matches(rest, words[skipped:]) for skipped in range(len(words) + 1))
    return bool(words) and first in ("*", words[0]) and topic_matches(rest, words[1:])


def headers_match(wanted: dict[str, Any], headers: dict[str, Any]) -> bool:
    """``x-match`` says whether all or any of the arguments must match; ``-with-x`` counts those
    whose names begin with ``x-`` too. An argument without a value asks that the header be there."""
    mode = wanted.get("x-match", "all")
    with_x = mode in ("all-with-x", "any-with-x")
    conditions = [
        name in headers and (value is None or headers[name] == value)
        for name, value in wanted.items()
        if name != "x-match" and (with_x or not name.startswith("x-"))
    ]
    return any(conditions) if mode in ("any", "any-with-x") else all(conditions)
