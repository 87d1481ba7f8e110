"""Grades the commands of outbox.py; the relay is in test_outbox_relay.py."""

import asyncio
import json
import math
from contextlib import suppress

import pytest

from autograder.grading import mistake
from autograder.grading.benches.outbox_shop import SOON, make_shop_database, outbox_scenes
from autograder.simulation import simulate
from autograder.simulation.sqlite import slow_answers

SLOW = 0.5
"""Seconds that the answers of a database may be on their way to a program that has much to do."""


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """An empty database; making one takes longer than copying it."""
    return make_shop_database(tmp_path_factory.mktemp("shop") / "shop.db")


@pytest.fixture
def scene(template, tmp_path):
    """Makes scenes: each has a broker and a database of its own."""
    return outbox_scenes(template, tmp_path)


async def refused(command, error, said):
    """A command that has to raise this."""
    try:
        await command
    except error:
        return
    raise AssertionError(f"{said}, and nothing was raised; expected {error.__name__}")


@pytest.mark.points(2)
@simulate(seeds=2)
async def test_a_command_changes_the_order_and_tells(world, submission, scene):
    """A command changes the order, and its message is published; or it raises, and does neither."""
    at = await scene(world, submission)
    async with at.open() as shop:
        await at.place(shop, "o-1", "ada", 4900)
        await at.place(shop, "o-2", "bob", 100)
        await refused(shop.place_order("o-1", "bob", 1), submission.OrderExists, "o-1 is there")
        await at.cancel(shop, "o-1", 'a "better" offer')
        await refused(shop.cancel_order("o-1", "again"), submission.CannotCancel, "it is cancelled")
        await refused(shop.cancel_order("o-9", "?"), submission.CannotCancel, "there is no o-9")
        orders = at.tables.orders()
        at.tables.assert_together("Three commands were carried out, three were refused")
        assert orders == {"o-1": ("ada", 4900, "cancelled"), "o-2": ("bob", 100, "placed")}, (
            f"o-1 was placed and cancelled, o-2 placed, three commands refused; orders: {orders}"
        )
        told = [(row.order_id, row.type, json.loads(row.data)) for row in at.tables.outbox()]
        expected = [
            ("o-1", "OrderPlaced", {"order_id": "o-1", "customer": "ada", "total": 4900}),
            ("o-2", "OrderPlaced", {"order_id": "o-2", "customer": "bob", "total": 100}),
            ("o-1", "OrderCancelled", {"order_id": "o-1", "reason": 'a "better" offer'}),
        ]
        assert told == expected, f"outbox has, as (order, type, data), {told}; expected {expected}"
        came = await at.until_arrived(3)
        await at.until_sent()
    at.assert_all_arrived("Three commands were carried out")
    assert came, f"three messages were committed; {SOON:g} s later the queue has {at.arrived()}"
    rows = {row.message_id: row for row in at.tables.outbox()}
    for message in at.messages:
        row = rows[message.properties.message_id]
        assert message.routing_key == row.type, (
            f"the routing key of {row} is {message.routing_key!r}"
        )
        assert json.loads(message.body) == json.loads(row.data), (
            f"the data of {row} is {row.data}; the body of its message is {message.body!r}"
        )
    unsent = [str(row) for row in at.tables.outbox() if row.sent != 1]
    assert not unsent, f"all was confirmed, and sent is not 1 for {unsent}"


@pytest.mark.points(3)
@pytest.mark.hint("How many commits has a command of yours? What is there after each of them?")
@simulate(seeds=1, at_every_await=True)
async def test_killed_anywhere_nothing_is_untold(world, submission, scene):
    """If the process is killed, at whichever await, change and message are there, or neither."""
    at = await scene(world, submission)

    async def a_day():
        async with at.shop() as shop:
            await shop.place_order("o-1", "ada", 4900)
            await shop.cancel_order("o-1", "found it cheaper")
            await at.until_sent()

    outcome = await world.killed(a_day(), "the first shop", outside=at.outside)
    said = "The process was killed" if outcome.fired else "Nothing had gone wrong"
    at.tables.assert_together(said)
    at.assert_well_told(said)
    if outcome.fired:
        async with at.open_anew("the second shop"):
            await at.until_sent()
        said = "The process was killed, and another one was started"
    at.assert_all_arrived(said)


