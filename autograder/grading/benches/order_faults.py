"""What can be wrong with an order that agents brought to its end, and how a grader tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..mistakes import mistake

Kind = Literal[
    "raises",  # the same error again and again, or one that ended everything
    "returned",  # it ended, and nobody had asked it to
    "misuse",  # a message that nobody can understand
    "odd",  # something else than the order's items, total or parcel was taken or given
    "too soon",
    "undone, never done",
    "undone twice",
    "undone in forward order",
    "undone after the pivot",
    "done twice",
    "done after the undo",
    "rolled back",  # it came back from an event without having committed
    "early",  # cancelled before all was undone
    "money kept",  # cancelled, and not paid back
    "kept",  # cancelled, and something else is left
    "silent",  # an effect that nobody was told of
    "only said",  # somebody was told of an effect that there is not
    "said twice",
    "took back",  # it was said, and somebody wants not to have said it
    "two ends",
    "untrue",  # an end that it has not had
    "goes on",  # after the end
    "no end",
    "unacknowledged",
    "stays",  # it was cancelled
]


@dataclass(frozen=True)
class Fault:
    """What is wrong, of which kind, and in words; ``error`` is what was raised, if anything was."""

    kind: Kind
    said: str
    error: BaseException | None = None


GENERAL: dict[str, str] = {
    "undone, never done": "undo-what-never-happened",
    "undone twice": "compensation-not-idempotent",
    "undone in forward order": "forward-order-undo",
    "undone after the pivot": "undoes-past-the-pivot",
    "done after the undo": "no-tombstone",
    "early": "cancelled-too-early",
}
"""The mistakes that are told by what has happened, whatever the reason."""


def blame(found: Sequence[Fault], names: Mapping[str, str] | None = None) -> None:
    """Fail with the gravest fault, if there is one, and the mistake if it can be no other one.

    ``found``: the gravest first; ``names``: which mistake a kind shows besides those in `GENERAL`.
    """
    if not found:
        return
    fault = found[0]
    name = {**GENERAL, **(names or {})}.get(fault.kind)
    raise AssertionError(mistake(name, fault.said) if name else fault.said) from fault.error
