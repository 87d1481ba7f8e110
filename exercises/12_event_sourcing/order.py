"""Decide what happens to an order, from what has happened to it.

The shop keeps no row for an order. It keeps what has happened: a stream of events. What is so now
is what comes out if they are applied one after another, beginning with `Order()`; and what a
command does is decided from that, and from nothing else.

Write `apply`, `decide` and `handle`. The commands, the events, the errors and `Store` are given;
leave them as they are. To `Order` add what your decisions need to know, each with a default; it
stays a frozen dataclass.

    command           allowed if the order is           events
    PlaceOrder        not there yet                     OrderPlaced
    ReserveStock      placed, or reserved and run out   StockReserved, until = at + HOLD
    TakePayment       reserved and not run out, and     PaymentTaken
                      the amount is at most what is
                      still due
    ShipOrder         paid                              OrderShipped
    ConfirmDelivery   shipped                           OrderDelivered
    CancelOrder       placed, reserved or paid          PaymentRefunded, of all that is paid, if any
                                                        StockReleased, if reserved, run out or not
                                                        OrderCancelled

An order is "placed", "reserved", "paid" (as soon as payments have reached its total), "shipped",
"delivered" or "cancelled". A reservation has run out when the time is past its `until`.

Rules
  1. `decide` returns the events, which carry the command's id as their `cause`, or raises Refused.
  2. Commands come at least once. One that has been carried out decides no events, [], whatever
     has happened since. (One that was refused may be allowed the next time.)
  3. What was recorded has happened. `apply` raises for no event, in whatever order they come:
     under the rules of other years stock was held for longer, and orders were paid twice.
  4. Both are pure: the same arguments, the same answer, now and in a year, in this process and in
     another; and what they are given they leave as it is. The time that counts is the command's.
  5. `handle` loads the order, decides, appends what was decided to the history that it was decided
     on, and then awaits `tell(event)` for each new event, in order. It returns the new events. If
     there are none, nothing is appended.
  6. If somebody else has appended meanwhile, all begins again, with a load: at most `attempts`
     times. Then Conflict is raised. Refused goes through at once.
  7. The world is told what this call has recorded, when that is recorded, and nothing else: mails
     cannot be taken back.

Out of scope: commands that make no sense (amounts and quantities are 1 or more), orders mixed up, a
`tell` that fails, and a process that dies before it has told (that is for module 13).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
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
    """What is so after some events. `Order()`: nothing has happened yet."""

    status: str | None = None
    total: int = 0  # cents
    paid: int = 0  # cents: taken, and not refunded


def apply(state: Order, event: Event) -> Order:
    """What is so when this has happened, too."""
    raise NotImplementedError


def decide(state: Order, command: Command) -> list[Event]:
    """What happens because of a command, in order.

    Raises:
        Refused: it is not allowed in this state.
    """
    raise NotImplementedError


async def handle(store: Store, command: Command, tell: Tell, *, attempts: int = 5) -> list[Event]:
    """Carry a command out; the events that it made.

    Raises:
        Refused: it is not allowed.
        Conflict: somebody else was faster at every attempt.
    """
    raise NotImplementedError
