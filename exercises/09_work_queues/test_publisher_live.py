"""Grades publisher.py live, on a real RabbitMQ: `pytest exercises/09 --live`."""

import asyncio

import pytest

from autograder.grading.benches.amqp_side import arrange
from autograder.grading.benches.live_amqp import Line, desk_at, until, within_patience


@pytest.mark.live
@pytest.mark.points(0)
def test_rabbitmq_confirms_returns_and_refuses(submission, amqp_url):
    """On RabbitMQ: what is routed is there; what no queue wants, or a full one, is raised."""

    async def run():
        full = {"x-max-length": 2, "x-overflow": "reject-publish"}
        await arrange(amqp_url, "events", {"paid": ["order.paid"]}, full)
        async with submission.Publisher(amqp_url, "events") as publisher, desk_at(amqp_url) as desk:
            sent = [await publisher.publish("order.paid", b"%d" % number) for number in range(2)]
            with pytest.raises(submission.Unroutable):
                await publisher.publish("oder.paid", b"2")
            with pytest.raises(submission.Refused):
                await publisher.publish("order.paid", b"3")
            there = await desk.take_all("paid")
        assert [message.message_id for message in there] == sent
        assert [message.delivery_mode.value for message in there] == [2, 2]

    asyncio.run(within_patience(run(), "publishing four messages"))


@pytest.mark.live
@pytest.mark.points(0)
def test_a_broken_line_to_rabbitmq_loses_nothing(submission, amqp_url):
    """On RabbitMQ: if the line breaks before the confirm, the message is published again."""

    async def run():
        await arrange(amqp_url, "events", {"paid": ["order.paid"]})
        async with (
            Line(amqp_url) as line,
            desk_at(amqp_url) as desk,
            submission.Publisher(line.url, "events") as publisher,
        ):
            line.mute_on = b"number 17"
            publishing = asyncio.create_task(publisher.publish("order.paid", b"number 17"))
            await until(lambda: desk.size("paid"), "a message in the queue")
            assert not publishing.done(), "publish returned, and the confirm had not come through"
            line.cut()
            sent = await within_patience(publishing, "publish")
            copies = await desk.take_all("paid")
        assert {message.message_id for message in copies} == {sent}
        assert {message.body for message in copies} == {b"number 17"}

    asyncio.run(run())
