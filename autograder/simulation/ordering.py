"""Sets that are walked in the order in which they were filled.

A set of objects is walked in the order of their addresses in memory, which differs from run to run:
a library that closes or restores what is in one would make the same world run differently each
time. While worlds run, modules that do so make sets of these kinds instead.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Iterator, MutableMapping, MutableSet
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from .patches import Patches


class OrderedSet(MutableSet[Any]):
    """A set that remembers the order in which its elements came."""

    def __init__(self, elements: Iterable[Any] = ()) -> None:
        self._elements: MutableMapping[Any, None] = dict.fromkeys(elements)

    def __contains__(self, element: object) -> bool:
        return element in self._elements

    def __iter__(self) -> Iterator[Any]:
        return iter(self._elements)

    def __len__(self) -> int:
        return len(self._elements)

    def add(self, value: Any) -> None:
        self._elements[value] = None

    def discard(self, value: Any) -> None:
        self._elements.pop(value, None)


class OrderedWeakSet(OrderedSet):
    """The same for elements that it does not keep alive."""

    def __init__(self, elements: Iterable[Any] = ()) -> None:
        self._elements = WeakKeyDictionary()
        for element in elements:
            self.add(element)


_WALKED_SETS = {
    "aiormq.base": ("set",),  # futures and tasks to reject
    "aiormq.channel": ("set",),  # callbacks
    "aio_pika.tools": ("set", "WeakSet"),  # callbacks
    "aio_pika.robust_channel": ("set",),  # queues to restore
    "aio_pika.robust_connection": ("WeakSet",),  # channels to restore
}
_INSTEAD: dict[str, tuple[Any, Any]] = {
    "set": (builtins.set, OrderedSet),
    "WeakSet": (WeakSet, OrderedWeakSet),
}


def install(patches: Patches) -> None:
    """Have the modules above make sets that are walked in order."""
    for module_name, names in _WALKED_SETS.items():
        module = sys.modules.get(module_name)
        for name in names if module is not None else ():
            original, ordered = _INSTEAD[name]
            if getattr(module, name, original) is original:
                patches.put_global(module, name, ordered)
