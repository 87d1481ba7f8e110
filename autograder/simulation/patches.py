"""Replacing attributes for a while, and putting them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Patches:
    """Attributes replaced together and restored together, last replaced first."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def put(self, owner: Any, name: str, replacement: Any) -> Any:
        """Set ``owner.name``; gives back what was there."""
        original = getattr(owner, name)
        if name in vars(owner):
            self._undo.append(lambda: setattr(owner, name, original))
        else:
            self._undo.append(lambda: delattr(owner, name))
        setattr(owner, name, replacement)
        return original

    def put_global(self, module: Any, name: str, replacement: Any) -> None:
        """Set a name of a module that may be a builtin's, and so not among its own."""
        names = vars(module)
        if name in names:
            self.put(module, name, replacement)
            return
        self._undo.append(lambda: names.pop(name))
        names[name] = replacement

    def undo_with(self, undo: Callable[[], object]) -> None:
        """Call ``undo`` when it is time to restore."""
        self._undo.append(undo)

    def restore(self) -> None:
        while self._undo:
            self._undo.pop()()
