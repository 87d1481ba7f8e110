"""What the graders of 12/order share: commands by name, the rules again, and how they are told."""

from __future__ import annotations

import copy
import copyreg
from collections.abc import Iterable, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any

ORDER = "o-17"
TOTAL = 8900
PLACED_AT = 1_700_000_000.0
"""When the first command of a test comes: long before any clock that a learner's code can read."""
KINDS = ("PlaceOrder", "ReserveStock", "TakePayment", "ShipOrder", "ConfirmDelivery", "CancelOrder")
STEPS: dict[str, tuple[str, ...]] = {
    "not there": (),
    "placed": ("PlaceOrder",),
    "reserved": ("PlaceOrder", "ReserveStock"),
    "paid": ("PlaceOrder", "ReserveStock", "TakePayment"),
    "shipped": ("PlaceOrder", "ReserveStock", "TakePayment", "ShipOrder"),
    "delivered": ("PlaceOrder", "ReserveStock", "TakePayment", "ShipOrder", "ConfirmDelivery"),
    "cancelled": ("PlaceOrder", "CancelOrder"),
}
"""How an order gets into each state."""


class Desk:
    """Makes commands, and knows what each of them has to do, from the history alone."""

    def __init__(self, submission: Any) -> None:
        self.submission = submission
        self.hold: float = submission.HOLD
        self._made = 0

    # -- commands and histories -------------------------------------------------------------------

    def command(self, kind: str, at: float = PLACED_AT, amount: int = TOTAL, id: str = "") -> Any:
        """A command with an id that no other one has, unless one is given."""
        self._made += 1
        contents: dict[str, dict[str, Any]] = {
            "PlaceOrder": {"customer": "ada", "items": {"lamp": 1}, "total": TOTAL},
            "TakePayment": {"amount": amount},
            "ShipOrder": {"parcel": "p-1"},
            "CancelOrder": {"reason": "changed her mind"},
        }
        made = getattr(self.submission, kind)
        return made(id=id or f"c-{self._made}", order_id=ORDER, at=at, **contents.get(kind, {}))

    def history(self, kinds: Iterable[str], at: float = PLACED_AT) -> list[Any]:
        """What a shop records that carries out these commands, all at one time."""
        events: list[Any] = []
        for kind in kinds:
            events += self.expected(events, self.command(kind, at)) or []
        return events

    def as_known_now(self, things: Iterable[Any]) -> list[Any]:
        """Events and commands, of the classes of the process that runs now."""
        return [
            getattr(self.submission, type(thing).__name__)(
                **{field.name: getattr(thing, field.name) for field in fields(thing)}
            )
            for thing in things
        ]

    def state(self, history: Iterable[Any]) -> Any:
        """The learner's state after a history."""
        state = self.submission.Order()
        for event in history:
            state = self.submission.apply(state, event)
            assert isinstance(state, self.submission.Order), (
                f"apply returned {state!r} for {in_short(event)}; expected an Order"
            )
        return state

    def decided(self, state: Any, command: Any) -> list[Any] | None:
        """What the learner's code decides; None if it refuses."""
        try:
            events = self.submission.decide(state, command)
            assert events is not None, f"decide returned None for {in_short(command)}"
            return list(events)
        except self.submission.Refused:
            return None

    # -- the rules --------------------------------------------------------------------------------

    def expected(self, history: Sequence[Any], command: Any) -> list[Any] | None:
        """What a command has to make happen after a history; None if it is to be refused."""
        if any(event.cause == command.id for event in history):
            return []
        about = {"order_id": command.order_id, "cause": command.id}
        make, kind = self.submission, type(command).__name__
        status, total, paid = facts(history)
        until = max((e.until for e in history if type(e).__name__ == "StockReserved"), default=0.0)
        run_out = command.at > until
        if kind == "PlaceOrder" and status is None:
            said = {"customer": command.customer, "items": command.items, "total": command.total}
            return [make.OrderPlaced(**about, **said)]
        if kind == "ReserveStock" and (status == "placed" or (status == "reserved" and run_out)):
            return [make.StockReserved(**about, until=command.at + self.hold)]
        if kind == "TakePayment" and status == "reserved" and not run_out:
            fits = command.amount <= total - paid
            return [make.PaymentTaken(**about, amount=command.amount)] if fits else None
        if kind == "ShipOrder" and status == "paid":
            return [make.OrderShipped(**about, parcel=command.parcel)]
        if kind == "ConfirmDelivery" and status == "shipped":
            return [make.OrderDelivered(**about)]
        if kind == "CancelOrder" and status in ("placed", "reserved", "paid"):
            undone = [make.PaymentRefunded(**about, amount=paid)] if paid else []
            undone += [make.StockReleased(**about)] if until else []
            return [*undone, make.OrderCancelled(**about, reason=command.reason)]
        return None


def facts(history: Iterable[Any]) -> tuple[str | None, int, int]:
    """Status, total and what is paid (cents), after a history that keeps to the rules."""
    status, total, paid = None, 0, 0
    for event in history:
        match type(event).__name__:
            case "OrderPlaced":
                status, total = "placed", event.total
            case "StockReserved":
                status = "reserved"
            case "PaymentTaken":
                paid += event.amount
                status = "paid" if paid >= total else status
            case "PaymentRefunded":
                paid -= event.amount
            case "OrderShipped" | "OrderDelivered" | "OrderCancelled" as name:
                status = name.removeprefix("Order").lower()
    return status, total, paid


def copied(thing: Any) -> Any:
    """A copy of a state, an event or a command, to the bottom.

    `copy` cannot copy read-only views of dicts, which are just the thing for a frozen state.
    """
    copyreg.pickle(MappingProxyType, lambda view: (MappingProxyType, (dict(view),)))
    try:
        return copy.deepcopy(thing)
    finally:
        del copyreg.dispatch_table[MappingProxyType]


# -- how it is told -------------------------------------------------------------------------------


def said(events: Sequence[Any] | None, since: float = PLACED_AT) -> str:
    """What was decided, in words. Times are told in seconds ``since`` the order was placed."""
    if events is None:
        return "Refused"
    return f"[{', '.join(in_short(event, since) for event in events)}]"


def in_short(thing: Any, since: float = PLACED_AT) -> str:
    """An event or a command, and what is particular about it."""
    told = []
    for name in ("amount", "total", "until"):
        value = getattr(thing, name, None)
        if value is not None:
            shown = f"+{value - since:g} s" if name == "until" else f"{value:,}"
            told.append(f"{name} {shown}")
    return f"{type(thing).__name__}({', '.join(told)})" if told else type(thing).__name__


def as_steps(commands: Iterable[Any], outcomes: Iterable[str]) -> str:
    """Commands, one a line, each with its time and what came of it."""
    rows = [
        f"  {command.at - PLACED_AT:6g} s  {in_short(command):34} {outcome}"
        for command, outcome in zip(commands, outcomes, strict=True)
    ]
    return "\n".join(rows)
