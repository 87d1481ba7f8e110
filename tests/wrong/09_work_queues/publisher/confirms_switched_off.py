"""Switches confirms off "for performance": publish returns when it has written to the socket.

On a good day nothing is lost: the network was there, and the broker lived.

mistake: fire-and-forget
also: unroutable-lost
fails: test_it_returns_when_the_broker_has_confirmed, test_what_no_queue_wants_is_unroutable,
    test_what_the_broker_does_not_take_is_refused, test_messages_do_not_wait_for_each_other,
    test_a_broken_connection_loses_nothing, test_what_is_confirmed_is_not_published_again,
    test_a_broker_that_is_down_is_waited_for, test_the_beginning_waits_for_the_broker_too,
    test_a_cancelled_publish_ends_at_once, test_cancelled_anywhere_it_costs_nobody_anything
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
        self.channel = await self.connection.channel(publisher_confirms=False)
        self.exchange = await self.channel.get_exchange(self.name)
        return self

    async def __aexit__(self, *_):
        await self.connection.close()

    async def publish(self, routing_key, body):
        message = aio_pika.Message(body, message_id=uuid.uuid4().hex, delivery_mode=2)
        while True:
            try:
                await self.channel.ready()
                await self.exchange.publish(message, routing_key)
                return message.message_id
            except (ConnectionError, aio_pika.exceptions.ChannelInvalidStateError):
                await asyncio.sleep(0.5)
