"""Work off a Redis stream in a consumer group, and take over from workers that have died.

A warehouse packs what was ordered. Orders are entries of a stream, and several workers of one
consumer group share them. Some orders are packed in a second, some take an hour. Now and then a
worker is killed, from one line to the next. What it had in hand is then *pending*: Redis keeps it
on the worker's name, and gives it to nobody by itself.

Write `work` with redis-py's asyncio client (`redis.asyncio`). It runs until it is told to stop:

    await work(url, handle, stop, stream="orders", group="packers", consumer="worker 1")

Rules
  1. `await handle(entry_id, fields)` is called for every entry of the stream: also for those that
     were there before the group. If the group or the stream is not there, the worker creates it.
  2. An entry is acknowledged when its `handle` has returned, and not before.
  3. What has been pending for `idle` seconds without being delivered or claimed, by Redis' count,
     belongs to a dead worker: within another `idle` seconds a living one that has a hand free
     handles it. No sooner.
  4. As long as a worker lives, none of its entries becomes that idle, however long `handle` takes:
     nobody else gets them, and it does not get them twice.
  5. If `handle` raises, the entry stays pending, and is handled again as if its worker had died
     (rule 3). Others do not wait for it.
  6. An entry is delivered for work at most `max_deliveries` times, whether `handle` raised or the
     worker died. When it would be delivered once more, it goes to the stream `{stream}:dead`, with
     its fields and one more, `entry`: its id. It is never lost on the way; rather there twice.
  7. What is acknowledged, with all that is before it, and older than `retention` seconds by its id,
     is removed from the stream within `idle` seconds; up to a hundred such entries may stay, so
     that you can trim approximately. Nothing younger is removed, and nothing that is not
     acknowledged, however old it is.
  8. When `stop` is set, `handle` is not called any more. What has begun is finished and
     acknowledged; what was read and not begun stays pending. Then the connections are closed, and
     `work` returns: within ten seconds if nothing has begun.
  9. If a connection breaks, or the server is down, at the beginning or later, the worker carries on
     within ten seconds of its being back. (`handle` does no harm if it is called twice for one id.)

Ids and fields are handed over as `str`. All workers run this code, with the same arguments; each
has another `consumer`, but one that is started again may have the name of one that has died. Theirs
is the only group of the stream. An id begins with the time in milliseconds since 1970, and all
clocks agree.

Out of scope: the order of entries; how many are handled at once; the cancellation of `work`; a
server that is down for half of `idle` or more, or loses its data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

Handler = Callable[[str, Mapping[str, str]], Awaitable[object]]
"""An entry's id and its fields -> the work is done. Raises if it cannot be done now."""


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
    """Hand the entries of `stream` to `handle` until `stop` is set.

    `url`: the server's, "redis://..."; `idle`: seconds, 1 or more; `max_deliveries`: 1 or more.
    """
    raise NotImplementedError
