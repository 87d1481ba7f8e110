"""The process is the worker: its state is in the module, as in a script."""

import asyncio
import logging
import time

import redis.asyncio as aioredis
from redis.exceptions import ConnectionError as Broken
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as TooLate

log = logging.getLogger("packer")
held: dict[str, float] = {}
tasks: set[asyncio.Task] = set()
LOST = (Broken, TooLate, OSError)
MOST = 20


def number(entry):
    a, b = entry.split("-")
    return int(a), int(b)


async def finish(r, entry, fields, handle, stream, group):
    try:
        await handle(entry, fields)
    except Exception:
        log.exception("%s", entry)
    else:
        for attempt in range(3):
            try:
                await r.xack(stream, group, entry)
                break
            except LOST:
                await asyncio.sleep(0.2 * (attempt + 1))
    finally:
        held.pop(entry, None)


def begin(r, entry, fields, handle, stream, group):
    held[entry] = time.monotonic()
    t = asyncio.create_task(finish(r, entry, fields, handle, stream, group))
    tasks.add(t)
    t.add_done_callback(tasks.discard)


async def refresh(r, stream, group, consumer, idle):
    while True:
        await asyncio.sleep(idle / 4)
        if held:
            try:
                await r.xclaim(
                    stream, group, consumer, min_idle_time=0, message_ids=list(held), justid=True
                )
            except LOST as e:
                log.warning("%s", e)


async def trim(r, stream, group, idle, retention):
    while True:
        await asyncio.sleep(idle / 2.5)
        try:
            info = next(g for g in await r.xinfo_groups(stream) if g["name"] == group)
            rows = await r.xpending_range(stream, group, min="-", max="+", count=1)
            floor = number(rows[0]["message_id"]) if rows else number(info["last-delivered-id"])
            old = (int((time.time() - retention) * 1000), 0)
            floor = min(floor, old, number(info["last-delivered-id"]))
            await r.xtrim(stream, minid=f"{floor[0]}-{floor[1]}", approximate=True)
        except LOST as e:
            log.warning("%s", e)
        except (ResponseError, IndexError) as e:
            log.error("%s", e)


async def work(
    url, handle, stop, *, stream, group, consumer, idle=60.0, max_deliveries=5, retention=86400.0
):
    async with aioredis.Redis.from_url(url, decode_responses=True) as r:
        while not stop.is_set():
            try:
                await r.xgroup_create(stream, group, id="0-0", mkstream=True)
            except ResponseError as e:
                if "BUSYGROUP" not in str(e):
                    raise
            except LOST:
                await asyncio.sleep(0.5)
                continue
            break
        helpers = [
            asyncio.create_task(refresh(r, stream, group, consumer, idle)),
            asyncio.create_task(trim(r, stream, group, idle, retention)),
        ]
        looked = 0.0
        while not stop.is_set():
            try:
                free = MOST - len(held)
                if free <= 0:
                    await asyncio.sleep(0.1)
                    continue
                if time.monotonic() - looked > idle / 4:
                    looked = time.monotonic()
                    ms = int(idle * 1000)
                    for row in await r.xpending_range(stream, group, "-", "+", free, idle=ms):
                        entry, times = row["message_id"], row["times_delivered"]
                        if entry in held or stop.is_set():
                            continue
                        got = await r.xclaim(stream, group, consumer, ms, [entry])
                        for entry, fields in got:
                            if times + 1 > max_deliveries:
                                p = r.pipeline(transaction=True)
                                p.xadd(stream + ":dead", {**fields, "entry": entry})
                                p.xack(stream, group, entry)
                                await p.execute()
                            elif not stop.is_set():
                                begin(r, entry, fields, handle, stream, group)
                    continue
                for _, entries in (
                    await r.xreadgroup(group, consumer, {stream: ">"}, count=free, block=500) or []
                ):
                    for entry, fields in entries:
                        if not stop.is_set():
                            begin(r, entry, fields, handle, stream, group)
            except LOST as e:
                log.warning("%s", e)
                await asyncio.sleep(0.5)
        if tasks:
            await asyncio.wait(set(tasks))
        for h in helpers:
            h.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
