"""Grades process_manager.py: what becomes of an order, whatever becomes of its messages."""

import asyncio
import itertools

import pytest

from autograder.grading import mistake
from autograder.grading.benches.managed_judge import settle
from autograder.grading.benches.managed_shop import ManagedShop
from autograder.grading.benches.order_faults import blame
from autograder.simulation import simulate

ORDER_OF_STEPS = ("ReserveStock", "TakePayment", "ShipOrder", "ConfirmDelivery")
UNDOS = ("RefundPayment", "ReleaseStock")
ENDS = ("OrderDelivered", "OrderCancelled")
DEADLINE = 600.0
MOST_STEPS = 300_000
"""Of a world: enough for who looks every second whether there is something to do."""


@pytest.fixture
def shops(tmp_path):
    """Makes shops, one after another, each with an empty database."""

    numbers = itertools.count()

    def make(world, submission, **options):
        path = tmp_path / f"{next(numbers)}.db"
        return ManagedShop(world, submission, path, **options)

    return make


def refuses(*commands):
    """Agents that refuse these commands."""
    return {"refuses": lambda command, order_id: command in commands}


async def play(shop):
    """Place an order, and let the manager work; what is wrong then."""
    shop.start()
    shop.place()
    return await settle(shop)


async def goes_well(shops, world, submission, **given):
    """Whether there are no faults in such a shop: then what makes the difference is to blame."""
    world.recorder.stop()
    submission.renew()
    async with shops(world, submission, shown=False, **given) as shop:
        return not await play(shop)


def check_end(shop, expected, why, order_id="o-1"):
    """The shop was told this end."""
    end = shop.end_of(order_id)
    assert end == expected, f"{why}, and the shop was told {end}; expected {expected}"


@pytest.mark.points(1)
@simulate(seeds=1, steps=MOST_STEPS)
async def test_an_order_is_delivered(world, submission, shops):
    """If nobody refuses, the four steps are done in their order, and the shop is told."""
    async with shops(world, submission) as shop:
        blame(await play(shop))
        check_end(shop, "OrderDelivered", "Nobody has refused anything")


@pytest.mark.points(2)
@simulate(seeds=3, steps=MOST_STEPS)
async def test_a_refusal_is_undone(world, submission, shops):
    """Whoever refuses: what was done is undone, the last thing first, and the shop is told."""
    refused = ORDER_OF_STEPS[2 - world.seed % 3]
    async with shops(world, submission, **refuses(refused)) as shop:
        blame(await play(shop))
        check_end(shop, "OrderCancelled", f"{refused} was refused")


@pytest.mark.points(2)
@pytest.mark.hint("The same command, sent again: what has to be the same of it?")
@simulate(seeds=14, steps=MOST_STEPS)
async def test_what_is_lost_is_sent_again(world, submission, shops):
    """A command whose reply does not come is sent again, with the same id, until one comes."""
    commands = (*ORDER_OF_STEPS, *UNDOS, "CancelPayment")
    which, reply_lost = commands[world.seed % len(commands)], world.seed % 2 == 0
    retry = (30.0, 12.0)[world.seed % 2]
    # So often that the deadline would be over, but that of the payment itself.
    often = 2 if which == "TakePayment" else round(200 / retry)

    def route(sent, reply):
        lost = sent.mail.type == which and sent.nth <= often and bool(reply) == reply_lost
        if which == "CancelPayment" and sent.mail.type == "TakePayment":
            lost = sent.time < 300 and bool(reply) != reply_lost  # or else only the reply to it
        return () if lost else (0.5,)

    given = {**(refuses("ShipOrder") if which in UNDOS else {}), "retry": retry, "deadline": 150.0}
    async with shops(world, submission, route=route, **given) as shop:
        found = await play(shop)
        times = [sent.time for sent in shop.sends("o-1", which)]
        if found and await goes_well(shops, world, submission, **given):
            assert len(times) != 1 or found[0].kind != "no end", mistake(
                "never-asks-again",
                f"{'The reply to ' * reply_lost}{which} was lost, and {which} was not sent again. "
                f"{found[0].said}",
            )
            blame(found, {"done twice": "new-key-per-attempt"})
        blame(found)
        back = which in (*UNDOS, "CancelPayment")
        check_end(
            shop, ENDS[back], f"{which} or its reply was lost {often} times; else all is well"
        )
        for before, after in itertools.pairwise(times):
            assert retry - 0.1 <= after - before <= 2 * retry + 1, (
                f"{which} was sent again after {after - before:.0f} s; retry is {retry:.0f} s, and "
                "up to twice that is allowed"
            )


@pytest.mark.points(2)
@simulate(seeds=4, steps=MOST_STEPS)
async def test_what_comes_twice_is_done_once(world, submission, shops):
    """Commands and replies may come twice, some of them much later: nothing is done twice."""

    def route(sent, reply):
        again = world.latency(f"copy of {reply or sent.mail.type}", 1.0, 1500.0)
        return (0.5, again)

    given = [{}, refuses("ShipOrder"), refuses("TakePayment"), refuses("ReserveStock")][
        world.seed % 4
    ]
    async with shops(world, submission, route=route, **given) as shop:
        shop.start()
        shop.place(copies=2)
        found = await settle(shop)
        if found and await goes_well(shops, world, submission, **given):
            names = {"raises": "chokes-on-late-reply", "done twice": "not-idempotent"}
            blame(found, names)
        blame(found)


