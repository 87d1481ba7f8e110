"""How much an object of a learner's holds on to, for graders: what is never let go grows."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


def things_held_by(thing: Any) -> int:
    """How many things are in the dictionaries, lists, sets and queues of an object.

    Also in those of other objects of the same file that it holds, and in the file's own: as deep
    as one gets without entering what belongs to a library. Counted before and after, they say
    what stays behind; by themselves they say nothing.
    """
    home = type(thing).__module__
    todo: list[Any] = [thing, *_globals_of(type(thing))]
    seen: set[int] = set()
    found = 0
    while todo:
        each = todo.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        inside = _contents(each, home)
        found += len(inside)
        todo += inside
    return found


def _globals_of(kind: type) -> list[dict[str, Any]]:
    """The names of the file that a class is from."""
    methods = (getattr(value, "__globals__", None) for value in vars(kind).values())
    return [
        names for names in methods if names is not None and names["__name__"] == kind.__module__
    ]


def _contents(thing: Any, home: str) -> list[Any]:
    match thing:
        case dict():
            return list(thing.values())
        case list() | tuple() | set() | frozenset() | deque():
            return list(thing)
        case asyncio.Queue():
            return list(thing._queue)  # type: ignore[attr-defined]
        case type() if thing.__module__ == home:
            return list(vars(thing).values())
        case _ if type(thing).__module__ == home:
            slots = [
                name for kind in type(thing).__mro__ for name in vars(kind).get("__slots__", ())
            ]
            return [
                *getattr(thing, "__dict__", {}).values(),
                *(getattr(thing, name) for name in slots if hasattr(thing, name)),
            ]
    return []
