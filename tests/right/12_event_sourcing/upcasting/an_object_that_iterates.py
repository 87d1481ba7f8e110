"""An object that iterates, in place of a generator; steps that lead to today at once, without those
in between.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


def cents(euros):
    whole, _, rest = euros.partition(".")
    return int(whole) * 100 + int(rest)


def parcel(text):
    if " " not in text:
        return {"carrier": "Post", "parcel": text}
    at = text.index(" ")
    return {"carrier": text[:at], "parcel": text[at + 1 :]}


def placed(data):
    order = {"order_id": data["id"], "customer": data["name"], "items": {data["sku"]: 1}}
    return [Raw("OrderPlaced", 3, {**order, "total": cents(data["price"]), "shipping": 490})]


def paid(data):
    return [Raw("PaymentTaken", 1, {"order_id": data["order"], "amount": cents(data["amount"])})]


def paid_and_shipped(data):
    shipped = {"order_id": data["order"], **parcel(data["parcel"])}
    return [*paid(data), Raw("OrderShipped", 2, shipped)]


STEPS: Mapping[tuple[str, int], Step] = {
    ("OrderPlaced", 1): placed,
    ("OrderPlaced", 2): lambda data: [Raw("OrderPlaced", 3, {"shipping": 490, **data})],
    ("OrderPaidAndShipped", 1): paid_and_shipped,
    ("PaymentReceived", 1): paid,
    ("OrderShipped", 1): lambda data: [Raw("OrderShipped", 2, {**data, **parcel(data["parcel"])})],
    ("OrderViewed", 1): lambda data: [],
}
"""The steps of this shop, by the type and schema that they start from."""


class history:
    """The events that are in `rows`, as those of today."""

    def __init__(self, rows, steps=STEPS, newest=NEWEST):
        self.rows, self.steps, self.newest = rows, steps, newest
        self.ready = []

    def __aiter__(self):
        return self

    async def aclose(self):
        self.ready.clear()
        await self.rows.aclose()

    async def __anext__(self):
        while not self.ready:
            row = await anext(self.rows)
            try:
                made = self.today(row)
            except UnknownEvent:
                await self.aclose()
                raise
            self.ready = [
                Event(row.position, row.stream, row.version, row.id, kind, data, part, len(made))
                for part, (kind, _, data) in enumerate(made, start=1)
            ]
        return self.ready.pop(0)

    def today(self, row):
        made, at = [Raw(row.type, row.schema, copy.deepcopy(row.data))], 0
        while at < len(made):
            event = made[at]
            if event.schema == self.newest.get(event.type):
                at += 1
            elif (event.type, event.schema) in self.steps:
                made[at : at + 1] = self.steps[event.type, event.schema](event.data)
            else:
                known = self.newest.get(event.type, "unknown")
                raise UnknownEvent(
                    f"#{row.position}: {event.type} v{event.schema}, the newest is {known}"
                )
        return made
