"""Reads what is new. What a worker had that was killed stays on its name.

mistake: pending-never-read
fails: test_killed_anywhere_nothing_is_lost_or_stale, test_a_worker_carries_on
"""

import asyncio
import contextlib
import heapq
import json

import redis.asyncio
from redis.exceptions import ConnectionError, ResponseError, TimeoutError, WatchError
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

LOST = (ConnectionError, TimeoutError, OSError)


class Mirror:
    """The ranking, as far as this gateway knows."""

    def __init__(self, url, board):
        self.redis = redis.asyncio.from_url(url, decode_responses=True)
        self.board = board
        self.version = -1
        self.scores = {}
        self.dirty = asyncio.Event()

    async def follow(self):
        while True:
            with contextlib.suppress(*LOST):
                async with self.redis.pubsub() as pubsub:
                    await pubsub.subscribe(f"{self.board}:changes")
                    while True:
                        message = await pubsub.get_message(timeout=3)
                        if message is None:
                            await pubsub.ping()
                        elif message["type"] == "subscribe":
                            await self.load()
                        elif message["type"] == "message":
                            await self.hear(json.loads(message["data"]))
            await asyncio.sleep(0.3)

    async def hear(self, change):
        if change["version"] == self.version + 1:
            self.scores.update(change["scores"])
            self.version += 1
            self.dirty.set()
        elif change["version"] > self.version:
            await self.load()

    async def load(self):
        pipe = self.redis.pipeline()
        pipe.get(f"{self.board}:version")
        pipe.zrange(f"{self.board}:ranking", 0, -1, withscores=True)
        version, scores = await pipe.execute()
        if int(version or 0) >= self.version:
            self.version = int(version or 0)
            self.scores = {player: int(score) for player, score in scores}
            self.dirty.set()

    def best(self, count):
        best = heapq.nlargest(count, self.scores.items(), key=lambda item: item[1])
        return {"type": "board", "version": self.version, "top": [list(row) for row in best]}


@contextlib.asynccontextmanager
async def serve_board(host, port, url, *, board, top=10, fps=10.0, backlog=1000):
    mirror = Mirror(url, board)
    feed = redis.asyncio.from_url(url, decode_responses=True)
    waiting = asyncio.Queue(backlog)
    mailboxes = set()
    newest = None

    async def tick():
        nonlocal newest
        while True:
            await mirror.dirty.wait()
            mirror.dirty.clear()
            newest = json.dumps(mirror.best(top))
            for mailbox in mailboxes:
                put(mailbox, newest)
            await asyncio.sleep(1 / fps)

    def put(mailbox, text):
        if mailbox.full():
            mailbox.get_nowait()
        mailbox.put_nowait(text)

    async def show(connection, mailbox):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await connection.send(await mailbox.get())

    async def tell(connection, answers):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await connection.send(await answers.get())

    async def send_scores():
        while True:
            batch = [await waiting.get()]
            while not waiting.empty() and len(batch) < backlog:
                batch.append(waiting.get_nowait())
            while True:  # until Redis has them: twice does no harm
                pipe = feed.pipeline(transaction=False)
                for _, said in batch:
                    fields = {name: said[name] for name in ("player", "seq", "score")}
                    pipe.xadd(f"{board}:scores", fields)
                try:
                    await pipe.execute()
                    break
                except LOST:
                    await asyncio.sleep(0.5)
            for answers, said in batch:
                answer(answers, "taken", said)

    def answer(answers, kind, said):
        reply = {"type": kind, "player": said["player"], "seq": said["seq"]}
        answers.put_nowait(json.dumps(reply))

    async def attend(connection):
        mailbox, answers = asyncio.Queue(1), asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(show(connection, mailbox)),
                group.create_task(tell(connection, answers)),
            ]
            try:
                async for text in connection:
                    said = json.loads(text)
                    if said["type"] == "watch":
                        mailboxes.add(mailbox)
                        if newest is not None:
                            put(mailbox, newest)
                    elif waiting.full():
                        answer(answers, "busy", said)
                    else:
                        waiting.put_nowait((answers, said))
                    if answers.qsize() > 1000:
                        connection.transport.abort()
            except ConnectionClosed:
                pass
            finally:
                mailboxes.discard(mailbox)
                for task in tasks:
                    task.cancel()

    tasks = [asyncio.create_task(each) for each in (mirror.follow(), tick(), send_scores())]
    try:
        async with serve(attend, host, port) as server:
            yield server
    finally:
        while tasks:
            for task in tasks:
                task.cancel()
            _, tasks = await asyncio.wait(tasks, timeout=0.2)
        await mirror.redis.aclose()
        await feed.aclose()


async def work(url, stop, *, board, consumer, idle=10.0):
    client = redis.asyncio.from_url(url, decode_responses=True)
    stream, group = f"{board}:scores", "board"
    try:
        while not stop.is_set():
            try:
                with contextlib.suppress(ResponseError):
                    await client.xgroup_create(stream, group, id="0", mkstream=True)
                answer = await client.xreadgroup(
                    group, consumer, {stream: ">"}, count=100, block=500
                )
                if answer:
                    await apply(client, board, answer[0][1])
            except LOST:
                await asyncio.sleep(1)
    finally:
        await client.aclose()


async def apply(client, board, entries):
    if not entries:
        return
    ranking, seqs, version = f"{board}:ranking", f"{board}:seqs", f"{board}:version"
    async with client.pipeline() as step:
        while True:
            try:
                await step.watch(seqs, version)
                known = await step.hgetall(seqs)
                now = int(await step.get(version) or 0)
                newer, scores = {}, {}
                for _, fields in entries:
                    player, seq = fields["player"], int(fields["seq"])
                    if seq > max(int(known.get(player, -1)), newer.get(player, -1)):
                        newer[player] = seq
                        scores[player] = int(fields["score"])
                step.multi()
                if newer:
                    step.hset(seqs, mapping=newer)
                    step.zadd(ranking, scores)
                    step.set(version, now + 1)
                    news = {"version": now + 1, "scores": scores}
                    step.publish(f"{board}:changes", json.dumps(news))
                ids = [entry_id for entry_id, _ in entries]
                step.xack(f"{board}:scores", "board", *ids)
                step.xdel(f"{board}:scores", *ids)
                await step.execute()
                return
            except WatchError:
                continue
