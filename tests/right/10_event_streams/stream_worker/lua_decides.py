"""One script does all of the taking over: it looks, claims, counts and buries, in one step."""

import asyncio
import contextlib
import time

import redis.asyncio
import redis.exceptions

TAKE = """
local stream, dead = KEYS[1], KEYS[2]
local group, me, idle, most, count = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local mine = {}
for _, row in ipairs(redis.call('XPENDING', stream, group, 'IDLE', idle, '-', '+', count)) do
  local id, times = row[1], row[4]
  local got = redis.call('XCLAIM', stream, group, me, idle, id)
  if got[1] then
    local fields = got[1][2]
    if times >= most then
      fields[#fields + 1] = 'entry'
      fields[#fields + 1] = id
      redis.call('XADD', dead, '*', unpack(fields))
      redis.call('XACK', stream, group, id)
    else
      mine[#mine + 1] = {id, fields}
    end
  end
end
return mine
"""


class Packer:
    limit = 8

    def __init__(self, client, handle, stop, stream, group, consumer, idle, most, retention):
        self.__dict__.update(locals())
        self.take = client.register_script(TAKE)
        self.jobs = {}

    async def main(self):
        await self.forever(self.join, once=True)
        keeper = asyncio.create_task(self.keep())
        try:
            await asyncio.gather(self.forever(self.new), self.forever(self.old))
            while self.jobs:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper

    async def forever(self, step, once=False):
        while not self.stop.is_set():
            try:
                await step()
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
                await asyncio.sleep(1)
            else:
                if once:
                    return

    async def join(self):
        try:
            await self.client.xgroup_create(self.stream, self.group, id=0, mkstream=True)
        except redis.exceptions.ResponseError as e:
            if not e.args[0].startswith("BUSYGROUP"):
                raise

    async def new(self):
        free = self.limit - len(self.jobs)
        if free < 1:
            await asyncio.sleep(0.2)
            return
        got = await self.client.xreadgroup(
            self.group, self.consumer, {self.stream: ">"}, free, 1000
        )
        if got:
            for entry, fields in got[0][1]:
                self.begin(entry, fields)

    async def old(self):
        free = self.limit - len(self.jobs)
        if free > 0:
            args = [self.group, self.consumer, int(self.idle * 1000), self.most, free]
            for entry, flat in await self.take(
                keys=[self.stream, f"{self.stream}:dead"], args=args
            ):
                self.begin(entry, dict(zip(flat[::2], flat[1::2], strict=False)))
            await asyncio.sleep(min(self.idle / 4, 5))
        else:
            await asyncio.sleep(0.3)

    def begin(self, entry, fields):
        if not self.stop.is_set():
            self.jobs[entry] = asyncio.create_task(self.job(entry, fields))

    async def job(self, entry, fields):
        try:
            try:
                await self.handle(entry, fields)
            except Exception:
                return
            with contextlib.suppress(
                redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            ):
                await self.client.xack(self.stream, self.group, entry)
        finally:
            self.jobs.pop(entry)

    async def keep(self):
        while True:
            await asyncio.sleep(self.idle / 4)
            try:
                async with self.client.pipeline(transaction=True) as p:
                    if self.jobs:
                        p.xclaim(
                            self.stream, self.group, self.consumer, 0, list(self.jobs), justid=True
                        )
                    p.xinfo_groups(self.stream)
                    p.xpending(self.stream, self.group)
                    *_, groups, pending = await p.execute()
                mine = next(g for g in groups if g["name"] == self.group)
                ids = [mine["last-delivered-id"], f"{int((time.time() - self.retention) * 1e3)}-0"]
                if pending["pending"] > 0:
                    ids.append(pending["min"])
                await self.client.xtrim(
                    self.stream, minid=min(ids, key=lambda i: [int(n) for n in i.split("-")])
                )
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
                continue


async def work(
    url, handle, stop, *, stream, group, consumer, idle=60.0, max_deliveries=5, retention=86_400.0
):
    async with redis.asyncio.from_url(url, decode_responses=True) as client:
        await Packer(
            client, handle, stop, stream, group, consumer, idle, max_deliveries, retention
        ).main()
