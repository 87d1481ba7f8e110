"""Compares ids as text: that of the 129th of a millisecond is less than that of its second.

Ids look as if they could be sorted, and in a quiet stream, with one entry a millisecond, they can.

mistake: trims-unread
fails: test_a_backlog_is_not_trimmed
"""

import asyncio
import contextlib
import math
import time

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

TROUBLE = (RedisError, OSError)


async def work(
    url, handle, stop, *, stream, group, consumer, idle=60.0, max_deliveries=5, retention=86_400.0
):
    idle_ms = math.ceil(idle * 1000)
    timeout = min(3.0, idle / 4)
    retry_after = min(0.5, idle / 10)
    grace = min(6.0, idle / 2)  # after an outage the living are given time to say that they live
    held = {}

    redis = Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
    )

    async def pause(seconds):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)

    async def do(entry_id, fields):
        try:
            try:
                await handle(entry_id, fields)
            except Exception:
                return  # it stays pending
            while True:
                try:
                    await redis.xack(stream, group, entry_id)
                    return
                except TROUBLE:
                    await asyncio.sleep(retry_after)
        finally:
            held.pop(entry_id, None)

    def begin(entries):
        for entry_id, fields in entries:
            if not stop.is_set() and entry_id not in held:
                held[entry_id] = asyncio.create_task(do(entry_id, fields))

    async def heartbeat():
        while True:
            try:
                if held:
                    await redis.xclaim(stream, group, consumer, 0, list(held), justid=True)
                await asyncio.sleep(min(5.0, idle / 5))
            except TROUBLE:
                await asyncio.sleep(retry_after)

    async def bury(entry_id):
        if not await redis.xclaim(stream, group, consumer, idle_ms, [entry_id], justid=True):
            return
        entries = await redis.xrange(stream, entry_id, entry_id)
        async with redis.pipeline(transaction=True) as both:
            for _, fields in entries:
                both.xadd(f"{stream}:dead", {**fields, "entry": entry_id})
            both.xack(stream, group, entry_id)
            await both.execute()

    async def recover_once():
        start = "-"
        while not stop.is_set():
            rows = await redis.xpending_range(stream, group, start, "+", 100, idle=idle_ms)
            for row in rows:
                entry_id = row["message_id"]
                if entry_id in held:
                    continue
                if stop.is_set():
                    return
                if row["times_delivered"] >= max_deliveries:
                    await bury(entry_id)
                else:
                    begin(await redis.xclaim(stream, group, consumer, idle_ms, [entry_id]))
            if len(rows) < 100:
                return
            start = "(" + rows[-1]["message_id"]

    async def recover():
        await pause(grace)
        while not stop.is_set():
            try:
                await recover_once()
                await pause(idle / 4)
            except TROUBLE:
                await pause(retry_after)
                while not stop.is_set():
                    try:
                        await redis.ping()
                        break
                    except TROUBLE:
                        await pause(retry_after)
                await pause(grace)

    async def trim_once():
        groups = await redis.xinfo_groups(stream)
        last = next(g["last-delivered-id"] for g in groups if g["name"] == group)
        pending = await redis.xpending(stream, group)
        oldest = pending["min"] or last
        old = f"{int((time.time() - retention) * 1000)}-0"
        minid = min(last, oldest, old)
        await redis.xtrim(stream, minid=minid, approximate=True)

    async def trim():
        while not stop.is_set():
            try:
                await trim_once()
                await pause(idle / 2)
            except TROUBLE:
                await pause(retry_after)

    async def create():
        while not stop.is_set():
            try:
                await redis.xgroup_create(stream, group, id="0", mkstream=True)
                return
            except ResponseError as error:
                if str(error).startswith("BUSYGROUP"):
                    return
                await pause(retry_after)
            except TROUBLE:
                await pause(retry_after)

    async def read():
        while not stop.is_set():
            try:
                answer = await redis.xreadgroup(
                    group, consumer, {stream: ">"}, count=10, block=int(timeout * 500)
                )
                for _, entries in answer:
                    begin(entries)
            except TROUBLE:
                await pause(retry_after)

    async with redis:
        await create()
        beating = asyncio.create_task(heartbeat())
        try:
            await asyncio.gather(read(), recover(), trim())
            while held:
                await asyncio.wait(list(held.values()))
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
