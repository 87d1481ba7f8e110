"""Publishes in a task, so that the web request need not wait; what becomes of it, nobody asks.

The log is full of "lost" orders, each with a publish that "worked".

mistake: fire-and-forget
also: unroutable-lost, lost-exception, leaked-task
fails: test_it_returns_when_the_broker_has_confirmed, test_what_no_queue_wants_is_unroutable,
    test_what_the_broker_does_not_take_is_refused, test_it_outlives_a_crash_of_the_broker,
    test_a_message_is_in_every_queue_that_wants_it, test_a_broken_connection_loses_nothing,
    test_a_broker_that_is_down_is_waited_for, test_there_is_one_connection,
    test_the_beginning_waits_for_the_broker_too, test_a_cancelled_publish_ends_at_once,
    test_messages_do_not_wait_for_each_other, test_what_is_confirmed_is_not_published_again,
    test_it_ends_while_the_broker_is_down, test_cancelled_anywhere_it_costs_nobody_anything
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
        self.sending = set()

    async def __aenter__(self):
        self.connection = await aio_pika.connect_robust(
            self.url, fail_fast=False, reconnect_interval=1
        )
        self.channel = await self.connection.channel(on_return_raises=True)
        self.exchange = await self.channel.get_exchange(self.name)
        return self

    async def __aexit__(self, *_):
        await asyncio.gather(*self.sending)
        await self.connection.close()

    async def publish(self, routing_key, body):
        message = aio_pika.Message(body, message_id=uuid.uuid4().hex, delivery_mode=2)
        task = asyncio.create_task(self.send(routing_key, message))
        self.sending.add(task)
        task.add_done_callback(self.sending.discard)
        return message.message_id

    async def send(self, routing_key, message):
        try:
            await self.channel.ready()
            await self.exchange.publish(message, routing_key)
        except aio_pika.exceptions.PublishError:
            raise Unroutable(routing_key) from None
        except aio_pika.exceptions.DeliveryError:
            raise Refused(routing_key) from None
