"""Acknowledges what it has read, so that nobody else gets it, and keeps it in a dict until it is
handled. The worker that is started next finds the dict empty.

mistake: commits-early
also: claims-from-the-living, endless-redelivery
fails: test_killed_anywhere_nothing_is_lost, test_it_acknowledges_after_the_work,
    test_nobody_takes_what_the_living_have, test_a_failed_entry_is_tried_again,
    test_a_poisoned_entry_is_put_aside, test_what_has_begun_is_finished,
    test_one_of_the_living_takes_over, test_it_holds_what_it_has_when_a_connection_breaks
"""

import asyncio
import contextlib
import time

import redis.asyncio
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

LOST = (ConnectionError, TimeoutError)


async def work(
    url, handle, stop, *, stream, group, consumer, idle=60.0, max_deliveries=5, retention=86_400.0
):
    client = redis.asyncio.from_url(url, decode_responses=True)
    me = Worker(client, stream, group, consumer, round(idle * 1000), retention)
    try:
        cleaned = -idle
        ready = False
        while not stop.is_set():
            try:
                ready = ready or await me.make_group()
                if time.monotonic() - cleaned > idle / 2:
                    await me.trim()
                    cleaned = time.monotonic()
                entry = next(iter(UNDONE.items()), None) or await me.claim() or await me.read()
                if entry is None or stop.is_set():
                    continue
                entry_id, fields = entry
                if await me.deliveries(entry_id) > max_deliveries:
                    await me.bury(entry_id, fields)
                    continue
                await me.process(entry_id, fields, handle)
            except LOST:
                await asyncio.sleep(1)
    finally:
        await client.aclose()


UNDONE = {}  # what was taken from the stream, and not handled yet


class Worker:
    def __init__(self, client, stream, group, consumer, idle, retention):
        self.client = client
        self.stream = stream
        self.group = group
        self.consumer = consumer
        self.idle = idle
        self.retention = retention

    async def make_group(self):
        try:
            await self.client.xgroup_create(self.stream, self.group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        return True

    async def claim(self):
        answer = await self.client.xautoclaim(
            self.stream, self.group, self.consumer, self.idle, "0-0", count=1
        )
        return answer[1][0] if answer[1] else None

    async def read(self):
        answer = await self.client.xreadgroup(
            self.group, self.consumer, {self.stream: ">"}, count=1, block=1000
        )
        return answer[0][1][0] if answer else None

    async def deliveries(self, entry_id):
        rows = await self.client.xpending_range(self.stream, self.group, entry_id, entry_id, 1)
        return rows[0]["times_delivered"] if rows else 1

    async def bury(self, entry_id, fields):
        await self.client.xadd(self.stream + ":dead", dict(fields, entry=entry_id))
        await self.client.xack(self.stream, self.group, entry_id)

    async def process(self, entry_id, fields, handle):
        UNDONE[entry_id] = fields
        await self.client.xack(self.stream, self.group, entry_id)
        keeping = asyncio.create_task(self.keep(entry_id))
        try:
            await handle(entry_id, fields)
            UNDONE.pop(entry_id, None)
        except Exception:
            return
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def keep(self, entry_id):
        while True:
            await asyncio.sleep(self.idle / 4000)
            await self.touch(entry_id)
            with contextlib.suppress(*LOST):
                await self.trim()

    async def touch(self, entry_id):
        with contextlib.suppress(*LOST):
            await self.client.xclaim(
                self.stream, self.group, self.consumer, 0, [entry_id], justid=True
            )

    async def trim(self):
        async with self.client.pipeline(transaction=True) as looks:
            looks.xpending(self.stream, self.group)
            looks.xinfo_groups(self.stream)
            pending, groups = await looks.execute()
        done = next(g["last-delivered-id"] for g in groups if g["name"] == self.group)
        if pending["pending"]:
            done = pending["min"]
        old = f"{int((time.time() - self.retention) * 1000)}-0"
        oldest = min(done, old, key=lambda i: [int(part) for part in i.split("-")])
        await self.client.xtrim(self.stream, minid=oldest, approximate=False)
