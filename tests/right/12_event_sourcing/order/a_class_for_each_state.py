"""Each state is a class of its own, which knows what may happen to it; handle calls itself."""

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
    status: str | None = None
    total: int = 0
    paid: int = 0
    until: float = float("-inf")
    known: frozenset = frozenset()

    def place(self, c, **by):
        raise Refused(c)

    reserve = pay = ship = confirm = cancel = place

    def undo(self, c, **by):
        if self.paid:
            yield PaymentRefunded(amount=self.paid, **by)
        if self.until > float("-inf"):
            yield StockReleased(**by)
        yield OrderCancelled(reason=c.reason, **by)


class Nothing(Order):
    def place(self, c, **by):
        return [OrderPlaced(customer=c.customer, items=c.items, total=c.total, **by)]


class Placed(Order):
    cancel = Order.undo

    def reserve(self, c, **by):
        return [StockReserved(until=c.at + HOLD, **by)]


class Reserved(Order):
    cancel = Order.undo

    def reserve(self, c, **by):
        return Placed.reserve(self, c, **by) if c.at > self.until else super().reserve(c)

    def pay(self, c, **by):
        if c.at > self.until or c.amount > self.total - self.paid:
            raise Refused(c)
        return [PaymentTaken(amount=c.amount, **by)]


class Paid(Order):
    cancel = Order.undo

    def ship(self, c, **by):
        return [OrderShipped(parcel=c.parcel, **by)]


class Shipped(Order):
    def confirm(self, c, **by):
        return [OrderDelivered(**by)]


BEHAVIOUR = {
    None: Nothing,
    "placed": Placed,
    "reserved": Reserved,
    "paid": Paid,
    "shipped": Shipped,
}
ASKED = {
    PlaceOrder: "place",
    ReserveStock: "reserve",
    TakePayment: "pay",
    ShipOrder: "ship",
    ConfirmDelivery: "confirm",
    CancelOrder: "cancel",
}
STATUS = {OrderPlaced: "placed", StockReserved: "reserved", OrderShipped: "shipped"}
STATUS |= {OrderDelivered: "delivered", OrderCancelled: "cancelled"}


def apply(state, event):
    facts = {**vars(state), "known": state.known | {event.cause}}
    facts["status"] = STATUS.get(type(event), state.status)
    if isinstance(event, OrderPlaced):
        facts["total"] = event.total
    elif isinstance(event, StockReserved):
        facts["until"] = event.until
    elif isinstance(event, StockReleased):
        facts["until"] = float("-inf")
    elif isinstance(event, PaymentTaken):
        facts["paid"] += event.amount
        if facts["paid"] >= facts["total"]:
            facts["status"] = "paid"
    elif isinstance(event, PaymentRefunded):
        facts["paid"] -= event.amount
    return Order(**facts)


def decide(state, command):
    if command.id in state.known:
        return []
    behaviour = BEHAVIOUR.get(state.status, Order)(**vars(state))
    act = getattr(behaviour, ASKED[type(command)])
    return list(act(command, order_id=command.order_id, cause=command.id))


async def handle(store: Store, command: Command, tell: Tell, *, attempts: int = 5) -> list[Event]:
    """Carry a command out; the events that it made.

    Raises:
        Refused: it is not allowed.
        Conflict: somebody else was faster at every attempt.
    """
    if attempts == 0:
        raise Conflict
    history = tuple(await store.load(command.order_id))
    new = decide(reduce(apply, history, Order()), command)
    if new:
        try:
            await store.append(command.order_id, tuple(new), len(history))
        except Conflict:
            return await handle(store, command, tell, attempts=attempts - 1)
        for event in new:
            await tell(event)
    return new
