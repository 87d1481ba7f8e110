"""connect_robust() reconnects, so it leaves everything to it. What was under way, nobody repeats.

mistake: gives-up-unconfirmed
fails: test_a_broken_connection_loses_nothing, test_what_no_queue_wants_is_unroutable,
    test_what_is_confirmed_is_not_published_again, test_a_broker_that_is_down_is_waited_for,
    test_the_beginning_waits_for_the_broker_too, test_a_cancelled_publish_ends_at_once,
    test_cancelled_anywhere_it_costs_nobody_anything
"""

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
        self.connection = await aio_pika.connect_robust(self.url)
        channel = await self.connection.channel(on_return_raises=True)
        self.exchange = await channel.get_exchange(self.name)
        return self

    async def __aexit__(self, *_):
        await self.connection.close()

    async def publish(self, routing_key, body):
        message = aio_pika.Message(
            body, message_id=str(uuid.uuid4()), delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        try:
            await self.exchange.publish(message, routing_key)
        except aio_pika.exceptions.PublishError as error:
            raise Unroutable(routing_key) from error
        except aio_pika.exceptions.DeliveryError as error:
            raise Refused(routing_key) from error
        return message.message_id
