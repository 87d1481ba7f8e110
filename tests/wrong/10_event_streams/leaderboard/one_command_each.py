"""Compares in a script, and then counts the version up and tells the others.

Three commands in a row, which nobody is ever killed between.

mistake: torn-update
fails: test_the_newest_score_counts, test_two_workers_have_a_player_between_them,
    test_killed_anywhere_nothing_is_lost_or_stale, test_a_worker_carries_on
"""

import asyncio
import itertools
import json
from contextlib import asynccontextmanager, suppress

import redis.asyncio as aioredis
import redis.exceptions
import websockets
from websockets.asyncio.server import serve

ERRORS = (redis.exceptions.RedisError, OSError)


class Board:
    def __init__(self, client, name, top):
        self.client, self.name, self.top = client, name, top
        self.version, self.text = -1, None
        self.moved = asyncio.Condition()
        self.looks = set()
        self.wanted = False

    def want(self):
        """See to it that a look begins after now; at most two at once."""
        if len(self.looks) >= 2:
            self.wanted = True
            return
        look = asyncio.create_task(self.look())
        self.looks.add(look)
        look.add_done_callback(self.looked)

    def looked(self, look):
        self.looks.discard(look)
        if self.wanted and not look.cancelled():
            self.wanted = False
            self.want()

    async def look(self):
        try:
            both = self.client.pipeline(transaction=True)
            both.zrevrange(f"{self.name}:ranking", 0, self.top - 1, withscores=True)
            both.get(f"{self.name}:version")
            best, version = await both.execute()
        except ERRORS:
            return
        version = int(version or 0)
        if version <= self.version:
            return
        self.version = version
        rows = [(player.decode(), round(score)) for player, score in best]
        self.text = json.dumps({"type": "board", "version": version, "top": rows})
        async with self.moved:
            self.moved.notify_all()

    async def follow(self):
        while True:
            with suppress(*ERRORS):
                async with self.client.pubsub() as pubsub:
                    await pubsub.subscribe(f"{self.name}:changes")
                    for quiet in itertools.count():
                        message = await pubsub.get_message(timeout=2)
                        if message or quiet % 2:
                            self.want()
            await asyncio.sleep(1)

    async def show(self, connection, fps):
        version = -1
        while True:
            async with self.moved:
                while self.version <= version:
                    await self.moved.wait()
                version, text = self.version, self.text
            await connection.send(text)
            await asyncio.sleep(1 / fps)


class Inbox:
    def __init__(self, client, stream, backlog):
        self.client, self.stream, self.backlog = client, stream, backlog
        self.rows = []
        self.some = asyncio.Event()

    def put(self, row):
        if len(self.rows) >= self.backlog:
            return False
        self.rows.append(row)
        self.some.set()
        return True

    async def empty(self):
        while True:
            await self.some.wait()
            await asyncio.sleep(0.02)
            rows, self.rows = self.rows, []
            self.some.clear()
            said = "taken"
            try:
                pipe = self.client.pipeline(transaction=True)
                for _, event in rows:
                    event.pop("type")
                    pipe.xadd(self.stream, event)
                await pipe.execute()
            except ERRORS:
                said = "busy"
            for replies, event in rows:
                reply(replies, said, event)


def reply(replies, said, event):
    text = json.dumps({"type": said, "player": event["player"], "seq": event["seq"]})
    with suppress(asyncio.QueueFull):
        replies.put_nowait(text)


@asynccontextmanager
async def serve_board(host, port, url, *, board, top=10, fps=10.0, backlog=1000):
    client = aioredis.from_url(url)
    shared = Board(client, board, top)
    inbox = Inbox(client, f"{board}:scores", backlog)

    async def write(connection, replies):
        while True:
            await connection.send(await replies.get())

    async def attend(connection):
        replies = asyncio.Queue(5000)
        tasks = [asyncio.create_task(write(connection, replies))]
        try:
            while True:
                event = json.loads(await connection.recv())
                if event["type"] == "watch":
                    tasks.append(asyncio.create_task(shared.show(connection, fps)))
                elif not inbox.put((replies, event)):
                    reply(replies, "busy", event)
                if replies.full():
                    connection.transport.abort()
        except websockets.ConnectionClosed:
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    shared.want()
    background = {asyncio.create_task(shared.follow()), asyncio.create_task(inbox.empty())}
    server = await serve(attend, host, port, compression=None)
    try:
        yield server
    finally:
        server.close()
        await server.wait_closed()
        pending = background
        while pending := {task for task in pending | shared.looks if not task.done()}:
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=0.1)
        await client.aclose()


TRY = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then
    local seq = string.match(known, '^[^:]+')
    if tonumber(seq) >= tonumber(ARGV[2]) then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return 1
"""


async def work(url, stop, *, board, consumer, idle=10.0):
    stream, group = f"{board}:scores", "board"
    client = aioredis.from_url(url, decode_responses=True)

    async def apply(entries):
        for entry_id, fields in entries:
            newer = await client.eval(
                TRY, 2, f"{board}:last", f"{board}:ranking",
                fields["player"], fields["seq"], fields["score"],
            )  # fmt: skip
            if newer:
                version = await client.incr(f"{board}:version")
                news = {"version": version, "scores": {fields["player"]: int(fields["score"])}}
                await client.publish(f"{board}:changes", json.dumps(news))
            async with client.pipeline() as both:
                both.xack(stream, group, entry_id)
                both.xdel(stream, entry_id)
                await both.execute()

    async def take_over():
        while not stop.is_set():
            with suppress(*ERRORS):
                found = await client.xautoclaim(stream, group, consumer, round(idle * 1000))
                await apply(found[1])
            with suppress(TimeoutError):
                async with asyncio.timeout(idle / 4):
                    await stop.wait()

    async def read():
        while not stop.is_set():
            try:
                answer = await client.xreadgroup(
                    group, consumer, {stream: ">"}, count=20, block=1000
                )
                for _, entries in answer:
                    await apply(entries)
            except redis.exceptions.ResponseError:
                await asyncio.sleep(0.2)
                with suppress(*ERRORS):
                    await client.xgroup_create(stream, group, id="0", mkstream=True)
            except ERRORS:
                await asyncio.sleep(1)

    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(read())
            both.create_task(take_over())
    finally:
        await client.aclose()
