"""Grades upcasting.py."""

import copy
from contextlib import aclosing

import pytest

from autograder.grading import mistake
from autograder.grading.benches.old_events import PLACED, TODAY, Log, place, read
from autograder.simulation import simulate

THEN = 490
"""What it cost to have an order sent, before that was recorded. Cents."""


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_events_of_today_are_given_as_they_are(world, submission):
    """An event whose schema is the newest is given as it is, in its place."""
    newest, recorded = dict(submission.NEWEST), TODAY
    if world.seed:
        # The program of a day when the step to 3 was there, and nothing recorded 3 yet.
        newest["OrderPlaced"], recorded = 2, [("OrderPlaced", 2, PLACED), *TODAY[1:]]
    log = Log(submission, recorded)
    events = await read(submission, log, submission.STEPS, newest)
    expected = [
        submission.Event(*place(stored), kind, data)
        for stored, (kind, _, data) in zip(log.stored, recorded, strict=True)
    ]
    assert events == expected, (
        f"the newest schemas were {newest}, and history gave {events}; expected {expected}"
    )


def without_shipping(data):
    return {name: value for name, value in data.items() if name != "shipping"}


OLD = [
    (
        ("OrderPlaced", 1, {"id": "o-17", "name": "ada", "sku": "lamp", "price": "89.00"}),
        [("OrderPlaced", PLACED)],
    ),
    (
        ("OrderPlaced", 2, {**PLACED, "items": {"lamp": 2, "desk": 1}}),
        [("OrderPlaced", {**PLACED, "items": {"lamp": 2, "desk": 1}})],
    ),
    (
        ("PaymentReceived", 1, {"order": "o-17", "amount": "89.00"}),
        [("PaymentTaken", {"order_id": "o-17", "amount": 8900})],
    ),
    (
        ("OrderShipped", 1, {"order_id": "o-17", "parcel": "DHL 0034/17"}),
        [("OrderShipped", {"order_id": "o-17", "carrier": "DHL", "parcel": "0034/17"})],
    ),
    (
        ("OrderShipped", 1, {"order_id": "o-17", "parcel": "UPS 1Z 999 17"}),
        [("OrderShipped", {"order_id": "o-17", "carrier": "UPS", "parcel": "1Z 999 17"})],
    ),
    (
        ("OrderShipped", 1, {"order_id": "o-17", "parcel": "00340017"}),
        [("OrderShipped", {"order_id": "o-17", "carrier": "Post", "parcel": "00340017"})],
    ),
    (
        ("OrderPaidAndShipped", 1, {"order": "o-17", "amount": "89.00", "parcel": "DHL 0034/17"}),
        [
            ("PaymentTaken", {"order_id": "o-17", "amount": 8900}),
            ("OrderShipped", {"order_id": "o-17", "carrier": "DHL", "parcel": "0034/17"}),
        ],
    ),
    (
        ("OrderPaidAndShipped", 1, {"order": "o-17", "amount": "9.00", "parcel": "00340017"}),
        [
            ("PaymentTaken", {"order_id": "o-17", "amount": 900}),
            ("OrderShipped", {"order_id": "o-17", "carrier": "Post", "parcel": "00340017"}),
        ],
    ),
]


VARIED = [
    ("OrderPlaced", 2, PLACED),
    ("OrderViewed", 1, {"order_id": "o-17"}),
    ("OrderPaidAndShipped", 1, {"order": "o-17", "amount": "89.00", "parcel": "DHL 0034/17"}),
    ("OrderViewed", 1, {"order_id": "o-17"}),
    ("OrderDelivered", 1, {"order_id": "o-17"}),
]
"""Five rows of which four events come: one becomes two, and two become none."""


@pytest.mark.points(3)
@simulate(seeds=len(OLD))
async def test_old_events_become_those_of_today(world, submission):
    """Each event of the shop's past is given as what it would be today."""
    (kind, schema, data), expected = OLD[world.seed % len(OLD)]
    events = await read(submission, Log(submission, [(kind, schema, data)]))
    got = [(event.type, without_shipping(event.data)) for event in events]
    assert got == expected, f"{kind} {schema}, {data}, was given as {got}; expected {expected}"


CENTS = {"OrderPlaced": "total", "PaymentTaken": "amount"}


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_no_cent_is_lost(world, submission):
    """Prices in euros become cents, to the cent."""
    prices = {"19.99": 1999, "0.29": 29, "1.10": 110, "1234.56": 123456, "8.20": 820}
    for price, cents in prices.items():
        paid = {"order": "o-17", "amount": price}
        old = [
            ("PaymentReceived", 1, paid),
            ("OrderPlaced", 1, {"id": "o-17", "name": "ada", "sku": "lamp", "price": price}),
            ("OrderPaidAndShipped", 1, {**paid, "parcel": "DHL 0034/17"}),
        ]
        for event in await read(submission, Log(submission, old)):
            if event.type not in CENTS:
                continue
            amount = event.data.get(CENTS[event.type])
            nearly = isinstance(amount, int | float) and 0 < abs(amount - cents) <= 1
            assert not nearly, mistake(
                "loses-a-cent",
                f"{price} euros in an old event became {amount!r} cents in {event.type}; "
                f"expected {cents}.",
            )
            assert (amount, type(amount)) == (cents, int), (
                f"{price} euros became {amount!r} in {event.type}; expected {cents}, an int"
            )


