"""One function for all of the shop's steps, and a pure function that turns one event into a
list.
"""

from __future__ import annotations

import copy
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
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
    return int(euros.replace(".", ""))


STEPS: Mapping[tuple[str, int], Step] = {
    ("OrderPlaced", 1): lambda d: [
        Raw(
            "OrderPlaced",
            2,
            {
                "order_id": d["id"],
                "customer": d["name"],
                "items": {d["sku"]: 1},
                "total": cents(d["price"]),
            },
        )
    ],
    ("OrderPlaced", 2): lambda d: [Raw("OrderPlaced", 3, dict(d, shipping=490))],
    ("OrderPaidAndShipped", 1): lambda d: [
        *STEPS["PaymentReceived", 1](d),
        Raw("OrderShipped", 1, {"order_id": d["order"], "parcel": d["parcel"]}),
    ],
    ("PaymentReceived", 1): lambda d: [
        Raw("PaymentTaken", 1, {"order_id": d["order"], "amount": cents(d["amount"])})
    ],
    ("OrderShipped", 1): lambda d: [Raw("OrderShipped", 2, d | parcel(d["parcel"]))],
    ("OrderViewed", 1): lambda d: [],
}


def parcel(text):
    match = re.fullmatch(r"(\S+) (.+)", text)
    return {"carrier": match[1] if match else "Post", "parcel": match[2] if match else text}


async def history(
    rows: AsyncGenerator[Stored, None],
    steps: Mapping[tuple[str, int], Step] = STEPS,
    newest: Mapping[str, int] = NEWEST,
) -> AsyncGenerator[Event, None]:
    """The events that are in `rows`, as those of today.

    Raises:
        UnknownEvent: there is one that cannot be read.
    """
    async with aclosing(rows) as reader:
        while True:
            try:
                row = await anext(reader)
            except StopAsyncIteration:
                break
            events = upcast(row.type, row.schema, row.data, steps, newest)
            if events is None:
                raise UnknownEvent(
                    f"position {row.position}: cannot read {row.type} schema {row.schema} "
                    f"(newest: {newest.get(row.type)})"
                )
            for number, (kind, data) in enumerate(events):
                yield Event(
                    position=row.position,
                    stream=row.stream,
                    version=row.version,
                    id=row.id,
                    type=kind,
                    data=copy.deepcopy(data),
                    part=number + 1,
                    parts=len(events),
                )


def upcast(kind, schema, data, steps, newest):
    if schema == newest.get(kind):
        return [(kind, data)]
    if (kind, schema) not in steps:
        return None
    further = [upcast(*made, steps, newest) for made in steps[kind, schema](copy.deepcopy(data))]
    return None if None in further else [event for events in further for event in events]
