"""Grades choreography.py: what an order comes to, and what must not happen to it on the way."""

import math

import pytest

from autograder.grading import mistake
from autograder.grading.benches.choreographed_judge import (
    DOUBLED,
    OUT_OF_ORDER,
    faults,
    said_types,
)
from autograder.grading.benches.choreographed_parts import Order
from autograder.grading.benches.choreographed_shop import Shop
from autograder.grading.benches.order_faults import blame
from autograder.simulation import simulate

NO_STOCK = {"stock": {"lamp": 5, "desk": 0}}
NO_DESKS = {"stock": {"lamp": 5}}
NO_MONEY = {"accounts": {"ada": 119_99, "bob": 500_00}}
NO_ADDRESS = {"addresses": ("bob",)}
REFUSED = [NO_STOCK, NO_MONEY, NO_ADDRESS]
LATE = 300.0
"""Seconds by which one event is later than all others."""


def story(world, submission, *, late=(), copies=1, **given):
    """A shop in which an event takes half a second, so that a cause comes before what it causes.

    `late` are the events (type, agent) that take minutes. `copies` come of each, the others later.
    """

    def delay(type_, agent, copy):
        if copy:
            return 1.0 + world.latency(f"copy of {type_} {agent}", 0.1, 500.0)
        return LATE if (type_, agent) in late else 0.5

    return Shop(world, submission, delay, lambda type_, agent: copies, **given)


async def play(shop, *orders):
    """Place orders and let the agents work until nothing happens any more; what is wrong then."""
    for order in orders or [Order()]:
        shop.place(order)
    shop.start()
    await shop.until_quiet()
    return faults(shop)


async def goes_well(world, submission, *orders, **given):
    """Whether there are no faults in a shop: then what makes the difference is to blame."""
    world.recorder.stop()
    submission.renew()
    async with story(world, submission, shown=False, **given) as shop:
        return not await play(shop, *orders)


def data_of(shop, type_):
    """The data of the first event of this type; None if there is none."""
    return next((said.data for said in shop.said if said.type == type_), None)


def check_data(shop, **expected):
    """The events have the data that the brief promises: name of the event -> (key, value), where
    ... is any text."""
    for type_, (key, value) in expected.items():
        data = data_of(shop, type_)
        assert data is not None, f"{type_} was not published. Published: {said_types(shop, 'o-1')}"
        assert key in data, f"{type_} has the data {data}; expected {key!r} in it"
        told = isinstance(data[key], str) if value is ... else data[key] == value
        assert told, (
            f"{type_} has {key} {data[key]!r}; expected {'a text' if value is ... else repr(value)}"
        )


def check_at_once(shop, name=None):
    """The customer cancelled after 20 seconds, and shipping has answered then, and no later."""
    times = [said.time for said in shop.said if said.type == "ShipmentRefused"]
    said = "the customer cancelled after 20 s; shipping published ShipmentRefused "
    said += f"after {times[0]:.0f} s, not at once" if times else "never"
    assert min(times, default=math.inf) < 30, mistake(name, said) if name else said


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_an_order_is_shipped(world, submission):
    """An order for which there is all goes through: reserved, paid, and one parcel sent."""
    just_enough = {"stock": {"lamp": 2, "desk": 1}, "accounts": {"ada": 120_00}}
    async with story(world, submission, **just_enough) as shop:
        shop.sent_before(4)
        blame(await play(shop))
        assert shop.status("o-1") == "shipped", (
            f"the status of o-1 is {shop.status('o-1')!r}; there was just enough of everything"
        )
        parcels = shop.rows("shipping", "SELECT parcel, order_id FROM parcels WHERE parcel > 4")
        assert [row[1] for row in parcels] == ["o-1"], f"new in the table parcels: {parcels}"
        check_data(shop, PaymentTaken=("amount", 120_00), OrderShipped=("parcel", parcels[0][0]))


@pytest.mark.points(2)
@simulate(seeds=4)
async def test_a_refusal_undoes_what_was_done(world, submission):
    """Whoever refuses, stock, payment or shipping: what was done is undone, and nothing else."""
    which = world.seed % 4
    async with story(world, submission, **[*REFUSED, NO_DESKS][which]) as shop:
        blame(await play(shop))
        assert shop.status("o-1") == "cancelled", (
            f"the status of o-1 is {shop.status('o-1')!r}; there was not enough for it"
        )
        check_data(shop, OrderCancelled=("reason", ...))
        if which in (0, 3):
            check_data(shop, StockRefused=("sku", "desk"))
        elif which == 1:
            check_data(shop, PaymentDeclined=("reason", ...))
        else:
            check_data(shop, ShipmentRefused=("reason", ...), PaymentRefunded=("amount", 120_00))


@pytest.mark.points(1)
@pytest.mark.hint("Which events have to be there before nothing is left to undo?")
@simulate(seeds=3)
async def test_it_is_cancelled_when_all_is_undone(world, submission):
    """OrderCancelled is published when all has been undone, whichever undo takes longest."""
    slow = ("payment", "inventory")[world.seed % 2]
    late = [("ShipmentRefused", slow), ("PaymentDeclined", slow)]
    given = {"late": late, **(NO_MONEY if world.seed % 3 == 2 else NO_ADDRESS)}
    async with story(world, submission, **given) as shop:
        blame(await play(shop))
        assert shop.status("o-1") == "cancelled", f"the status of o-1 is {shop.status('o-1')!r}"


