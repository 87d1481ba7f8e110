"""The plain Consumer on a thread of its own; handlers run on the event loop."""

import asyncio
import contextlib
import queue
import threading

from confluent_kafka import Consumer, KafkaException, TopicPartition


class Poller(threading.Thread):
    """Owns the consumer. Messages go to the loop, and what is done comes back by a queue."""

    def __init__(self, config, topic, limit, loop, deliver):
        super().__init__()
        self.consumer = Consumer(
            {**config, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        )
        self.topic, self.limit, self.loop, self.deliver = topic, limit, loop, deliver
        self.inbox = queue.Queue()
        self.quit = threading.Event()
        self.draining = threading.Event()
        self.epoch = {}
        self.open = {}
        self.due = {}
        self.error = None

    def run(self):
        try:
            self.consumer.subscribe(
                [self.topic],
                on_assign=self.on_assign,
                on_revoke=self.on_revoke,
                on_lost=self.on_lost,
            )
            while not self.quit.is_set():
                full = self.held() >= self.limit or self.draining.is_set()
                if full:
                    self.consumer.pause(self.consumer.assignment())
                else:
                    self.consumer.resume(self.consumer.assignment())
                message = self.consumer.poll(0.03)
                if message is not None and not message.error() and not self.draining.is_set():
                    number = message.partition()
                    self.open.setdefault(number, {})[message.offset()] = False
                    self.loop.call_soon_threadsafe(self.deliver, message, self.epoch.get(number, 0))
                self.collect()
        except Exception as error:
            self.error = error
        finally:
            self.collect()
            self.consumer.close()

    def held(self):
        return sum(list(offsets.values()).count(False) for offsets in self.open.values())

    def collect(self):
        """Take in what is done, and commit as far as there is no gap."""
        touched = set()
        while not self.inbox.empty():
            number, offset, epoch = self.inbox.get()
            if epoch == self.epoch.get(number, 0) and offset in self.open.get(number, {}):
                self.open[number][offset] = True
                touched.add(number)
        for number in touched:
            offsets = self.open[number]
            reached = None
            for offset in sorted(offsets):
                if not offsets[offset]:
                    break
                reached = offset + 1
                del offsets[offset]
            if reached is not None:
                self.due[number] = reached
        places = [TopicPartition(self.topic, *place) for place in self.due.items()]
        if places:
            with contextlib.suppress(KafkaException):  # the next one will do
                self.consumer.commit(offsets=places, asynchronous=False)
                self.due.clear()

    def on_assign(self, consumer, partitions):
        for p in partitions:
            self.open.pop(p.partition, None)
            self.due.pop(p.partition, None)

    def on_revoke(self, consumer, partitions):
        self.collect()
        self.on_lost(consumer, partitions)

    def on_lost(self, consumer, partitions):
        for p in partitions:
            self.epoch[p.partition] = self.epoch.get(p.partition, 0) + 1
            self.open.pop(p.partition, None)
            self.due.pop(p.partition, None)


async def work(config, handle, stop, *, topic, limit=100):
    loop = asyncio.get_running_loop()
    queues, workers, failures = {}, set(), []
    wake = asyncio.Event()

    def deliver(message, epoch):
        key = message.partition(), message.key()
        if key not in queues:
            queues[key] = asyncio.Queue()
            workers.add(loop.create_task(serve(key)))
        queues[key].put_nowait((message, epoch))

    async def serve(key):
        mine = queues[key]
        while not mine.empty():
            message, epoch = mine.get_nowait()
            if stop.is_set() or failures:
                break
            if epoch != poller.epoch.get(message.partition(), 0):
                continue
            try:
                await handle(message)
            except Exception as error:
                failures.append(error)
                wake.set()
                break
            poller.inbox.put((message.partition(), message.offset(), epoch))
        del queues[key]
        workers.discard(asyncio.current_task())

    poller = Poller(config, topic, limit, loop, deliver)
    poller.start()
    stopping = loop.create_task(stop.wait())
    failing = loop.create_task(wake.wait())
    await asyncio.wait([stopping, failing], return_when=asyncio.FIRST_COMPLETED)
    poller.draining.set()
    while workers:
        await asyncio.wait(set(workers))
    poller.quit.set()
    await loop.run_in_executor(None, poller.join)
    for task in (stopping, failing):
        task.cancel()
    await asyncio.gather(stopping, failing, return_exceptions=True)
    if failures or poller.error:
        raise failures[0] if failures else poller.error
