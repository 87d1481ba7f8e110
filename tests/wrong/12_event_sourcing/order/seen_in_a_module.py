"""Remembers the ids of commands in a set of the module, when it decides on them. After a conflict
the command has been seen, and is never carried out; and after a restart nothing has been seen.

mistake: hidden-state
also: not-idempotent, done-and-refused
fails: test_the_same_question_has_the_same_answer,
    test_a_command_that_comes_again_changes_nothing, test_the_clock_is_not_read,
    test_what_decides_no_events_appends_nothing, test_a_conflict_begins_again,
    test_it_gives_up_in_the_end, test_a_decision_is_recorded_on_what_it_was_decided_on,
    test_what_is_given_is_left_as_it_is, test_killed_anywhere_and_sent_again,
    test_two_deliveries_of_a_command_are_one, test_what_others_have_recorded_counts
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Protocol

SEEN: set[str] = set()
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
    """What is so after some events. `Order()`: nothing has happened yet."""

    status: str | None = None
    total: int = 0  # cents
    paid: int = 0  # cents: taken, and not refunded
    reserved: bool = False
    until: float = 0.0  # how long the stock is held
    causes: frozenset[str] = frozenset()  # the commands that have been carried out


def apply(state: Order, event: Event) -> Order:
    """What is so when this has happened, too."""
    state = replace(state, causes=state.causes | {event.cause})
    # No event is judged here. Whether it may happen was decided before it did.
    match event:
        case OrderPlaced(total=total):
            return replace(state, status="placed", total=total)
        case StockReserved(until=until):
            # `until` is in the event, since HOLD may be another one when it is replayed.
            return replace(state, status="reserved", reserved=True, until=until)
        case StockReleased():
            return replace(state, reserved=False)
        case PaymentTaken(amount=amount):
            paid = state.paid + amount
            return replace(state, paid=paid, status="paid" if paid >= state.total else state.status)
        case PaymentRefunded(amount=amount):
            return replace(state, paid=state.paid - amount)
        case OrderShipped():
            return replace(state, status="shipped")
        case OrderDelivered():
            return replace(state, status="delivered")
        case OrderCancelled():
            return replace(state, status="cancelled")
    return state


def decide(state: Order, command: Command) -> list[Event]:
    """What happens because of a command, in order.

    Raises:
        Refused: it is not allowed in this state.
    """
    if command.id in SEEN:
        return []
    SEEN.add(command.id)
    about = {"order_id": command.order_id, "cause": command.id}
    run_out = command.at > state.until
    match command, state.status:
        case PlaceOrder(customer=customer, items=items, total=total), None:
            return [OrderPlaced(**about, customer=customer, items=items, total=total)]
        case ReserveStock(), "placed":
            return [StockReserved(**about, until=command.at + HOLD)]
        case ReserveStock(), "reserved" if run_out:
            return [StockReserved(**about, until=command.at + HOLD)]
        case TakePayment(amount=amount), "reserved" if not run_out:
            if amount <= state.total - state.paid:
                return [PaymentTaken(**about, amount=amount)]
        case ShipOrder(parcel=parcel), "paid":
            return [OrderShipped(**about, parcel=parcel)]
        case ConfirmDelivery(), "shipped":
            return [OrderDelivered(**about)]
        case CancelOrder(reason=reason), "placed" | "reserved" | "paid":
            undone: list[Event] = []
            if state.paid:
                undone.append(PaymentRefunded(**about, amount=state.paid))
            if state.reserved:
                undone.append(StockReleased(**about))
            return [*undone, OrderCancelled(**about, reason=reason)]
    raise Refused(f"{type(command).__name__}: the order is {state.status or 'not there'}")


async def handle(store: Store, command: Command, tell: Tell, *, attempts: int = 5) -> list[Event]:
    """Carry a command out; the events that it made.

    Raises:
        Refused: it is not allowed.
        Conflict: somebody else was faster at every attempt.
    """
    for _ in range(attempts):
        history = await store.load(command.order_id)
        new = decide(reduce(apply, history, Order()), command)
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
