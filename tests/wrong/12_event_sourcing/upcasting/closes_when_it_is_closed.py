"""Closes the rows when its reader closes it. If it ends by itself, as it cannot read on, nobody
does.

mistake: generator-not-closed
fails: test_what_nobody_can_read_is_an_error
"""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

NEWEST: Mapping[str, int] = {
    "OrderPlaced": 3,
    "PaymentTaken": 1,
    "OrderShipped": 2,
    "OrderDelivered": 1,
}
"""The schema in which an event of each type is recorded today."""
SHIPPING = 690
"""What it costs to have an order sent, cents. Today."""


class UnknownEvent(Exception):
    """Nobody here knows how to read this event: it is of a program that is newer, or forgotten."""


@dataclass(frozen=True)
class Stored:
    """An event as it was recorded.

    Its place in the whole log is `position` (1, 2, ...), its place in its stream is `version`.
    """

    position: int
    stream: str
    version: int
    id: str
    type: str
    schema: int
    data: dict[str, Any]


@dataclass(frozen=True)
class Event:
    """An event as it would be recorded today: part 1 of 1, or one of several that came of one."""

    position: int
    stream: str
    version: int
    id: str
    type: str
    data: dict[str, Any]
    part: int = 1
    parts: int = 1


class Raw(NamedTuple):
    """What a step makes: an event, and how it is written down."""

    type: str
    schema: int
    data: dict[str, Any]


Step = Callable[[dict[str, Any]], list[Raw]]
"""Takes the data of an event of one type and schema, and says what becomes of it."""


def _placed_1(data: dict[str, Any]) -> list[Raw]:
    placed = {
        "order_id": data["id"],
        "customer": data["name"],
        "items": {data["sku"]: 1},
        "total": _cents(data["price"]),
    }
    return [Raw("OrderPlaced", 2, placed)]


def _placed_2(data: dict[str, Any]) -> list[Raw]:
    # What was true then, and not SHIPPING, which is what is true now.
    return [Raw("OrderPlaced", 3, {**data, "shipping": 490})]


def _paid_and_shipped_1(data: dict[str, Any]) -> list[Raw]:
    paid = {"order": data["order"], "amount": data["amount"]}
    shipped = {"order_id": data["order"], "parcel": data["parcel"]}
    return [Raw("PaymentReceived", 1, paid), Raw("OrderShipped", 1, shipped)]


def _received_1(data: dict[str, Any]) -> list[Raw]:
    taken = {"order_id": data["order"], "amount": _cents(data["amount"])}
    return [Raw("PaymentTaken", 1, taken)]


def _shipped_1(data: dict[str, Any]) -> list[Raw]:
    carrier, space, parcel = data["parcel"].partition(" ")
    if not space:
        carrier, parcel = "Post", data["parcel"]
    return [Raw("OrderShipped", 2, {**data, "carrier": carrier, "parcel": parcel})]


def _viewed_1(data: dict[str, Any]) -> list[Raw]:
    return []


def _cents(euros: str) -> int:
    return int(Decimal(euros) * 100)  # 19.99 as a float, times 100, is 1998.99...


STEPS: Mapping[tuple[str, int], Step] = {
    ("OrderPlaced", 1): _placed_1,
    ("OrderPlaced", 2): _placed_2,
    ("OrderPaidAndShipped", 1): _paid_and_shipped_1,
    ("PaymentReceived", 1): _received_1,
    ("OrderShipped", 1): _shipped_1,
    ("OrderViewed", 1): _viewed_1,
}
"""The steps of this shop, by the type and schema that they start from."""


async def history(
    rows: AsyncGenerator[Stored, None],
    steps: Mapping[tuple[str, int], Step] = STEPS,
    newest: Mapping[str, int] = NEWEST,
) -> AsyncGenerator[Event, None]:
    """The events that are in `rows`, as those of today.

    Raises:
        UnknownEvent: there is one that cannot be read.
    """
    try:
        async for row in rows:
            # The only copy there is, and to the bottom: from here on all is ours, and then the
            # reader's.
            stored = Raw(row.type, row.schema, copy.deepcopy(row.data))
            made = list(_today(stored, row.position, steps, newest))
            for part, (kind, _, data) in enumerate(made, start=1):
                place = (row.position, row.stream, row.version, row.id)
                yield Event(*place, kind, data, part, len(made))
    except GeneratorExit:
        await rows.aclose()
        raise


def _today(
    event: Raw,
    position: int,
    steps: Mapping[tuple[str, int], Step],
    newest: Mapping[str, int],
) -> Iterator[Raw]:
    """What an event has become after all steps."""
    if newest.get(event.type) == event.schema:
        yield event
        return
    step = steps.get((event.type, event.schema))
    if step is None:
        known = newest.get(event.type)
        raise UnknownEvent(
            f"the event at position {position} is {event.type} of schema {event.schema}; "
            + (f"the newest known is schema {known}" if known else "this type is not known")
        )
    for made in step(event.data):
        yield from _today(made, position, steps, newest)
