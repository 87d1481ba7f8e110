"""Creates the group at `$`: as of now. What players had sent before that, nobody reads.

mistake: starts-at-the-end
fails: test_the_newest_score_counts, test_a_worker_carries_on
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

GROUP = "board"
PAUSE = 0.5
"""Seconds until Redis is tried again that could not be reached."""
AT_ONCE = 500
"""Scores that go to Redis, or come from it, in one round trip."""
MOST_ANSWERS = 1000
"""Answers that may wait for a client that does not read them."""

_log = logging.getLogger(__name__)


def connect(url: str) -> Any:
    """A client of Redis. What takes longer than five seconds has failed, on every redis-py."""
    return Redis.from_url(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5)


# -- the gateway ----------------------------------------------------------------------------------


@asynccontextmanager
async def serve_board(
    host: str,
    port: int,
    url: str,
    *,
    board: str,
    top: int = 10,
    fps: float = 10.0,
    backlog: int = 1000,
) -> AsyncIterator[Server]:
    """Serve a board until the block is left. Port 0 is any free one."""
    async with connect(url) as redis:
        gateway = Gateway(redis, board, top, fps, backlog)
        jobs = (gateway.feed(), gateway.listen(), gateway.refresh())
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            # Ten boards a second to each of many: compressing them would be most of the work.
            async with serve(
                gateway.attend, host, port, compression=None, close_timeout=2
            ) as server:
                yield server
        finally:
            await end(tasks)


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: wait_for, which libraries use, may lose a cancellation in
    Python 3.11."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=0.1)


class Score(NamedTuple):
    """What a player has, and which of its scores that is."""

    player: str
    seq: int
    score: int


class Client:
    """One connection: what it is to be told, and a task that tells it."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.watches = False
        self.news = asyncio.Event()
        self._answers: deque[str] = deque()

    def answer(self, kind: Literal["taken", "busy"], score: Score) -> None:
        if len(self._answers) == MOST_ANSWERS:
            self.connection.transport.abort()
            return
        self._answers.append(json.dumps({"type": kind, "player": score.player, "seq": score.seq}))
        self.news.set()

    async def write(self, gateway: Gateway) -> None:
        """Send answers, and the board that is the newest when this client has taken the last one:
        those that have come and gone meanwhile are nobody's loss."""
        sent = ""
        with suppress(ConnectionClosed):
            while True:
                await self.news.wait()
                self.news.clear()
                while self._answers:
                    await self.connection.send(self._answers.popleft())
                if self.watches and gateway.shown != sent:
                    sent = gateway.shown
                    await self.connection.send(sent)


class Gateway:
    """Hands scores to Redis, and the board to whoever watches.

    ``shown`` is the newest board, as it is sent; "" until there is one.
    """

    def __init__(self, redis: Any, board: str, top: int, fps: float, backlog: int) -> None:
        self.shown = ""
        self._redis = redis
        self._board = board
        self._top = top
        self._pause = 1 / fps
        self._backlog = backlog
        self._clients: set[Client] = set()
        self._waiting: asyncio.Queue[tuple[Client, Score]] = asyncio.Queue(backlog)
        self._changed = asyncio.Event()
        self._best: list[list[Any]] | None = None

    async def attend(self, connection: ServerConnection) -> None:
        """Hear what one client says. Nothing in here waits for anybody else."""
        client = Client(connection)
        self._clients.add(client)
        writer = asyncio.create_task(client.write(self))
        try:
            async for text in connection:
                self._hear(client, json.loads(text))
        except (ValueError, KeyError, TypeError):
            await connection.close(CloseCode.POLICY_VIOLATION)
        except ConnectionClosed:
            pass
        finally:
            self._clients.discard(client)
            await end([writer])

    def _hear(self, client: Client, said: dict[str, Any]) -> None:
        if said["type"] == "watch":
            client.watches = True
            client.news.set()
            return
        score = Score(str(said["player"]), int(said["seq"]), int(said["score"]))
        try:
            self._waiting.put_nowait((client, score))
        except asyncio.QueueFull:
            client.answer("busy", score)

    async def feed(self) -> None:
        """Put scores into the stream: all that wait, in one round trip."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < min(AT_ONCE, self._backlog) and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                async with self._redis.pipeline(transaction=False) as pipe:
                    for _, score in batch:
                        pipe.xadd(f"{self._board}:scores", score._asdict())
                    replies = await pipe.execute(raise_on_error=False)
            except RedisError as error:
                # Perhaps they are in the stream. They may come twice, and they must not get lost.
                replies = [error] * len(batch)
            for (client, score), reply in zip(batch, replies, strict=True):
                client.answer("busy" if isinstance(reply, Exception) else "taken", score)

    async def listen(self) -> None:
        """Hear that something has changed. What, is read; so it does not matter what is missed."""
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(f"{self._board}:changes")
                    while True:
                        if await pubsub.get_message(timeout=1.0) is not None:
                            self._changed.set()
            except RedisError as error:
                _log.warning("not subscribed: %s", error)
                await asyncio.sleep(PAUSE)

    async def refresh(self) -> None:
        """Show the newest board, at most so many times a second.

        Once a second it looks even if it has heard nothing: messages get lost. One look comes after
        the other, so that none can bring something older than the one before.
        """
        while True:
            try:
                await self._look()
            except RedisError as error:
                _log.warning("no board to show: %s", error)
                await asyncio.sleep(PAUSE)
            await asyncio.sleep(self._pause)
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._changed.wait()
            self._changed.clear()  # before the look: what comes after it needs another one

    async def _look(self) -> None:
        async with self._redis.pipeline(transaction=True) as both:  # else one may be the newer
            both.get(f"{self._board}:version")
            both.zrange(f"{self._board}:ranking", 0, self._top - 1, desc=True, withscores=True)
            version, ranking = await both.execute()
        best = [[player, int(score)] for player, score in ranking]
        if best == self._best:
            return
        self._best = best
        self.shown = json.dumps({"type": "board", "version": int(version or 0), "top": best})
        for client in self._clients:
            if client.watches:
                client.news.set()


# -- the worker -----------------------------------------------------------------------------------

LINGER = 0.02
"""Seconds between two steps: what comes meanwhile is applied, and told, together."""

APPLY = """
local stream, ranking, newest, version, channel = unpack(KEYS)
local scores, changed = {}, false
for i = 2, #ARGV, 4 do
    local id, player, seq, score = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    if tonumber(seq) > tonumber(redis.call('HGET', newest, player) or -1) then
        redis.call('HSET', newest, player, seq)
        redis.call('ZADD', ranking, score, player)
        scores[player], changed = tonumber(score), true
    end
    redis.call('XACK', stream, ARGV[1], id)
    redis.call('XDEL', stream, id)
