"""Grades the relay of outbox.py."""

import asyncio
import json

import pytest

from autograder.grading import mistake
from autograder.grading.benches.forgotten import assert_none_forgotten, forgotten_connections
from autograder.grading.benches.outbox_shop import (
    QUEUE,
    SOON,
    make_shop_database,
    outbox_scenes,
)
from autograder.simulation import simulate
from autograder.simulation.sqlite import left_open

CUTS = (
    ("before", "basic.publish"),
    ("after", "basic.publish"),
    ("before", "confirm"),
    ("after", "confirm"),
)


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """An empty database; making one takes longer than copying it."""
    return make_shop_database(tmp_path_factory.mktemp("shop") / "shop.db")


@pytest.fixture
def scene(template, tmp_path):
    """Makes scenes: each has a broker and a database of its own."""
    return outbox_scenes(template, tmp_path)


@pytest.mark.points(2)
@pytest.mark.hint("When does `await exchange.publish(...)` return, and what comes after it?")
@simulate(seeds=1)
async def test_it_marks_after_the_confirm(world, submission, scene):
    """A row is marked as sent after the broker's confirm; until then nobody is locked out."""
    at = await scene(world, submission, storing=(20.0, 20.0))
    async with at.open() as shop:
        for order in ("o-1", "o-2"):
            await at.place(shop, order)
        await at.until_arrived(1)
        await asyncio.sleep(10)
        early = [row for row in at.tables.outbox() if row.sent]
        locked = [await at.is_locked_for_long()]
        await asyncio.sleep(20)  # one of them is confirmed, and the other one perhaps not yet
        locked += [await at.is_locked_for_long()]
        await asyncio.sleep(12)
        marked = await at.until_sent()
    at.assert_well_told("The broker takes 20 s until a message is on its disk")
    assert not early, mistake(
        "marked-before-confirm",
        f"The broker takes 20 s until a message is on its disk, and confirms it then. {early[0]} "
        "was marked as sent before: had the broker crashed, nobody would ever send it again."
        if early
        else "",
    )
    assert not any(locked), mistake(
        "global-lock",
        "The relay waits for a confirm with a transaction open: for 20 s nobody can place an order",
    )
    assert marked, f"the broker confirmed two messages; {SOON:g} s later sent is not 1 of both"


@pytest.mark.points(3)
@pytest.mark.hint("What does publish give you, or raise, if no queue is bound for the key?")
@simulate(seeds=2)
async def test_one_that_is_returned_holds_up_its_order(world, submission, scene):
    """What is returned is tried again; its order waits for it, and no other order does."""
    at = await scene(world, submission)
    async with at.open() as shop:
        await at.place(shop, "o-1")
        await at.assert_sent()
        await at.bind("OrderPlaced", undo=True)
        await at.place(shop, "o-2")
        await at.cancel(shop, "o-2")
        await asyncio.sleep((37, 51)[world.seed % 2])
        at.assert_well_told("A message was returned by the broker")
        placed = next(row for row in at.tables.outbox() if row.order_id == "o-2")
        assert not placed.sent, mistake(
            "unroutable-lost",
            "No queue is bound for OrderPlaced, so the broker returned the message; the row is "
            "marked as sent, and nobody will ever get it.",
        )
        at.assert_in_order("The first message of o-2 was returned by the broker")
        await at.cancel(shop, "o-1")
        others = await at.until_arrived(2, 2 * SOON)
        await at.bind("OrderPlaced")
        in_time = await at.until_arrived(3, SOON + 1)
        came = await at.until_arrived(4, 120)
        await at.until_sent()
    assert others, mistake(
        "head-of-line-blocking",
        "A message of o-2 was returned, and tried again. Meanwhile o-1 was cancelled, which has "
        f"nothing to do with it; {2 * SOON:g} s later nobody was told.",
    )
    assert came or placed.message_id in at.arrived(), mistake(
        "unroutable-lost",
        "The first message of o-2 was returned, since no queue was bound for it. Then there was "
        "one; two minutes later it had not been published again.",
    )
    assert came, f"a queue was bound again; two minutes later it has {at.arrived()}"
    assert in_time, (
        f"a queue was bound again, and {SOON + 1:g} s later what had been returned was not there; "
        f"it is to be tried again every {SOON:g} s"
    )
    at.assert_all_arrived("A message was returned for a while")


