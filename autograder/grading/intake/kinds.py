"""What every kind of submission can be asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["file", "link", "other"]


class NoSubmission(Exception):
    """Nothing is where a submission was said to be; one sentence that says so."""


class CannotRead(Exception):
    """A submission, or a file of it, cannot be read; one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a submission has: a regular file, a link, or something else.

    Attributes:
        size: in bytes, as its keeper tells it.
    """

    kind: Kind
    size: int = 0


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A submission that is there and cannot be read; `why` says the reason."""

    name: str
    why: str

    def entry(self, path: str) -> Entry | None:
        return None

    def read(self, path: str, most: int) -> bytes:
        raise CannotRead(self.why)

    def listing(self, most: int) -> Iterable[str]:
        return ()


class Source(Protocol):
    """A submission, wherever it is kept. Paths are relative and have / between their parts."""

    @property
    def name(self) -> str:
        """What the submission is called in a verdict."""

    def entry(self, path: str) -> Entry | None:
        """What there is at a path, without following links; None if nothing is."""

    def read(self, path: str, most: int) -> bytes:
        """At most so many bytes of a regular file."""

    def listing(self, most: int) -> Iterable[str]:
        """Some paths of files, at most so many: to see how it is laid out, and what was changed."""