@pytest.mark.points(2)
@simulate(seeds=1, at_every_await=True)
async def test_cancelled_anywhere_it_is_all_or_nothing(world, submission, scene):
    """If a command is cancelled, at whichever await, all of it is there or nothing."""
    at = await scene(world, submission)
    at.broker.stop()
    async with at.open() as shop:
        outcome = await world.interrupted(shop.place_order("o-1", "ada", 4900))
        await asyncio.sleep(1)
        assert not at.tables.is_locked(), "place_order was cancelled; a transaction is still open"
        before = at.tables.orders()
        await at.place(shop, "o-2")
        orders, told = at.tables.orders(), {row.order_id for row in at.tables.outbox()}
        for order in ("o-1", "o-2"):
            assert (order in orders) == (order in told), (
                f"place_order of o-1 was cancelled, then o-2 was placed. {order} is "
                f"{'' if order in orders else 'not '}in orders, and "
                f"{'' if order in told else 'not '}in outbox"
            )
        assert ("o-1" in before) == ("o-1" in orders), (
            "place_order of o-1 was cancelled; o-1 came in with the next order all the same"
        )
        assert outcome.fired or "o-1" in orders, "place_order returned, and there is no order"


@pytest.mark.points(1)
@pytest.mark.hint("What does a SELECT see that is sent with a connection that is in a transaction?")
@simulate(seeds=2)
async def test_what_was_never_committed_is_told_to_nobody(world, submission, scene):
    """Of a command that is cancelled before its commit, while the relay looks, nobody hears."""
    at = await scene(world, submission, keys=("OrderPlaced",))
    tries = at.times_of("OrderCancelled")
    at.tables.put("o-0", "cy", 100, more=1)  # no queue is bound for the second: it is tried again
    async with at.open() as shop:
        slow_answers(world, SLOW)
        for statement in range(1, 5):  # of a command; its row is written with one of them
            await asyncio.sleep(2 * SOON)
            tries.clear()
            with suppress(TimeoutError):
                await at.broker.until(lambda: len(tries) >= 2, 3 * SOON)
            if len(tries) < 2:
                break  # other tests are about that
            # It goes on as it has. Some relays look before they try it again, some after that, too.
            pause = max(tries[1] - tries[0], 0.1)
            looks = tries[1] + pause + (0.1 if world.seed % 2 else -SLOW)
            begins = looks - SLOW * (statement + 0.5)
            ahead = max(0, math.ceil((world.time() - begins) / pause))
            await asyncio.sleep(begins + ahead * pause - world.time())
            placing = asyncio.create_task(shop.place_order(f"o-{statement}", "ada", 4900))
            await asyncio.wait([placing], timeout=SLOW * (statement + 0.8))
            placing.cancel()
            await asyncio.wait([placing])
            if not placing.cancelled():
                placing.exception()
        await asyncio.sleep(2 * SOON)
        slow_answers(world, 0)
    assert at.untrue is None, mistake(
        "dual-write", f"A command was cancelled half way, as the relay looked. {at.untrue}."
    )


