"""State and items are read-only to the bottom; the status is an enumeration."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
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


class Status(StrEnum):
    PLACED = "placed"
    RESERVED = "reserved"
    PAID = "paid"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Order:
    status: str | None = None
    total: int = 0
    paid: int = 0
    until: float | None = None
    done: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def apply(state, event):
    done = MappingProxyType({**state.done, event.cause: type(event).__name__})
    status, total, paid, until = state.status, state.total, state.paid, state.until
    if isinstance(event, OrderPlaced):
        status, total = Status.PLACED, event.total
    elif isinstance(event, StockReserved):
        status, until = Status.RESERVED, event.until
    elif isinstance(event, StockReleased):
        until = None
    elif isinstance(event, PaymentTaken):
        paid += event.amount
        if paid >= total:
            status = Status.PAID
    elif isinstance(event, PaymentRefunded):
        paid -= event.amount
    elif isinstance(event, OrderShipped):
        status = Status.SHIPPED
    elif isinstance(event, OrderDelivered):
        status = Status.DELIVERED
    elif isinstance(event, OrderCancelled):
        status = Status.CANCELLED
    return Order(status, total, paid, until, done)


def decide(state, command):
    if command.id in state.done:
        return []
    about = {"order_id": command.order_id, "cause": command.id}
    held = state.until is not None and command.at <= state.until
    match command, state.status:
        case PlaceOrder(items=items), None:
            items = MappingProxyType(dict(items))
            placed = {"customer": command.customer, "items": items, "total": command.total}
            return [OrderPlaced(**about, **placed)]
        case ReserveStock(), status if status == "placed" or (status == "reserved" and not held):
            return [StockReserved(**about, until=command.at + HOLD)]
        case TakePayment(amount=amount), Status.RESERVED if held:
            if amount + state.paid <= state.total:
                return [PaymentTaken(**about, amount=amount)]
        case ShipOrder(), Status.PAID:
            return [OrderShipped(**about, parcel=command.parcel)]
        case ConfirmDelivery(), Status.SHIPPED:
            return [OrderDelivered(**about)]
        case CancelOrder(), Status.PLACED | Status.RESERVED | Status.PAID:
            refunded = [PaymentRefunded(**about, amount=state.paid)] if state.paid else []
            released = [] if state.until is None else [StockReleased(**about)]
            return [*refunded, *released, OrderCancelled(**about, reason=command.reason)]
    raise Refused(f"{type(command).__name__}: {state.status}")


async def handle(store, command, tell, *, attempts=5):
    error = None
    while attempts > 0:
        attempts -= 1
        events = tuple(await store.load(command.order_id))
        state = Order()
        for event in events:
            state = apply(state, event)
        new = decide(state, command)
        if not new:
            return new
        try:
            await store.append(command.order_id, tuple(new), len(events))
        except Conflict as conflict:
            error = conflict
        else:
            break
    else:
        raise error
    for event in new:
        await tell(event)
    return new
