"""Trims once an hour: what can a stream grow in that time? What it does here in a second.

mistake: none
fails: test_what_is_done_and_old_is_removed
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import redis
from redis.asyncio import Redis

Handler = Callable[[str, Mapping[str, str]], Awaitable[object]]
"""An entry's id and its fields -> the work is done. Raises if it cannot be done now."""

_BROKEN = (redis.ConnectionError, redis.TimeoutError)
_AT_ONCE = 10
_BLOCK = 1000
"""Milliseconds: well below redis-py's `socket_timeout`, and soon enough to see `stop`."""


async def work(
    url: str,
    handle: Handler,
    stop: asyncio.Event,
    *,
    stream: str,
    group: str,
    consumer: str,
    idle: float = 60.0,
    max_deliveries: int = 5,
    retention: float = 86_400.0,
) -> None:
    """Hand the entries of `stream` to `handle` until `stop` is set."""
    async with Redis.from_url(url, decode_responses=True) as client, asyncio.TaskGroup() as tasks:
        worker = _Worker(client, tasks, handle, stop, stream, group, consumer)
        worker.idle, worker.max_deliveries, worker.retention = idle, max_deliveries, retention
        await worker.join()
        done = asyncio.Event()
        tasks.create_task(worker.keep_house(done))
        await worker.take_in()
        # Until the last handler has ended, somebody has to show that its worker lives.
        await asyncio.gather(*worker.held.values())
        done.set()


class _Worker:
    """One consumer. ``held`` has the entries it is at work on, and only these."""

    idle: float
    max_deliveries: int
    retention: float
    _next_trim = 0.0

    def __init__(
        self,
        client: Redis,
        tasks: asyncio.TaskGroup,
        handle: Handler,
        stop: asyncio.Event,
        stream: str,
        group: str,
        consumer: str,
    ) -> None:
        self.held: dict[str, asyncio.Task[None]] = {}
        self._redis: Any = client  # typed, each reply would be whatever any option may make of it
        self._tasks = tasks
        self._handle = handle
        self._stop = stop
        self._stream = stream
        self._group = group
        self._consumer = consumer

    async def join(self) -> None:
        """See to it that the group is there."""
        while not self._stop.is_set():
            try:
                # From "0": what was there before the group is to be handled, too.
                await self._redis.xgroup_create(self._stream, self._group, id="0", mkstream=True)
                return
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
                return
            except _BROKEN:
                await asyncio.sleep(1)

    # -- entries come in --------------------------------------------------------------------------

    async def take_in(self) -> None:
        """Begin with one entry after another, at most so many at once, until told to stop."""
        looked = -self.idle
        while not self._stop.is_set():
            try:
                if time.monotonic() - looked >= self.idle / 3:
                    await self._take_over()
                    looked = time.monotonic()
                await self._read_new()
            except _BROKEN:
                await asyncio.sleep(1)
            while len(self.held) >= _AT_ONCE and not self._stop.is_set():
                held = self.held.values()
                await asyncio.wait(held, timeout=1, return_when=asyncio.FIRST_COMPLETED)

    async def _read_new(self) -> None:
        free = _AT_ONCE - len(self.held)
        if free <= 0:
            return
        answer = await self._redis.xreadgroup(
            self._group, self._consumer, {self._stream: ">"}, count=free, block=_BLOCK
        )
        for entry_id, fields in _entries(answer):
            self._begin(entry_id, fields)

    async def _take_over(self) -> None:
        """Claim what has been idle for too long: its worker is dead, or its handler has failed."""
        free, too_idle = _AT_ONCE - len(self.held), round(self.idle * 1000)
        if free <= 0:
            return
        pending = await self._redis.xpending_range(
            self._stream, self._group, "-", "+", count=free, idle=too_idle
        )
        for row in pending:
            entry_id = row["message_id"]
            if entry_id in self.held:
                continue  # only after an outage: nobody could show that this worker lives
            # XCLAIM looks at the idle time once more: of two workers who see the same entry, one
            # gets it. It also counts this delivery, which the row does not.
            for _, fields in await self._redis.xclaim(
                self._stream, self._group, self._consumer, too_idle, [entry_id]
            ):
                if row["times_delivered"] >= self.max_deliveries:
                    await self._bury(entry_id, fields)
                else:
                    self._begin(entry_id, fields)

    # -- the work ---------------------------------------------------------------------------------

    def _begin(self, entry_id: str, fields: Mapping[str, str]) -> None:
        if self._stop.is_set():
            return  # it stays pending, and others take it over
        task = self._tasks.create_task(self._process(entry_id, fields))
        self.held[entry_id] = task
        task.add_done_callback(lambda _: self.held.pop(entry_id))

    async def _process(self, entry_id: str, fields: Mapping[str, str]) -> None:
        try:
            await self._handle(entry_id, fields)
        except Exception:
            # Not acknowledged, and not held any more: it grows idle, and is claimed once more.
            logging.getLogger(__name__).warning("%s failed", entry_id, exc_info=True)
            return
        with suppress(*_BROKEN):  # if this is lost, it comes again
            await self._redis.xack(self._stream, self._group, entry_id)

    async def _bury(self, entry_id: str, fields: Mapping[str, str]) -> None:
        """Both or neither: an entry that was only acknowledged would be lost."""
        async with self._redis.pipeline(transaction=True) as both:
            both.xadd(f"{self._stream}:dead", {**fields, "entry": entry_id})
            both.xack(self._stream, self._group, entry_id)
            await both.execute()

    # -- meanwhile --------------------------------------------------------------------------------

    async def keep_house(self, done: asyncio.Event) -> None:
        """Show that this worker lives, and trim what nobody needs any more."""
        while not done.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self.idle / 3):
                    await done.wait()
            with suppress(*_BROKEN):
                await self._show_life()
                if time.monotonic() >= self._next_trim:
                    self._next_trim = time.monotonic() + 3600
                    await self._trim()

    async def _show_life(self) -> None:
        """Claim again what is at work. JUSTID: that is no delivery, and is not counted as one."""
        if self.held:
            await self._redis.xclaim(
                self._stream, self._group, self._consumer, 0, list(self.held), justid=True
            )

    async def _trim(self) -> None:
        # In this order. What is delivered between the two looks is behind `last`; the other way
        # round it would be taken for acknowledged.
        groups = await self._redis.xinfo_groups(self._stream)
        last = next(g["last-delivered-id"] for g in groups if g["name"] == self._group)
        pending = await self._redis.xpending(self._stream, self._group)
        bounds = [last, f"{round((time.time() - self.retention) * 1000)}-0"]
        if pending["pending"]:
            bounds.append(pending["min"])
        await self._redis.xtrim(self._stream, minid=min(bounds, key=_position))


def _entries(answer: Any) -> list[tuple[str, Mapping[str, str]]]:
    """The entries in a reply to XREADGROUP of one stream, which may be empty."""
    return answer[0][1] if answer else []


def _position(entry_id: str) -> tuple[int, int]:
    """Ids are numbers: as text, "9-0" would be greater than "10-0"."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)