@pytest.mark.points(2)
@simulate(seeds=8)
async def test_what_comes_twice_is_done_once(world, submission):
    """If every event comes twice, at any time later, all is done once, and undone once."""
    given = [*REFUSED, {}][world.seed % 4]
    async with story(world, submission, copies=2, **given) as shop:
        found = await play(shop)
        if found and await goes_well(world, submission, **given):
            blame(found, DOUBLED)
        blame(found)


@pytest.mark.points(2)
@pytest.mark.hint("Two different events ask for the same. Their ids do not tell you; what does?")
@simulate(seeds=1)
async def test_two_reasons_undo_once(world, submission):
    """If the payment is declined and the shipment refused, the stock is put back once."""
    late = [("StockReserved", "payment")]
    async with story(world, submission, late=late, **NO_MONEY) as shop:
        blame(await play(shop, Order(cancels=(20.0,))))
        assert shop.status("o-1") == "cancelled", f"the status of o-1 is {shop.status('o-1')!r}"


@pytest.mark.points(2)
@pytest.mark.hint("What do you do with an event that you cannot use yet?")
@simulate(seeds=6)
async def test_events_come_in_any_order(world, submission):
    """An event that comes before one that caused it is not lost, nor acted on too early."""
    late = [
        [("OrderPlaced", "payment")],
        [("OrderPlaced", "shipping")],
        [("OrderPlaced", "payment"), ("OrderPlaced", "shipping")],
        [("StockReleased", "orders")],
        [("PaymentRefunded", "orders")],
        [("PaymentDeclined", "orders")],
    ][world.seed % 6]
    given = [{}, {}, NO_ADDRESS, NO_ADDRESS, NO_ADDRESS, NO_MONEY][world.seed % 6]
    async with story(world, submission, late=late, **given) as shop:
        found = await play(shop)
        if found and await goes_well(world, submission, **given):
            blame(found, OUT_OF_ORDER)
        blame(found)


@pytest.mark.points(3)
@pytest.mark.hint("The undo came, and there was nothing to undo. Who will remember that it came?")
@simulate(seeds=3)
async def test_the_undo_comes_before_the_do(world, submission):
    """An agent that hears the undo first publishes nothing, and does not do it when asked to."""
    agent, late, answer = [
        ("inventory", [("OrderPlaced", "inventory")], "StockRefused"),
        ("payment", [("StockReserved", "payment")], "PaymentDeclined"),
        ("payment", [("OrderPlaced", "payment")], "PaymentDeclined"),
    ][world.seed % 3]
    async with story(world, submission, late=late) as shop:
        found = await play(shop, Order(cancels=(20.0,)))
        check_at_once(shop)
        own = [said for said in shop.said if said.agent == agent]
        if not any(fault.kind == "done after the undo" for fault in found) and world.seed % 3 < 2:
            assert not own or own[0].time > LATE, (
                f"{agent} heard ShipmentRefused first, and there was nothing to undo. Yet it "
                f"published {own[0].type}"
            )
        blame(found)
        assert shop.status("o-1") == "cancelled", f"the status of o-1 is {shop.status('o-1')!r}"
        types = [said.type for said in own]
        heard = f"{agent} heard ShipmentRefused, and later what it was to do: it published {types}"
        assert types[0] not in ("StockReserved", "PaymentTaken"), mistake("no-tombstone", heard)
        assert types == [answer], f"{heard}; expected [{answer!r}]"
        if agent == "inventory":
            check_data(shop, StockRefused=("sku", None))
        else:
            check_data(shop, PaymentDeclined=("reason", ...))


@pytest.mark.points(2)
@pytest.mark.hint("Who knows whether a parcel has been sent? Only there can it be decided.")
@simulate(seeds=9)
async def test_the_customer_cancels_at_any_time(world, submission):
    """Until a parcel is sent the customer can cancel, and is heard at once; then it is too late."""
    name = None
    if world.seed < 2:
        late, cancels = [("PaymentTaken", "shipping")], (20.0, 40.0)[: 1 + world.seed]
    elif world.seed == 8:
        late, cancels = [("OrderPlaced", "shipping")], (20.0,)
        name = "assumes-arrival-order"  # as long as OrderPlaced had come, shipping did it at once
    elif world.seed < 4:
        late, cancels = [], (100.0, 200.0)[: world.seed - 1]
    else:
        late, cancels = [], (0.3 * (world.seed - 3),)
    async with story(world, submission, late=late) as shop:
        blame(await play(shop, Order(cancels=cancels)))
        status, types = shop.status("o-1"), said_types(shop, "o-1", "shipping")
        if late:
            assert status == "cancelled", f"cancelled before a parcel was sent, it is {status!r}"
            check_at_once(shop, name)
            check_data(shop, ShipmentRefused=("reason", ...))
        elif cancels[0] >= 100:
            assert status == "shipped", f"cancelled long after it was shipped, it is {status!r}"
            assert types == ["OrderShipped"], f"shipping published {types} for one parcel"
