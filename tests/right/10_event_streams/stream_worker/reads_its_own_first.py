"""Begins with what is pending on its own name, reads in batches and works them off in turn; the
whole batch is kept fresh. Trims by deleting the oldest entries that are done."""

import asyncio
import contextlib
import time

import redis
from redis.asyncio import Redis


async def work(
    url, handle, stop, *, stream, group, consumer, idle=60.0, max_deliveries=5, retention=86_400.0
):
    async with Redis.from_url(url, decode_responses=True, health_check_interval=10) as r:
        ms, batch, first, timer = round(idle * 1000), {}, True, 0.0

        async def keep():
            rounds = 0
            while True:
                await asyncio.sleep(idle / 4)
                rounds += 1
                with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                    if batch:
                        await r.xclaim(stream, group, consumer, 0, list(batch), justid=True)
                    await trim()

        async def trim():
            groups = {g["name"]: g for g in await r.xinfo_groups(stream)}
            if group not in groups:
                return
            until = groups[group]["last-delivered-id"]
            age = f"{round((time.time() - retention) * 1000)}-0"
            pending = {
                row["message_id"] for row in await r.xpending_range(stream, group, "-", "+", 10_000)
            }
            old = await r.xrange(stream, "-", f"({age}", count=1000)
            limit = tuple(map(int, until.split("-")))
            gone = [
                i for i, _ in old if i not in pending and tuple(map(int, i.split("-"))) <= limit
            ]
            if gone:
                await r.xdel(stream, *gone)

        async def handle_batch():
            for entry_id, fields in list(batch.items()):
                if stop.is_set():
                    break
                with contextlib.suppress(Exception):
                    await handle(entry_id, fields)
                    await r.xack(stream, group, entry_id)
                batch.pop(entry_id, None)
            batch.clear()

        async def fill():
            nonlocal timer
            if time.monotonic() - timer > idle / 4:
                timer = time.monotonic()
                rows = await r.xpending_range(stream, group, "-", "+", 10, idle=ms)
                counts = {row["message_id"]: row["times_delivered"] for row in rows}
                if counts:
                    for entry_id, fields in await r.xclaim(stream, group, consumer, ms, [*counts]):
                        if counts[entry_id] >= max_deliveries:
                            await r.xadd(f"{stream}:dead", {"entry": entry_id, **fields})
                            await r.xack(stream, group, entry_id)
                        else:
                            batch[entry_id] = fields
                    if batch:
                        return
            answer = await r.xreadgroup(group, consumer, {stream: ">"}, count=5, block=1500)
            if answer:
                batch.update(answer[0][1])

        async def own():
            rows = await r.xpending_range(stream, group, "-", "+", 1000, consumername=consumer)
            counts = {row["message_id"]: row["times_delivered"] for row in rows}
            answer = await r.xreadgroup(group, consumer, {stream: "0"})
            for entry_id, fields in answer[0][1] if answer else ():
                if counts[entry_id] >= max_deliveries:
                    await r.xadd(f"{stream}:dead", {"entry": entry_id, **fields})
                    await r.xack(stream, group, entry_id)
                else:
                    batch[entry_id] = fields

        keeper = None
        while not stop.is_set():
            try:
                if first:
                    with contextlib.suppress(redis.ResponseError):
                        await r.xgroup_create(stream, group, "0", mkstream=True)
                    await own()
                    first = False
                    keeper = asyncio.create_task(keep())
                else:
                    await fill()
                await handle_batch()
            except (redis.ConnectionError, redis.TimeoutError):
                batch.clear()
                await asyncio.sleep(1)
        if keeper:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
