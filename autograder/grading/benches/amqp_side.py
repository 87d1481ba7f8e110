"""What graders of AMQP clients do on the other side of the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def arrange(
    url: str,
    exchange: str,
    queues: Mapping[str, Sequence[str]],
    arguments: Mapping[str, Any] | None = None,
) -> None:
    """Declare a durable topic exchange, and durable queues with the keys they are bound for."""
    import aio_pika

    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        topic = await channel.declare_exchange(exchange, "topic", durable=True)
        for name, keys in queues.items():
            queue = await channel.declare_queue(
                name, durable=True, arguments=dict(arguments) if arguments else None
            )
            for key in keys:
                await queue.bind(topic, key)


async def ended(coro: Coroutine[Any, Any, T], seconds: float, what: str) -> T:
    """What ``coro`` gives; AssertionError if it takes longer. ``what`` is it, in words."""
    task = asyncio.create_task(coro)
    try:
        done, _ = await asyncio.wait([task], timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=30)
    assert done, f"{what} has not ended after {seconds:g} s"
    return task.result()
