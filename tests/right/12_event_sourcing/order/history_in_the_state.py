"""The state keeps the events themselves, and works out what is asked. decide is a generator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

HOLD = 15 * 60.0
"""How long stock is held for an order that is not paid, seconds."""


class Refused(Exception):
    """The order is not in a state in which this can be done."""


class Conflict(Exception):
    """The stream does not end where the caller thought it did."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Asks for something to be done. It has the same `id` when it comes again.

    `at` is when the shop took it in, in seconds since 1970. It may have waited in a queue since.
    """

    id: str
    order_id: str
    at: float


@dataclass(frozen=True, kw_only=True)
class PlaceOrder(Command):
    customer: str
    items: Mapping[str, int]
    total: int  # cents


@dataclass(frozen=True, kw_only=True)
class ReserveStock(Command):
    pass


@dataclass(frozen=True, kw_only=True)
class TakePayment(Command):
    amount: int  # cents; an order may be paid in several parts


@dataclass(frozen=True, kw_only=True)
class ShipOrder(Command):
    parcel: str


@dataclass(frozen=True, kw_only=True)
class ConfirmDelivery(Command):
    pass


@dataclass(frozen=True, kw_only=True)
class CancelOrder(Command):
    reason: str


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that has happened. `cause` is the id of the command that was carried out."""

    order_id: str
    cause: str


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(Event):
    customer: str
    items: Mapping[str, int]
    total: int


@dataclass(frozen=True, kw_only=True)
class StockReserved(Event):
    until: float


@dataclass(frozen=True, kw_only=True)
class StockReleased(Event):
    pass


@dataclass(frozen=True, kw_only=True)
class PaymentTaken(Event):
    amount: int


@dataclass(frozen=True, kw_only=True)
class PaymentRefunded(Event):
    amount: int


@dataclass(frozen=True, kw_only=True)
class OrderShipped(Event):
    parcel: str


@dataclass(frozen=True, kw_only=True)
class OrderDelivered(Event):
    pass


@dataclass(frozen=True, kw_only=True)
class OrderCancelled(Event):
    reason: str


class Store(Protocol):
    """Where the events are."""

    async def load(self, order_id: str) -> Sequence[Event]:
        """All events of an order, oldest first."""

    async def append(self, order_id: str, events: Sequence[Event], expected: int) -> None:
        """Record all events, or none. Conflict if the order has not got `expected` events now."""


Tell = Callable[[Event], Awaitable[None]]
"""Tells the world of an event: the customer gets a mail, the warehouse a slip of paper."""


@dataclass(frozen=True)
class Order:
    events: tuple[Event, ...] = ()

    def last(self, *kinds):
        return next((event for event in reversed(self.events) if isinstance(event, kinds)), None)

    @property
    def total(self):
        placed = self.last(OrderPlaced)
        return placed.total if placed else 0

    @property
    def paid(self):
        taken = sum(event.amount for event in self.events if isinstance(event, PaymentTaken))
        return taken - sum(e.amount for e in self.events if isinstance(e, PaymentRefunded))

    @property
    def status(self):
        ends = {OrderCancelled: "cancelled", OrderDelivered: "delivered", OrderShipped: "shipped"}
        for kind, name in ends.items():
            if self.last(kind):
                return name
        if not self.last(OrderPlaced):
            return None
        if self.paid >= self.total:
            return "paid"
        return "reserved" if self.last(StockReserved) else "placed"


def apply(state, event):
    return Order((*state.events, event))


def decide(state, command):
    if any(event.cause == command.id for event in state.events):
        return
    facts = {"order_id": command.order_id, "cause": command.id}
    hold = state.last(StockReserved)
    held = hold is not None and command.at <= hold.until
    match command:
        case PlaceOrder():
            allowed = state.status is None
            if allowed:
                yield OrderPlaced(
                    **facts, customer=command.customer, items=command.items, total=command.total
                )
        case ReserveStock():
            allowed = state.status == "placed" or (state.status == "reserved" and not held)
            if allowed:
                yield StockReserved(**facts, until=command.at + HOLD)
        case TakePayment():
            fits = state.paid + command.amount <= state.total
            allowed = state.status == "reserved" and held and fits
            if allowed:
                yield PaymentTaken(**facts, amount=command.amount)
        case ShipOrder():
            allowed = state.status == "paid"
            if allowed:
                yield OrderShipped(**facts, parcel=command.parcel)
        case ConfirmDelivery():
            allowed = state.status == "shipped"
            if allowed:
                yield OrderDelivered(**facts)
        case CancelOrder():
            allowed = state.status in ("placed", "reserved", "paid")
            if allowed and state.paid:
                yield PaymentRefunded(**facts, amount=state.paid)
            if allowed and hold:
                yield StockReleased(**facts)
            if allowed:
                yield OrderCancelled(**facts, reason=command.reason)
    if not allowed:
        raise Refused(command)


async def handle(store: Store, command: Command, tell: Tell, *, attempts: int = 5) -> list[Event]:
    """Carry a command out; the events that it made.

    Raises:
        Refused: it is not allowed.
        Conflict: somebody else was faster at every attempt.
    """
    for _ in range(attempts):
        history = await store.load(command.order_id)
        new = [*decide(reduce(apply, history, Order()), command)]
        if not new:
            return []
        try:
            await store.append(command.order_id, new, expected=len(history))
        except Conflict:
            continue  # what was decided is void: it was decided on another history
        for event in new:  # now it has happened, and only now
            await tell(event)
        return new
    raise Conflict(f"{attempts} attempts, and each time the order had changed")
