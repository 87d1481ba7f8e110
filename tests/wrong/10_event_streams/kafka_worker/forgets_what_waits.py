"""Keeps book of what is at work. What waits behind it, of the same key, is in no book.

mistake: commits-over-a-gap
fails: test_it_commits_what_is_done, test_a_failure_ends_it, test_it_stops_in_peace,
    test_what_is_taken_away_is_let_go
"""

import asyncio
import heapq

import confluent_kafka
from confluent_kafka.aio import AIOConsumer


class Progress:
    """How far is a partition done, without a gap?"""

    def __init__(self):
        self.at_work = []  # a heap
        self.finished = set()
        self.top = None
        self.sent = None

    def begin(self, offset):
        heapq.heappush(self.at_work, offset)

    def finish(self, offset):
        self.finished.add(offset)
        while self.at_work and self.at_work[0] in self.finished:
            first = heapq.heappop(self.at_work)
            self.finished.remove(first)
            self.top = max(self.top or 0, first + 1)

    def reached(self):
        return self.top


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
            mine.begin(message.offset())
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
    paused = False
    try:
        while not stop.is_set() and not errors:
            full = room.locked()
            if full != paused:
                parts = await consumer.assignment()
                await (consumer.pause(parts) if full else consumer.resume(parts))
                paused = full
            message = await consumer.poll(0.02)
            if message is not None and message.error() is None:
                await room.acquire()
                number, key = message.partition(), (message.partition(), message.key())
                mine = progress.setdefault(number, Progress())
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
