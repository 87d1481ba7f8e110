"""Looks for what is idle, and then claims it whatever has become of it.

Another worker has looked at the same moment, and claims it, too.

mistake: claims-from-the-living
fails: test_one_of_the_living_takes_over, test_it_holds_what_it_has_when_a_connection_breaks
"""

import asyncio
import builtins
import contextlib
import time

from redis.asyncio import Redis
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

TRIM = """
local function parts(id)
  local ms, n = string.match(id, '(%d+)-(%d+)')
  return tonumber(ms), tonumber(n)
end
local oldest = ARGV[2]
local function atmost(id)
  local a, b = parts(id)
  local c, d = parts(oldest)
  if a < c or (a == c and b < d) then oldest = id end
end
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  for n = 1, #group, 2 do
    if group[n] == 'last-delivered-id' then atmost(group[n + 1]) end
  end
end
local pending = redis.call('XPENDING', KEYS[1], ARGV[1])
if pending[1] > 0 then atmost(pending[2]) end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', oldest)
"""


async def work(url, handle, stop, **options):
    while not stop.is_set():
        try:
            async with Redis.from_url(url, decode_responses=True) as client:
                await session(client, handle, stop, **options)
        except* (ConnectionError, TimeoutError):
            await asyncio.sleep(0.5)


async def session(
    client, handle, stop, *, stream, group, consumer, idle=60, max_deliveries=5, retention=86_400
):
    try:
        await client.xgroup_create(stream, group, "0", mkstream=True)
    except ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise
    busy, over, replies = set(), asyncio.Event(), asyncio.Semaphore(50)
    limit = int(idle * 1000)

    async def one(entry_id, fields):
        try:
            await handle(entry_id, fields)
        except Exception:
            pass
        else:
            async with replies:  # the pool has a hundred connections
                await client.xack(stream, group, entry_id)
        finally:
            busy.discard(entry_id)

    def begin(entries):
        for entry_id, fields in entries:
            if not stop.is_set() and entry_id not in busy:
                busy.add(entry_id)
                tasks.create_task(one(entry_id, fields))

    async def read():
        while not stop.is_set():
            answer = await client.xreadgroup(group, consumer, {stream: ">"}, 50, 2000)
            if answer:
                begin(answer[0][1])

    async def recover():
        while not stop.is_set():
            for row in await client.xpending_range(stream, group, "-", "+", 20, idle=limit):
                entry_id = row["message_id"]
                got = await client.xclaim(stream, group, consumer, 0, [entry_id])
                if got and row["times_delivered"] >= max_deliveries:
                    async with client.pipeline() as p:
                        await (
                            p.xadd(f"{stream}:dead", got[0][1] | {"entry": entry_id})
                            .xack(stream, group, entry_id)
                            .execute()
                        )
                else:
                    begin(got)
            await pause(stop, idle / 4)

    async def beat():
        while not over.is_set():
            if busy:
                await client.xclaim(stream, group, consumer, 0, [*busy], justid=True)
            oldest = f"{int((time.time() - retention) * 1000)}-0"
            await client.eval(TRIM, 1, stream, group, oldest)
            await pause(over, idle / 4)

    async with asyncio.TaskGroup() as everything:
        everything.create_task(beat())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            tasks.create_task(recover())
        over.set()


async def pause(event, seconds):
    with contextlib.suppress(builtins.TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
