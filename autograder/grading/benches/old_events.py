"""What the graders of 12/upcasting share: rows of a store, and what came of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from copy import deepcopy
from typing import Any
from uuid import NAMESPACE_OID, uuid5

STREAM = "order-o-17"
PLACED = {"order_id": "o-17", "customer": "ada", "items": {"lamp": 1}, "total": 8900}
TODAY: list[tuple[str, int, dict[str, Any]]] = [
    ("OrderPlaced", 3, {**PLACED, "shipping": 690}),
    ("PaymentTaken", 1, {"order_id": "o-17", "amount": 8900}),
    ("OrderShipped", 2, {"order_id": "o-17", "carrier": "DHL", "parcel": "0034/17"}),
    ("OrderDelivered", 1, {"order_id": "o-17"}),
]
"""Events of today: type, schema, data."""


class Log:
    """Events as they were recorded, and a reader of them that notes what it is asked.

    Attributes:
        stored: the events.
        asked: how many of them have been asked for.
        closed: True once the reader is closed, or at its end.
    """

    def __init__(
        self, submission: Any, events: Iterable[tuple[str, int, Any]], first: int = 1
    ) -> None:
        # Positions are of the whole log, in which other streams have events, too. Two events of
        # one id are one event. The data are this log's own: whoever changes them changes them for
        # no other test.
        self.stored = [
            submission.Stored(
                600 + 75 * number,
                STREAM,
                first + number,
                str(uuid5(NAMESPACE_OID, repr((number, kind, schema, data)))),
                kind,
                schema,
                deepcopy(data),
            )
            for number, (kind, schema, data) in enumerate(events)
        ]
        self.asked = 0
        self.closed = False

    async def rows(self, pause: Callable[[], Any] | None = None) -> AsyncGenerator[Any, None]:
        """The events, one by one."""
        try:
            for stored in self.stored:
                self.asked += 1
                if pause is not None:
                    await pause()
                yield stored
        finally:
            self.closed = True


async def read(submission: Any, log: Log, *more: Any) -> list[Any]:
    """Everything that `history` gives for a log."""
    events = []
    async with aclosing(submission.history(log.rows(), *more)) as history:
        async for event in history:
            assert isinstance(event, submission.Event), f"history gave {event!r}; expected an Event"
            events.append(event)
    return events


def place(event: Any) -> tuple[Any, ...]:
    """Where an event belongs, be it stored or given."""
    return event.position, event.stream, event.version, event.id
