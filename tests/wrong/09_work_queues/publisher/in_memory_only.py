"""The queues are durable, so it believes that what is in them is, too.

mistake: not-persistent
fails: test_it_outlives_a_crash_of_the_broker, test_messages_do_not_wait_for_each_other,
    test_a_broker_that_is_down_is_waited_for, test_the_beginning_waits_for_the_broker_too
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

    async def __aenter__(self):
        self.connection = await aio_pika.connect_robust(
            self.url, fail_fast=False, reconnect_interval=1
        )
        self.channel = await self.connection.channel(on_return_raises=True)
        self.exchange = await self.channel.get_exchange(self.name)
        return self

    async def __aexit__(self, *_):
        await self.connection.close()

    async def publish(self, routing_key, body):
        message = aio_pika.Message(body, message_id=uuid.uuid4().hex)
        while True:
            try:
                await self.channel.ready()
                await self.exchange.publish(message, routing_key)
                return message.message_id
            except aio_pika.exceptions.PublishError:
                raise Unroutable(routing_key) from None
            except aio_pika.exceptions.DeliveryError:
                raise Refused(routing_key) from None
            except (ConnectionError, aio_pika.exceptions.ChannelInvalidStateError):
                await asyncio.sleep(0.5)