@pytest.mark.points(1)
@pytest.mark.hint("Which rows does the relay read, and what if none of them may be sent now?")
@simulate(seeds=1)
async def test_many_that_wait_hold_up_nobody_else(world, submission, scene):
    """However many messages of one order have to wait, those of other orders are sent."""
    at = await scene(world, submission, keys=("OrderCancelled",))
    at.tables.put("o-0", "cy", 100, kind="OrderCancelled")
    at.tables.put("o-1", "ada", 4900, more=600)
    at.tables.put("o-2", "bob", 100, kind="OrderCancelled")
    async with at.open():
        for _ in range(round(2 * SOON)):
            await asyncio.sleep(1)
            told = {json.loads(message.body)["order_id"] for message in at.messages}
            if "o-2" in told:
                break
    assert "o-0" in told, f"a row of o-0 was in the outbox; {2 * SOON:g} s later it still is"
    assert "o-2" in told, mistake(
        "head-of-line-blocking",
        "The first message of o-1 was returned, since no queue is bound for it, and 600 of its "
        f"messages have to wait. One of o-2 comes after them; {2 * SOON:g} s later it is unsent.",
    )


@pytest.mark.points(2)
@pytest.mark.hint("A later message may be accepted where an earlier one was refused.")
@simulate(seeds=2)
async def test_what_is_refused_is_tried_again(world, submission, scene):
    """What a full queue refuses is tried again, and nothing of its order comes before it."""
    full = {"x-max-length": 1, "x-overflow": "reject-publish"}
    at = await scene(world, submission, limits=full)
    import aio_pika

    taken = []
    async with await aio_pika.connect(at.broker.url) as connection:
        queue = await (await connection.channel()).get_queue(QUEUE)
        async with at.open() as shop:
            for order in ("o-1", "o-2"):
                await at.place(shop, order)
                await at.cancel(shop, order)
            for _ in range(20):
                await world.pause("the warehouse takes one", 2.0, 8.0)
                message = await queue.get(fail=False)
                if message is not None:
                    await message.ack()
                    taken.append((message.message_id, message.body))
                if len(set(taken)) == 4:
                    break
            await asyncio.sleep(1)
            rows = at.tables.outbox()
    said = "The queue was full and refused messages for a while"
    at.assert_well_told(said)
    at.assert_own_ids(taken, said)
    out = list(dict.fromkeys(message_id for message_id, _ in taken))
    gone = [row for row in rows if row.sent and row.message_id not in (*out, *at.arrived())]
    assert not gone, mistake(
        "marked-before-confirm",
        f"{said}. {', '.join(map(str, gone))}: marked as sent, and never in the queue.",
    )
    names = {row.message_id: str(row) for row in rows}
    came = [names[message_id] for message_id in out]
    for order in ("o-1", "o-2"):
        mine = [name for name in came if name.endswith(order)]
        assert mine[:1] != [f"OrderCancelled of {order}"], mistake(
            "out-of-order", f"{said}. What came out of it: {came}."
        )
    assert len(came) == 4, f"four messages, a full queue that is emptied; there came {came}"


