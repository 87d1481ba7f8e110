"""A simulated Redis: redis-py's asyncio client runs on it unchanged, in virtual time, with faults.

The core (`engine` and `commands`) has no input or output and is handed a clock; `serving` puts it
on the network of a world, and `server` is what graders use::

    from autograder.simulation.servers.redis import RedisServer

    server = RedisServer(world)
    client = redis.asyncio.from_url(server.url)
    ...
    assert server.stream("orders").pending("shipping") == []

It answers as Valkey 9 does; one contract suite (tests/contracts/redis) runs over both.
"""

from __future__ import annotations

from .faults import Cut
from .replies import RedisError
from .server import RedisServer
from .views import Client, ConsumerView, Executed, PendingEntry, StreamView

__all__ = [
    "Client",
    "ConsumerView",
    "Cut",
    "Executed",
    "PendingEntry",
    "RedisError",
    "RedisServer",
    "StreamView",
]
