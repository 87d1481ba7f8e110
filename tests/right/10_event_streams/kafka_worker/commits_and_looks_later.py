"""The plain Consumer on an executor with one thread. It commits without waiting, and on_commit says
what became of it; handlers are tasks whose callbacks begin the next one of their key."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from confluent_kafka import Consumer, KafkaException, TopicPartition


class Part:
    """A partition: what is open, by offset; and what waits, by key."""

    def __init__(self):
        self.open, self.high, self.told = set(), None, None
        self.tasks, self.waiting, self.gone = {}, {}, False

    @property
    def reached(self):
        return min(self.open) if self.open else self.high


class Work:
    def __init__(self, config, handle, stop, topic, limit):
        self.handle, self.stop, self.topic, self.limit = handle, stop, topic, limit
        self.parts, self.errors = {}, []
        self.loop = asyncio.get_running_loop()
        own = {"enable.auto.commit": False, "auto.offset.reset": "earliest"}
        self.consumer = Consumer({**config, **own, "on_commit": self.on_commit})

    # -- on the executor's thread -----------------------------------------------------------------

    def subscribe(self):
        self.consumer.subscribe([self.topic], on_revoke=self.on_revoke, on_lost=self.on_lost)

    def poll(self, full):
        places = self.consumer.assignment()
        (self.consumer.pause if full else self.consumer.resume)(places)
        message = self.consumer.poll(0.05)
        if due := self.due():
            self.consumer.commit(offsets=due)
        return message

    def due(self):
        return [
            TopicPartition(self.topic, number, part.reached)
            for number, part in list(self.parts.items())
            if part.reached is not None and part.reached != part.told
        ]

    def on_commit(self, error, places):
        for place in places:
            part = self.parts.get(place.partition)
            if part and not error and not place.error:
                part.told = place.offset

    def commit_and_wait(self):
        for _ in range(5):
            if not (due := self.due()):
                return
            with suppress(KafkaException):
                self.consumer.commit(offsets=due, asynchronous=False)
                return

    def on_revoke(self, consumer, places):
        for place in places:
            if part := self.parts.get(place.partition):
                part.gone = True
        self.commit_and_wait()
        self.on_lost(consumer, places)

    def on_lost(self, consumer, places):
        for place in places:
            if part := self.parts.pop(place.partition, None):
                part.gone = True
                for task in list(part.tasks.values()):
                    self.loop.call_soon_threadsafe(task.cancel)

    # -- on the event loop ------------------------------------------------------------------------

    @property
    def ending(self):
        return self.stop.is_set() or bool(self.errors)

    @property
    def busy(self):
        return any(part.tasks for part in self.parts.values())

    def take(self, message):
        part = self.parts.setdefault(message.partition(), Part())
        part.open.add(message.offset())
        part.high = message.offset() + 1
        if message.key() in part.tasks:
            part.waiting.setdefault(message.key(), []).append(message)
        else:
            self.begin(part, message)

    def begin(self, part, message):
        task = part.tasks[message.key()] = self.loop.create_task(self.handle(message))
        task.add_done_callback(lambda done: self.ended(part, message, done))

    def ended(self, part, message, task):
        del part.tasks[message.key()]
        if task.cancelled():
            return
        if error := task.exception():
            self.errors.append(error)
            return
        part.open.discard(message.offset())
        waiting = part.waiting.get(message.key())
        if waiting and not self.ending and not part.gone:
            self.begin(part, waiting.pop(0))

    async def run(self):
        with ThreadPoolExecutor(1) as thread:
            await self.loop.run_in_executor(thread, self.subscribe)
            try:
                while self.busy or not self.ending:
                    held = sum(len(part.open) for part in self.parts.values())
                    full = self.ending or held >= self.limit
                    message = await self.loop.run_in_executor(thread, self.poll, full)
                    if message is not None and not message.error() and not self.ending:
                        self.take(message)
                await self.loop.run_in_executor(thread, self.commit_and_wait)
            finally:
                await self.loop.run_in_executor(thread, self.consumer.close)


async def work(config, handle, stop, *, topic, limit=100):
    this = Work(config, handle, stop, topic, limit)
    await this.run()
    if this.errors:
        raise this.errors[0]
