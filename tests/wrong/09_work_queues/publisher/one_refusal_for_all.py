"""A refusal is taken for a state of the broker: whatever is under way is refused along with it.

mistake: none
fails: test_what_the_broker_does_not_take_is_refused
"""

import asyncio
from uuid import uuid4

import aio_pika
from aio_pika import exceptions


class Unroutable(Exception):
    pass


class Refused(Exception):
    pass


class Publisher:
    def __init__(self, url, exchange):
        self.url = url
        self.name = exchange
        self.waiting = {}
        self.changed = asyncio.Event()
        self.connected = asyncio.Event()

    async def __aenter__(self):
        self.writer = asyncio.create_task(self.write())
        try:
            await self.connected.wait()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_):
        self.writer.cancel()
        await asyncio.gather(self.writer, return_exceptions=True)

    async def publish(self, routing_key, body):
        message = aio_pika.Message(body, message_id=uuid4().hex, delivery_mode=2)
        answer = asyncio.get_running_loop().create_future()
        self.waiting[message.message_id] = (routing_key, message, answer)
        self.changed.set()
        try:
            await answer
        finally:
            del self.waiting[message.message_id]
        return message.message_id

    async def write(self):
        while True:
            try:
                connection = await aio_pika.connect(self.url)
            except OSError:
                await asyncio.sleep(1)
                continue
            async with connection:
                try:
                    await self.write_over(connection)
                except (OSError, exceptions.ChannelInvalidStateError):
                    await asyncio.sleep(0.5)

    async def write_over(self, connection):
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.get_exchange(self.name, ensure=False)
        self.connected.set()
        sent, busy = set(), set()
        self.changed.set()
        try:
            while True:
                wake = asyncio.create_task(self.changed.wait())
                try:
                    await asyncio.wait({wake, *busy}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    wake.cancel()
                for task in [task for task in busy if task.done()]:
                    busy.discard(task)
                    task.result()
                self.changed.clear()
                for number, item in list(self.waiting.items()):
                    if number not in sent:
                        sent.add(number)
                        busy.add(asyncio.create_task(self.send(exchange, *item)))
        finally:
            for task in busy:
                task.cancel()
            await asyncio.gather(*busy, return_exceptions=True)

    async def send(self, exchange, routing_key, message, answer):
        error = None
        try:
            await exchange.publish(message, routing_key)
        except exceptions.PublishError:
            error = Unroutable(routing_key)
        except exceptions.DeliveryError:
            for key, _, other in self.waiting.values():
                if not other.done():
                    other.set_exception(Refused(key))
        if answer.done():
            return
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)
