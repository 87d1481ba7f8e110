"""Grades outbox.py live, on a real RabbitMQ: `pytest exercises/13 --live`."""

import asyncio
import contextlib

import pytest

from autograder.grading.benches.amqp_side import arrange
from autograder.grading.benches.live_amqp import Line, desk_at, until, within_patience
from autograder.grading.benches.outbox_shop import (
    EXCHANGE,
    KEYS,
    QUEUE,
    Tables,
    make_shop_database,
)


@pytest.fixture
def tables(tmp_path):
    """The shop's database, empty."""
    with contextlib.closing(Tables(make_shop_database(tmp_path / "shop.db"))) as tables:
        yield tables


async def all_sent(tables):
    """Wait until every row is marked."""

    async def marked():
        rows = tables.outbox()
        return rows and all(row.sent for row in rows)

    await until(marked, "all rows marked as sent")


def first_copies(messages):
    """The ids of messages, each once, in their order."""
    return list(dict.fromkeys(message.message_id for message in messages))


@pytest.mark.live
@pytest.mark.points(0)
def test_rabbitmq_gets_what_is_committed(submission, amqp_url, tables):
    """On RabbitMQ: commands are carried out without it, and their messages arrive, in order."""

    async def run():
        async with Line(amqp_url) as line:
            nowhere = line.url
        async with submission.Shop(tables.path, nowhere) as shop:  # the broker is not there
            await shop.place_order("o-1", "ada", 4900)
            await shop.cancel_order("o-1", "found it cheaper")
        assert [row.sent for row in tables.outbox()] == [0, 0]
        await arrange(amqp_url, EXCHANGE, {QUEUE: KEYS})
        async with submission.Shop(tables.path, amqp_url) as shop, desk_at(amqp_url) as desk:
            await shop.place_order("o-2", "bob", 100)
            await all_sent(tables)
            there = await desk.take_all(QUEUE)
        placed, cancelled, other = (row.message_id for row in tables.outbox())
        came = first_copies(there)
        assert sorted(came) == sorted([placed, cancelled, other])
        assert came.index(placed) < came.index(cancelled), "o-1 was cancelled before it was placed"
        assert {message.delivery_mode.value for message in there} == {2}

    asyncio.run(within_patience(run(), "a shop with three commands"))


@pytest.mark.live
@pytest.mark.points(0)
def test_a_lost_confirm_from_rabbitmq_loses_nothing(submission, amqp_url, tables):
    """On RabbitMQ: a message whose confirm is lost is published again, under the same id."""

    async def run():
        await arrange(amqp_url, EXCHANGE, {QUEUE: KEYS})
        async with (
            Line(amqp_url) as line,
            desk_at(amqp_url) as desk,
            submission.Shop(tables.path, line.url) as shop,
        ):
            await shop.place_order("o-1", "ada", 4900)
            await all_sent(tables)
            line.mute_on = b"OrderCancelled"  # the publish gets through, its confirm does not
            await shop.cancel_order("o-1", "found it cheaper")

            async def two():
                return (await desk.size(QUEUE) or 0) >= 2

            await until(two, "two messages in the queue")
            assert [row.sent for row in tables.outbox()] == [1, 0], (
                "no confirm has come through, and the row is marked as sent"
            )
            line.cut()
            await all_sent(tables)
            there = await desk.take_all(QUEUE)
        assert first_copies(there) == [row.message_id for row in tables.outbox()]

    asyncio.run(within_patience(run(), "a shop whose line breaks"))


@pytest.mark.live
@pytest.mark.points(0)
def test_rabbitmq_returns_a_message_for_a_while(submission, amqp_url, tables):
    """On RabbitMQ: what is returned holds up its order, and is sent when a queue is bound."""

    async def run():
        await arrange(amqp_url, EXCHANGE, {QUEUE: ["OrderCancelled"], "all": ["#"]})
        async with desk_at(amqp_url) as desk:
            channel = await desk.channel()
            everything = await channel.get_queue("all")
            async with submission.Shop(tables.path, amqp_url) as shop:
                await shop.place_order("o-1", "ada", 4900)
                await all_sent(tables)
                await everything.unbind(EXCHANGE, "#")
                await shop.place_order("o-2", "bob", 100)
                await shop.cancel_order("o-2", "no more")
                await shop.cancel_order("o-1", "found it cheaper")

                async def one():
                    return await desk.size(QUEUE)

                await until(one, "the message of another order")
                assert [row.sent for row in tables.outbox()][1:3] == [0, 0]
                await everything.bind(EXCHANGE, "OrderPlaced")
                await all_sent(tables)
            there = await desk.take_all(QUEUE)
        rows = tables.outbox()
        assert first_copies(there) == [rows[3].message_id, rows[2].message_id]

    asyncio.run(within_patience(run(), "a shop with a message that is returned"))
