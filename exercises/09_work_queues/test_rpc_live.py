"""Grades rpc.py live, on a real RabbitMQ: `pytest exercises/09 --live`."""

import asyncio

import aio_pika
import pytest

from autograder.grading.benches.live_amqp import desk_at, within_patience

QUEUE = "prices"


@pytest.mark.live
@pytest.mark.points(0)
def test_on_rabbitmq_each_call_gets_its_own_reply(submission, amqp_url):
    """On RabbitMQ: replies out of order, an error, none, a late one; each call gets its own."""
    late = []

    async def serve(channel):
        taken = []
        queue = await channel.declare_queue(QUEUE)

        async def reply(request, **properties):
            body = aio_pika.Message(
                request.body.upper(), correlation_id=request.correlation_id, **properties
            )
            await channel.default_exchange.publish(body, request.reply_to, mandatory=False)
            await request.ack()

        async def on_request(request):
            if request.body == b"late":
                late.append(request)
            elif request.body == b"unicorn":
                await reply(request, type="error")
            else:
                taken.append(request)
                if len(taken) == 3:
                    for each in reversed(taken):
                        await reply(each)

        await queue.consume(on_request)
        return reply

    async def run():
        async with desk_at(amqp_url) as desk:
            reply = await serve(await desk.channel())
            async with submission.RpcClient(amqp_url) as client:
                with pytest.raises(TimeoutError):
                    await client.call(QUEUE, b"late", within=1)
                bodies = [b"lamp", b"kettle", b"unicorn", b"radio"]
                calls = [
                    asyncio.create_task(client.call(QUEUE, body, within=30)) for body in bodies
                ]
                await reply(late[0])
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
                assert client.pending == 0
        assert [outcomes[0], outcomes[1], outcomes[3]] == [b"LAMP", b"KETTLE", b"RADIO"]
        assert isinstance(outcomes[2], submission.RemoteError)
        assert str(outcomes[2]) == "UNICORN"

    asyncio.run(within_patience(run(), "five calls"))
