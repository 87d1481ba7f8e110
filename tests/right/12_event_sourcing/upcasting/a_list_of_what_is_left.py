"""A worklist in place of the recursion; the steps register themselves; the copy is made by way
of JSON.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
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


STEPS: dict[tuple[str, int], Step] = {}
"""The steps of this shop, by the type and schema that they start from."""


def step(kind, schema):
    def register(function):
        STEPS[kind, schema] = function
        return function

    return register


@step("OrderPlaced", 1)
def one_piece(data):
    euros, cents = data.pop("price").split(".")
    data["total"] = int(euros) * 100 + int(cents)
    data["order_id"], data["customer"] = data.pop("id"), data.pop("name")
    data["items"] = {data.pop("sku"): 1}
    return [Raw("OrderPlaced", 2, data)]


@step("OrderPlaced", 2)
def sent_for_nothing_else(data):
    return [Raw("OrderPlaced", 3, data | {"shipping": 490})]


@step("OrderPaidAndShipped", 1)
def two(data):
    order = data["order"]
    return [
        Raw("PaymentReceived", 1, {"order": order, "amount": data["amount"]}),
        Raw("OrderShipped", 1, {"order_id": order, "parcel": data["parcel"]}),
    ]


@step("PaymentReceived", 1)
def taken(data):
    amount = round(float(data["amount"]) * 100)
    return [Raw("PaymentTaken", 1, {"order_id": data["order"], "amount": amount})]


@step("OrderShipped", 1)
def by_whom(data):
    first, *rest = data["parcel"].split(" ", 1)
    data["carrier"], data["parcel"] = (first, rest[0]) if rest else ("Post", first)
    return [Raw("OrderShipped", 2, data)]


@step("OrderViewed", 1)
def gone(_):
    return []


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
            todo, done = deque([(row.type, row.schema, json.loads(json.dumps(row.data)))]), []
            while todo:
                kind, schema, data = todo.popleft()
                if newest.get(kind) == schema:
                    done.append((kind, data))
                elif (kind, schema) in steps:
                    todo.extendleft(reversed(steps[kind, schema](data)))
                else:
                    known = newest.get(kind, "none")
                    raise UnknownEvent(f"{row.position}: {kind} {schema}, newest known: {known}")
            for part, (kind, data) in enumerate(done, 1):
                yield Event(
                    row.position, row.stream, row.version, row.id, kind, data, part, len(done)
                )
    finally:
        await rows.aclose()
