"""Waits for a place before it polls. While there is none, nobody polls.

mistake: slow-handler-rebalance
fails: test_it_stays_in_its_group, test_it_stops_in_peace
"""

import asyncio
import heapq

import confluent_kafka
from confluent_kafka.aio import AIOConsumer


class Progress:
    """Which offset of a partition is the first that is not done?"""

    def __init__(self):
        self.undone = []  # a heap
        self.finished = set()
        self.top = None
        self.sent = None

    def read(self, offset):
        heapq.heappush(self.undone, offset)
        self.top = offset + 1

    def finish(self, offset):
        self.finished.add(offset)
        while self.undone and self.undone[0] in self.finished:
            self.finished.remove(heapq.heappop(self.undone))

    def reached(self):
        return self.undone[0] if self.undone else self.top


async def work(config, handle, stop, *, topic, limit=100):
    settings = dict(config)
    settings["enable.auto.commit"] = "false"
    settings["auto.offset.reset"] = "earliest"
    consumer = AIOConsumer(settings)
    progress, last, running, closing = {}, {}, {}, set()
    errors = []
    room = asyncio.Semaphore(limit)

    async def process(message, before, mine):
        if before is not None:
            await asyncio.gather(before, return_exceptions=True)
        number = message.partition()
        try:
            if stop.is_set() or errors or number in closing or progress.get(number) is not mine:
                raise Skipped
            running.setdefault(number, set()).add(asyncio.current_task())
            await handle(message)
            mine.finish(message.offset())
        except Skipped:
            pass
        except Exception as error:
            errors.append(error)
        finally:
            running.get(number, set()).discard(asyncio.current_task())
            room.release()

    async def commit(only=None):
        due = []
        for number, one in progress.items():
            reached = one.reached()
            if (only is None or number in only) and reached is not None and reached != one.sent:
                due.append(confluent_kafka.TopicPartition(topic, number, reached))
        if due:
            try:
                await consumer.commit(offsets=due, asynchronous=False)
            except confluent_kafka.KafkaException:
                return
        for place in due:
            progress[place.partition].sent = place.offset

    async def on_revoke(_, partitions):
        numbers = {p.partition for p in partitions}
        closing.update(numbers)
        busy = [task for number in numbers for task in running.get(number, ())]
        if busy:
            await asyncio.wait(busy)
        await commit(numbers)
        for number in numbers:
            progress.pop(number, None)
            for key in [k for k in last if k[0] == number]:
                del last[key]
        closing.difference_update(numbers)

    async def on_lost(_, partitions):
        for p in partitions:
            progress.pop(p.partition, None)

    tasks = set()
    await consumer.subscribe([topic], on_revoke=on_revoke, on_lost=on_lost)
    try:
        while not stop.is_set() and not errors:
            await room.acquire()
            message = await consumer.poll(0.02)
            if message is None or message.error() is not None:
                room.release()
            else:
                number, key = message.partition(), (message.partition(), message.key())
                mine = progress.setdefault(number, Progress())
                mine.read(message.offset())
                task = asyncio.create_task(process(message, last.get(key), mine))
                last[key] = task
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await commit()
        while tasks:
            await asyncio.wait(tasks, timeout=0.2)
            await consumer.pause(await consumer.assignment())
            await consumer.poll(0)
            await commit()
        await commit()
    finally:
        await consumer.close()
    if errors:
        raise errors[0]


class Skipped(Exception):
    """It is somebody else's, or nobody is to begin it."""
