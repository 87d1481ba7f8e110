"""The DeserializingConsumer, on a thread of its own that also commits; the loop only handles."""

import asyncio
import threading
from collections import OrderedDict, deque

from confluent_kafka import DeserializingConsumer, KafkaException, TopicPartition


class Reader(threading.Thread):
    def __init__(self, config, topic, limit, loop, boss):
        super().__init__(daemon=True)
        self.consumer = DeserializingConsumer(
            {**config, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        )
        self.topic, self.limit, self.loop, self.boss = topic, limit, loop, boss
        self.lock = threading.Lock()
        self.books = {}  # partition: OrderedDict(offset: done)
        self.position, self.committed = {}, {}
        self.held = 0
        self.taking, self.ending = True, False
        self.error = None

    def run(self):
        try:
            self.consumer.subscribe([self.topic], on_revoke=self.revoked, on_lost=self.lost)
            while not self.ending:
                with self.lock:
                    full = self.held >= self.limit or not self.taking
                if full:
                    self.consumer.pause(self.consumer.assignment())
                    self.keep(self.consumer.poll(0.02))
                else:
                    self.consumer.resume(self.consumer.assignment())
                    self.keep(self.consumer.poll(0.02))
                self.commit()
            self.commit()
        except BaseException as error:
            self.error = error
        finally:
            self.consumer.close()
            self.loop.call_soon_threadsafe(self.boss.reader_ended)

    def keep(self, message):
        if message is None or message.error():
            return
        with self.lock:
            self.held += 1
            self.books.setdefault(message.partition(), OrderedDict())[message.offset()] = False
        self.loop.call_soon_threadsafe(self.boss.take, message)

    def done(self, partition, offset):
        with self.lock:
            book = self.books.get(partition)
            if book is None or offset not in book:
                return
            self.held -= 1
            book[offset] = True
            while book and next(iter(book.values())):
                self.position[partition] = book.popitem(last=False)[0] + 1

    def commit(self):
        with self.lock:
            new = {p: o for p, o in self.position.items() if self.committed.get(p) != o}
        if new:
            try:
                self.consumer.commit(
                    offsets=[TopicPartition(self.topic, p, o) for p, o in new.items()],
                    asynchronous=False,
                )
                self.committed.update(new)
            except KafkaException:
                pass

    def revoked(self, consumer, partitions):
        self.forget(partitions, self.commit)

    def lost(self, consumer, partitions):
        self.forget(partitions, lambda: None)

    def forget(self, partitions, before):
        gone = {p.partition for p in partitions}
        asyncio.run_coroutine_threadsafe(self.boss.give_up(gone), self.loop).result()
        before()
        with self.lock:
            for p in gone:
                book = self.books.pop(p, None) or {}
                self.held -= sum(not done for done in book.values())
                self.position.pop(p, None)
                self.committed.pop(p, None)


class Boss:
    def __init__(self, config, handle, stop, topic, limit):
        self.handle, self.stop = handle, stop
        self.reader = Reader(config, topic, limit, asyncio.get_running_loop(), self)
        self.lanes, self.running = {}, {}
        self.gone = asyncio.Event()
        self.failed = asyncio.Event()
        self.error = None

    def reader_ended(self):
        self.gone.set()

    def quiet(self):
        return self.stop.is_set() or self.failed.is_set()

    def take(self, message):
        if self.quiet() or message.partition() not in self.reader.books:
            return
        place = message.partition(), message.key()
        self.lanes.setdefault(place, deque()).append(message)
        if place not in self.running:
            self.running[place] = asyncio.create_task(self.run_lane(place))

    async def run_lane(self, place):
        lane = self.lanes[place]
        try:
            while lane and not self.quiet():
                message = lane.popleft()
                await self.handle(message)
                self.reader.done(message.partition(), message.offset())
        except Exception as error:
            self.error = self.error or error
            self.failed.set()
        finally:
            self.lanes.pop(place, None)
            self.running.pop(place, None)

    async def give_up(self, partitions):
        tasks = [t for (p, _), t in self.running.items() if p in partitions]
        for t in tasks:
            t.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def main(self):
        self.reader.start()
        waits = [asyncio.create_task(e.wait()) for e in (self.stop, self.failed, self.gone)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        self.reader.taking = False
        while self.running:
            await asyncio.wait(list(self.running.values()))
        self.reader.ending = True
        await self.gone.wait()
        for w in waits:
            w.cancel()
        if self.error or self.reader.error:
            raise self.error or self.reader.error


async def work(config, handle, stop, *, topic, limit=100):
    await Boss(config, handle, stop, topic, limit).main()
