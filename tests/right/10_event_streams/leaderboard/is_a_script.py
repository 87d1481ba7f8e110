"""A process is a gateway or a worker, and its state is in the module.

Scores go over eight connections side by side; each viewer looks for itself whether there is
something new.
"""

import asyncio
import contextlib
import json
import time

import redis.asyncio as aioredis
from redis.exceptions import RedisError, ResponseError
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

current = {"version": -1, "top": None}
waiting: list = []
on_the_way = 0
fresh = asyncio.Event()
todo = asyncio.Event()

SCRIPT = """
local told, any = {}, false
for i, row in ipairs(cjson.decode(ARGV[2])) do
  local player, seq, score = row[2], row[3], row[4]
  local old = redis.call('HGET', KEYS[3], player)
  if not old or tonumber(old) < tonumber(seq) then
    redis.call('HSET', KEYS[3], player, seq)
    local before = redis.call('ZSCORE', KEYS[2], player)
    if not before or tonumber(before) ~= tonumber(score) then
      redis.call('ZADD', KEYS[2], score, player)
      told[player], any = tonumber(score), true
    end
  end
  redis.call('XACK', KEYS[1], ARGV[1], row[1])
  redis.call('XDEL', KEYS[1], row[1])
end
if any then
  local version = redis.call('INCR', KEYS[4])
  redis.call('PUBLISH', KEYS[5], cjson.encode({version = version, scores = told}))
end
return 0
"""


async def cancel(*tasks):
    for t in tasks:
        t.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def watch_redis(r, board, top, fps):
    last = None
    while True:
        try:
            async with r.pipeline(transaction=True) as p:
                p.get(f"{board}:version")
                p.zrevrange(f"{board}:ranking", 0, top - 1, withscores=True)
                version, rows = await p.execute()
            found = [[name, round(score)] for name, score in rows]
            if found != last and int(version or 0) >= current["version"]:
                last = found
                current.update(version=int(version or 0), top=found)
        except (RedisError, OSError):
            await asyncio.sleep(0.3)
        await asyncio.sleep(min(0.5, max(0.1, 1 / fps)))


async def send_scores(r, board, number):
    global on_the_way
    while True:
        await todo.wait()
        if not waiting:
            todo.clear()
            continue
        answer, player, seq, score = waiting.pop(0)
        on_the_way += 1
        try:
            await r.xadd(f"{board}:scores", {"player": player, "seq": seq, "score": score})
        except (RedisError, OSError):
            answer("busy", player, seq)
        else:
            answer("taken", player, seq)
        finally:
            on_the_way -= 1


@contextlib.asynccontextmanager
async def serve_board(host, port, url, *, board, top=10, fps=10.0, backlog=1000):
    pool = aioredis.ConnectionPool.from_url(
        url, decode_responses=True, max_connections=10, socket_timeout=3, socket_connect_timeout=3
    )
    r = aioredis.Redis(connection_pool=pool)

    async def tell(ws, lines, bell):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await bell.wait()
                bell.clear()
                while lines:
                    await ws.send(lines.pop(0))

    async def show(ws):
        shown, _at = -1, 0.0
        with contextlib.suppress(ConnectionClosed):
            while True:
                if current["top"] is not None and current["version"] > shown:
                    shown = current["version"]
                    await ws.send(
                        json.dumps({"type": "board", "version": shown, "top": current["top"]})
                    )
                await asyncio.sleep(max(0.15, 1 / fps))

    async def handler(ws):
        lines, bell = [], asyncio.Event()
        tasks = [asyncio.create_task(tell(ws, lines, bell))]

        def answer(kind, player, seq):
            if len(lines) > 1500:
                ws.transport.abort()
                return
            lines.append(json.dumps({"type": kind, "player": player, "seq": seq}))
            bell.set()

        try:
            async for raw in ws:
                said = json.loads(raw)
                if said["type"] == "watch":
                    tasks.append(asyncio.create_task(show(ws)))
                elif len(waiting) >= backlog:
                    answer("busy", said["player"], said["seq"])
                else:
                    waiting.append((answer, said["player"], said["seq"], said["score"]))
                    todo.set()
        except ConnectionClosed:
            pass
        finally:
            await cancel(*tasks)

    workers = min(8, backlog)
    tasks = [asyncio.create_task(send_scores(r, board, n)) for n in range(workers)]
    tasks.append(asyncio.create_task(watch_redis(r, board, top, fps)))
    try:
        async with serve(handler, host, port, close_timeout=3) as server:
            yield server
    finally:
        await cancel(*tasks)
        await r.aclose()
        await pool.disconnect()


async def work(url, stop, *, board, consumer, idle=10.0):
    keys = [f"{board}:{name}" for name in ("scores", "ranking", "seqs", "version", "changes")]
    looked = 0.0
    async with aioredis.from_url(
        url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5
    ) as r:
        joined = False
        while not stop.is_set():
            try:
                if not joined:
                    try:
                        await r.xgroup_create(keys[0], "board", "0", mkstream=True)
                    except ResponseError as e:
                        if "BUSYGROUP" not in str(e):
                            raise
                    joined = True
                entries = []
                if time.monotonic() - looked > idle / 3:
                    _, entries, *_ = await r.xautoclaim(
                        keys[0], "board", consumer, int(idle * 1000), "0-0", count=200
                    )
                    if not entries:
                        looked = time.monotonic()
                if not entries:
                    reply = await r.xreadgroup(
                        "board", consumer, {keys[0]: ">"}, count=200, block=800
                    )
                    entries = reply[0][1] if reply else []
                if entries:
                    rows = [[i, f["player"], f["seq"], f["score"]] for i, f in entries]
                    await r.eval(SCRIPT, len(keys), *keys, "board", json.dumps(rows))
            except (RedisError, OSError):
                await asyncio.sleep(0.5)
