"""At most `limit` handlers at once. What is read and waits for them has no limit.

mistake: no-backpressure
fails: test_it_holds_no_more_than_its_limit, test_it_stays_in_its_group
"""

import asyncio
import contextlib
from collections import defaultdict

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.aio import AIOConsumer


async def work(config, handle, stop, *, topic, limit=100):
    await Worker(config, handle, stop, topic, limit).run()


class Worker:
    def __init__(self, config, handle, stop, topic, limit):
        self.consumer = AIOConsumer(
            config
            | {
                "enable.auto.commit": True,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
            }
        )
        self.handle, self.stop, self.topic, self.limit = handle, stop, topic, limit
        self.jobs = defaultdict(dict)  # partition -> offset -> task
        self.locks = defaultdict(asyncio.Lock)
        self.broken = None
        self.slots = asyncio.Semaphore(limit)

    async def run(self):
        await self.consumer.subscribe([self.topic], on_revoke=self.forget, on_lost=self.forget)
        try:
            while not (self.stop.is_set() or self.broken):
                for message in await self.fetch():
                    if message.error():
                        continue
                    task = asyncio.create_task(self.job(message))
                    self.jobs[message.partition()][message.offset()] = task
                await self.store()
            # locks that wait for others find that it is over; who finishes shows that it lives
            while rest := [
                t for offsets in self.jobs.values() for t in offsets.values() if not t.done()
            ]:
                await asyncio.wait(rest, timeout=0.2)
                await self.consumer.pause(await self.consumer.assignment())
                await self.consumer.poll(0)
                await self.store()
            await self.store()
        finally:
            await self.consumer.close()
        if self.broken:
            raise self.broken

    async def fetch(self):
        return await self.consumer.consume(10, 0.02)

    async def job(self, message):
        """True once it is done."""
        async with self.locks[message.partition(), message.key()], self.slots:
            if self.stop.is_set() or self.broken:
                return False
            try:
                await self.handle(message)
            except Exception as error:
                self.broken = self.broken or error
                return False
            return True

    async def store(self):
        for partition, offsets in self.jobs.items():
            reached = None
            for offset in sorted(offsets):
                task = offsets[offset]
                if not task.done() or task.cancelled() or not task.result():
                    break
                reached = offset + 1
                del offsets[offset]
            if reached is not None:
                with contextlib.suppress(KafkaException):  # not ours any more
                    await self.consumer.store_offsets(
                        offsets=[TopicPartition(self.topic, partition, reached)]
                    )

    async def forget(self, consumer, partitions):
        for gone in partitions:
            tasks = self.jobs.pop(gone.partition, {}).values()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