@pytest.mark.points(2)
@pytest.mark.hint("Where did this number stand in the shop's code when the event was recorded?")
@simulate(seeds=2)
async def test_what_was_not_recorded_is_what_was_true_then(world, submission):
    """Orders from before shipping was recorded had cost 4.90 to send, whatever it costs today."""
    first = {"id": "o-17", "name": "ada", "sku": "lamp", "price": "89.00"}
    schema, data = ((1, first), (2, PLACED))[world.seed % 2]
    log = Log(submission, [("OrderPlaced", schema, data), TODAY[0]])
    old, new = await read(submission, log)
    shipping = old.data.get("shipping")
    assert shipping != submission.SHIPPING, mistake(
        "todays-default",
        f"The shipping of an order from back then is {shipping}, which is what it costs today; "
        f"it was {THEN}.",
    )
    assert shipping == THEN, f"the shipping of an old order is {shipping!r}; expected {THEN}"
    assert new.data["shipping"] == 690, f"the shipping of today's order is {new.data['shipping']}"


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_every_event_keeps_its_place(world, submission):
    """Whatever becomes of an event, position, stream, version and id are as they were recorded."""
    log = Log(submission, VARIED, first=4)
    got = await read(submission, log)
    kinds = [event.type for event in got]
    expected = ["OrderPlaced", "PaymentTaken", "OrderShipped", "OrderDelivered"]
    assert kinds == expected, f"history gave {kinds}; expected {expected}"
    for event, stored in zip(got, [log.stored[n] for n in (0, 2, 2, 4)], strict=True):
        for name in ("version", "position"):
            mine, true = getattr(event, name), getattr(stored, name)
            assert mine == true, mistake(
                "renumbers-history",
                f"{event.type} has {name} {mine}; it came of {stored.type}, which was recorded "
                f"with {name} {true}.",
            )
        assert place(event) == place(stored), (
            f"position, stream, version and id of {event.type} are {place(event)}; "
            f"it was recorded with {place(stored)}"
        )
    parts = [(event.part, event.parts) for event in got]
    assert parts == [(1, 1), (1, 2), (2, 2), (1, 1)], (
        f"one event became two; part and parts are {parts}; expected (1, 2) and (2, 2) for these, "
        "(1, 1) for others"
    )


def chain(world, submission):
    """Steps as another shop might have them: each event becomes up to three, of a later kind."""
    newest = {"A": 4, "B": 3, "C": 1}
    kinds = [("A", 1), ("B", 1), ("A", 2), ("A", 3), ("B", 2)]
    later = [*kinds[1:], ("A", 4), ("B", 3), ("C", 1)]
    becomes = {}
    for number, kind in enumerate(kinds):
        count = (1, 2, 3, 0)[world.choose(4, f"count {number}")]
        rest = later[number:]
        becomes[kind] = [
            rest[world.choose(len(rest), f"{number} becomes {which}")] for which in range(count)
        ]

    def step_from(kind):
        def step(data):
            return [
                submission.Raw(name, schema, {"is": [name, schema], "was": data["was"] + [kind]})
                for name, schema in becomes[kind]
            ]

        return step

    def ends(kind, was=()):
        if kind not in becomes:
            return [(kind, list(was))]
        return [end for made in becomes[kind] for end in ends(made, (*was, kind))]

    return {kind: step_from(kind) for kind in kinds}, newest, {kind: ends(kind) for kind in kinds}


@pytest.mark.points(3)
@pytest.mark.hint("What comes out of a step goes in again, until it is the newest.")
@simulate(seeds=60)
async def test_steps_are_taken_to_the_end(world, submission):
    """Whatever steps there are: all that they make is taken to the newest schema of its type."""
    steps, newest, ends = chain(world, submission)
    for (name, schema), ending in ends.items():
        data, expected = {"is": [name, schema], "was": []}, [kind for kind, _ in ending]
        events = await read(submission, Log(submission, [(name, schema, data)]), steps, newest)
        got = [tuple(event.data["is"]) for event in events]
        halfway = [kind for kind in got if newest.get(kind[0]) != kind[1]]
        assert not halfway, mistake(
            "upcasts-halfway",
            f"{name} {schema} was given as {in_words(got)}; there are further steps from "
            f"{in_words(halfway)}, and the end of them is {in_words(expected)}.",
        )
        assert got == expected, (
            f"{name} {schema} was given as {in_words(got)}; expected {in_words(expected)}"
        )
        ways = [[tuple(kind) for kind in event.data["was"]] for event in events]
        assert ways == [way for _, way in ending], (
            f"{name} {schema} became {in_words(got)} by way of {'; '.join(map(in_words, ways))}; "
            f"expected {'; '.join(in_words(way) for _, way in ending)}"
        )
        parts = [(event.part, event.parts) for event in events]
        assert parts == [(part + 1, len(expected)) for part in range(len(expected))], (
            f"{name} {schema} became {len(expected)} events; part and parts of them are {parts}"
        )