end
if changed then
    local said = {version = redis.call('INCR', version), scores = scores}
    redis.call('PUBLISH', channel, cjson.encode(said))
end
"""
"""Nothing comes between the look at the newest and the writing, and nobody sees a half of it."""


async def work(
    url: str, stop: asyncio.Event, *, board: str, consumer: str, idle: float = 10.0
) -> None:
    """Apply the scores of a board until `stop` is set."""
    async with connect(url) as redis:
        worker = Worker(redis, board, consumer, round(idle * 1000))
        while not stop.is_set():
            try:
                await worker.join()
                while not stop.is_set():
                    await worker.take_over()
                    await worker.apply(await worker.read())
                    await asyncio.sleep(LINGER)
            except RedisError as error:
                if isinstance(error, ResponseError):
                    _log.exception("Redis refuses")
                await asyncio.sleep(PAUSE)


class Worker:
    """One consumer of the group. ``idle`` is in milliseconds."""

    def __init__(self, redis: Any, board: str, consumer: str, idle: int) -> None:
        self._redis = redis
        self._stream = f"{board}:scores"
        self._keys = [
            self._stream, f"{board}:ranking", f"{board}:newest", f"{board}:version",
            f"{board}:changes",
        ]  # fmt: skip
        self._consumer = consumer
        self._idle = idle
        self._next_look = 0.0
        self._apply = redis.register_script(APPLY)

    async def join(self) -> None:
        """See to it that the group is there."""
        try:
            await self._redis.xgroup_create(self._stream, GROUP, id="$", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def take_over(self) -> None:
        """Apply what the dead have left. If they are only slow, it is applied twice: no harm."""
        now = asyncio.get_running_loop().time()
        if now < self._next_look:
            return
        start = "0-0"
        while True:
            start, entries, *_ = await self._redis.xautoclaim(
                self._stream, GROUP, self._consumer, self._idle, start, count=AT_ONCE
            )
            await self.apply(entries)
            if start == "0-0":
                break
        self._next_look = now + self._idle / 3000

    async def read(self) -> list[tuple[str, dict[str, str]]]:
        """What is new; after a second in which nothing is, nothing."""
        answer = await self._redis.xreadgroup(
            GROUP, self._consumer, {self._stream: ">"}, count=AT_ONCE, block=1000
        )
        return answer[0][1] if answer else []

    async def apply(self, entries: list[tuple[str, dict[str, str]]]) -> None:
        """Bring the ranking up to date, in one step."""
        if entries:
            rows = [
                word
                for entry_id, fields in entries
                for word in (entry_id, fields["player"], fields["seq"], fields["score"])
            ]
            await self._apply(keys=self._keys, args=[GROUP, *rows])
