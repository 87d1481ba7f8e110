"""Grades worker.py live, on a real RabbitMQ: `pytest exercises/09 --live`."""

import asyncio
from collections import Counter

import aio_pika
import pytest

from autograder.grading.benches.credits import Shop, make_database
from autograder.grading.benches.live_amqp import Line, desk_at, until, within_patience

QUEUE, DEAD = "points", "points.dead"
NAMES = [f"customer {number}" for number in range(12)]


async def publish(desk, *names):
    """Publish a message for each name once the queue is there."""

    async def is_there():
        return await desk.size(QUEUE) is not None

    await until(is_there, "the worker's queue")
    exchange = (await desk.channel()).default_exchange
    for name in names:
        message = aio_pika.Message(name.encode(), message_id=f"id of {name}", delivery_mode=2)
        await exchange.publish(message, QUEUE)


def worker(submission, url, shop, stop, **options):
    return asyncio.create_task(
        submission.work(url, shop.database, shop.handle, stop, queue=QUEUE, **options)
    )


@pytest.mark.live
@pytest.mark.points(0)
def test_on_rabbitmq_each_effect_happens_once(submission, amqp_url, tmp_path):
    """On RabbitMQ: two workers, doubles, a retry and a dead letter; each effect is there once."""
    shop = Shop(
        make_database(tmp_path / "points.db"),
        seconds=0.01,
        lock_timeout=10,
        fails=lambda body, nth: body == "poison" or (body == NAMES[0] and nth == 1),
    )

    async def run():
        stop = asyncio.Event()
        options = {"prefetch": 3, "attempts": 2, "retry_delay": 0.5}
        workers = [worker(submission, amqp_url, shop, stop, **options) for _ in range(2)]
        async with desk_at(amqp_url) as desk:
            await publish(desk, *NAMES, *NAMES[3:6], "poison")

            async def all_is_done():
                rows = await asyncio.to_thread(shop.credits)
                return rows.keys() >= set(NAMES) and await desk.size(DEAD) == 1

            await until(all_is_done, "12 credits and a dead letter")
            stop.set()
            await within_patience(asyncio.gather(*workers), "the workers' end")
            left, dead = await desk.size(QUEUE), await desk.take_all(DEAD)
        assert left == 0
        assert [(m.message_id, m.body) for m in dead] == [("id of poison", b"poison")]

    asyncio.run(run())
    assert shop.credits() == Counter(NAMES)


@pytest.mark.live
@pytest.mark.points(0)
def test_a_broken_line_to_rabbitmq_does_not_count_twice(submission, amqp_url, tmp_path):
    """On RabbitMQ: if the line breaks while messages are worked on, each effect is there once."""
    shop = Shop(make_database(tmp_path / "points.db"), seconds=0.05, lock_timeout=10)

    async def run():
        stop = asyncio.Event()
        async with Line(amqp_url) as line, desk_at(amqp_url) as desk:
            working = worker(submission, line.url, shop, stop, prefetch=2)
            await publish(desk, *NAMES)
            for count in (2, 6):

                async def has_come_so_far(count=count):
                    return len(shop.calls) > count

                await until(has_come_so_far, f"{count} handlers at work")
                line.cut()

            async def all_is_done():
                rows = await asyncio.to_thread(shop.credits)
                return len(rows) == len(NAMES) and await desk.size(QUEUE) == 0

            await until(all_is_done, "12 credits")
            stop.set()
            await within_patience(working, "the worker's end")
            assert await desk.size(QUEUE) == 0

    asyncio.run(run())
    assert shop.credits() == Counter(NAMES)