def in_words(kinds):
    return ", ".join(f"{name} {schema}" for name, schema in kinds) or "nothing"


@pytest.mark.points(3)
@pytest.mark.hint("How deep is your copy? There is a dict in the dict.")
@simulate(seeds=2)
async def test_history_stays_as_it_was_recorded(world, submission):
    """What the store has is not changed, neither by reading, nor by a reader who changes his."""
    events = [old for old, _ in OLD] + TODAY
    log = Log(submission, events)
    before = copy.deepcopy(log.stored)
    given = await read(submission, log)
    first = copy.deepcopy(given)
    if world.seed:
        for event in given:
            event.data.get("items", {}).clear()
            event.data["customer"] = "nobody"
    for stored, true in zip(log.stored, before, strict=True):
        who = "a reader changed what he was given" if world.seed else "it was read"
        assert stored == true, mistake(
            "mutates-history",
            f"{stored.type} {stored.schema} was recorded with {true.data}. Then {who}, and now the "
            f"store has {stored.data}.",
        )
    for got, true in zip(await read(submission, log), first, strict=True):
        assert got == true, (
            f"the first reader got {true.type} with {true.data}"
            f"{', and changed it' if world.seed else ''}; the second one got {got.data}"
        )


@pytest.mark.points(2)
@simulate(seeds=5)
async def test_what_nobody_can_read_is_an_error(world, submission):
    """An event that is newer than the code, or of no known type, is an error that says so."""
    kind, schema, says = (
        ("OrderPlaced", 4, ["4", "3"]),
        ("OrderReturned", 1, ["1"]),
        ("OrderDelivered", 12, ["12", "1"]),
        ("OrderViewed", 2, ["2"]),
        ("OrderShipped", 1, ["2"]),  # a step makes OrderShipped 4 of it
    )[world.seed % 5]
    log = Log(submission, [*TODAY, (kind, schema, {"order_id": "o-17", "parcel": "17"}), *TODAY])
    steps, made = dict(submission.STEPS), kind == "OrderShipped"
    if made:
        steps[kind, schema] = lambda data: [submission.Raw(kind, 4, dict(data))]
    unknown = log.stored[len(TODAY)]
    given, error = [], None
    async with aclosing(submission.history(log.rows(), steps)) as history:
        try:
            async for event in history:
                given.append(event)
        except submission.UnknownEvent as raised:
            error = str(raised)
        ended = log.closed
    beyond = [event for event in given if event.position >= unknown.position]
    assert not (beyond and made), (
        f"a step made {kind} 4 of {kind} {schema}, which nobody can read, and history gave "
        f"{beyond[0].type} at position {beyond[0].position}"
    )
    assert not beyond, mistake(
        "reads-the-future",
        f"{kind} {schema} is of a program that this one does not know, and history went on: "
        f"{beyond[0].type} at position {beyond[0].position} was given.",
    )
    assert error is not None, f"{kind} {schema} cannot be read, and history raised nothing"
    assert len(given) == len(TODAY), f"{len(TODAY)} events came before it; {len(given)} were given"
    missing = [word for word in (str(unknown.position), kind, *says) if word not in error]
    assert not missing, f"the error says {error!r}; it does not say {', '.join(missing)}"
    assert ended, mistake(
        "generator-not-closed",
        f"history raised UnknownEvent at position {unknown.position}, and rows is still open.",
    )


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_a_row_is_read_when_it_is_wanted(world, submission):
    """No row is asked for before the reader wants its event."""
    log = Log(submission, [TODAY[0], *VARIED] * 6)
    pause = None if not world.seed else world.pause
    rows = {stored.id: number for number, stored in enumerate(log.stored, start=1)}
    async with aclosing(submission.history(log.rows(pause))) as history:
        assert log.asked == 0, f"{log.asked} rows were read, and nobody had asked for an event"
        count = 0
        async for event in history:
            count += 1
            row = rows.get(event.id)
            assert log.asked < len(log.stored) or row == log.asked, mistake(
                "reads-all-first",
                f"The reader has got {count} event, and all {log.asked} rows have been read.",
            )
            assert log.asked == row, (
                f"when {event.type} of row {row} was given, {log.asked} rows had been read"
            )
    assert count == 30, f"{len(log.stored)} rows have 30 events in them, and {count} were given"


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_who_stops_early_leaves_nothing_open(world, submission):
    """If the reader stops early and closes history, rows is closed with it."""
    log = Log(submission, TODAY * 3)
    rows = log.rows(world.pause)
    async with aclosing(submission.history(rows)) as history:
        async for event in history:
            if event.type == "OrderShipped" or world.seed:
                break
    assert log.closed, mistake(
        "generator-not-closed",
        f"The reader stopped after {log.asked} of {len(log.stored)} rows and closed history; "
        "rows is still open.",
    )
    await rows.aclose()
