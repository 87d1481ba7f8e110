"""A function for each event and each command, found in two dicts; the attempts are counted down,
and the last Conflict goes through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    status: str | None = None
    total: int = 0
    paid: int = 0
    hold: float | None = None
    done: tuple[str, ...] = ()


APPLY = {
    OrderPlaced: lambda o, e: replace(o, status="placed", total=e.total),
    StockReserved: lambda o, e: replace(o, status="reserved", hold=e.until),
    StockReleased: lambda o, e: replace(o, hold=None),
    PaymentRefunded: lambda o, e: replace(o, paid=o.paid - e.amount),
    OrderShipped: lambda o, e: replace(o, status="shipped"),
    OrderDelivered: lambda o, e: replace(o, status="delivered"),
    OrderCancelled: lambda o, e: replace(o, status="cancelled"),
}


def apply_payment(order, event):
    order = replace(order, paid=order.paid + event.amount)
    return order if order.paid < order.total else replace(order, status="paid")


APPLY[PaymentTaken] = apply_payment


def apply(state, event):
    return replace(APPLY[type(event)](state, event), done=(*state.done, event.cause))


def place(order, command, by):
    require(order.status is None)
    said = {"customer": command.customer, "items": command.items, "total": command.total}
    return [OrderPlaced(**by, **said)]


def reserve(order, command, by):
    lost = order.status == "reserved" and command.at > order.hold
    require(order.status == "placed" or lost)
    return [StockReserved(**by, until=command.at + HOLD)]


def take(order, command, by):
    require(order.status == "reserved" and command.at <= order.hold)
    require(command.amount <= order.total - order.paid)
    return [PaymentTaken(**by, amount=command.amount)]


def ship(order, command, by):
    require(order.status == "paid")
    return [OrderShipped(**by, parcel=command.parcel)]


def confirm(order, command, by):
    require(order.status == "shipped")
    return [OrderDelivered(**by)]


def cancel(order, command, by):
    require(order.status in {"placed", "reserved", "paid"})
    refund = [PaymentRefunded(**by, amount=order.paid)] if order.paid else []
    release = [] if order.hold is None else [StockReleased(**by)]
    return refund + release + [OrderCancelled(**by, reason=command.reason)]


DECIDE = {
    PlaceOrder: place,
    ReserveStock: reserve,
    TakePayment: take,
    ShipOrder: ship,
    ConfirmDelivery: confirm,
    CancelOrder: cancel,
}


def require(allowed):
    if not allowed:
        raise Refused


def decide(state, command):
    if command.id in state.done:
        return []
    by = {"order_id": command.order_id, "cause": command.id}
    return DECIDE[type(command)](state, command, by)


async def handle(store: Store, command: Command, tell: Tell, *, attempts: int = 5) -> list[Event]:
    """Carry a command out; the events that it made.

    Raises:
        Refused: it is not allowed.
        Conflict: somebody else was faster at every attempt.
    """
    while True:
        attempts -= 1
        order, version = Order(), 0
        for event in await store.load(command.order_id):
            order, version = apply(order, event), version + 1
        events = decide(order, command)
        try:
            if events:
                await store.append(command.order_id, events, version)
        except Conflict:
            if not attempts:
                raise
        else:
            for event in events:
                await tell(event)
            return events
