"""No task for each client: one ticker walks over all of them, `fps` times a second.

It gives a client the newest board if what it was given before has left its buffer. It asks Redis
for the version at each tick, and hears of nothing. Eight tasks with a connection each put scores
into the stream, one by one.
"""

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError, ResponseError
from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

BOARD = """
return {redis.call('GET', KEYS[1]) or '0',
        redis.call('ZREVRANGE', KEYS[2], 0, ARGV[1] - 1, 'WITHSCORES')}
"""

STEP = """
local seen = redis.call('HGET', KEYS[1], ARGV[1])
if not seen or tonumber(seen) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
  local version = redis.call('INCR', KEYS[3])
  redis.call('PUBLISH', KEYS[5],
    cjson.encode({version = version, scores = {[ARGV[1]] = tonumber(ARGV[3])}}))
end
redis.call('XACK', KEYS[4], 'board', ARGV[4])
return redis.call('XDEL', KEYS[4], ARGV[4])
"""


@asynccontextmanager
async def serve_board(host, port, url, *, board, top=10, fps=10.0, backlog=1000):
    pool = BlockingConnectionPool.from_url(url, max_connections=9, timeout=None)
    redis = Redis.from_pool(pool)
    scores = asyncio.Queue(backlog)
    given = {}  # each viewer's connection, and what it was given last
    shown = None

    def tell(connection, kind, said):
        if connection.transport.get_write_buffer_size() > 1_000_000:
            connection.transport.abort()
            return
        broadcast(
            [connection], json.dumps({"type": kind, "player": said["player"], "seq": said["seq"]})
        )

    def give(connection):
        if (
            shown
            and given[connection] != shown
            and not connection.transport.get_write_buffer_size()
        ):
            given[connection] = shown
            broadcast([connection], shown)

    async def attend(connection):
        try:
            async for text in connection:
                said = json.loads(text)
                if said["type"] == "watch":
                    given[connection] = None
                else:
                    try:
                        scores.put_nowait((connection, said))
                    except asyncio.QueueFull:
                        tell(connection, "busy", said)
        except ConnectionClosed:
            pass
        finally:
            given.pop(connection, None)

    async def add():
        while True:
            connection, said = await scores.get()
            entry = {"player": said["player"], "seq": said["seq"], "score": said["score"]}
            try:
                await redis.xadd(f"{board}:scores", entry)
            except RedisError:
                tell(connection, "busy", said)
            else:
                tell(connection, "taken", said)

    async def tick():
        nonlocal shown
        while True:
            await asyncio.sleep(1 / fps)
            try:
                version, flat = await redis.eval(
                    BOARD, 2, f"{board}:version", f"{board}:ranking", top
                )
            except RedisError:
                continue
            best = [[p.decode(), int(s)] for p, s in zip(flat[::2], flat[1::2], strict=True)]
            shown = json.dumps({"type": "board", "version": int(version), "top": best})
            for connection in list(given):
                give(connection)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(redis.aclose, close_connection_pool=True)
        tasks = [asyncio.create_task(add()) for _ in range(8)] + [asyncio.create_task(tick())]

        async def end():
            pending = set(tasks)
            while pending:
                for task in pending:
                    task.cancel()
                pending = (await asyncio.wait(pending, timeout=0.1))[1]

        stack.push_async_callback(end)
        yield await stack.enter_async_context(serve(attend, host, port, max_queue=100))


async def work(url, stop, *, board, consumer, idle=10.0):
    names = ("seen", "ranking", "version", "scores", "changes")
    keys = [f"{board}:{name}" for name in names]

    async def step(redis, entries):
        for entry_id, fields in entries:
            await redis.eval(
                STEP, 5, *keys, fields["player"], fields["seq"], fields["score"], entry_id
            )

    async def session(redis):
        try:
            await redis.xgroup_create(keys[3], "board", "0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        while not stop.is_set():
            rows = await redis.xpending_range(
                keys[3], "board", "-", "+", 50, idle=round(idle * 1000)
            )
            if rows:
                ids = [row["message_id"] for row in rows]
                await step(redis, await redis.xclaim(keys[3], "board", consumer, 0, ids))
            for _, entries in await redis.xreadgroup("board", consumer, {keys[3]: ">"}, 50, 800):
                await step(redis, entries)

    while not stop.is_set():
        try:
            async with Redis.from_url(url, decode_responses=True) as redis:
                await session(redis)
        except (RedisError, OSError):
            await asyncio.sleep(1)