@pytest.mark.points(3)
@pytest.mark.hint("At the deadline: what do you know about the money? How can you come to know it?")
@simulate(seeds=5, steps=MOST_STEPS)
async def test_unknown_is_not_failed(world, submission, shops):
    """At the deadline nobody knows whether the money was taken: the order ends well if it was, and
    if it was not."""
    # The bank takes it and its reply is lost, or late, or it never gets the command, or late.
    # The command, and the reply to it, come after so many seconds; None: never. What is sent again
    # is lost until the deadline is over.
    command, reply = [(0.5, None), (0.5, 300.0), (None, None), (250.0, 0.5), (0.5, 201.0)][
        world.seed % 5
    ]
    given = {"deadline": 200.0}

    def route(sent, answer):
        if sent.mail.type != "TakePayment" or sent.time > 210:
            return (0.5,)
        after = reply if answer else command
        return () if after is None or sent.nth > 1 else (after,)

    async with shops(world, submission, route=route, **given) as shop:
        found = await play(shop)
        if found and await goes_well(shops, world, submission, **given):
            blame(found, {"money kept": "timeout-means-failed"})
        blame(found)
        check_end(shop, "OrderCancelled", "No reply to TakePayment came within 200 s")


@pytest.mark.points(2)
@simulate(seeds=6, steps=MOST_STEPS)
async def test_a_reply_in_time_is_in_time(world, submission, shops):
    """A reply just before the deadline counts, and one soon after it does not."""
    # The deadline; how long the reservation takes, and the payment. The last time nobody hears of
    # the payment before somebody asks once more, after so many seconds.
    deadline, reserved, paid = [
        (DEADLINE, 0.5, 540.0),
        (DEADLINE, 0.5, 1200.0),
        (95.0, 0.5, 93.5),
        (95.0, 0.5, 96.5),
        (95.0, 80.0, 80.0),
        (DEADLINE, 0.5, 400.0),
    ][world.seed % 6]
    asked_again = world.seed % 6 == 5

    def route(sent, reply):
        if sent.mail.type == "TakePayment" and reply and asked_again:
            return (0.5,) if sent.time > paid else ()
        if sent.mail.type == "TakePayment" and reply:
            return (paid - 0.5,) if sent.nth == 1 else ()
        return (reserved,) if sent.mail.type == "ReserveStock" and reply else (0.5,)

    async with shops(world, submission, route=route, deadline=deadline) as shop:
        blame(await play(shop))
        expected = "OrderDelivered" if paid < deadline else "OrderCancelled"
        said = f"PaymentTaken came {paid:g} s after TakePayment; the deadline is {deadline:.0f} s"
        if asked_again:
            said = f"For {paid:.0f} s no reply came; to TakePayment, sent again, there was one"
        if reserved > 1:
            said += f" from then on, whenever the order was placed ({reserved:.0f} s before)"
        check_end(shop, expected, said)


@pytest.mark.points(1)
@simulate(seeds=1, steps=MOST_STEPS)
async def test_each_order_has_a_deadline_of_its_own(world, submission, shops):
    """While one order's deadline goes by, that of another one stays what it is."""
    paid = {"o-1": 120.0, "o-2": 90.0}

    def route(sent, reply):
        if sent.mail.type == "TakePayment" and reply:
            return (paid[sent.mail.order_id],) if sent.nth == 1 else ()
        return (0.5,)

    async with shops(world, submission, route=route, deadline=100.0) as shop:
        shop.start()
        shop.place(1)
        await asyncio.sleep(50)
        shop.place(2)
        blame(await settle(shop))
        for order_id, expected in (("o-1", "OrderCancelled"), ("o-2", "OrderDelivered")):
            said = f"PaymentTaken {order_id} came {paid[order_id]:.0f} s after TakePayment; "
            said += "the deadline is 100 s, and o-2 was placed 50 s after o-1"
            check_end(shop, expected, said, order_id)


@pytest.mark.points(1)
@pytest.mark.hint("The timer was for the payment. Who stops it when the payment is there?")
@simulate(seeds=2, steps=MOST_STEPS)
async def test_shipping_may_take_long(world, submission, shops):
    """Once ShipOrder has been sent there is no deadline, however long shipping takes."""

    def route(sent, reply):
        slow = sent.mail.type == "ShipOrder" and bool(reply) == (world.seed % 2 == 0)
        if not slow:
            return (0.5,)
        return (700.0,) if sent.nth == 1 else ()  # the copies are of no use to anybody

    async with shops(world, submission, route=route, deadline=300.0) as shop:
        blame(await play(shop))
        check_end(
            shop, "OrderDelivered", "The payment came at once, and shipping replied much later"
        )


@pytest.mark.points(1)
@simulate(seeds=4, steps=MOST_STEPS)
async def test_orders_do_not_wait_for_one_another(world, submission, shops):
    """While one order waits for an agent, others are brought to their ends."""
    which = ("TakePayment", "ReserveStock", "ShipOrder", "ConfirmDelivery")[world.seed % 4]

    def route(sent, reply):
        silent = sent.mail.type == which and sent.mail.order_id == "o-1"
        return () if silent and sent.time < 310 else (0.5,)

    async with shops(world, submission, route=route, deadline=300.0) as shop:
        shop.start()
        shop.place(1)
        await shop.until(lambda: bool(shop.sends("o-1", which)), 60)
        for number in (2, 3):
            shop.place(number)
        await shop.until(lambda: bool(shop.end_of("o-2") and shop.end_of("o-3")), 200)
        waited = [order_id for order_id in ("o-2", "o-3") if shop.end_of(order_id) is None]
        found = await settle(shop)
        blame(found)
        assert not waited, mistake(
            "one-saga-at-a-time",
            f"{which} o-1 had no reply, and 200 s after it had been placed {waited[0]} had not "
            "ended, although to all about it everybody had replied at once.",
        )