@pytest.mark.points(2)
@pytest.mark.hint("A connection has one transaction. Who else uses yours at this moment?")
@simulate(seeds=4)
async def test_commands_run_side_by_side(world, submission, scene):
    """Of commands at the same time, in one shop or in two, each is carried out or refused."""
    at = await scene(world, submission)
    one_knows = submission.OrderExists, submission.CannotCancel
    async with at.open("one shop") as one, at.open_anew("another shop") as other:
        there_already = one_knows[0], submission.OrderExists
        cannot_cancel = one_knows[1], submission.CannotCancel

        async def place(shop, order, key):
            await world.pause(key, 0.0, 0.02)
            try:
                await shop.place_order(order, "ada", 100)
            except there_already:
                return False
            return True

        async def cancel(shop, order):
            try:
                await shop.cancel_order(order, "found it cheaper")
            except cannot_cancel:
                return False
            return True

        orders = ["o-1", "o-2", "o-1", "o-3", "o-4", "o-2"]
        shops = [one, one, one, other, one, other]
        async with at.watched("Commands ran at once"):
            done = await asyncio.gather(
                *(
                    place(shop, order, f"c {n}")
                    for n, (shop, order) in enumerate(zip(shops, orders, strict=True))
                )
            )
        await asyncio.sleep(1)  # by then the relays are at work
        async with at.watched("Commands ran one after another, and two relays"):
            for number in range(5, 25):
                await at.place(one, f"o-{number}")
        at.tables.assert_together("Six commands ran at once, and more")
        for order in sorted(set(orders)):
            times = sum(ok for ok, name in zip(done, orders, strict=True) if name == order)
            assert times == 1, (
                f"place_order({order!r}) was called {orders.count(order)} times at once, and "
                f"{times} of them said that it was placed; expected 1"
            )
            assert order in at.tables.orders(), f"{order} was placed, and is not in the database"
        cancelled = await asyncio.gather(*(cancel(shop, "o-3") for shop in (one, one, other)))
        assert sum(cancelled) == 1, (
            f"three cancelled o-3 at once, and for {sum(cancelled)} of them cancel_order returned; "
            "expected 1, and CannotCancel for the others"
        )
        await at.until_arrived(25)
        await at.until_sent()
    at.assert_all_arrived("Six commands ran at once, in two shops, and more")


@pytest.mark.points(2)
@pytest.mark.hint("Which of your lines waits for the broker? And who waits for that line?")
@simulate(seeds=2)
async def test_the_shop_sells_without_the_broker(world, submission, scene):
    """While the broker is down, the block begins, commands are carried out, and it ends."""
    at = await scene(world, submission)
    if world.seed % 2:
        at.broker.stop()
    async with at.open() as shop:
        await at.place(shop, "o-1")
        await asyncio.sleep(SOON)
        at.broker.stop(crash=True)
        for minute in range(3):
            await asyncio.sleep(60)
            await at.place(shop, f"o-{2 + minute}")
        await at.cancel(shop, "o-2")
        at.tables.assert_together("The broker was down, and five commands were carried out")
    assert len(at.tables.outbox()) == 5, f"five commands; outbox has {at.tables.outbox()}"
    at.broker.start()
    async with at.open("the next shop"):
        await at.until_arrived(5)
        await at.until_sent()
    at.assert_all_arrived("The broker was down, five commands were carried out, and it came back")


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_what_was_left_behind_is_sent(world, submission, scene):
    """What another process has committed, before or meanwhile, is published as well."""
    at = await scene(world, submission)
    at.tables.put("o-1", "ada", 4900)
    async with at.open():
        first = await at.until_arrived(1)
        await asyncio.sleep(60)
        at.tables.put("o-2", "bob", 100)
        second = await at.until_arrived(2)
        await at.until_sent()
    assert first, f"a row was in the outbox when the shop was opened; {SOON:g} s later it is unsent"
    assert second, (
        f"another process committed a row while the shop was open; {SOON:g} s later it is unsent"
    )
    at.assert_all_arrived("Two rows came from other processes")


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_messages_outlive_the_broker(world, submission, scene):
    """Messages are persistent: a crash of the broker loses nothing that was sent."""
    at = await scene(world, submission)
    async with at.open() as shop:
        await at.place(shop, "o-1")
        await at.until_sent()
        await asyncio.sleep(1)
        at.assert_well_told("The broker was about to crash")
        await at.broker.restart(crash=True)
        at.assert_all_arrived("The broker crashed and came back")
