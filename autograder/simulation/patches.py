"""Replacing attributes for a while, and putting them back."""

from __future__ import annotations

from typing import Any


class Patches:
    """Attributes replaced together and restored together, last replaced first."""

    def __init__(self) -> None:
        self._saved: list[tuple[Any, str, Any]] = []

    def put(self, owner: Any, name: str, replacement: Any) -> Any:
        """Set ``owner.name``; gives back what was there."""
        original = getattr(owner, name)
        self._saved.append((owner, name, original))
        setattr(owner, name, replacement)
        return original

    def restore(self) -> None:
        while self._saved:
            owner, name, original = self._saved.pop()
            setattr(owner, name, original)
