"""Opens a connection for each message, and closes it: nothing can be stale.

A handshake takes seven trips to the broker, a message one. At a hundred messages a second the
broker does little else than shake hands.

mistake: connection-per-message
fails: test_there_is_one_connection, test_a_broker_that_is_down_is_waited_for,
    test_cancelled_anywhere_it_costs_nobody_anything
"""

import asyncio
import uuid

import aio_pika


class Unroutable(Exception):
    pass


class Refused(Exception):
    pass


class Publisher:
    def __init__(self, url, exchange):
        self.url, self.name = url, exchange

    async def connect(self):
        while True:
            try:
                return await aio_pika.connect(self.url)
            except OSError:
                await asyncio.sleep(1)

    async def __aenter__(self):
        await (await self.connect()).close()
        return self

    async def __aexit__(self, *_):
        pass

    async def publish(self, routing_key, body):
        message = aio_pika.Message(body, message_id=uuid.uuid4().hex, delivery_mode=2)
        while True:
            try:
                async with await self.connect() as connection:
                    channel = await connection.channel(on_return_raises=True)
                    exchange = await channel.get_exchange(self.name)
                    await exchange.publish(message, routing_key)
                return message.message_id
            except aio_pika.exceptions.PublishError:
                raise Unroutable(routing_key) from None
            except aio_pika.exceptions.DeliveryError:
                raise Refused(routing_key) from None
            except (OSError, aio_pika.exceptions.ChannelInvalidStateError):
                await asyncio.sleep(0.5)
