"""Tries three times, a second apart: it takes longer than that to restart a broker.

mistake: gives-up-unconfirmed
fails: test_a_broker_that_is_down_is_waited_for, test_a_cancelled_publish_ends_at_once,
  test_a_broken_connection_loses_nothing, test_the_beginning_waits_for_the_broker_too
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
            self.url, reconnect_interval=0.5, fail_fast=False
        )
        self.channel = await self.connection.channel(on_return_raises=True)
        self.exchange = await self.channel.get_exchange(self.name)
        return self

    async def __aexit__(self, *_):
        await self.connection.close()

    async def publish(self, routing_key, body):
        message = aio_pika.Message(body, message_id=str(uuid.uuid4()), delivery_mode=2)
        for attempt in range(1, 4):
            try:
                await self.exchange.publish(message, routing_key)
            except aio_pika.exceptions.PublishError as error:
                raise Unroutable(routing_key) from error
            except aio_pika.exceptions.DeliveryError as error:
                raise Refused(routing_key) from error
            except (OSError, RuntimeError):
                if attempt == 3:
                    raise
                await asyncio.sleep(1)
            else:
                return message.message_id
        raise AssertionError("not reached")
