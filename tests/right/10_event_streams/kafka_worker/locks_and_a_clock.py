"""A task for each message, which waits for its key's lock; commits once a second.

What has begun is finished when partitions are revoked.
"""

import asyncio
import time
from collections import defaultdict

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.aio import AIOConsumer


async def work(config, handle, stop, *, topic, limit=100):
    consumer = AIOConsumer(
        dict(config) | {"enable.auto.commit": False, "auto.offset.reset": "earliest"}
    )
    books = {}  # partition -> Book
    failure = []
    last = time.monotonic()

    async def commit(only=None):
        places = [
            TopicPartition(topic, p, b.next)
            for p, b in books.items()
            if (only is None or p in only) and b.next is not None and b.next != b.told
        ]
        if not places:
            return
        try:
            await consumer.commit(offsets=places, asynchronous=False)
        except KafkaException:
            return
        for place in places:
            books[place.partition].told = place.offset

    async def revoked(_, partitions):
        numbers = {p.partition for p in partitions}
        for n in numbers & books.keys():
            books[n].closed = True
        waiting = [t for n in numbers & books.keys() for t in books[n].tasks]
        if waiting:
            await asyncio.wait(waiting)
        await commit(numbers)
        for n in numbers:
            books.pop(n, None)

    async def lost(_, partitions):
        for p in partitions:
            book = books.pop(p.partition, None)
            if book:
                book.closed = True

    async def one(book, message):
        async with book.locks[message.key()]:
            if book.closed or failure or stop.is_set():
                return
            try:
                await handle(message)
            except Exception as error:
                failure.append(error)
                return
            book.finished(message.offset())

    try:
        await consumer.subscribe([topic], on_revoke=revoked, on_lost=lost)
        while not stop.is_set() and not failure:
            room = limit - sum(len(b.unfinished) for b in books.values())
            assigned = await consumer.assignment()
            if room > 0:
                await consumer.resume(assigned)
                messages = await consumer.consume(room, 0.1)
            else:
                await consumer.pause(assigned)
                await consumer.poll(0)
                await asyncio.sleep(0.1)
                messages = []
            for message in messages:
                if message.error():
                    continue
                book = books.setdefault(message.partition(), Book())
                book.unfinished[message.offset()] = True
                book.last = message.offset()
                task = asyncio.create_task(one(book, message))
                book.tasks.add(task)
                task.add_done_callback(book.tasks.discard)
            if time.monotonic() - last > 1:
                await commit()
                last = time.monotonic()
        while tasks := [t for b in books.values() for t in b.tasks]:
            await asyncio.wait(tasks, timeout=0.5)
            await consumer.pause(await consumer.assignment())
            await consumer.poll(0)
        await commit()
    finally:
        await consumer.close()
    if failure:
        raise failure[0]


class Book:
    def __init__(self):
        self.unfinished, self.locks, self.tasks = {}, defaultdict(asyncio.Lock), set()
        self.closed, self.told, self.next, self.last = False, None, None, None

    def finished(self, offset):
        del self.unfinished[offset]
        self.next = next(iter(self.unfinished), self.last + 1)
