"""Read the events of five years ago as those of today.

Events are kept for ever, and nobody rewrites them: not the bytes, not for any good reason. But what
reads them is the code of today. So each event is turned into what it would be today when it is
read, by small functions that each know one step: from one schema to the next.

Write `history`, and the shop's own `STEPS`. All the rest is given; leave it as it is. This is what
the shop has recorded over the years, and what became of it:

    OrderPlaced 1          {"id": "o-17", "name": "ada", "sku": "lamp", "price": "89.00"}
                           One piece of one thing, for a price in euros.
    OrderPlaced 2          {"order_id": "o-17", "customer": "ada", "items": {"lamp": 1},
                            "total": 8900}
                           The total is in cents.
    OrderPlaced 3          ... and "shipping", in cents. Until then it had cost 4.90, always.
    OrderPaidAndShipped 1  {"order": "o-17", "amount": "89.00", "parcel": "DHL 0034/17"}
                           Was one event, and is two: PaymentReceived 1 and OrderShipped 1.
    PaymentReceived 1      {"order": "o-17", "amount": "89.00"}
                           Is called PaymentTaken now.
    PaymentTaken 1         {"order_id": "o-17", "amount": 8900}
    OrderShipped 1         {"order_id": "o-17", "parcel": "DHL 0034/17"}
                           The carrier stands before the first space. Without a space it was "Post":
                           there was no other one.
    OrderShipped 2         {"order_id": "o-17", "carrier": "DHL", "parcel": "0034/17"}
    OrderDelivered 1       {"order_id": "o-17"}
    OrderViewed 1          {"order_id": "o-17"}
                           Somebody thought that this might be of use. It is gone.

Rules
  1. `history` gives the events in the order of `rows`. One whose schema is the `newest` of its type
     is given as it is, even if there is a step from it: that one is for a later day.
  2. For any other one, `steps[type, schema]` says what becomes of it: none, one or several, each of
     which may need further steps, and so on. They stay in the order of the step's list: all that
     comes of the first one, then all that comes of the second.
  3. Position, stream, version and id are always those of the stored event. Of several that came of
     one, `part` says which it is, of how many `parts`: a reader who keeps its place moves it on
     after the last part.
  4. The store has one object for each event, and gives it to every reader. Nothing of it is ever
     changed: neither by you, nor by a reader who changes what he has got from you. Whoever reads it
     again gets what the first one got.
  5. If there is neither a step for an event nor is it the newest, UnknownEvent is raised, also for
     one that a step has made. Its text says position, type and schema, and which schema of this
     type is the newest known, if any is. The rows before it have been given.
  6. A row is not asked for before the reader wants it. `rows` is closed once `history` has ended,
     also if that is by UnknownEvent, or because the reader stops early and closes it.

Out of scope: data that is not as it is described above, and steps that go round in circles.
"""

from __future__ import annotations

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

STEPS: Mapping[tuple[str, int], Step] = {}
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
    raise NotImplementedError
    yield  # makes an asynchronous generator of it