@pytest.mark.points(2)
@pytest.mark.hint("What does publish raise when the connection breaks, and who catches it?")
@simulate(seeds=8)
async def test_a_broken_connection_loses_nothing(world, submission, scene):
    """If the connection breaks around a publish or its confirm, every message arrives, in order."""
    at = await scene(world, submission)
    when, what = CUTS[world.seed % 4]
    async with at.open() as shop:
        await at.place(shop, "o-1")
        await at.assert_sent()
        at.broker.cut(**{when: what})
        at.broker.cut(**{when: what}, nth=2 + world.seed // 4)
        await at.cancel(shop, "o-1")
        await at.place(shop, "o-2")
        in_time = await at.until_sent(4 * SOON)
        await at.until_sent(100)
    said = f"The connection broke {when} {what}"
    at.assert_well_told(said)
    carried_on(at, said)
    at.assert_all_arrived(said)
    assert in_time, f"{said}, twice at most; {4 * SOON:g} s later not all was sent"


def carried_on(at, said):
    """Whether all was sent: before this fault it was."""
    unsent = [str(row) for row in at.tables.outbox() if not row.sent]
    assert not unsent, mistake(
        "gives-up-unconfirmed",
        f"{said}. Before that the relay worked; minutes later {', '.join(unsent)} is unsent.",
    )


@pytest.mark.points(2)
@simulate(seeds=4)
async def test_it_carries_on_after_an_outage(world, submission, scene):
    """When the broker was down for minutes, the relay carries on as soon as it is back."""
    at = await scene(world, submission)
    async with at.open() as shop:
        await at.place(shop, "o-1")
        await at.assert_sent()
        at.broker.stop(crash=world.seed % 2 == 1)
        if world.seed // 2:
            await at.place(shop, "o-2")
        await asyncio.sleep((300, 287, 313, 271)[world.seed % 4])
        await at.cancel(shop, "o-1")
        at.broker.start()
        await at.until_sent(SOON)
        in_time = at.arrived()
        await at.until_sent(100)
        carried_on(at, "The broker was down for five minutes")
    at.assert_all_arrived("The broker was down for five minutes")
    assert len(in_time) == len(at.tables.outbox()), (
        f"the broker came back, and {SOON:g} s later {len(in_time)} messages had arrived; "
        f"{len(at.tables.outbox())} were in the outbox"
    )


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_two_relays_lose_nothing(world, submission, scene):
    """Two shops at once, of which one is killed, lose no message and keep each order's order."""
    at = await scene(world, submission)
    with world.network.at("the first shop"):
        first = asyncio.create_task(forever(at.shop(), world))
    async with at.open_anew("the second shop") as shop:
        for number in range(1, 5):
            await at.place(shop, f"o-{number}")
            await world.pause("next", 0.0, 0.1)
            if number == 3:
                world.kill("the first shop")
            await at.cancel(shop, f"o-{number}")
        await at.until_sent(2 * SOON)
    first.cancel()
    at.assert_all_arrived("Two shops were open, and one was killed")


async def forever(shop, world):
    """A shop that only relays."""
    async with shop:
        await asyncio.sleep(3600)


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_at_the_end_it_stops(world, submission, scene):
    """When the block ends, the relay stops in the middle of it, and connections are closed."""
    at = await scene(world, submission, storing=(1000.0, 1000.0))
    with forgotten_connections() as forgotten:
        async with at.open() as shop:
            if world.seed % 2:
                await at.place(shop, "o-1")
                await at.until_arrived(1, 2 * SOON)
            await asyncio.sleep(10)
    at.assert_well_told("The broker confirmed nothing")
    published = len(at.messages)
    assert at.broker.connections == 0, (
        f"the block has ended, and {at.broker.connections} connections to the broker are open"
    )
    still = left_open(world)
    assert still == 0, f"the block has ended, and {still} connections to the database are open"
    assert_none_forgotten(forgotten, "the block has ended")
    at.tables.put("o-2", "bob", 100)
    await asyncio.sleep(60)
    assert len(at.messages) == published, "the block has ended, and something was published"
    assert not any(row.sent for row in at.tables.outbox()), (
        "nothing was confirmed, the block has ended, and a row is marked as sent"
    )
