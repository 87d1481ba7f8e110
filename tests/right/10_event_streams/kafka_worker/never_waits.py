"""The plain Consumer in a coroutine. It is never told to wait, so that it blocks nobody."""

import asyncio
import time
from collections import deque
from contextlib import suppress

from confluent_kafka import Consumer, KafkaException, TopicPartition


class Partition:
    def __init__(self, work):
        self.work = work
        self.lanes, self.tasks = {}, set()
        self.read, self.finished, self.reached = deque(), set(), None

    def take(self, message):
        self.read.append(message.offset())
        if message.key() in self.lanes:
            self.lanes[message.key()].append(message)
            return
        self.lanes[message.key()] = deque([message])
        task = asyncio.create_task(self.run(message.key()))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def run(self, key):
        lane = self.lanes[key]
        while lane and not self.work.ending:
            message = lane.popleft()
            try:
                await self.work.handle(message)
            except Exception as error:
                self.work.failure = self.work.failure or error
                return
            self.finished.add(message.offset())
            while self.read and self.read[0] in self.finished:
                self.finished.remove(self.read[0])
                self.reached = self.read.popleft() + 1
        del self.lanes[key]

    def drop(self):
        for lane in self.lanes.values():
            lane.clear()
        for task in self.tasks:
            task.cancel()


class Work:
    def __init__(self, handle, stop, topic):
        self.handle, self.stop, self.topic = handle, stop, topic
        self.partitions, self.failure = {}, None

    @property
    def ending(self):
        return self.stop.is_set() or self.failure is not None

    @property
    def busy(self):
        return any(one.tasks for one in self.partitions.values())

    @property
    def held(self):
        return sum(len(one.read) - len(one.finished) for one in self.partitions.values())

    def due(self):
        return [TopicPartition(self.topic, number, one.reached)
                for number, one in self.partitions.items() if one.reached is not None]  # fmt: skip

    def commit(self, consumer, *, wait=False):
        if due := self.due():
            with suppress(KafkaException):  # again a little later, all of it
                consumer.commit(offsets=due, asynchronous=not wait)

    def on_assign(self, consumer, places):
        for place in places:
            self.partitions[place.partition] = Partition(self)

    def on_revoke(self, consumer, places):
        self.commit(consumer)
        self.on_lost(consumer, places)

    def on_lost(self, consumer, places):
        for place in places:
            self.partitions.pop(place.partition, Partition(self)).drop()


async def work(config, handle, stop, *, topic, limit=100):
    this = Work(handle, stop, topic)
    consumer = Consumer({**config, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    consumer.subscribe(
        [topic], on_assign=this.on_assign, on_revoke=this.on_revoke, on_lost=this.on_lost
    )
    committed = time.monotonic()
    try:
        while this.busy or not this.ending:
            full = this.ending or this.held >= limit
            (consumer.pause if full else consumer.resume)(consumer.assignment())
            message = consumer.poll(0)
            if message is None:
                await asyncio.sleep(0.01)
            elif not message.error() and not this.ending:
                this.partitions[message.partition()].take(message)
            if time.monotonic() > committed + 0.5:
                this.commit(consumer)
                committed = time.monotonic()
    finally:
        await asyncio.to_thread(this.commit, consumer, wait=True)
        await asyncio.to_thread(consumer.close)
    if this.failure:
        raise this.failure
