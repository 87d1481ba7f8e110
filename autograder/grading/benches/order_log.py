"""A log of a shop's events, and what they make of a read model, for graders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.simulation import World

STATUS = {
    "OrderPlaced": "placed",
    "StockReserved": "reserved",
    "PaymentTaken": "paid",
    "OrderShipped": "shipped",
    "OrderDelivered": "delivered",
    "OrderCancelled": "cancelled",
}
Told = tuple[str, dict[str, Any]]
"""An event's type and its data."""


def placed(order: str, customer: str, total: int = 4_900) -> Told:
    """An order of one lamp."""
    data = {"order_id": order, "customer": customer, "items": {"lamp": 1}, "total": total}
    return "OrderPlaced", data


def happened(kind: str, order: str, **data: Any) -> Told:
    """Something else that happens to an order."""
    return kind, {"order_id": order, **data}


def story(orders: int = 3, *, first: int = 1) -> list[Told]:
    """Whole lives of so many orders, mixed; every event changes something."""
    told: list[list[Told]] = []
    for number in range(first, first + orders):
        order, customer, amount = f"o-{number}", ("cy", "ada", "bob")[number % 3], 100 + number
        life = [placed(order, customer, amount), happened("StockReserved", order)]
        life.append(happened("PaymentTaken", order, amount=amount))
        if number % 2:
            life += [happened("OrderShipped", order, parcel=f"p-{number}")]
            life += [happened("OrderDelivered", order)]
        else:
            life += [happened("PaymentRefunded", order, amount=amount)]
            life += [happened("OrderCancelled", order, reason="changed their mind")]
        told.append(life)
    # The second order begins when the first one is half done, and so on.
    turns = sorted((2 * row + step, row, step) for row in range(orders) for step in range(5))
    return [told[row][step] for _, row, step in turns]


@dataclass(frozen=True)
class Rows:
    """The rows of a read model: by order (customer, status), by customer (orders, paid)."""

    orders: tuple[tuple[str, str, str], ...]
    customers: tuple[tuple[str, int, int], ...]


class Events:
    """All that has happened in the shop; processes read it through a `LogOf`.

    Args:
        repeats: whether what is read may come again, and pages be shorter than they could.
        gaps: whether numbers are missing between positions.

    Attributes:
        asked: for how many events each read of anybody asked.
    """

    def __init__(
        self, world: World, submission: ModuleType, *, repeats: bool = False, gaps: bool = True
    ) -> None:
        self.world = world
        self.repeats = repeats
        self.all: list[Any] = []
        self.asked: list[int] = []
        self._submission = submission
        self._gaps = gaps
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def last(self) -> int:
        """The position of the newest event; 0 if there is none."""
        return int(self.all[-1].position) if self.all else 0

    def add(self, *told: Told) -> None:
        """Something happens."""
        for kind, data in told:
            position = self.last + (2 if self._gaps and len(self.all) % 4 == 3 else 1)
            self.all.append(self._submission.Event(position, f"event-{position}", kind, data))
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    @property
    def kind(self) -> type[Any]:
        """What the process that was started last calls an Event."""
        return self._submission.Event  # type: ignore[no-any-return]

    async def more(self) -> None:
        """Returns when something has been added."""
        self._waiting.append(asyncio.get_running_loop().create_future())
        await self._waiting[-1]

    def rows(self, position: int) -> Rows:
        """What the events up to a position make."""
        orders: dict[str, tuple[str, str]] = {}
        customers: dict[str, tuple[int, int]] = {}
        for event in self.all:
            if event.position > position:
                break
            _add(orders, customers, event)
        return Rows(
            tuple((order, *row) for order, row in sorted(orders.items())),
            tuple((customer, *row) for customer, row in sorted(customers.items())),
        )


def _add(orders: dict[str, Any], customers: dict[str, Any], event: Any) -> None:
    order = event.data.get("order_id")
    if event.type == "OrderPlaced":
        customer = event.data["customer"]
        count, paid = customers.get(customer, (0, 0))
        orders[order], customers[customer] = (customer, "placed"), (count + 1, paid)
    elif event.type in STATUS:
        orders[order] = (orders[order][0], STATUS[event.type])
    if event.type in ("PaymentTaken", "PaymentRefunded"):
        sign = 1 if event.type == "PaymentTaken" else -1
        count, paid = customers[orders[order][0]]
        customers[orders[order][0]] = (count, paid + sign * event.data["amount"])


class LogOf:
    """The log as the process has it that was started last. This is what a submission is given.

    Attributes:
        answer: least and most seconds until the answer of a read arrives.
        reads: how often it was read.
        on_wait: called while a call of the log is under way; ``on_nothing``: while an answer is
            that there is nothing new.
    """

    def __init__(
        self, events: Events, name: str, answer: tuple[float, float] = (0.001, 0.050)
    ) -> None:
        self._events = events
        self._name = name
        self._kind = events.kind
        self.answer = answer
        self.reads = 0
        self.on_wait: Callable[[str], None] = lambda call: None
        self.on_nothing: Callable[[], None] = lambda: None

    async def read(self, after: int, limit: int) -> Sequence[Any]:
        """See the stub."""
        world, everything = self._events.world, self._events.all
        self.reads += 1
        self._events.asked.append(limit)
        await world.pause(f"{self._name} asks")
        new = [event for event in everything if event.position > after][: max(limit, 0)]
        old = [event for event in everything if event.position <= after]
        if new and self._events.repeats:
            again = old[len(old) - world.choose(3, f"{self._name} repeats") :] if old else []
            twice = world.choose(len(new) + 1, f"{self._name} doubles")
            new = new[: len(new) - world.choose(len(new), f"{self._name} is given fewer")]
            new = again + new[:twice] + new[max(twice - 1, 0) :]
        seconds = world.latency(f"{self._name} reads", *self.answer)
        await asyncio.sleep(seconds / 2)
        self.on_wait("log.read")
        if not new:
            self.on_nothing()
        await asyncio.sleep(seconds / 2)
        return [self._known(event) for event in new]

    def _known(self, event: Any) -> Any:
        """An event as this process knows events: another one may have written it down."""
        if type(event) is self._kind:
            return event
        return self._kind(event.position, event.id, event.type, event.data)

    async def wait(self, after: int) -> None:
        """See the stub."""
        while self._events.last <= after:
            self.on_wait("log.wait")
            await self._events.more()
        await self._events.world.pause(f"{self._name} is told")
